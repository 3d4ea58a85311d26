import pytest
from hypothesis import given
from hypothesis import strategies as st

from allmydata.storage.extents import Extents

spans = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 12)), max_size=12)


def filled(pairs):
    extents, truth = Extents(), set()
    for start, length in pairs:
        extents.add(start, start + length)
        truth |= set(range(start, start + length))
    return extents, truth


@given(spans, st.integers(0, 60))
def test_the_first_gap_is_the_first_offset_not_written(pairs, size):
    extents, truth = filled(pairs)
    assert extents.first_gap(size) == next((i for i in range(size) if i not in truth), None)


@given(spans, st.integers(0, 50), st.integers(0, 12))
def test_overlaps_are_the_offsets_written_before(pairs, start, length):
    extents, truth = filled(pairs)
    found = extents.overlaps(start, start + length)
    offsets = [i for a, b in found for i in range(a, b)]
    assert offsets == sorted(truth & set(range(start, start + length)))


@given(spans)
def test_spans_that_touch_become_one(pairs):
    extents, truth = filled(pairs)
    runs = sum(1 for i in truth if i - 1 not in truth)
    assert len(extents) == runs


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (0, 2, 1), (1, 0, 2)])
def test_order_does_not_matter(order):
    extents = Extents()
    for i in order:
        extents.add(10 * i, 10 * i + 10)
    assert len(extents) == 1
    assert extents.first_gap(30) is None
    assert extents.first_gap(31) == 30
