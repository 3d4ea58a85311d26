"""Bringing back one version of a mutable file, or a range of it.

Segments are fetched in runs: each of k shares gives its blocks of a run in one call.  Every
block is checked up to the root hash that the owner signed before it is decoded.  A share
that is bad, gone or slow is replaced by another.
"""

from __future__ import annotations

from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from allmydata.coding.mutable import MutableGeometry, decode_mutable
from allmydata.crypto.mutable_keys import MutableKeys
from allmydata.errors import BadHashError, CorruptError, GridError, NotEnoughSharesError
from allmydata.formats.mutable import Prefix
from allmydata.grid.patience import GRACE_FACTOR, GRACE_S
from allmydata.mutable.servermap import FoundShare, ServerMap
from allmydata.mutable.shape import geometry_of
from allmydata.mutable.shares import ChangedError, Pair, ShareReader
from allmydata.util.deferreds import drop, gather, sleep, start
from allmydata.util.workers import Workers

log = Logger()

RUN_SIZE = 2**20  # bytes of the file that are fetched together, at least a segment


@define(eq=False)
class Retrieval:
    """Reads one version.

    :param found: is told of shares that turn out to be bad
    """

    found: ServerMap
    version: Prefix
    _keys: MutableKeys = field(repr=False)
    _workers: Workers
    _clock: IReactorTime
    geometry: MutableGeometry = field(init=False)
    readers: list[ShareReader] = field(init=False)
    _primes: list[ShareReader] = field(factory=list, init=False)  # that gave the last run
    has_changed: bool = field(default=False, init=False)  # shares are of other versions now

    def __attrs_post_init__(self) -> None:
        self.geometry = geometry_of(self.version)
        self.readers = [self._reader(share) for share in self.found.of(self.version)]

    def _reader(self, share: FoundShare) -> ShareReader:
        return ShareReader(share, self.found.storage_index, self._workers, self._clock)

    # ---- what is wanted ------------------------------------------------------------------

    async def pour(self, target: Any, offset: int, size: int) -> None:
        """Write a range to *target*, an IDownloadTarget that was opened.

        :raises NotEnoughSharesError: too few of its shares are good
        :raises ChangedError: the version was replaced before all of it was read
        """
        if not size:
            return
        last = (offset + size - 1) // self.geometry.segment_size
        first = at = offset // self.geometry.segment_size
        run = self._run_length
        coming = start(self.segments(at, min(run, last + 1 - at)))
        try:
            while at <= last:
                data = b"".join(await coming)
                done, at = at, at + run
                if at <= last:
                    coming = start(self.segments(at, min(run, last + 1 - at)))
                await self._write(target, data, done, offset, size, is_first=done == first)
        finally:
            drop(coming)
            coming.cancel()

    async def _write(
        self, target: Any, data: bytes, segnum: int, offset: int, size: int, is_first: bool
    ) -> None:
        begin = segnum * self.geometry.segment_size
        cut = data[offset - begin if is_first else 0 : offset + size - begin]
        waiting = target.write(cut)
        if waiting is not None:
            await waiting

    @property
    def _run_length(self) -> int:
        return max(1, RUN_SIZE // max(1, self.geometry.segment_size))

    async def segments(self, first: int, count: int) -> list[bytes]:
        """Return the plaintext of some segments.

        :raises NotEnoughSharesError, ChangedError: as of :meth:`pour`
        """
        runs = await _Collection(self, first, count).run()
        return await gather(
            self._workers.run(self._decode, first + i, {n: run[i] for n, run in runs})
            for i in range(count)
        )

    async def content(self) -> bytes:
        """Return the whole plaintext."""
        run, total = self._run_length, self.geometry.num_segments
        parts: list[bytes] = []
        for at in range(0, total, run):
            parts += await self.segments(at, min(run, total - at))
        return b"".join(parts)

    def _decode(self, segnum: int, pairs: dict[int, Pair]) -> bytes:
        salts = {salt for salt, _ in pairs.values()}
        if len(salts) != 1:
            raise BadHashError("the shares of a segment have different salts")
        blocks = {n: block for n, (_, block) in pairs.items()}
        return decode_mutable(self._keys, self.geometry, segnum, blocks, salts.pop())

    # ---- which share next ----------------------------------------------------------------

    def next_reader(self, tried: list[ShareReader], taken: set[int]) -> ShareReader | None:
        """Return a share to ask, of a number not in *taken*; proved ones come first."""
        left = [one for one in self._primes if one in self.readers]
        left += [one for one in self.readers if one not in left]
        busy = [one.share.server for one in tried]
        fit = [o for o in left if o not in tried and o.share.shnum not in taken]
        return min(fit, key=lambda one: busy.count(one.share.server), default=None)

    def used(self, readers: list[ShareReader]) -> None:
        """Take note of who gave a run."""
        self._primes = readers

    def lose(self, reader: ShareReader, error: BaseException) -> None:
        """Use a share no more; tell the owner of its server if it is bad."""
        if reader not in self.readers:
            return
        self.readers.remove(reader)
        if isinstance(error, ChangedError):
            self.has_changed = True
        if isinstance(error, CorruptError):
            share = reader.share
            log.warn("bad mutable share: {why}", why=error.message)
            share.server.trust.lose(self._clock.seconds())
            self.found.condemn(share, error.message)
            index = self.found.storage_index
            telling = share.server.advise_corrupt_share(
                index, share.shnum, error.message, is_mutable=True
            )
            drop(telling)


@define(eq=False)
class _Collection:
    """Blocks of one run of segments, from k shares."""

    _retrieval: Retrieval
    _first: int
    _count: int
    _got: dict[int, tuple[ShareReader, list[Pair]]] = field(factory=dict, init=False)
    _pending: dict[ShareReader, Deferred[None]] = field(factory=dict, init=False)
    _slow: set[ShareReader] = field(factory=set, init=False)
    _tried: list[ShareReader] = field(factory=list, init=False)
    _news: Deferred[None] = field(factory=Deferred, init=False)
    _took: float = field(default=0.0, init=False)  # the slowest answer so far, in seconds

    async def run(self) -> list[tuple[int, list[Pair]]]:
        """Return share numbers and their blocks.

        :raises NotEnoughSharesError, ChangedError: too few are to be had
        """
        k = self._retrieval.version.k
        try:
            while len(self._got) < k:
                self._ask(k)
                if not self._pending:
                    raise self._too_few(k)
                await self._wait()
        finally:
            for asking in list(self._pending.values()):
                asking.cancel()
        self._retrieval.used([reader for reader, _ in self._got.values()])
        return [(number, pairs) for number, (_, pairs) in self._got.items()]

    def _ask(self, k: int) -> None:
        """Ask as many shares as are missing, not counting on slow ones."""
        while len(self._got) + len(self._pending.keys() - self._slow) < k:
            prompt = self._pending.keys() - self._slow
            taken = set(self._got) | {reader.share.shnum for reader in prompt}
            reader = self._retrieval.next_reader(self._tried, taken)
            if reader is None:
                return
            self._tried.append(reader)
            self._pending[reader] = asking = start(self._fetch(reader))
            drop(asking)

    async def _fetch(self, reader: ShareReader) -> None:
        since = self._retrieval._clock.seconds()
        try:
            pairs = await reader.pairs(self._first, self._count)
            self._got.setdefault(reader.share.shnum, (reader, pairs))
            self._took = max(self._took, self._retrieval._clock.seconds() - since)
        except (GridError, TimeoutError) as e:
            self._retrieval.lose(reader, e)
        finally:
            self._pending.pop(reader, None)
            self._slow.discard(reader)
            self._wake()

    def _wake(self) -> None:
        if not self._news.called:
            self._news.callback(None)

    async def _wait(self) -> None:
        """Return at the next answer, or when those who were asked count as slow."""
        if self._news.called:
            self._news = Deferred()
            return
        grace = sleep(max(GRACE_S, GRACE_FACTOR * self._took), self._retrieval._clock)
        grace.addCallbacks(lambda _: self._grow_impatient(), lambda _: None)
        await self._news
        grace.cancel()
        self._news = Deferred()

    def _grow_impatient(self) -> None:
        self._slow |= self._pending.keys()
        self._wake()

    def _too_few(self, k: int) -> GridError:
        if self._retrieval.has_changed:
            return ChangedError("somebody has written to the file while it was read")
        total = self._retrieval.version.n
        return NotEnoughSharesError(
            f"only {len(self._got)} good shares were found of {k} needed",
            why=f"version {self._retrieval.version.seqnum} has {total} in all",
        )
