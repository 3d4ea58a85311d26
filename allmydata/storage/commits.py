"""Changes on their way to the disk, as many in one commit as are waiting.

A commit costs a sync of the disk however much it holds.  While one is under way, changes
gather; the next takes them all.  Each is answered when the commit that holds it is done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from allmydata.util.deferreds import Gate, log_failure, start
from allmydata.util.workers import Workers

T = TypeVar("T")
Change = Callable[[], Any]
Together = Callable[[Sequence[Change]], list[Any]]

log = Logger()

MOST_TOGETHER = 100  # changes in one commit: the first of them waits for the last


@define(eq=False)
class Commits:
    """The one way in for changes; one thread makes them.

    :param together: makes changes durable at once and returns the outcome of each: a
        result or an exception; :meth:`allmydata.storage.tables.Tables.together`
    """

    _together: Together
    _workers: Workers
    _waiting: list[tuple[Change, Deferred[Any]]] = field(factory=list, init=False)
    _idle: Gate = field(factory=Gate, init=False)

    def __attrs_post_init__(self) -> None:
        self._idle.open()

    def make(self, change: Callable[[], T]) -> Deferred[T]:
        """Return a Deferred that fires with the outcome of *change* once it is durable."""
        waiting: Deferred[T] = Deferred()
        self._waiting.append((change, waiting))
        if self._idle.is_open:
            self._idle.shut()
            log_failure(start(self._work()), log, "making changes")
        return waiting

    def idle(self) -> Deferred[None]:
        """Return a Deferred that fires when no change is under way."""
        return self._idle.wait()

    async def _work(self) -> None:
        while self._waiting:
            group = self._waiting[:MOST_TOGETHER]
            del self._waiting[:MOST_TOGETHER]
            changes = [change for change, _ in group]
            for (_, waiting), outcome in zip(
                group, await self._outcomes(changes), strict=True
            ):
                _answer(waiting, outcome)
        self._idle.open()

    async def _outcomes(self, changes: Sequence[Change]) -> list[Any]:
        try:
            return await self._workers.run(self._together, changes)
        except Exception as e:  # nobody who waits may wait for ever
            return [e] * len(changes)


def _answer(waiting: Deferred[Any], outcome: Any) -> None:
    if waiting.called:  # its caller has cancelled it
        return
    if isinstance(outcome, Exception):
        waiting.errback(Failure(outcome))
    else:
        waiting.callback(outcome)
