"""The steps of an upload, in order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, BinaryIO

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from allmydata.coding.geometry import DEFAULT_MAX_SEGMENT_SIZE
from allmydata.errors import (
    NotEnoughServersError,
    NotYetError,
    UploadSourceError,
    UsageError,
)
from allmydata.grid.broker import StorageBroker
from allmydata.grid.shape import ShareShape
from allmydata.grid.startup import StartUp
from allmydata.immutable.encode import Encoder
from allmydata.immutable.encrypt import EncryptedUploadable
from allmydata.immutable.lanes import Lane, Lingering
from allmydata.immutable.shareholders import ShareholderFinder, Shareholders
from allmydata.immutable.transfers import Transfer, Transfers
from allmydata.immutable.whole import (
    HERE_AND_NOW,
    MOST_WHOLE,
    make_shares,
    put_whole,
    takes_whole,
)
from allmydata.interfaces import IUploader
from allmydata.streams import uploadable as sources
from allmydata.uri import LITERAL_LIMIT, CHKFileURI, LiteralFileURI
from allmydata.util.deferreds import as_deferred, sleep
from allmydata.util.workers import Workers

log = Logger()

RETRY_AFTER_S = (0.5, 2.0)  # before a server that refused is asked again
ReplaceMutable = Callable[[Any, int, bytes], Deferred[str]]  # capability, version, content
SILENCE_S = 0.5  # after which a write is late, until what is usual is known


@implementer(IUploader)
class Uploader(Service):
    """Stores files on the grid; ``getService("uploader")`` of a client.

    :param convergence: the convergence secret of this node
    :param parameters: tells the (k, happy, n) of new files
    :param transfers: where each upload is recorded
    :param replace_ssk: puts a new version of a mutable file in place
    """

    name = "uploader"

    def __init__(
        self,
        broker: StorageBroker,
        workers: Workers,
        convergence: bytes,
        parameters: Callable[[], tuple[int, int, int]],
        clock: IReactorTime,
        max_segment_size: int = DEFAULT_MAX_SEGMENT_SIZE,
        transfers: Transfers | None = None,
        replace_ssk: ReplaceMutable | None = None,
    ) -> None:
        self._broker = broker
        self._workers = workers
        self.convergence = convergence
        self.parameters = parameters
        self._clock = clock
        self.max_segment_size = max_segment_size
        self.transfers = transfers or Transfers(clock.seconds)
        self._replace_ssk = replace_ssk
        self.lingering = Lingering(clock)
        self._locks: dict[bytes, DeferredLock] = {}
        self.start_up = StartUp(broker, clock)

    @as_deferred
    async def upload(self, uploadable: Any, happy: int | None = None) -> str:
        """Store what *uploadable*, an IUploadable, holds; return its capability.

        :param happy: on how many servers at least, instead of the node's own number
        :raises NotEnoughServersError: that can't be reached.  Of a large file nothing is
            left; shares of a small one that were stored by then are whole, and leased
        :raises UploadSourceError: the bytes could not be read
        :raises UsageError: *happy* is no number of servers
        """
        try:
            size = await uploadable.get_size()
            if size <= LITERAL_LIMIT:
                cap = await _literal(uploadable, size)
                self.transfers.count("upload", size)
                return cap
            return await self._store(uploadable, size, self._params(happy))
        finally:
            uploadable.close()

    def stopService(self) -> None:  # noqa: N802
        """Give up on servers that are late."""
        Service.stopService(self)
        self.lingering.stop()

    def upload_data(self, data: bytes) -> Deferred[str]:
        """Store *data*, so that equal files converge."""
        return self.upload(sources.Data(data, self.convergence))

    def upload_filename(self, filename: str) -> Deferred[str]:
        """Store the file at the absolute path *filename*, so that equal files converge."""
        source = sources.FileName(filename, self.convergence, workers=self._workers)
        return self.upload(source)

    def upload_filehandle(self, filehane: BinaryIO) -> Deferred[str]:
        """Store what an open, seekable file holds, so that equal files converge."""
        source = sources.FileHandle(filehane, self.convergence, workers=self._workers)
        return self.upload(source)

    @as_deferred
    async def upload_ssk(
        self, write_capability: str, new_version: int, uploadable: Any
    ) -> str:
        """Replace the content of a mutable file; return *write_capability*.

        :param new_version: the sequence number of what is stored now
        :raises UncoordinatedWriteError: there is that version already, or a newer one
        :raises NotMutableError: the capability only reads
        :raises NotYetError: this uploader was made without mutable files
        """
        if self._replace_ssk is None:
            raise NotYetError("this uploader stores immutable files only")
        try:
            data = await _read_all(uploadable, await uploadable.get_size())
        finally:
            uploadable.close()
        return await self._replace_ssk(write_capability, new_version, data)

    def _params(self, happy: int | None) -> tuple[int, int, int]:
        k, own, n = self.parameters()
        wanted = own if happy is None else happy
        if not 1 <= wanted <= n:
            raise UsageError(
                f"happy is {wanted}, and {n} shares are made of a file",
                fix=f"choose a number of servers from 1 to {n}",
            )
        return k, wanted, n

    async def _store(self, uploadable: Any, size: int, params: tuple[int, int, int]) -> str:
        encrypted = EncryptedUploadable(uploadable)
        largest = self.max_segment_size
        encoder = Encoder(self._workers, self._clock, max_segment_size=largest)
        encoder.set_size(size)
        encoder.set_params(params)
        await encoder.set_encrypted_uploadable(encrypted)
        index = encoder.get_param("storage_index")
        with self.transfers.running("upload", size, index) as transfer:
            await self.start_up.wait_for(params[1])
            # equal files at once: the second finds the first's shares, and renews leases
            async with self._alone(index):
                seal = await self._put_whole(encoder, encrypted, params[1], transfer)
                if not seal:
                    await self._place(encoder, params[1], transfer)
                    seal, *_ = await encoder.start()
        key = await encrypted.get_encryption_key()
        return CHKFileURI(key, seal, params[0], params[2], size).to_string()

    async def _put_whole(
        self, encoder: Encoder, source: EncryptedUploadable, happy: int, transfer: Transfer
    ) -> bytes:
        """Store a small file the short way; return its seal, empty if that did not do."""
        geometry, index = encoder.geometry, encoder.get_param("storage_index")
        if geometry.num_segments > 1 or geometry.size > MOST_WHOLE:
            return b""
        finder = self._finder(encoder, happy)
        plan = finder.first_plan()
        if not takes_whole(plan, finder.shape.share_size, happy):
            return b""
        crypttext = b"".join(await source.read_encrypted(geometry.size))
        if geometry.size <= HERE_AND_NOW:
            file = make_shares(crypttext, geometry)
        else:
            file = await self._workers.run(make_shares, crypttext, geometry)
        paces = self._broker.paces
        if not await put_whole(index, file, plan, happy, paces, self._clock):
            source.put_back(crypttext)
            return b""
        transfer.num_segments = 1
        for shnum, server in plan.new.items():
            transfer.asked(server, shnum)
            transfer.got(server, range(1), len(file.shares[shnum]))
        transfer.advance(geometry.size)
        return file.seal

    def _finder(self, encoder: Encoder, happy: int) -> ShareholderFinder:
        storage_index = encoder.get_param("storage_index")
        return ShareholderFinder(
            self._broker.for_index(storage_index),
            storage_index,
            ShareShape(encoder.geometry),
            happy,
            self._clock,
            self._broker.paces,
        )

    async def _place(self, encoder: Encoder, happy: int, transfer: Transfer) -> None:
        """Find shareholders for *encoder*.

        A share that another client is just writing is neither held nor to be had; so
        whoever is refused looks again, twice, before it is an error.
        """
        for wait_s in (*RETRY_AFTER_S, None):
            finder = self._finder(encoder, happy)
            try:
                holders = await finder.find()
                break
            except NotEnoughServersError:
                if wait_s is None or not finder.was_refused:
                    raise
                await sleep(wait_s, self._clock)
        encoder.set_shareholders(holders.writers)
        encoder.watch(transfer, holders.servers)
        encoder.still_happy = lambda left: holders.happiness_of(left) >= happy
        for server in holders.silent:
            transfer.silent(server)
        self._let_lag(encoder, holders, transfer)

    def _let_lag(self, encoder: Encoder, holders: Shareholders, transfer: Transfer) -> None:
        """Let servers that are late get their shares after the upload."""
        paces = self._broker.paces

        def limit(shnum: int, call: str) -> float:
            return paces.limit(holders.servers[shnum], call, SILENCE_S)

        def leave(shnum: int, lane: Lane) -> None:
            server = holders.servers[shnum]
            paces.late(server, self._clock.seconds())
            self.lingering.add(lane, server, transfer)

        encoder.let_lag(limit, leave)

    @asynccontextmanager
    async def _alone(self, storage_index: bytes) -> AsyncIterator[None]:
        lock = self._locks.setdefault(storage_index, DeferredLock())
        await lock.acquire()
        try:
            yield
        finally:
            lock.release()
            if not lock.locked:
                self._locks.pop(storage_index, None)


async def _literal(uploadable: Any, size: int) -> str:
    return LiteralFileURI(await _read_all(uploadable, size)).to_string()


async def _read_all(uploadable: Any, size: int) -> bytes:
    data = b""
    while len(data) < size:
        pieces = await uploadable.read(size - len(data))
        if not any(pieces):
            raise UploadSourceError(
                "the source changed while it was being read",
                why=f"it ended after {len(data)} of {size} bytes",
            )
        data += b"".join(pieces)
    return data
