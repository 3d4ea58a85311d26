"""One at a time, for each of any number of things."""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

from attrs import define, field
from twisted.internet.defer import DeferredLock


@define
class Locks:
    """Whoever holds a thing keeps others of it waiting, first come, first served."""

    _held: dict[Hashable, tuple[DeferredLock, int]] = field(factory=dict, init=False)

    @asynccontextmanager
    async def holding(self, thing: Hashable) -> AsyncIterator[None]:
        """Hold *thing*."""
        lock, users = self._held.get(thing, (None, 0))
        lock = lock or DeferredLock()
        self._held[thing] = lock, users + 1
        try:
            await lock.acquire()
            try:
                yield
            finally:
                lock.release()
        finally:
            lock, users = self._held.pop(thing)
            if users > 1:
                self._held[thing] = lock, users - 1
