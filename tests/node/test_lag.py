"""How late the reactor is, by a clock that a test moves."""

import pytest
from twisted.internet.task import Clock

from allmydata.node.lag import EVERY_S, ReactorLag


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def lag(clock):
    lag = ReactorLag(clock)
    lag.startService()
    yield lag
    lag.stopService()
    assert not clock.getDelayedCalls()


def test_a_reactor_in_time_has_no_lag(lag, clock):
    clock.pump([EVERY_S] * 8)
    assert lag.figures() == (0.0, 0.0)


def test_the_worst_is_told_once(lag, clock):
    clock.advance(EVERY_S + 2.0)
    clock.advance(EVERY_S)
    clock.advance(EVERY_S)
    last, worst = lag.figures()
    assert last == 0.0 and worst == pytest.approx(2.0)
    assert lag.figures() == (0.0, 0.0)


def test_what_is_late_right_now_counts(lag, clock):
    clock.rightNow += EVERY_S + 3.0  # and nobody ran what was planned
    assert lag.figures() == (pytest.approx(3.0), pytest.approx(3.0))
