"""Threads for what would hold up the reactor.

Twisted's own pool does as much and takes twice the processor time for each job
(`misc/bench/threads.py`), which a server would pay for every write: a thread is woken by
one queue, and results that come together wake the reactor once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any, ParamSpec, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

P = ParamSpec("P")
T = TypeVar("T")

Job = tuple[Deferred[Any], Callable[[], Any]]


class Workers:
    """A few threads for bulk work: pure functions on buffers, or one file operation.

    Everything but the work itself happens in the reactor's thread.
    """

    def __init__(self, num_threads: int, name: str) -> None:
        self.num_threads = num_threads
        self._name = name
        self._threads: list[Thread] = []
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._num_jobs = 0  # whose results have not been told
        self._results: deque[tuple[Deferred[Any], Any]] = deque()
        self._is_told = False  # the reactor knows that there are results
        self._is_started = False

    def start(self) -> None:
        """Begin to take work; threads are made when there is some."""
        self._is_started = True
        for _ in range(self._num_jobs):
            self._add_thread()

    def stop(self) -> None:
        """Wait for the work in hand and end the threads."""
        self._is_started = False
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def run(self, f: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Call *f* in a thread; its result or failure arrives on the reactor's.

        Nothing arrives of what is begun after :meth:`stop`.
        """
        waiting: Deferred[T] = Deferred()
        self._num_jobs += 1
        self._jobs.put((waiting, partial(f, *args, **kwargs)))
        self._add_thread()
        return waiting

    def _add_thread(self) -> None:
        wanted = min(self._num_jobs, self.num_threads)
        if self._is_started and len(self._threads) < wanted:
            name = f"{self._name}-{len(self._threads)}"
            thread = Thread(target=self._work, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def _work(self) -> None:
        from twisted.internet import reactor

        while True:
            job = self._jobs.get()
            if job is None:
                return
            waiting, act = job
            try:
                result = act()
            except BaseException:
                result = Failure()
            self._results.append((waiting, result))
            del job, waiting, act, result  # what they hold must not wait for the next job
            if not self._is_told:
                self._is_told = True
                reactor.callFromThread(self._tell)  # type: ignore[attr-defined]

    def _tell(self) -> None:
        self._is_told = False  # before the results are looked at: see _work
        for _ in range(len(self._results)):
            waiting, result = self._results.popleft()
            self._num_jobs -= 1
            waiting.callback(result)
