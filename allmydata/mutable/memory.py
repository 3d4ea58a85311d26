"""What this process has seen of mutable files: the newest version of each, and who writes.

Servers that go back to an older version are found out by whoever saw the newer one.  A
process that has just started has seen nothing, and believes what it is given.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from attrs import define, field
from twisted.internet.defer import DeferredLock

from allmydata.errors import RollbackError
from allmydata.formats.mutable import Prefix

MOST_FILES = 10_000


@define(eq=False)
class Memory:
    """Versions seen, by storage index; the files used longest ago are forgotten."""

    _seen: OrderedDict[bytes, tuple[int, bytes]] = field(factory=OrderedDict)
    _locks: dict[bytes, DeferredLock] = field(factory=dict)

    def seqnum(self, storage_index: bytes) -> int:
        """Return the sequence number of the newest version seen; 0 for none."""
        return self._seen.get(storage_index, (0, b""))[0]

    def see(self, storage_index: bytes, version: Prefix) -> None:
        """Take note of a version that can be brought back, or was written."""
        newest = max(version.version, self._seen.get(storage_index, (0, b"")))
        self._seen[storage_index] = newest
        self._seen.move_to_end(storage_index)
        if len(self._seen) > MOST_FILES:
            self._seen.popitem(last=False)

    def check(self, storage_index: bytes, version: Prefix) -> None:
        """Take note of a version, if it is no older than one that was seen.

        :raises RollbackError: it is
        """
        seen = self.seqnum(storage_index)
        if version.seqnum < seen:
            raise RollbackError(
                f"servers give version {version.seqnum} of a file that had {seen}",
                why="those with newer shares are not here, or servers lie",
                fix="wait for the others; to go on from the old one: tahoe check --repair",
            )
        self.see(storage_index, version)

    @asynccontextmanager
    async def alone(self, storage_index: bytes) -> AsyncIterator[None]:
        """Let one writer of a file wait for another."""
        lock = self._locks.setdefault(storage_index, DeferredLock())
        await lock.acquire()
        try:
            yield
        finally:
            lock.release()
            if not lock.locked:
                self._locks.pop(storage_index, None)
