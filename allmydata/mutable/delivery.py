"""From a version to a download target, which is opened when the first bytes are there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from allmydata.errors import CancelledError, UsageError
from allmydata.mutable.retrieve import Retrieval
from allmydata.util.deferreds import as_deferred


async def deliver_to(target: Any, work: Callable[[Delivery], Awaitable[None]]) -> Any:
    """Do *work*, and end the target as it should be; return what it finishes with."""
    try:
        await work(Delivery(target))
    except BaseException:
        target.fail(Failure())
        raise
    target.close()
    result = target.finish()
    return await result if isinstance(result, Deferred) else result


class Delivery:
    """A target, and whether anything went there."""

    def __init__(self, target: Any) -> None:
        self._target = target
        self._size = 0
        self.has_begun = False
        self._is_cancelled = False
        target.register_canceller(self._cancel)

    async def pour(self, retrieval: Retrieval, offset: int, size: int | None) -> None:
        """Hand on a part of a version, clipped to it.

        :raises UsageError: there can be no such part
        """
        if offset < 0 or (size is not None and size < 0):
            raise UsageError("a part of a file begins at 0 or later, and has a size")
        total = retrieval.version.size
        begin = min(offset, total)
        self._size = total - begin if size is None else min(size, total - begin)
        await retrieval.pour(self, begin, self._size)
        self._begin()

    def write(self, data: bytes) -> Deferred[None] | None:
        """Hand a piece on."""
        if self._is_cancelled:
            raise CancelledError("the download was given up")
        self._begin()
        waiting: Deferred[None] | None = self._target.write(data)
        return waiting

    def _begin(self) -> None:
        if not self.has_begun:
            self.has_begun = True
            self._target.open(self._size)

    def _cancel(self) -> None:
        self._is_cancelled = True


@frozen
class Snapshot:
    """One version of a file; what is read of it belongs together."""

    _retrieval: Retrieval

    @property
    def size(self) -> int:
        """Its bytes."""
        return self._retrieval.version.size

    @as_deferred
    async def read(self, target: Any, offset: int = 0, size: int | None = None) -> Any:
        """Bring a part of it to *target*.

        :raises UncoordinatedWriteError: it was replaced before all was read
        """

        async def deliver(delivery: Delivery) -> None:
            await delivery.pour(self._retrieval, offset, size)

        return await deliver_to(target, deliver)
