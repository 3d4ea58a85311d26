from twisted.internet.defer import CancelledError, Deferred, TimeoutError, succeed
from twisted.internet.task import Clock
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from allmydata.util.deferreds import (
    Gate,
    as_deferred,
    drop,
    gather,
    in_flight,
    log_failure,
    settle,
    sleep,
    start,
    timeout,
)


async def fail(message):
    raise LookupError(message)


def result_of(deferred):
    """Return what an already fired Deferred holds."""
    results = []
    deferred.addBoth(results.append)
    assert results, "it has not fired"
    return results[0]


class Told:
    """A log observer that keeps what it hears."""

    def __init__(self):
        self.events = []
        self.log = Logger(observer=self.events.append)


# ---- coroutines and Deferreds ----------------------------------------------------------


def test_an_async_method_gives_its_caller_a_deferred():
    class Thing:
        @as_deferred
        async def double(self, number, *, times=2):
            """Say what it does."""
            return await succeed(number * times)

    assert result_of(Thing().double(4)) == 8
    assert result_of(Thing().double(4, times=3)) == 12
    assert Thing.double.__doc__ == "Say what it does."


def test_what_an_async_method_raises_arrives_as_a_failure():
    @as_deferred
    async def broken():
        return await fail("no")

    assert result_of(broken()).check(LookupError)


def test_work_begins_before_anybody_waits_for_it():
    begun = []

    async def work():
        begun.append("work")

    start(work())
    assert begun == ["work"]


def test_a_deferred_is_its_own_beginning():
    deferred = Deferred()
    assert start(deferred) is deferred


# ---- several at once -------------------------------------------------------------------


def test_gather_runs_all_together_and_keeps_their_order():
    works = [Deferred(), Deferred(), Deferred()]
    together = start(gather(works))
    for index in (2, 0, 1):
        assert not together.called
        works[index].callback(index)
    assert result_of(together) == [0, 1, 2]


def test_gather_of_nothing_is_nothing_and_does_not_wait():
    assert result_of(start(gather([]))) == []
    assert result_of(start(settle([]))) == []


def test_gather_fails_with_the_first_failure_and_drops_the_later_ones():
    slow, later = Deferred(), Deferred()
    together = start(gather([slow, fail("first"), later]))
    failure = result_of(together)
    assert (failure.type, str(failure.value)) == (LookupError, "first")
    later.errback(Failure(ValueError("dropped")))
    slow.callback("dropped")


def test_cancelling_gather_cancels_all():
    cancelled = []
    works = [Deferred(cancelled.append), Deferred(cancelled.append)]
    together = start(gather(works))
    together.cancel()
    assert cancelled == works
    assert result_of(together).check(CancelledError)


def test_settle_waits_for_every_one_and_keeps_failures_in_their_place():
    slow = Deferred()
    together = start(settle([fail("one"), slow, succeed(3)]))
    assert not together.called
    slow.callback(2)
    one, two, three = result_of(together)
    assert one.check(LookupError)
    assert (two, three) == (2, 3)


# ---- time ------------------------------------------------------------------------------


def test_timeout_lets_in_time_work_pass_and_leaves_no_call_behind():
    clock, work = Clock(), Deferred()
    waiting = timeout(work, 10, clock)
    clock.advance(9)
    work.callback("done")
    assert result_of(waiting) == "done"
    assert clock.getDelayedCalls() == []


def test_timeout_cancels_late_work():
    clock, cancelled = Clock(), []
    waiting = timeout(Deferred(cancelled.append), 10, clock)
    clock.advance(10)
    assert len(cancelled) == 1
    assert result_of(waiting).check(TimeoutError)


def test_sleep_fires_when_its_time_has_come():
    clock = Clock()
    waiting = sleep(5, clock)
    clock.advance(4)
    assert not waiting.called
    clock.advance(1)
    assert result_of(waiting) is None


def test_cancelling_a_sleep_stops_the_clock():
    clock = Clock()
    waiting = sleep(5, clock)
    waiting.cancel()
    assert clock.getDelayedCalls() == []
    assert result_of(waiting).check(CancelledError)


# ---- those nobody waits for ------------------------------------------------------------


def test_a_failure_nobody_waits_for_is_written_down():
    told = Told()
    log_failure(start(fail("gone")), told.log, "telling a server")
    (event,) = told.events
    assert event["log_level"] is LogLevel.critical
    assert event["what"] == "telling a server"
    assert event["log_failure"].check(LookupError)


def test_success_and_cancelling_are_not_written_down():
    told = Told()
    waiting = Deferred()
    log_failure(succeed(1), told.log, "work")
    log_failure(waiting, told.log, "work")
    waiting.cancel()
    assert told.events == []


def test_what_is_dropped_fails_unheard():
    dropped = start(fail("nobody cares"))
    drop(dropped)
    assert result_of(dropped) is None


# ---- gates -----------------------------------------------------------------------------


def test_a_gate_holds_those_who_come_while_it_is_shut():
    gate, passed = Gate(), []
    gate.wait().addCallback(lambda _: passed.append("early"))
    assert (gate.is_open, passed) == (False, [])
    gate.open()
    gate.wait().addCallback(lambda _: passed.append("while open"))
    assert (gate.is_open, passed) == (True, ["early", "while open"])
    gate.shut()
    late = gate.wait()
    assert not gate.is_open
    assert not late.called


def test_opening_a_gate_twice_lets_nobody_pass_twice():
    gate, passed = Gate(), []
    gate.wait().addCallback(passed.append)
    gate.open()
    gate.open()
    assert passed == [None]


def test_who_gives_up_at_a_gate_is_forgotten():
    gate = Gate()
    waiting = gate.wait()
    waiting.cancel()
    gate.open()
    assert result_of(waiting).check(CancelledError)


def test_one_who_passes_a_gate_may_cancel_the_next():
    gate = Gate()
    first, second = gate.wait(), gate.wait()
    first.addCallback(lambda _: second.cancel())
    gate.open()
    assert result_of(first) is None
    assert result_of(second).check(CancelledError)


def test_one_who_passes_a_gate_and_shuts_it_waits_for_the_next_opening():
    gate, again = Gate(), []

    def shut_and_wait(_):
        gate.shut()
        again.append(gate.wait())

    gate.wait().addCallback(shut_and_wait)
    gate.open()
    assert not again[0].called


# ---- a bounded number at a time --------------------------------------------------------


def test_no_more_than_so_many_are_in_flight_and_results_keep_their_order():
    begun = {}

    def act(item):
        begun[item] = Deferred()
        return begun[item]

    done = start(in_flight("abcd", act, 2))
    assert list(begun) == ["a", "b"]
    begun["b"].callback("B")
    assert list(begun) == ["a", "b", "c"]
    for item in "acd":
        begun[item].callback(item.upper())
    assert result_of(done) == ["A", "B", "C", "D"]


def test_nothing_in_flight_is_done_at_once():
    assert result_of(start(in_flight([], fail, 3))) == []


def test_a_failure_in_flight_is_the_outcome_when_all_have_ended():
    waiting = Deferred()
    done = start(in_flight([waiting, fail("no")], lambda one: one, 2))
    assert not done.called
    waiting.callback(1)
    assert result_of(done).check(LookupError)
