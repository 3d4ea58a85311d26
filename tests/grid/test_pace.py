"""What is usual for a server, and who is late."""

import pytest

from allmydata.grid.pace import (
    DOUBT_S,
    FLOOR_S,
    HALF_LIFE_S,
    LONGEST_DOUBT_S,
    STRANGER,
    Paces,
    Usual,
)


def paces_of(seconds, kind="read", holder="a"):
    paces = Paces()
    for i in range(50):
        paces.took(holder, kind, seconds, float(i))
    return paces


def test_a_server_nobody_knows_gets_what_the_caller_says():
    assert Paces().limit("a", "read", 0.4) == 0.4


def test_a_steady_server_is_late_soon_after_its_usual_time():
    assert paces_of(0.2).limit("a", "read", 9.0) == pytest.approx(0.2, rel=0.01)


def test_nothing_is_late_before_the_floor():
    assert paces_of(0.001).limit("a", "read", 9.0) == FLOOR_S


def test_a_server_that_varies_is_given_more():
    usual = Usual.first(0.1, 0.0)
    for i in range(100):
        usual.take(0.05 if i % 2 else 0.15, float(i))
    assert 0.25 < usual.limit_s < 0.4


def test_another_kind_of_call_says_nothing():
    assert paces_of(0.2, "write").limit("a", "read", 0.4) == 0.4


def test_a_server_not_asked_yet_is_given_more_than_the_others_need():
    limit = paces_of(0.2).limit("b", "read", 9.0)
    assert limit == pytest.approx(STRANGER * 0.2, rel=0.01)


def test_one_answer_after_an_hour_does_not_make_an_hour_usual():
    paces = paces_of(0.01)
    paces.took("a", "read", 3600.0, 51.0)
    assert paces.limit("a", "read", 9.0) < 4 * FLOOR_S


def test_a_server_that_became_slower_is_believed_in_the_end():
    paces = paces_of(0.01)
    for i in range(60):
        paces.took("a", "read", 0.5, 60.0 + i)
    assert 0.5 <= paces.limit("a", "read", 9.0) < 1.0


def test_what_was_long_ago_counts_less():
    recent, old = paces_of(0.04), paces_of(0.04)
    recent.took("a", "read", 0.02, 50.0)
    old.took("a", "read", 0.02, 50.0 + 10 * HALF_LIFE_S)
    old.took("a", "read", 0.02, 51.0 + 10 * HALF_LIFE_S)
    recent.took("a", "read", 0.02, 51.0)
    assert recent._usual["a", "read"].mean_s > 0.03
    assert old._usual["a", "read"].mean_s == pytest.approx(0.02, rel=0.01)


# ---- doubts ----------------------------------------------------------------------------


def test_a_server_that_was_late_is_asked_last_for_a_minute():
    paces = Paces()
    paces.late("a", 100.0)
    assert paces.is_late("a", 99.0 + DOUBT_S) and not paces.is_late("b", 100.0)
    assert not paces.is_late("a", 100.0 + DOUBT_S)


def test_an_answer_in_time_ends_that():
    paces = paces_of(0.2)
    paces.late("a", 100.0)
    paces.took("a", "read", 0.1, 101.0)
    assert not paces.is_late("a", 101.0)


def test_a_late_answer_does_not():
    paces = paces_of(0.2)
    paces.late("a", 100.0)
    paces.took("a", "read", 5.0, 105.0)
    assert paces.is_late("a", 105.0)


def test_late_again_without_an_answer_is_doubted_twice_as_long():
    paces, now = Paces(), 0.0
    for length in (60, 120, 240, 480, 960, LONGEST_DOUBT_S):
        paces.late("a", now)
        paces.late("a", now + 1)  # the same silence, seen by another transfer
        assert paces.is_late("a", now + length - 1)
        now += length
        assert not paces.is_late("a", now)
