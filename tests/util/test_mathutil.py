from hypothesis import given
from hypothesis import strategies as st

from allmydata.util.mathutil import (
    div_ceil,
    log2_exact,
    next_multiple,
    next_power_of_2,
    pad_size,
)

sizes = st.integers(0, 10**30)
steps = st.integers(1, 10**10)


@given(sizes, steps)
def test_rounding_up_goes_to_the_nearest_multiple_and_is_exact_at_any_size(a, b):
    assert (div_ceil(a, b) - 1) * b < a <= div_ceil(a, b) * b
    assert next_multiple(a, b) == div_ceil(a, b) * b == a + pad_size(a, b)


@given(st.integers(0, 200))
def test_powers_of_two_are_themselves_and_all_else_goes_up(exponent):
    power = 2**exponent
    assert next_power_of_2(power) == power
    assert log2_exact(power) == exponent
    assert next_power_of_2(power + 1) == 2 * power


def test_the_smallest_power_of_two_is_one():
    assert [next_power_of_2(a) for a in (0, 1, 2, 3, 4, 5)] == [1, 1, 2, 4, 4, 8]
