"""When memory is given back, by a clock that a test moves."""

import pytest
from twisted.internet.task import Clock

from allmydata.immutable.transfers import Transfers
from allmydata.node.tidying import BETWEEN, HUGE, LARGE, OFTENER, SOON_S, Tidying


@pytest.fixture
def rig():
    rig = Rig()
    rig.tidying.startService()
    yield rig
    rig.tidying.stopService()
    assert not rig.clock.getDelayedCalls()


class Rig:
    def __init__(self):
        self.clock = Clock()
        self.transfers = Transfers(self.clock.seconds)
        self.given = 0
        self.tidying = Tidying(self.transfers, self.clock, self.give)

    def give(self):
        self.given += 1

    def move(self, size):
        return self.transfers.running("upload", size, bytes(16))


def test_a_large_file_has_it_given_back_when_it_has_moved(rig):
    with rig.move(LARGE) as transfer:
        rig.clock.advance(60)
        assert rig.given == 1  # what was left behind before
        transfer.asked("server", 0)
        rig.clock.advance(60)
        assert rig.given == 1
    assert rig.given == 1  # whoever moved it holds its last pieces
    rig.clock.advance(SOON_S)
    assert rig.given == 2


def test_a_very_large_one_has_it_given_back_while_it_moves(rig):
    with rig.move(10 * BETWEEN) as transfer:
        rig.clock.advance(SOON_S)
        rig.given = 0
        for _ in range(8):
            transfer.advance(BETWEEN // 4)
            rig.clock.advance(SOON_S)
        assert rig.given == 2
        transfer.advance(BETWEEN - 1)
        rig.clock.advance(SOON_S)
        assert rig.given == 2
    rig.clock.advance(SOON_S)
    assert rig.given == 3


def test_a_huge_one_has_it_given_back_oftener(rig):
    with rig.move(HUGE) as transfer:
        rig.clock.advance(SOON_S)
        for _ in range(OFTENER):
            transfer.advance(BETWEEN // OFTENER)
            rig.clock.advance(SOON_S)
        assert rig.given == 1 + OFTENER
    rig.clock.advance(SOON_S)


def test_one_that_fails_counts_too(rig):
    with pytest.raises(ZeroDivisionError), rig.move(LARGE):
        raise ZeroDivisionError
    rig.clock.advance(SOON_S)
    assert rig.given == 1


def test_small_ones_do_not(rig):
    for _ in range(100):
        with rig.move(LARGE - 1):
            pass
    rig.clock.advance(60)
    assert rig.given == 0


def test_several_that_end_together_have_it_done_once(rig):
    with rig.move(LARGE), rig.move(LARGE):
        pass
    rig.clock.advance(60)
    assert rig.given == 1
    with rig.move(LARGE):
        pass
    rig.clock.advance(60)
    assert rig.given == 2


def test_a_node_that_stops_gives_nothing_back(rig):
    with rig.move(LARGE):
        pass
    rig.tidying.stopService()
    with rig.move(LARGE):
        pass
    rig.clock.advance(60)
    assert rig.given == 0
