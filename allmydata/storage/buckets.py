"""The two objects a client holds of a share: one to write it, one to read it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from attrs import define, field
from foolscap.api import Referenceable
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from allmydata.errors import NotFoundError, UsageError
from allmydata.interfaces import MAX_SHARE_DATA, RIBucketReader, RIBucketWriter
from allmydata.storage.disk import Disk
from allmydata.storage.incoming import IncomingShare
from allmydata.storage.shares import ShareFile
from allmydata.storage.tree import ShareTree
from allmydata.util.deferreds import Gate, as_deferred, drop, log_failure, start
from allmydata.util.wire import serves

log = Logger()
T = TypeVar("T")
D = TypeVar("D")

IDLE_LIMIT_S = 30 * 60
MOST_WAITING = 64 * 2**20  # bytes of one share received and not yet written
READ_AT_ONCE = 64 * 1024  # bytes: a larger read goes to a thread, in memory or not
MOST_OPEN_SHARES = 64  # descriptors kept for readers, in each server


@serves(RIBucketWriter)
class BucketWriter(Referenceable):
    """One share being written by one client.  It ends kept, or thrown away.

    Writes may overlap in time; they reach the file one by one, in the order they came.

    :param canary: RemoteReference: when its connection is lost the share is thrown away
    :param on_end: called with this and whether the share was kept, once
    """

    def __init__(
        self,
        share: IncomingShare,
        disk: Disk,
        clock: IReactorTime,
        canary: Any,
        on_end: Callable[[BucketWriter, bool], None],
    ) -> None:
        self.share = share
        self._disk = disk
        self._clock = clock
        self._on_end = on_end
        self._turn = DeferredLock()
        self._ended = Gate()
        self._closed_why = ""
        self._waiting = 0
        self._touched = clock.seconds()
        self._timer = clock.callLater(IDLE_LIMIT_S, self._check_idle)
        self._canary = canary
        self._marker = canary.notifyOnDisconnect(self._canary_lost)

    @as_deferred
    async def remote_write(self, offset: int, data: bytes) -> None:
        """Write *data*; answered when the file has it, which is not yet durable.

        :raises UsageError: outside the share, or after its end
        :raises ConflictError: other bytes were written there before
        :raises NoSpaceError: the disk is full, and the share thrown away
        """
        await self._write(self.share.write, offset, data, len(data))

    async def put(self, offset: int, parts: Sequence[bytes]) -> list[tuple[int, int]]:
        """Write *parts*, one behind the other, as :meth:`remote_write` does.

        :return: which bytes of the share are missing
        """
        return await self._write(self.share.put, offset, parts, sum(map(len, parts)))

    @property
    def is_open(self) -> bool:
        """Tell whether it may still be written."""
        return not self._closed_why

    async def _write(
        self, write: Callable[[int, D], T], offset: int, data: D, size: int
    ) -> T:
        self._demand_open()
        self.share.check(offset, size)
        if self._waiting + size > MOST_WAITING:
            raise UsageError(f"more than {MOST_WAITING} bytes are waiting to be written")
        self._touched = self._clock.seconds()
        self._waiting += size
        try:
            return await self._in_turn(write, offset, data)
        finally:
            self._waiting -= size
            if self.share.is_over:  # the disk refused
                self._shut("its disk failed")
                self._end(kept=False)

    @as_deferred
    async def remote_close(self) -> None:
        """Make the share durable and serve it; answered when that is done.

        :raises UsageError: bytes are missing: the share was thrown away
        :raises NoSpaceError: the disk is full, and the share thrown away
        """
        self._demand_open()
        self._shut("it was closed")
        kept = False
        try:
            await self._in_turn(self.share.finish)
            kept = True
        finally:
            self._end(kept)

    @as_deferred
    async def remote_abort(self) -> None:
        """Throw the share away; after a close this only waits for its end."""
        await self.abort("its writer gave up")

    def abort(self, why: str) -> Deferred[None]:
        """Throw the share away unless it was closed; fires when it is kept or gone."""
        if not self._closed_why:
            log.info("share {shnum} thrown away: {why}", shnum=self.share.shnum, why=why)
            self._shut(why)
            log_failure(start(self._discard()), log, "could not delete a partial share")
        return self._ended.wait()

    async def _discard(self) -> None:
        try:
            await self._in_turn(self.share.discard)
        finally:
            self._end(kept=False)

    async def _in_turn(self, operation: Callable[..., T], *args: Any) -> T:
        async with self._turn:
            return await self._disk.run(operation, *args)

    def _demand_open(self) -> None:
        if self._closed_why:
            raise UsageError(f"this bucket is closed: {self._closed_why}")

    def _shut(self, why: str) -> None:
        """Take no more calls, and watch neither clock nor canary."""
        if self._closed_why:
            return
        self._closed_why = why
        if self._timer.active():
            self._timer.cancel()
        self._canary.dontNotifyOnDisconnect(self._marker)

    def _end(self, kept: bool) -> None:
        if not self._ended.is_open:
            self._on_end(self, kept)
            self._ended.open()

    def _canary_lost(self) -> None:
        drop(self.abort("the connection to its writer was lost"))

    def _check_idle(self) -> None:
        left = self._touched + IDLE_LIMIT_S - self._clock.seconds()
        if left > 0:
            self._timer = self._clock.callLater(left, self._check_idle)
        else:
            drop(self.abort("nothing was written for 30 minutes"))


@define
class OpenShares:
    """The share files read last, kept open; no more than a few, whoever reads."""

    _shares: OrderedDict[Path, ShareFile] = field(factory=OrderedDict, init=False)

    def put(self, share: ShareFile) -> None:
        """Keep *share*, instead of an older one of its path."""
        self._shares[share.path] = share
        self._shares.move_to_end(share.path)
        while len(self._shares) > MOST_OPEN_SHARES:
            self._shares.popitem(last=False)

    def get(self, path: Path) -> ShareFile | None:
        """Return the open share of *path*, if it is among the few."""
        share = self._shares.get(path)
        if share:
            self._shares.move_to_end(path)
        return share

    def forget(self, *paths: Path) -> None:
        """Keep these no longer; all, if none is named."""
        for path in paths or list(self._shares):
            self._shares.pop(path, None)


@serves(RIBucketReader)
class BucketReader(Referenceable):
    """One finished share.  It holds no descriptor: thousands of these cost little.

    :param advise: called with the reason when a client says the share is corrupt
    """

    def __init__(
        self,
        path: Path,
        tree: ShareTree,
        disk: Disk,
        shares: OpenShares,
        advise: Callable[[bytes], Deferred[None]],
    ) -> None:
        self._path = path
        self._tree = tree
        self._disk = disk
        self._shares = shares
        self._advise = advise

    @as_deferred
    async def remote_read(self, offset: int, length: int) -> bytes:
        """Return at most *length* bytes of share data: fewer at the end, none past it.

        :raises UsageError: more than one answer may carry, or before the start
        :raises NotFoundError: the share is gone
        """
        if offset < 0 or not 0 <= length <= MAX_SHARE_DATA:
            raise UsageError(
                f"read of {length} bytes at {offset}; most is {MAX_SHARE_DATA}"
            )
        share = self._shares.get(self._path)
        if share and length <= READ_AT_ONCE:
            data = share.read_cached(offset, length)
            if data is not None:
                return data
        read, kept = await self._disk.run(self._read, share, offset, length)
        self._shares.put(kept)
        return read

    def remote_advise_corrupt_share(self, reason: bytes) -> Deferred[None]:
        """Take down that a client found this share corrupt."""
        return self._advise(reason)

    def _read(
        self, share: ShareFile | None, offset: int, length: int
    ) -> tuple[bytes, ShareFile]:
        share = share or self._tree.open(self._path)
        if not share:
            raise NotFoundError("this share is gone")
        return share.read(offset, length), share
