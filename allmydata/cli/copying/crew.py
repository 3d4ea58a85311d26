"""A few threads that work, and one that decides.

What is given to a crew is done in one of its threads; what follows from it happens in the
thread that calls :meth:`Crew.run`, so that nothing a decision hangs on needs a lock.
The newest work is done first, which keeps what waits small in a tree.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

from attrs import define, field, frozen

from allmydata.errors import CancelledError, GridError, UploadSourceError

NUM_THREADS = 8
TICK_S = 0.2
LEAVE_S = 2.0  # how long threads may take to notice that they should stop

# errors after which nothing else would succeed either
FATAL = {
    "no-node",
    "not-ready",
    "not-enough-servers",
    "server-lost",
    "no-space",
    "cancelled",
}


@frozen
class _Job:
    work: Callable[[], Any]
    then: Callable[[Any], None]
    failed: Callable[[GridError], None]


@define
class Crew:
    """Threads for work that waits on disks and nodes."""

    num_threads: int = NUM_THREADS
    _waiting: deque[_Job] = field(init=False, factory=deque)
    _begun: int = field(init=False, default=0)
    _orders: SimpleQueue[_Job | None] = field(init=False, factory=SimpleQueue)
    _done: SimpleQueue[tuple[_Job, Any]] = field(init=False, factory=SimpleQueue)
    _threads: list[threading.Thread] = field(init=False, factory=list)
    _stopping: threading.Event = field(init=False, factory=threading.Event)

    def give(
        self,
        work: Callable[[], Any],
        then: Callable[[Any], None],
        failed: Callable[[GridError], None],
    ) -> None:
        """Have *work* done; call *then* with its result, or *failed* with its error."""
        self._waiting.append(_Job(work, then, failed))

    @property
    def num_waiting(self) -> int:
        """How many pieces of work have not ended."""
        return len(self._waiting) + self._begun

    def run(self, tick: Callable[[], None]) -> None:
        """Return when all work is done, also what was given meanwhile.

        :param tick: called several times a second
        """
        while self._waiting or self._begun:
            self._fill()
            with suppress(Empty):
                job, result = self._done.get(timeout=TICK_S)
                self._begun -= 1
                if isinstance(result, GridError):
                    job.failed(result)
                elif isinstance(result, BaseException):
                    raise result
                else:
                    job.then(result)
            tick()

    def break_off(self, limit_s: float = LEAVE_S) -> None:
        """Begin no more work, and take what ends well of what was begun."""
        self._stopping.set()
        end = time.monotonic() + limit_s
        with suppress(Empty):
            while self._begun:
                job, result = self._done.get(timeout=max(0.0, end - time.monotonic()))
                self._begun -= 1
                if not isinstance(result, BaseException):
                    job.then(result)
        self._waiting.clear()

    def stop(self) -> None:
        """Let the threads end; what they are at fails at its next :meth:`check`."""
        self._stopping.set()
        for _ in self._threads:
            self._orders.put(None)
        for thread in self._threads:
            thread.join(LEAVE_S)

    def check(self, num_bytes: int = 0) -> None:
        """Let long work end early: it calls this at each of its pieces.

        :raises CancelledError: the crew is stopped
        """
        if self._stopping.is_set():
            raise CancelledError("interrupted")

    def _fill(self) -> None:
        while self._waiting and self._begun < 2 * self.num_threads:
            if len(self._threads) < min(self.num_threads, self._begun + 1):
                thread = threading.Thread(target=self._work, daemon=True)
                thread.start()
                self._threads.append(thread)
            self._begun += 1
            self._orders.put(self._waiting.pop())

    def _work(self) -> None:
        while (job := self._orders.get()) is not None:
            result: Any
            try:
                self.check()
                result = job.work()
            except OSError as e:
                where = f"{e.filename} " if e.filename else "it "
                result = UploadSourceError(f"{where}can't be read", why=e.strerror or "")
            except BaseException as e:
                result = e
            self._done.put((job, result))
