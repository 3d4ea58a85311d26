"""The steps of a download, in order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen
from twisted.application.service import Service
from twisted.internet.defer import CancelledError as DeferredCancelled
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from allmydata.errors import BadCapError, CancelledError, NotCapableError, UsageError
from allmydata.grid.broker import StorageBroker
from allmydata.grid.server import StorageServerProxy
from allmydata.grid.startup import TO_READ_S, StartUp
from allmydata.immutable.batches import Batches
from allmydata.immutable.decode import ShareFetcher
from allmydata.immutable.locate import ShareLocator
from allmydata.immutable.pipeline import Pipeline
from allmydata.immutable.transfers import Transfer, Transfers
from allmydata.interfaces import IDecoder, IDownloader
from allmydata.uri import CHKFileURI, CHKFileVerifierURI, LiteralFileURI, from_string
from allmydata.util.deferreds import as_deferred, drop, start
from allmydata.util.workers import Workers

log = Logger()

DEPTH = 2  # batches under way: a third takes 3 MB more, a fourth 8, and is no faster


@frozen
class Span:
    """Bytes *start* to *end* (exclusive) of a file."""

    start: int
    end: int

    @classmethod
    def of(cls, size: int, offset: int, length: int | None) -> Span:
        """Return the part of a file of *size* bytes that was asked for, clipped to it.

        :raises UsageError: it begins before the file, or its length is negative
        """
        if offset < 0 or (length is not None and length < 0):
            raise UsageError(f"{length} bytes from {offset} is no part of a file")
        begin = min(offset, size)
        return cls(begin, size if length is None else min(size, begin + length))

    def cut(self, segment: bytes, at: int) -> bytes:
        """Return what this span has of *segment*, whose first byte is at *at*."""
        begin, end = max(0, self.start - at), min(len(segment), self.end - at)
        return segment if (begin, end) == (0, len(segment)) else segment[begin:end]


@implementer(IDownloader)
class Downloader(Service):
    """Brings files back; ``getService("downloader")`` of a client.

    :param transfers: where each download is recorded
    """

    name = "downloader"

    def __init__(
        self,
        broker: StorageBroker,
        workers: Workers,
        clock: IReactorTime,
        transfers: Transfers | None = None,
    ) -> None:
        self._broker = broker
        self._workers = workers
        self._clock = clock
        self.transfers = transfers or Transfers(clock.seconds)
        self.start_up = StartUp(broker, clock, TO_READ_S)

    def download(
        self, uri: str, target: Any, offset: int = 0, size: int | None = None
    ) -> Deferred[Any]:
        """Send the file named by the capability *uri* to *target*, an IDownloadTarget.

        :param offset: of the first byte wanted
        :param size: bytes wanted; None: up to the end.  The part is clipped to the file
        :return: a Deferred of what ``target.finish()`` returns; cancelling it ends the
            download
        :raises BadCapError: *uri* is not the capability of a file
        :raises NotCapableError: it is, but does not allow to read
        :raises NotEnoughSharesError: too few good shares can be had now
        :raises CorruptError: the file was never whole
        :raises CancelledError: the target called it off
        """
        work = start(self._download(uri, target, offset, size))
        target.register_canceller(work.cancel)
        return work.addErrback(_tell, target)

    async def _download(self, uri: str, target: Any, offset: int, size: int | None) -> Any:
        cap = from_string(uri)
        if isinstance(cap, LiteralFileURI):
            span = Span.of(len(cap.data), offset, size)
            target.open(span.end - span.start)
            if span.end > span.start:
                await _write(target, cap.data[span.start : span.end])
            self.transfers.count("download", span.end - span.start)
        elif isinstance(cap, CHKFileURI):
            span = Span.of(cap.size, offset, size)
            length, index = span.end - span.start, cap.storage_index
            with self.transfers.running("download", length, index) as transfer:
                await self._fetch(cap, target, span, transfer)
        elif isinstance(cap, CHKFileVerifierURI):
            raise NotCapableError(
                "a verify capability does not allow to read the file",
                fix="use the read capability, which begins with URI:CHK:",
            )
        else:
            raise BadCapError("this capability is not a file's")
        target.close()
        return target.finish()

    async def _fetch(
        self, cap: CHKFileURI, target: Any, span: Span, transfer: Transfer
    ) -> None:
        await self.start_up.wait_for(cap.needed_shares)
        locator = ShareLocator(
            self._broker.for_index(cap.storage_index),
            cap.storage_index,
            self._clock,
            lambda server, rrefs: _offer(fetcher, server, rrefs, self._clock.seconds()),
            lambda: fetcher.news(),
            self._broker.paces,
        )
        args = (cap, self._workers, self._clock, locator.ask, _name)
        fetcher = ShareFetcher(*args, paces=self._broker.paces)
        fetcher.transfer = transfer
        fetcher.on_bad = _Advisor(cap.storage_index, self._clock).advise
        try:
            await deliver(fetcher, target, span)
        finally:
            locator.stop()


async def deliver(fetcher: ShareFetcher, target: Any, span: Span) -> None:
    """Write *span* of a file to *target*, opened when the first bytes are there."""
    geometry = await fetcher.geometry()
    if span.start == span.end:
        target.open(0)
        return
    first, last = (at // geometry.segment_size for at in (span.start, span.end - 1))
    todo, transfer = Batches(geometry, first, last), fetcher.transfer
    transfer.first_segment, transfer.num_segments = first, last + 1 - first

    async def begin(i: int) -> Deferred[list[bytes]]:
        return start(fetcher.fetch(todo[i]))

    async def finish(i: int, segments: list[bytes]) -> None:
        if i == 0:
            target.open(span.end - span.start)
        for segnum, segment in enumerate(segments, todo[i].first):
            piece = span.cut(segment, segnum * geometry.segment_size)
            await _write(target, piece)
            transfer.advance(len(piece))

    await Pipeline(len(todo), DEPTH, begin, finish).run()


async def _write(target: Any, data: bytes) -> None:
    waiting = target.write(data)
    if isinstance(waiting, Deferred):
        await waiting


def _tell(failure: Failure, target: Any) -> Failure:
    """Tell the target that it gets no more, and the caller why."""
    if failure.check(DeferredCancelled):
        failure = Failure(CancelledError("the download was called off"))
    target.fail(failure)
    return failure


def _offer(
    fetcher: ShareFetcher, server: StorageServerProxy, rrefs: Mapping[int, Any], now: float
) -> None:
    """Take note of the shares of *server*; others are preferred if it gave bad ones."""
    fetcher.add_all(server, rrefs)
    if server.trust.is_low(now):
        for shnum in rrefs:
            fetcher.chooser.slow(shnum, server)


def _name(server: StorageServerProxy) -> str:
    return server.name


@frozen
class _Advisor:
    """Tells servers of shares of theirs that have gone bad."""

    storage_index: bytes
    clock: IReactorTime

    def advise(self, shnum: int, server: StorageServerProxy, why: str) -> None:
        log.warn("share {shnum} on {server} is bad", shnum=shnum, server=server.name)
        server.trust.lose(self.clock.seconds())
        drop(server.advise_corrupt_share(self.storage_index, shnum, why))


@implementer(IDecoder)
class Decoder:
    """Decodes one file from shareholders found by somebody else.

    :param cap: what the file's capability says
    """

    def __init__(self, cap: CHKFileURI, workers: Workers, clock: IReactorTime) -> None:
        self._size = cap.size
        self._fetcher = ShareFetcher(cap, workers, clock)
        self._outfile: Any = None

    def setup(self, outfile: Any) -> None:
        """Take the file-like object that gets the plaintext: ``write`` and ``close``."""
        self._outfile = outfile

    def set_shareholders(self, shareholders: Mapping[int, Any]) -> None:
        """Take the RemoteReference of an RIBucketReader for each share number."""
        for shnum, rref in shareholders.items():
            self._fetcher.add(shnum, "its shareholder", rref)

    @as_deferred
    async def start(self) -> Decoder:
        """Fetch, check, decode and decrypt everything; return this.

        :raises NotEnoughSharesError: the shareholders do not have it; what was written
            to the file is right, but not all, and the file is not closed
        """
        await deliver(self._fetcher, _FileLike(self._outfile), Span(0, self._size))
        self._outfile.close()
        return self


@frozen
class _FileLike:
    outfile: Any

    def open(self, size: int) -> None:
        """Nothing to prepare."""

    def write(self, data: bytes) -> Any:
        return self.outfile.write(data)
