from twisted.internet.task import Clock

from allmydata.keeper.budget import LONGEST_DEBT_S, Budget
from allmydata.util.deferreds import start


def clock_at(seconds):
    clock = Clock()
    clock.advance(seconds)
    return clock


def test_the_first_may_take_at_once_and_the_next_waits_until_it_is_paid_for():
    clock = clock_at(1000)
    budget = Budget(100, clock)
    assert start(budget.take(1100)).called
    second = start(budget.take(100))
    clock.advance(9.9)
    assert not second.called
    clock.advance(0.2)
    assert second.called


def test_those_who_wait_together_do_not_go_together():
    clock = clock_at(1000)
    budget = Budget(100, clock)
    waiting = [start(budget.take(1000)) for _ in range(3)]
    clock.pump([1.0] * 10)
    assert [one.called for one in waiting] == [True, True, False]
    clock.pump([1.0] * 10)
    assert waiting[2].called


def test_what_was_not_used_long_ago_is_not_made_up_for():
    clock = clock_at(1000)
    budget = Budget(100, clock)
    taken = 0
    for _ in range(600):
        if budget.wait_s == 0:
            start(budget.take(50))
            taken += 50
        clock.advance(0.1)
    assert 100 * 60 <= taken <= 100 * 62


def test_without_a_limit_nobody_waits():
    budget = Budget(0, clock_at(1000))
    assert all(start(budget.take(10**15)).called for _ in range(3))


def test_a_debt_left_by_a_clock_that_was_ahead_is_forgiven():
    budget = Budget(1, clock_at(1000), free_at=1000 + 3 * LONGEST_DEBT_S)
    assert start(budget.take(1)).called


def test_one_who_gives_up_takes_nothing():
    clock = clock_at(1000)
    budget = Budget(100, clock)
    start(budget.take(1000))
    waiting = start(budget.take(10**9))
    waiting.addErrback(lambda _: None)
    waiting.cancel()
    clock.advance(12)
    assert start(budget.take(1)).called
