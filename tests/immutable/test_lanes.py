"""Shares that are left behind by an upload, by hand."""

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from allmydata.errors import ServerLostError
from allmydata.immutable.lanes import LINGER_S, MOST_LINGERING, Lane, Lingering
from allmydata.immutable.transfers import Transfers


class Writer:
    """Does what it is asked when :attr:`gate` fires, and remembers it."""

    def __init__(self):
        self.gate = Deferred()
        self.done = []

    async def put_block(self, segnum, data):
        if not self.done:
            await self.gate
        self.done.append(data)

    def close(self):
        self.done.append("close")
        return succeed(None)

    def abort(self):
        self.done.append("abort")
        return succeed(None)


def put(segnum, data):
    return lambda writer: writer.put_block(segnum, data)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def transfer(clock):
    with Transfers(clock.seconds).running("upload", 9, bytes(16)) as transfer:
        yield transfer


def state(transfer):
    (part,) = transfer.as_json()["servers"]
    return part["state"], part["why"]


@ensureDeferred
async def test_what_is_given_waits_for_what_was_given_before():
    writer = Writer()
    lane = Lane(writer)
    given = [lane.give(put(i, bytes([i])), 1) for i in range(3)]
    closing = lane.close()
    assert (writer.done, lane.num_waiting, lane.is_idle) == ([], 3, False)
    writer.gate.callback(None)
    for one in (*given, closing):
        await one
    assert writer.done == [b"\0", b"\1", b"\2", "close"]
    assert lane.num_waiting == 0 and lane.is_idle and lane.done.is_open


@ensureDeferred
async def test_nothing_is_given_after_a_failure():
    writer = Writer()
    lane = Lane(writer)
    first, second = lane.give(put(0, b"a")), lane.give(put(1, b"b"))
    writer.gate.errback(ServerLostError("it went"))
    with pytest.raises(ServerLostError):
        await first
    await second
    assert writer.done == [] and lane.failure.message == "it went" and lane.done.is_open


def late_lane(transfer):
    lane = Lane(Writer())
    lane.is_late = True
    transfer.asked("s1", 0)
    transfer.late("s1")
    for one in (lane.give(put(0, b"a"), 1), lane.close()):
        one.addErrback(lambda _: None)
    return lane


def test_a_late_server_that_answers_has_its_share(clock, transfer):
    lingering, lane = Lingering(clock), late_lane(transfer)
    lingering.add(lane, "s1", transfer)
    assert len(lingering) == 1 and state(transfer) == ("late", "")
    clock.advance(LINGER_S - 1)
    lane.writer.gate.callback(None)
    assert lane.writer.done == [b"a", "close"]
    assert len(lingering) == 0 and state(transfer) == ("active", "")
    assert not clock.getDelayedCalls()


def test_one_that_is_silent_for_too_long_loses_it(clock, transfer):
    lingering, lane = Lingering(clock), late_lane(transfer)
    lingering.add(lane, "s1", transfer)
    clock.advance(LINGER_S)
    assert lane.writer.done == ["abort"] and len(lingering) == 0
    assert state(transfer) == ("failed", "it was silent for 30 s")


def test_one_that_fails_loses_it(clock, transfer):
    lingering, lane = Lingering(clock), late_lane(transfer)
    lingering.add(lane, "s1", transfer)
    lane.writer.gate.errback(ServerLostError("it went"))
    assert len(lingering) == 0 and state(transfer) == ("failed", "it went")
    assert not clock.getDelayedCalls()


def test_nobody_lingers_after_the_end(clock, transfer):
    lingering, lane = Lingering(clock), late_lane(transfer)
    lingering.add(lane, "s1", transfer)
    lingering.stop()
    assert lane.writer.done == ["abort"] and len(lingering) == 0
    assert not clock.getDelayedCalls()


def test_what_all_that_linger_hold_is_bounded(clock, transfer):
    lingering, lane = Lingering(clock), late_lane(transfer)
    large = Lane(Writer())
    large.give(put(0, b"a"), MOST_LINGERING)
    lingering.add(large, "s0", transfer)
    lingering.add(lane, "s1", transfer)
    assert len(lingering) == 1 and lane.writer.done == ["abort"]
    lingering.stop()
