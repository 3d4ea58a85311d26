"""Steps that are begun ahead and finished in order, with a bounded number between."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred, DeferredQueue, DeferredSemaphore

from allmydata.util.deferreds import drop, start

T = TypeVar("T")


class Pipeline(Generic[T]):
    """Runs *count* jobs, each begun in order and finished in order.

    :param depth: how many may be begun and not yet finished: the bound on memory
    :param begin: waits for what job i needs, such as its bytes, and returns the job
        under way; the next is begun as soon as it has returned
    :param finish: takes the result of job i; the next is finished after it
    """

    def __init__(
        self,
        count: int,
        depth: int,
        begin: Callable[[int], Awaitable[Deferred[T]]],
        finish: Callable[[int, T], Awaitable[None]],
    ) -> None:
        self._count = count
        self._begin = begin
        self._finish = finish
        self._slots = DeferredSemaphore(depth)
        self._begun: DeferredQueue[Deferred[T]] = DeferredQueue()

    async def run(self) -> None:
        """Do all jobs; the first error ends the work, and is raised.

        Cancelling it ends the work too; jobs already begun are cancelled.
        """
        beginning = start(self._begin_all())
        try:
            for i in range(self._count):
                result = await (await self._begun.get())
                await self._finish(i, result)
                self._slots.release()
        finally:
            drop(beginning)
            beginning.cancel()
            for job in self._begun.pending:
                drop(job)
                job.cancel()

    async def _begin_all(self) -> None:
        for i in range(self._count):
            await self._slots.acquire()
            try:
                job = await self._begin(i)
            except Exception as e:
                job = Deferred()
                job.errback(e)
                self._begun.put(job)
                return
            self._begun.put(job)
