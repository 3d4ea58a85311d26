"""The storage server: makes room for shares, hands them out, and keeps their leases.

A call goes to a thread at most once.  Who is writing what, and how much room that was
promised, is state of the reactor's side and changes here; what lies on disk changes in
threads, by :mod:`allmydata.storage.requests`.  Protocol: docs/protocols/storage.md.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from foolscap.api import Referenceable
from twisted.application.service import Service
from twisted.internet.defer import DeferredLock
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from allmydata.errors import GridError, UsageError
from allmydata.formats.container import LEASE_DURATION_S, Container
from allmydata.interfaces import RIStorageServer
from allmydata.storage import requests
from allmydata.storage.advisories import Advisory, keep_advisory
from allmydata.storage.buckets import BucketReader, BucketWriter, OpenShares
from allmydata.storage.disk import SYSTEM, Calls, Disk
from allmydata.storage.incoming import IncomingShare
from allmydata.storage.requests import Allocation, Claim
from allmydata.storage.tree import LARGEST_SHNUM, Holdings, ShareTree
from allmydata.util.deferreds import Workers, as_deferred, gather, log_failure
from allmydata.util.wire import serves

log = Logger()

STORAGE_INDEX_SIZE = 16
PROTOCOL_V1 = b"http://allmydata.org/tahoe/protocols/storage/v1"
GRID_V1 = b"allmydata-grid-v1"
MAX_MUTABLE_SHARE_SIZE = 69_105 * 10**12
SHARE_TYPES = {b"immutable": "immutable", b"mutable": "mutable"}


@serves(RIStorageServer)
class StorageServer(Referenceable, Service):
    """One node's store of shares.

    :param storedir: its directory, made at :meth:`startService`; nobody else writes there
    :param tubid: the node's Tub id, 20 bytes
    :param workers: started threads, in which all file operations run
    :param reserved_space: bytes of the disk that shares must leave free
    :param readonly: hold and lease shares, take no new ones
    :param max_size: bytes that all share files together may have; None for no limit
    :param calls: the system calls that write; a test hands in others
    """

    def __init__(
        self,
        storedir: Path,
        tubid: bytes,
        *,
        workers: Workers,
        clock: IReactorTime,
        reserved_space: int = 0,
        readonly: bool = False,
        max_size: int | None = None,
        nickname: str = "",
        zone: str = "",
        version: str = "",
        calls: Calls = SYSTEM,
    ) -> None:
        self.tubid = tubid
        self.nickname = nickname
        self.zone = zone
        self.version = version
        self.readonly = readonly
        self._storedir = storedir
        self._clock = clock
        self._reserved_space = reserved_space
        self._max_size = max_size
        self._disk = Disk(workers)
        self._tree = ShareTree(storedir, calls)
        self._open_shares = OpenShares()
        # Shares being written; None while one is being begun or thrown away again.
        self._writers: dict[tuple[bytes, int], BucketWriter | None] = {}
        self._promised = 0  # bytes of the files of all shares being written
        self._counting = DeferredLock()
        self._holdings: Holdings | None = None

    # ---- a service of the node -----------------------------------------------------------

    def startService(self) -> None:  # noqa: N802 - Twisted's name
        """Clear what a crash left half written, and serve.

        :raises OSError: the directory can't be made, or not be written
        """
        self._tree.prepare()
        self._disk.open()
        Service.startService(self)
        if self._max_size is not None:
            log_failure(self.holdings(), log, "could not count the shares")

    @as_deferred
    async def stopService(self) -> None:  # noqa: N802 - Twisted's name
        """Throw away what is half written; fires when no file operation is in hand."""
        Service.stopService(self)
        writers = [writer for writer in self._writers.values() if writer]
        await gather([writer.abort("the server is stopping") for writer in writers])
        await self._disk.shut()
        self._open_shares.forget()

    @property
    def num_uploads(self) -> int:
        """How many shares are being written."""
        return len(self._writers)

    @as_deferred
    async def holdings(self) -> Holdings:
        """Return what is kept here: counted when first asked for, then kept up.

        Leases that are added to a share later do not count before the next start.
        """
        async with self._counting:
            if self._holdings is None:
                self._holdings = await self._disk.run(self._tree.count)
        return self._holdings

    # ---- room ----------------------------------------------------------------------------

    def _room(self, promised: int, held: int) -> int:
        """Return the bytes of share files that may still be promised; asks the disk."""
        if self.readonly:
            return 0
        room = self._tree.free_space() - self._reserved_space - promised
        if self._max_size is not None:
            room = min(room, self._max_size - held - promised)
        return max(0, room)

    async def _size_of_limited(self) -> int:
        return (await self.holdings()).num_bytes if self._max_size is not None else 0

    @as_deferred
    async def remote_get_version(self) -> dict[bytes, Any]:
        """Return what this server can do, and how much it takes."""
        held = await self._size_of_limited()
        room = await self._disk.run(self._room, 0, held)
        return {
            PROTOCOL_V1: {
                b"maximum-immutable-share-size": room,
                b"maximum-mutable-share-size": MAX_MUTABLE_SHARE_SIZE,
                b"available-space": room,
                b"tolerates-immutable-read-overrun": True,
                b"delete-mutable-shares-with-zero-length-writev": True,
                b"fills-holes-with-zero-bytes": True,
                b"prevents-read-past-end-of-share-data": True,
            },
            GRID_V1: {
                b"nickname": self.nickname,
                b"zone": self.zone,
                b"readonly": self.readonly,
            },
            b"application-version": f"allmydata/{self.version}".encode(),
        }

    # ---- writing -------------------------------------------------------------------------

    @as_deferred
    async def remote_allocate_buckets(
        self,
        storage_index: bytes,
        renew_secret: bytes,
        cancel_secret: bytes,
        sharenums: set[int],
        allocated_size: int,
        canary: Any,
    ) -> tuple[set[int], dict[int, BucketWriter]]:
        """Lease the shares that are here; make room for others.

        :return: all share numbers held, and a writer for each number asked for that is
            neither held nor being written, as long as there is room
        :raises UsageError: arguments that can't be meant
        """
        _demand_storage_index(storage_index)
        _demand_share_numbers(sharenums, allocated_size)
        claim = self._claim(storage_index, renew_secret, cancel_secret)
        held = await self._size_of_limited()
        allocation = await self._allocate(claim, sharenums, allocated_size, held)
        if not self.running:  # stopped in the meantime
            await gather([self._take_back(share) for share in allocation.begun.values()])
            raise GridError("the storage server is stopped")
        begun = {n: self._writer(one, canary) for n, one in allocation.begun.items()}
        return allocation.held, begun

    async def _allocate(
        self, claim: Claim, sharenums: set[int], size: int, held: int
    ) -> Allocation:
        """Reserve numbers and room before the thread starts; give back what it leaves."""
        index = claim.storage_index
        wanted = {n for n in sharenums if (index, n) not in self._writers}
        if self.readonly:
            wanted = set()
        room = partial(self._room, self._promised, held)
        self._reserve(index, wanted, size)
        begun: set[int] = set()
        try:
            allocation = await self._disk.run(
                requests.allocate, self._tree, claim, wanted, size, room
            )
            begun = set(allocation.begun)
        finally:
            self._release(index, wanted - begun, size)
        return allocation

    def _reserve(self, storage_index: bytes, numbers: set[int], size: int) -> None:
        self._writers.update(((storage_index, n), None) for n in numbers)
        self._promised += Container.plan(size).file_size * len(numbers)

    def _release(self, storage_index: bytes, numbers: set[int], size: int) -> None:
        for n in numbers:
            del self._writers[storage_index, n]
        self._promised -= Container.plan(size).file_size * len(numbers)

    def _writer(self, share: IncomingShare, canary: Any) -> BucketWriter:
        writer = BucketWriter(share, self._disk, self._clock, canary, self._ended)
        self._writers[share.storage_index, share.shnum] = writer
        return writer

    async def _take_back(self, share: IncomingShare) -> None:
        await self._disk.run(share.discard)
        self._release(share.storage_index, {share.shnum}, share.container.data_size)

    def _ended(self, writer: BucketWriter, kept: bool) -> None:
        share = writer.share
        self._release(share.storage_index, {share.shnum}, share.container.data_size)
        if kept:
            self._count(1, share.container.file_size)

    def _count(self, num_shares: int, num_bytes: int) -> None:
        if self._holdings:
            self._holdings = self._holdings.plus(num_shares, num_bytes)

    # ---- reading -------------------------------------------------------------------------

    @as_deferred
    async def remote_get_buckets(self, storage_index: bytes) -> dict[int, BucketReader]:
        """Return a reader for every share held."""
        _demand_storage_index(storage_index)
        shares = await self._disk.run(requests.open_shares, self._tree, storage_index)
        for share in shares.values():
            self._open_shares.put(share)
        return {n: self._reader(storage_index, n, one.path) for n, one in shares.items()}

    def _reader(self, storage_index: bytes, shnum: int, path: Path) -> BucketReader:
        advise = partial(
            self.remote_advise_corrupt_share, b"immutable", storage_index, shnum
        )
        return BucketReader(path, self._tree, self._disk, self._open_shares, advise)

    @as_deferred
    async def remote_advise_corrupt_share(
        self, share_type: bytes, storage_index: bytes, shnum: int, reason: bytes
    ) -> None:
        """Take down that a client found a share corrupt; of a share not here, drop it.

        :raises UsageError: a type of share that there is not
        """
        _demand_storage_index(storage_index)
        if share_type not in SHARE_TYPES:
            raise UsageError("shares are immutable or mutable")
        now = self._clock.seconds()
        advisory = Advisory(SHARE_TYPES[share_type], storage_index, shnum, reason, now)
        await self._disk.run(self._keep, advisory)

    def _keep(self, advisory: Advisory) -> None:
        if advisory.shnum in self._tree.numbers(advisory.storage_index):
            keep_advisory(self._storedir, advisory)

    # ---- leases --------------------------------------------------------------------------

    @as_deferred
    async def remote_add_lease(
        self, storage_index: bytes, renew_secret: bytes, cancel_secret: bytes
    ) -> None:
        """Renew the lease of that secret on every share here, or add one; silent if none.

        :raises NoSpaceError: no room for another lease
        """
        claim = self._claim(storage_index, renew_secret, cancel_secret)
        await self._disk.run(requests.add_lease, self._tree, claim)

    @as_deferred
    async def remote_renew_lease(self, storage_index: bytes, renew_secret: bytes) -> None:
        """Renew the lease of that secret.

        :raises NoSuchLeaseError: there is none; it is an IndexError
        """
        claim = self._claim(storage_index, renew_secret, b"")
        await self._disk.run(requests.renew_lease, self._tree, claim)

    @as_deferred
    async def remote_cancel_lease(self, storage_index: bytes, cancel_secret: bytes) -> None:
        """End the lease of that secret; a share whose last one it was is deleted.

        :raises NoSuchLeaseError: there is none; it is an IndexError
        """
        claim = self._claim(storage_index, b"", cancel_secret)
        for share in await self._disk.run(requests.cancel_lease, self._tree, claim):
            self._open_shares.forget(share.path)
            self._count(-1, -share.container.file_size)

    def _claim(
        self, storage_index: bytes, renew_secret: bytes, cancel_secret: bytes
    ) -> Claim:
        _demand_storage_index(storage_index)
        expires = int(self._clock.seconds()) + LEASE_DURATION_S
        return Claim(storage_index, renew_secret, cancel_secret, expires)


def _demand_storage_index(storage_index: bytes) -> None:
    if len(storage_index) != STORAGE_INDEX_SIZE:
        raise UsageError(
            f"storage index of {len(storage_index)} bytes, wanted {STORAGE_INDEX_SIZE}"
        )


def _demand_share_numbers(sharenums: set[int], size: int) -> None:
    if size < 0 or any(not 0 <= n <= LARGEST_SHNUM for n in sharenums):
        raise UsageError(f"shares are numbered 0 to {LARGEST_SHNUM} and have a size")
