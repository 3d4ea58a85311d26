"""Threads for what would hold up the reactor.

Twisted's own pool does as much and takes twice the processor time for each job
(`misc/bench/threads.py`), which a server would pay for every write.  Here a job is handed
to the thread that was busy last, whose caches are warm, and no other wakes; results that
come together wake the reactor once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from threading import Lock, Thread
from typing import Any, ParamSpec, TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

P = ParamSpec("P")
T = TypeVar("T")

Job = tuple[Deferred[Any], Callable[[], Any]]


@define(eq=False)
class _Hand:
    """Where a thread that has nothing to do waits."""

    _bell: Lock = field(factory=Lock)
    _job: Job | None = None

    def __attrs_post_init__(self) -> None:
        self._bell.acquire()

    def wait(self) -> Job | None:
        """Return the job that comes; None: the end."""
        self._bell.acquire()
        job, self._job = self._job, None
        return job

    def give(self, job: Job | None) -> None:
        """Wake the thread."""
        self._job = job
        self._bell.release()


class Workers:
    """A few threads for bulk work: pure functions on buffers, or one file operation.

    Everything but the work itself happens in the reactor's thread.
    """

    def __init__(self, num_threads: int, name: str) -> None:
        self.num_threads = num_threads
        self._name = name
        self._threads: list[Thread] = []
        self._guard = Lock()  # of the two that follow
        self._jobs: deque[Job] = deque()  # that no thread has taken
        self._idle: list[_Hand] = []  # of threads that wait, the last to be busy last
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
        with self._guard:
            self._is_started = False
            idle, self._idle = self._idle, []
        for hand in idle:
            hand.give(None)
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def run(self, f: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Call *f* in a thread; its result or failure arrives on the reactor's.

        Nothing arrives of what is begun after :meth:`stop`.
        """
        waiting: Deferred[T] = Deferred()
        self._num_jobs += 1
        job = waiting, partial(f, *args, **kwargs)
        with self._guard:
            hand = self._idle.pop() if self._idle else None
            if hand is None:
                self._jobs.append(job)
        if hand is None:
            self._add_thread()
        else:
            hand.give(job)
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

        hand = _Hand()
        while True:
            job = self._next(hand)
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

    def _next(self, hand: _Hand) -> Job | None:
        """Return what a thread is to do, as soon as there is something; None: the end."""
        with self._guard:
            if self._jobs:
                return self._jobs.popleft()
            if not self._is_started:
                return None
            self._idle.append(hand)
        return hand.wait()

    def _tell(self) -> None:
        self._is_told = False  # before the results are looked at: see _work
        for _ in range(len(self._results)):
            waiting, result = self._results.popleft()
            self._num_jobs -= 1
            waiting.callback(result)
