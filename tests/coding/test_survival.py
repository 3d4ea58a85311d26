from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allmydata.coding import survival
from allmydata.coding.survival import num_readable, spare_servers

holdings_of_few = st.dictionaries(
    st.integers(0, 6), st.sets(st.integers(0, 7), max_size=4), max_size=6
)


def tried_out(holdings, k):
    """What spare_servers says, by looking at every set of servers."""
    for num_dead in range(len(holdings) + 1):
        for dead in combinations(holdings, num_dead):
            left = {s: held for s, held in holdings.items() if s not in dead}
            if num_readable(left) < k:
                return num_dead - 1
    return len(holdings)


@given(holdings_of_few, st.integers(1, 6))
def test_it_is_what_trying_every_set_of_servers_finds(holdings, k):
    assert spare_servers(holdings, k) == tried_out(holdings, k)


@pytest.mark.parametrize(
    ("holdings", "k", "spare"),
    [
        ({i: {i} for i in range(10)}, 3, 7),
        ({0: {0, 1, 2}, 1: {3}, 2: {4}}, 3, 0),  # with server 0 all but two shares go
        ({0: {0}, 1: {0}, 2: {0}}, 1, 2),  # copies of one share
        ({0: {0}, 1: {1}}, 3, -1),
        ({}, 1, -1),
        ({}, 0, 0),
    ],
)
def test_servers_count_and_not_shares(holdings, k, spare):
    assert spare_servers(holdings, k) == spare


@given(holdings_of_few, st.integers(1, 6))
def test_where_not_all_sets_can_be_tried_it_is_never_too_high(holdings, k):
    most, survival.MOST_TRIALS = survival.MOST_TRIALS, 3
    try:
        assert spare_servers(holdings, k) <= tried_out(holdings, k)
    finally:
        survival.MOST_TRIALS = most
