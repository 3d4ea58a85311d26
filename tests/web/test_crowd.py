"""Who gets a place when all are taken."""

import pytest

from allmydata.web.crowd import MOST, Crowd, places


class Guest:
    def __init__(self):
        self.has_left = False

    def make_room(self):
        self.has_left = True


@pytest.fixture
def full():
    """Three places, all taken: by the first longest."""
    crowd, guests = Crowd(3), [Guest() for _ in range(3)]
    assert all(crowd.enter(guest) for guest in guests)
    return crowd, guests


def left(guests):
    return [i for i, guest in enumerate(guests) if guest.has_left]


def test_who_comes_gets_the_place_of_the_longest_idle(full):
    crowd, guests = full
    assert crowd.enter(Guest())
    assert left(guests) == [0]
    assert len(crowd) == 3


def test_who_asked_for_something_is_not_the_longest_idle_any_more(full):
    crowd, guests = full
    crowd.is_busy(guests[0])
    crowd.is_idle(guests[0])
    crowd.enter(Guest())
    assert left(guests) == [1]


def test_who_is_busy_stays(full):
    crowd, guests = full
    crowd.is_busy(guests[0])
    crowd.is_busy(guests[2])
    assert crowd.enter(Guest())
    assert left(guests) == [1]


def test_where_all_are_busy_nobody_is_let_in(full):
    crowd, guests = full
    for guest in guests:
        crowd.is_busy(guest)
    assert not crowd.enter(Guest())
    assert left(guests) == []
    crowd.leave(guests[1])
    assert crowd.enter(Guest())


def test_who_was_sent_away_may_leave_and_change_its_mind(full):
    crowd, guests = full
    crowd.enter(Guest())
    for change in (crowd.is_busy, crowd.is_idle, crowd.leave):
        change(guests[0])
    assert len(crowd) == 3


def test_half_of_the_descriptors_are_places(monkeypatch):
    for soft, num in [(1024, 512), (10**6, MOST), (-1, MOST)]:
        monkeypatch.setattr("resource.getrlimit", lambda _, soft=soft: (soft, soft))
        assert places() == num
