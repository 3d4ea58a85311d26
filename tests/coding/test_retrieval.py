import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allmydata.coding.retrieval import ShareChooser
from allmydata.errors import NoSharesError, NotEnoughSharesError

unhurried = settings(deadline=None)


def chooser_of(k, *pairs):
    chooser = ShareChooser(k)
    for pair in pairs:
        chooser.add(*pair)
    return chooser


def test_primaries_are_picked_before_shares_that_need_decoding():
    chooser = chooser_of(3, (9, "a"), (7, "b"), (2, "c"), (0, "d"), (1, "e"))
    assert sorted(chooser.pick()) == [(0, "d"), (1, "e"), (2, "c")]


def test_different_servers_are_picked_rather_than_two_shares_of_one():
    chooser = chooser_of(2, (5, "a"), (6, "a"), (7, "b"))
    assert chooser.pick() == [(5, "a"), (7, "b")]


def test_of_two_holders_the_quicker_is_picked():
    chooser = chooser_of(1, (0, "far", 0.9), (0, "near", 0.1))
    assert chooser.pick() == [(0, "near")]


def test_of_equals_the_first_heard_of_is_picked():
    assert chooser_of(1, (0, "b"), (0, "a")).pick() == [(0, "b")]


def test_latency_may_be_learnt_later():
    chooser = chooser_of(1, (0, "a", 0.1), (0, "b", 0.5))
    chooser.add(0, "a", 0.9)
    assert chooser.pick() == [(0, "b")]


def test_a_failed_share_is_replaced_and_never_offered_again():
    chooser = chooser_of(2, (0, "a"), (1, "b"), (5, "c"))
    chooser.fail(0, "a", "bad hash")
    chooser.add(0, "a")
    assert sorted(chooser.pick()) == [(1, "b"), (5, "c")]


def test_the_same_share_elsewhere_outlives_the_failed_one():
    chooser = chooser_of(1, (0, "a"), (0, "b"))
    chooser.fail(0, "a", "bad hash")
    assert chooser.pick() == [(0, "b")]


def test_a_lost_server_takes_all_its_shares_along():
    chooser = chooser_of(1, (0, "a"), (1, "a"), (5, "b"))
    chooser.lose("a", "connection lost")
    assert chooser.pick() == [(5, "b")]
    assert len(chooser.tried) == 2


def test_a_slow_server_comes_after_all_others_even_with_primaries():
    chooser = chooser_of(2, (0, "a"), (1, "b"), (8, "c"), (9, "c"))
    chooser.slow(0, "a")
    assert chooser.pick() == [(1, "b"), (8, "c")]
    chooser.fail(8, "c", "gone")
    chooser.fail(9, "c", "gone")
    assert chooser.pick() == [(1, "b"), (0, "a")]


def test_being_slow_again_puts_a_server_further_back():
    chooser = chooser_of(1, (0, "a"), (1, "b"))
    chooser.slow(0, "a")
    chooser.slow(0, "a")
    chooser.slow(1, "b")
    assert chooser.pick() == [(1, "b")]


def test_what_is_in_hand_is_not_picked_again_and_its_server_counts_as_busy():
    chooser = chooser_of(3, (5, "a"), (6, "a"), (6, "b"), (7, "c"))
    assert chooser.pick(having=[(5, "a")]) == [(6, "b"), (7, "c")]


def test_nothing_is_picked_when_enough_is_in_hand():
    chooser = chooser_of(2, (0, "a"), (1, "b"), (2, "c"))
    assert chooser.pick(having=[(0, "a"), (2, "c")]) == []


def test_what_is_excluded_is_passed_over_this_time_only():
    chooser = chooser_of(1, (0, "a"), (1, "b"))
    assert chooser.pick(exclude=[(0, "a")]) == [(1, "b")]
    assert chooser.pick() == [(0, "a")]


def test_fewer_are_picked_when_there_are_no_more_numbers():
    chooser = chooser_of(3, (0, "a"), (0, "b"), (4, "a"))
    assert chooser.num_available == 2
    assert {shnum for shnum, _ in chooser.pick()} == {0, 4}


def test_the_shortage_names_every_share_tried_and_why():
    chooser = ShareChooser(3, name=str.upper)
    chooser.add(0, "a")
    chooser.add(1, "b")
    chooser.add(2, "c")
    chooser.fail(1, "b", "wrong block hash")
    chooser.lose("c", "connection lost")
    error = chooser.shortage()
    assert isinstance(error, NotEnoughSharesError)
    assert error.message == "1 good shares were found [0], 3 are needed"
    assert error.why == "share 1 from B: wrong block hash; share 2 from C: connection lost"
    assert error.why == "; ".join(chooser.tried)


def test_where_nothing_was_found_the_shortage_is_of_all_shares():
    assert isinstance(ShareChooser(3).shortage(), NoSharesError)


def test_the_first_reason_a_share_failed_is_the_one_reported():
    chooser = chooser_of(1, (0, "a"))
    chooser.fail(0, "a", "bad hash")
    chooser.fail(0, "a", "cancelled")
    assert chooser.tried == ["share 0 from a: bad hash"]


pairs = st.tuples(st.integers(0, 9), st.sampled_from("abcde"))


@unhurried
@given(st.integers(1, 5), st.lists(pairs), st.lists(pairs), st.lists(pairs))
def test_picks_are_distinct_numbers_still_good_and_as_many_as_can_be(k, added, bad, slow):
    chooser = chooser_of(k, *added)
    for pair in bad:
        chooser.fail(*pair, "bad")
    for pair in slow:
        chooser.slow(*pair)
    good = set(added) - set(bad)
    picked = chooser.pick()
    assert set(picked) <= good
    assert len({shnum for shnum, _ in picked}) == len(picked)
    assert len(picked) == min(k, len({shnum for shnum, _ in good}))
    assert chooser.pick() == picked


@pytest.mark.parametrize("k", [1, 3, 25])
def test_replacing_each_failure_ends_when_every_share_was_tried(k):
    chooser = chooser_of(k, *((number, f"s{number % 7}") for number in range(30)))
    while picked := chooser.pick():
        if len(picked) < k:
            break
        chooser.fail(*picked[0], "bad")
    assert len(chooser.tried) == 30 - k + 1
