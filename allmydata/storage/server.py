"""The storage server: makes room for shares, hands them out, and keeps their leases.

A call goes to a thread at most once.  Who is writing what, and how much room that was
promised, is state of the reactor's side and changes here; what lies on disk changes in
threads, by :mod:`allmydata.storage.requests`.  Protocol: docs/protocols/storage.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from foolscap.api import Referenceable
from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime

from allmydata.errors import GridError, UsageError
from allmydata.formats.container import LEASE_DURATION_S
from allmydata.formats.renewals import MOST_RENEWALS, unpack_renewals
from allmydata.interfaces import MAX_WHOLE_SHARE, RIStorageServer
from allmydata.storage import requests, slots
from allmydata.storage.accounts import NO_QUOTAS, Quotas, account_behind
from allmydata.storage.advisories import Advisory, keep_advisory, read_advisories
from allmydata.storage.books import Books
from allmydata.storage.buckets import BucketReader, BucketWriter, OpenShares
from allmydata.storage.disk import SYSTEM, Calls, Disk
from allmydata.storage.expiry import NO_EXPIRY, ExpiryPolicy
from allmydata.storage.incoming import IncomingShare
from allmydata.storage.inventory import NOBODY, Holdings
from allmydata.storage.leaseindex import FILE_NAME
from allmydata.storage.ledger import Ledger
from allmydata.storage.reading import Reading
from allmydata.storage.reaper import Reaper
from allmydata.storage.requests import Allocation, Claim
from allmydata.storage.room import Room
from allmydata.storage.slotfile import ReadVector, SlotClaim
from allmydata.storage.tree import LARGEST_SHNUM, ShareTree
from allmydata.util.deferreds import as_deferred, gather
from allmydata.util.wire import serves
from allmydata.util.workers import Workers

STORAGE_INDEX_SIZE = 16
PROTOCOL_V1 = b"http://allmydata.org/tahoe/protocols/storage/v1"
GRID_V1 = b"allmydata-grid-v1"
MAX_MUTABLE_SHARE_SIZE = 69_105 * 10**12
MOST_ADVISORIES = 100  # that are told at once
AT_A_TIME = 250  # files whose leases are renewed in one go of a thread
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
    :param expiry: what becomes of shares that nobody renews
    :param quotas: how much each account may have
    :param monotonic: seconds that go on evenly, whatever is done to the clock
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
        expiry: ExpiryPolicy = NO_EXPIRY,
        quotas: Quotas = NO_QUOTAS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tubid = tubid
        self.nickname = nickname
        self.zone = zone
        self.version = version
        self.readonly = readonly
        self._storedir = storedir
        self._clock = clock
        self._disk = Disk(workers)
        self._ledger = Ledger(storedir / FILE_NAME, monotonic)
        self._tree = ShareTree(storedir, calls, self._ledger.note)
        self._open_shares = OpenShares()
        self.reading = Reading(self._tree, self._disk, self._open_shares)
        self._room = Room(self._tree, self._ledger, quotas, reserved_space, max_size)
        parts = self._tree, self._ledger, self._disk
        self._reaper = Reaper(expiry, *parts, clock.seconds, self._open_shares.forget)
        self.books = Books(self._tree, self._ledger, self._reaper, self._disk, clock)
        # Shares being written; None while one is being begun or thrown away again.
        self._writers: dict[tuple[bytes, int], BucketWriter | None] = {}

    # ---- a service of the node -----------------------------------------------------------

    def startService(self) -> None:  # noqa: N802 - Twisted's name
        """Clear what a crash left half written, and serve.

        :raises OSError: the directory can't be made, or not be written
        """
        self._tree.prepare()
        self._disk.open()
        self.books.start()
        Service.startService(self)

    @as_deferred
    async def stopService(self) -> None:  # noqa: N802 - Twisted's name
        """Throw away what is half written; fires when no file operation is in hand."""
        Service.stopService(self)
        writers = [writer for writer in self._writers.values() if writer]
        await gather([writer.abort("the server is stopping") for writer in writers])
        await self.books.stop()
        await self._disk.shut(self._ledger.close)
        self._open_shares.forget()

    @property
    def num_uploads(self) -> int:
        """How many shares are being written."""
        return len(self._writers)

    @as_deferred
    async def holdings(self) -> Holdings:
        """Return what is kept here, leases too; fires once the files were counted."""
        await self.books.when_counted()
        return self._ledger.held()

    def expiry_figures(self) -> dict[str, int | None]:
        """Return what the last look for shares that nobody wants came to.

        ``expired`` shares, and those of them that are ``doomed``, their grace being over;
        bytes ``reclaimed`` since the start.
        """
        last = self._reaper.last
        return {
            "expired": last.expired - last.deleted if last else None,
            "doomed": last.doomed - last.deleted if last else None,
            "reclaimed": self._reaper.reclaimed if last else None,
        }

    # ---- room ----------------------------------------------------------------------------

    async def _know_what_counts(self) -> None:
        if self._room.depends_on_counts:
            await self.books.when_counted()

    @as_deferred
    async def remote_get_version(self) -> dict[bytes, Any]:
        """Return what this server can do, and how much it takes."""
        await self._know_what_counts()
        room = 0 if self.readonly else await self._disk.run(self._room.left, 0)
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
                b"batched-leases": MOST_RENEWALS,
                b"whole-shares": MAX_WHOLE_SHARE,
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
        account = self._account(canary)
        claim = self._claim(storage_index, renew_secret, cancel_secret, account)
        await self._know_what_counts()
        allocation = await self._allocate(claim, sharenums, allocated_size)
        if not self.running:  # stopped in the meantime
            await gather([self._take_back(share) for share in allocation.begun.values()])
            raise GridError("the storage server is stopped")
        begun = {n: self._writer(one, canary) for n, one in allocation.begun.items()}
        return allocation.held, begun

    async def put_shares(
        self,
        storage_index: bytes,
        renew_secret: bytes,
        cancel_secret: bytes,
        shares: Mapping[int, bytes],
        canary: Any,
    ) -> tuple[set[int], set[int]]:
        """Store whole shares of one size; lease those that are here already.

        :return: all share numbers that were held, and those that are kept now
        :raises UsageError: arguments that can't be meant
        :raises NoSpaceError: the disk is full
        """
        _demand_storage_index(storage_index)
        sizes = {len(one) for one in shares.values()} or {0}
        if len(sizes) > 1 or max(sizes) > MAX_WHOLE_SHARE:
            raise UsageError(f"shares of one size are taken, up to {MAX_WHOLE_SHARE} bytes")
        size = sizes.pop()
        _demand_share_numbers(set(shares), size)
        account = self._account(canary)
        claim = self._claim(storage_index, renew_secret, cancel_secret, account)
        await self._know_what_counts()
        wanted = self._free_numbers(storage_index, set(shares))
        room = self._room.left_to(account)
        self._reserve(storage_index, wanted, size, account)
        try:
            chosen = {shnum: shares[shnum] for shnum in wanted}
            return await self._disk.run(
                requests.put_whole, self._tree, claim, chosen, size, room
            )
        finally:
            self._release(storage_index, wanted, size, account)

    remote_put_shares = as_deferred(put_shares)

    def _account(self, canary: Any) -> int:
        """Return who is asking, and remember having seen them."""
        account, tubid = account_behind(canary)
        if account:
            self._ledger.saw(account, tubid, int(self._clock.seconds()))
        return account

    async def _allocate(self, claim: Claim, sharenums: set[int], size: int) -> Allocation:
        """Reserve numbers and room before the thread starts; give back what it leaves."""
        index, account = claim.storage_index, claim.account
        wanted = self._free_numbers(index, sharenums)
        room = self._room.left_to(account)
        self._reserve(index, wanted, size, account)
        begun: set[int] = set()
        try:
            allocation = await self._disk.run(
                requests.allocate, self._tree, claim, wanted, size, room
            )
            begun = set(allocation.begun)
        finally:
            self._release(index, wanted - begun, size, account)
        return allocation

    def _free_numbers(self, index: bytes, sharenums: set[int]) -> set[int]:
        """Return those of *sharenums* that nobody is writing; none if none are taken."""
        if self.readonly:
            return set()
        return {n for n in sharenums if (index, n) not in self._writers}

    def _reserve(self, index: bytes, numbers: set[int], size: int, account: int) -> None:
        self._writers.update(((index, n), None) for n in numbers)
        self._room.promise(size, len(numbers), account)

    def _release(self, index: bytes, numbers: set[int], size: int, account: int) -> None:
        for n in numbers:
            del self._writers[index, n]
        self._room.end(size, len(numbers), account)

    def _release_share(self, share: IncomingShare) -> None:
        (account,) = share.held.accounts
        size = share.container.data_size
        self._release(share.storage_index, {share.shnum}, size, account)

    def _writer(self, share: IncomingShare, canary: Any) -> BucketWriter:
        writer = BucketWriter(share, self._disk, self._clock, canary, self._ended)
        self._writers[share.storage_index, share.shnum] = writer
        return writer

    async def _take_back(self, share: IncomingShare) -> None:
        await self._disk.run(share.discard)
        self._release_share(share)

    def _ended(self, writer: BucketWriter, kept: bool) -> None:
        self._release_share(writer.share)

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

    @as_deferred
    async def advisories(self) -> list[Advisory]:
        """Return what clients reported of damaged shares, the newest first."""
        return await self._disk.run(read_advisories, self._storedir, MOST_ADVISORIES)

    def _keep(self, advisory: Advisory) -> None:
        if advisory.shnum in self._tree.numbers(advisory.storage_index):
            keep_advisory(self._storedir, advisory)

    # ---- mutable shares ------------------------------------------------------------------

    @as_deferred
    async def remote_slot_readv(
        self, storage_index: bytes, shares: list[int], readv: ReadVector
    ) -> dict[int, list[bytes]]:
        """Return the same parts of the mutable shares named, or of all there are."""
        _demand_storage_index(storage_index)
        return await self._disk.run(
            slots.read_slots, self._tree, storage_index, set(shares), readv
        )

    @as_deferred
    async def remote_slot_testv_and_readv_and_writev(
        self,
        storage_index: bytes,
        secrets: tuple[bytes, bytes, bytes],
        tw_vectors: slots.Writes,
        r_vector: ReadVector,
    ) -> tuple[bool, dict[int, list[bytes]]]:
        """Write mutable shares, if all of them are as they are believed to be.

        :return: whether they were, and parts of what was here before
        :raises BadWriteEnablerError: shares here were made with another
        :raises NoSpaceError: there is no room for them to grow
        :raises UsageError: arguments that can't be meant
        """
        await self._know_what_counts()
        claim = self._slot_claim(storage_index, secrets)
        return await self._disk.run(
            slots.test_and_write, self._tree, claim, tw_vectors, r_vector, self._slot_room
        )

    def _slot_claim(self, index: bytes, secrets: tuple[bytes, bytes, bytes]) -> SlotClaim:
        enabler, renew, cancel = secrets
        claim = self._claim(index, renew, cancel)
        return SlotClaim(index, enabler, renew, cancel, self.tubid, claim.expires)

    def _slot_room(self, has_new_shares: bool) -> int:
        """Return the bytes that mutable shares may grow by; old ones may on any server."""
        if self.readonly and has_new_shares:
            return 0
        return self._room.left(self._room.num_promised)

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

    @as_deferred
    async def remote_renew_leases(self, packed: bytes, canary: Any) -> bytes:
        """Renew or add a lease on the shares of each of many files; tell how that went.

        :param packed: docs/protocols/storage.md
        :param canary: by its connection the server knows whose the leases are
        :raises UsageError: *packed* has no such form
        """
        account = self._account(canary)
        claims = [self._claim(*one, account) for one in unpack_renewals(packed)]
        parts = (claims[i : i + AT_A_TIME] for i in range(0, len(claims), AT_A_TIME))
        done = [await self._disk.run(requests.renew_many, self._tree, p) for p in parts]
        return b"".join(done)

    def _claim(
        self, index: bytes, renew_secret: bytes, cancel_secret: bytes, account: int = NOBODY
    ) -> Claim:
        _demand_storage_index(index)
        expires = int(self._clock.seconds()) + LEASE_DURATION_S
        return Claim(index, renew_secret, cancel_secret, expires, account, self.tubid)


def _demand_storage_index(storage_index: bytes) -> None:
    if len(storage_index) != STORAGE_INDEX_SIZE:
        raise UsageError(
            f"storage index of {len(storage_index)} bytes, wanted {STORAGE_INDEX_SIZE}"
        )


def _demand_share_numbers(sharenums: set[int], size: int) -> None:
    if size < 0 or any(not 0 <= n <= LARGEST_SHNUM for n in sharenums):
        raise UsageError(f"shares are numbered 0 to {LARGEST_SHNUM} and have a size")
