from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allmydata.keeper.schedule import (
    RETRY_S,
    Rules,
    Sampler,
    State,
    Surroundings,
    Watched,
    judge,
    mend_cost,
    remember,
    retry_at,
    sample_size,
    verify_cost,
)
from allmydata.uri import CHKFileVerifierURI

CAP = CHKFileVerifierURI(b"i" * 16, b"s" * 32, 3, 10, 3000)
ALL = {f"s{i}": frozenset([i]) for i in range(10)}
RULES = Rules(check_every_s=86400, patience_s=4 * 3600)
NOW = 1_000_000.0


def without(*servers):
    return {s: held for s, held in ALL.items() if s not in servers}


def look(away=(), lost=(), away_s=60.0, drained=(), **known):
    """Judge a file of ten servers, some of which are away or have lost their share."""
    file = Watched(1, CAP, **{"state": State.WELL, "held": ALL, **known})
    answered = [s for s in ALL if s not in away]
    held = remember(file.held, without(*away, *lost), answered)
    around = Surroundings(dict.fromkeys(away, away_s), frozenset(drained))
    return judge(file, answered, held, around, RULES, NOW)


def test_a_file_that_is_whole_is_looked_at_again_after_the_usual_time():
    found = look()
    assert (found.state, found.num_good, found.spare) == (State.WELL, 10, 7)
    assert NOW + 0.8 * 86400 <= found.due <= NOW + 86400
    assert found.weak_since is None


def test_a_share_that_is_gone_from_a_server_that_answers_is_to_be_made_again_now():
    found = look(lost=["s3"])
    assert (found.state, found.spare, found.due) == (State.WEAK, 6, NOW)
    assert found.weak_since == NOW


def test_a_server_that_is_merely_away_is_waited_for():
    found = look(away=["s3"])
    assert found.state == State.WAITING
    assert found.due == NOW + 4 * 3600


def test_but_not_longer_than_the_patience():
    late = NOW - 4 * 3600
    assert look(away=["s3"], weak_since=late, state=State.WAITING).state == State.WEAK
    assert look(away=["s3"], away_s=4 * 3600).state == State.WEAK


def test_nor_when_something_else_is_missing_too():
    assert look(away=["s3"], lost=["s4"]).state == State.WEAK


def test_nor_when_the_file_could_not_bear_one_more_loss():
    away = [f"s{i}" for i in range(7)]
    assert look(away=away).state == State.WEAK
    assert look(away=away[:6]).state == State.WAITING


def test_fewer_shares_than_needed_are_waited_for_without_an_attempt():
    found = look(away=[f"s{i}" for i in range(8)])
    assert (found.state, found.spare) == (State.UNREADABLE, -1)
    assert found.due == NOW + RETRY_S


def test_of_a_new_file_nobody_knows_what_a_server_that_is_away_has():
    assert look(away=["s3"], held={}, state=State.NEW).state == State.WAITING
    assert look(lost=["s3"], held={}, state=State.NEW).state == State.WEAK


def test_what_a_drained_server_has_is_to_be_had_elsewhere_too():
    found = look(drained=["s3"])
    assert (found.state, found.spare) == (State.WEAK, 7)
    assert look(away=["s3"], drained=["s3"]).state == State.WEAK


def test_what_was_seen_on_a_server_is_remembered_until_it_answers_otherwise():
    old = {"a": frozenset([1]), "b": frozenset([2])}
    assert remember(old, {"a": [1, 3]}, ["a"]) == {"a": {1, 3}, "b": {2}}
    assert remember(old, {}, ["a"]) == {"b": {2}}


def test_what_fails_is_tried_less_and_less_often():
    waits = [retry_at(i, RULES, 0.0) for i in range(1, 40)]
    assert waits[:3] == [600, 1200, 2400]
    assert waits == sorted(waits)
    assert max(waits) == RULES.check_every_s


def test_costs_are_those_of_shares_moved():
    share = 1000 + 1024
    assert mend_cost(CAP, 2) == 5 * share
    assert verify_cost(CAP, {"a": [1, 2], "b": [3]}) == 3 * share


@given(st.integers(1, 20_000))
def test_a_sample_finds_one_share_of_a_hundred_with_99_percent(num):
    size, bad = sample_size(num), -(-num // 100)
    assert comb(num - bad, size) * 100 <= comb(num, size)
    assert size == 1 or comb(num - bad, size - 1) * 100 > comb(num, size - 1)


@pytest.mark.parametrize(("num", "size"), [(0, 0), (1, 1), (100, 99), (10**6, 459)])
def test_sizes_of_samples(num, size):
    assert sample_size(num) == size


def test_a_round_reads_enough_of_every_server():
    held = {"a": 1000, "b": 1000, "c": 3}
    files = [["a", "b", "c"]] * 3 + [["a"], ["b"]] * 997
    sampler = Sampler.for_servers(held)
    chosen = [file for file in files if sampler.wants(file)]
    assert sampler.is_done
    assert sum("a" in file for file in chosen) == sample_size(1000)
    assert sum("c" in file for file in chosen) == 3
