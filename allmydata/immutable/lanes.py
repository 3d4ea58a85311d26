"""One share's writer during an upload, and what it is still to be given.

A server that is slower than usual is not waited for: its lane holds what comes next,
within bounds, and hands it on when the server answers.  When the upload ends, the lanes
that are not done are left to :class:`Lingering`, which gives them a while to get there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet.defer import Deferred, DeferredLock, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from allmydata.errors import GridError
from allmydata.immutable.transfers import Transfer
from allmydata.util.deferreds import Gate, as_deferred, drop, start, timeout

log = Logger()

LINGER_S = 30.0  # how long after an upload its late shares may still be written
MOST_LINGERING = 64_000_000  # bytes held for those of all uploads; no more are begun then

Act = Callable[[Any], Awaitable[Any]]  # what to do with a writer


class Lane:
    """Gives a writer one thing after another.

    :param writer: an IStorageBucketWriter
    """

    def __init__(self, writer: Any) -> None:
        self.writer = writer
        self.is_late = False  # nobody waits for it at the moment
        self.num_waiting = 0  # bytes that it holds
        self.done = Gate()  # open once the writer is closed, or has failed
        self.failure: BaseException | None = None
        self._is_stopped = False
        self._turn = DeferredLock()

    @property
    def is_idle(self) -> bool:
        """Tell whether the writer has been given all."""
        return not self._turn.locked

    @as_deferred
    async def give(self, act: Act, size: int = 0) -> None:
        """Do *act* with the writer when all before is done.

        :param size: of the bytes that are held until then
        """
        self.num_waiting += size
        await self._turn.acquire()
        try:
            if not self._is_stopped:
                await act(self.writer)
        except BaseException as e:
            self._is_stopped, self.failure = True, e
            self.done.open()
            raise
        finally:
            self.num_waiting -= size
            self._turn.release()

    @as_deferred
    async def close(self) -> None:
        """Close the writer when all before is done."""
        await self.give(lambda writer: writer.close())
        self.done.open()

    def stop(self) -> None:
        """Give it nothing more, and have the server forget the share."""
        self._is_stopped = True
        abort = getattr(self.writer, "abort", None)  # the seed's interface has none
        if abort:
            drop(start(abort()))


class Lingering:
    """Shares of uploads that have ended, whose servers are late."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._waiting: dict[Lane, Deferred[None]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, lane: Lane, holder: Any, transfer: Transfer) -> None:
        """Wait for *lane*, whose writer is to be closed, for a while."""
        held = sum(other.num_waiting for other in self._waiting)
        if held + lane.num_waiting > MOST_LINGERING:
            lane.stop()
            transfer.lost(holder, "too much was to be held for it")
            return
        waiting = self._waiting[lane] = start(self._settle(lane, holder, transfer))
        drop(waiting)
        if waiting.called:
            self._waiting.pop(lane, None)

    def stop(self) -> None:
        """Give up on all of them."""
        for lane, waiting in list(self._waiting.items()):
            lane.stop()
            waiting.cancel()

    async def _settle(self, lane: Lane, holder: Any, transfer: Transfer) -> None:
        try:
            await timeout(lane.done.wait(), LINGER_S, self._clock)
        except TimeoutError:
            lane.stop()
            transfer.lost(holder, f"it was silent for {LINGER_S:.0f} s")
        else:
            if lane.failure is None:
                transfer.settled(holder)
            else:
                lane.stop()
                transfer.lost(holder, reason(lane.failure))
        finally:
            self._waiting.pop(lane, None)


def reason(error: BaseException) -> str:
    """Return what to tell people of an error."""
    return error.message if isinstance(error, GridError) else type(error).__name__
