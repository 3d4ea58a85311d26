"""Shares to plaintext: fetched from the quickest, checked, decoded, decrypted.

Segments are fetched in batches: the blocks that one share has of several segments come
in one read.  A few batches are under way at a time.  A share whose bytes are wrong, or
whose server fails, is replaced by another; one whose server takes longer than it usually
does is raced by another, and used after all if it answers first (decision 39).  Nothing
unverified leaves this room.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, TypeVar

from attrs import define, field, frozen
from twisted.internet.defer import DeferredQueue, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from allmydata.coding.geometry import Geometry
from allmydata.coding.retrieval import ShareChooser
from allmydata.coding.verify import (
    BadBlocksError,
    FileVerifier,
    ShareVerifier,
    open_segment,
)
from allmydata.crypto.hashtree import IncompleteHashTree
from allmydata.crypto.hashutil import HASH_SIZE, uri_extension_hash
from allmydata.errors import (
    BadHashError,
    CorruptError,
    GridError,
    NoSharesError,
    NotEnoughSharesError,
)
from allmydata.formats.extension import Extension
from allmydata.formats.share import split_hashes
from allmydata.grid.buckets import WHOLE_TREES, ReadBucketProxy, open_share
from allmydata.grid.pace import Paces
from allmydata.grid.shape import ShareShape
from allmydata.immutable.batches import Batch
from allmydata.immutable.transfers import unrecorded
from allmydata.uri import CHKFileURI, CHKFileVerifierURI
from allmydata.util.deferreds import Shared, drop, sleep, start, timeout
from allmydata.util.workers import Workers

log = Logger()

H = TypeVar("H")
Pair = tuple[int, Any]  # a share number, and who holds it

SILENCE_S = 0.4  # after which another share is asked for, until what is usual is known
SILENCE_FACTOR = 2.0  # and no less than this many times what the slowest answer took
GLANCE_S = 0.002  # before that, answers that have come already are looked at
BULK = 500_000  # bytes of one share from which a read is of another kind
LONGEST_SILENCE_S = 20.0  # a share that is silent this long has failed
NODE_GAP = 8  # tree nodes read for nothing rather than in a call of their own


@frozen
class OpenShare:
    """A share that is tied to its file."""

    reader: ReadBucketProxy
    verifier: ShareVerifier


@frozen
class _Asked:
    """When a share was asked, and what kind of call that is to its server's pace."""

    at: float
    kind: str


@define(eq=False)
class _Wait:
    """What one batch waits for: shares asked, and those that answered."""

    asked: dict[Pair, _Asked] = field(factory=dict)
    good: dict[Pair, list[Any]] = field(factory=dict)  # the blocks of the batch, in order
    slow: set[Pair] = field(factory=set)
    events: DeferredQueue[None] = field(factory=DeferredQueue)
    slowest_s: float = 0.0


class ShareFetcher:
    """Fetches and opens segments of one file, from whatever shares it is told of.

    :param cap: with a verify cap, what comes out is ciphertext
    :param ask_more: is called when the shares known don't suffice; returns False when
        there is nobody left to ask.  Who is asked answers by :meth:`add`, and calls
        :meth:`news`
    :param paces: how long holders usually take
    """

    def __init__(
        self,
        cap: CHKFileURI | CHKFileVerifierURI,
        workers: Workers,
        clock: IReactorTime,
        ask_more: Callable[[], bool] = lambda: False,
        name: Callable[[Any], str] = str,
        paces: Paces[Any] | None = None,
    ) -> None:
        self._key = cap.key if isinstance(cap, CHKFileURI) else None
        self._n = cap.total_shares
        self._workers = workers
        self._clock = clock
        self._ask_more = ask_more
        k, n, size = cap.needed_shares, cap.total_shares, cap.size
        self._guess = ShareShape(Geometry.for_new_file(size, k, n))
        self._cap = cap
        self._file: FileVerifier | None = None
        self.chooser: ShareChooser[Any] = ShareChooser(k, name)
        self._paces: Paces[Any] = Paces() if paces is None else paces
        self._rrefs: dict[Pair, Any] = {}
        self._opening: dict[Pair, Shared[OpenShare]] = {}
        self._open_pairs: set[Pair] = set()
        self._waits: list[_Wait] = []
        self.on_bad: Callable[[int, Any, str], None] = lambda *_: None
        self.transfer = unrecorded()
        self.extension = b""  # as it was sealed, once a share was opened
        self.layout_versions: set[int] = set()  # of the shares opened

    @property
    def file(self) -> FileVerifier:
        """What is known of the file; only once a share was opened."""
        assert self._file is not None
        return self._file

    # ---- what is known -----------------------------------------------------------------

    def add(self, shnum: int, holder: Any, rref: Any) -> None:
        """Take note of a share.

        :param rref: RemoteReference of an RIBucketReader
        """
        if 0 <= shnum < self._n:
            self._rrefs[shnum, holder] = rref
            self.chooser.add(shnum, holder)

    def add_all(self, holder: Any, rrefs: Mapping[int, Any]) -> None:
        """Take note of all shares of one holder."""
        for shnum, rref in rrefs.items():
            self.add(shnum, holder, rref)

    def news(self) -> None:
        """Have those look again who wait for shares to be found."""
        for wait in self._waits:
            wait.events.put(None)

    # ---- segments ----------------------------------------------------------------------

    async def geometry(self) -> Geometry:
        """Return the file's shape, which any good share tells."""
        wait = _Wait()
        await self._gather(wait, None)
        return self.file.geometry

    async def fetch(self, batch: Batch) -> list[bytes]:
        """Return the segments of *batch*, decoded and (with a read cap) decrypted.

        :raises NotEnoughSharesError: fewer than k good shares can be had
        :raises CorruptError: the shares are right, but the file was never whole
        """
        wait = _Wait()
        while True:
            await self._gather(wait, batch)
            used = list({pair[0]: pair for pair in wait.good}.values())[: self.chooser.k]
            shares = {pair[0]: (await self._open(pair)).verifier for pair in used}
            try:
                return await self._workers.run(
                    self._open_batch,
                    batch,
                    shares,
                    {pair[0]: wait.good[pair] for pair in used},
                )
            except BadBlocksError as e:
                for pair in [pair for pair in used if pair[0] in e.shnums]:
                    del wait.good[pair]
                    self._failed(pair, "a block does not match its hash", bad=True)

    def _open_batch(
        self,
        batch: Batch,
        shares: Mapping[int, ShareVerifier],
        blocks: Mapping[int, list[Any]],
    ) -> list[bytes]:
        return [
            open_segment(
                self.file, shares, segnum, {i: b[j] for i, b in blocks.items()}, self._key
            )
            for j, segnum in enumerate(batch.segments)
        ]

    # ---- k shares for a batch ----------------------------------------------------------

    async def _gather(self, wait: _Wait, batch: Batch | None) -> None:
        """Return when *wait* has the blocks of k different shares; of one if no batch."""
        self._waits.append(wait)
        try:
            while len({i for i, _ in wait.good}) < (self.chooser.k if batch else 1):
                self._ask(wait, batch)
                try:
                    await timeout(wait.events.get(), self._patience(wait), self._clock)
                except TimeoutError:
                    await sleep(GLANCE_S, self._clock)
                    self._find_slow(wait)
        finally:
            self._waits.remove(wait)

    def _ask(self, wait: _Wait, batch: Batch | None) -> None:
        """Ask as many shares as are missing, or for more shares, or give up."""
        prompt = [pair for pair in wait.asked if pair not in wait.slow]
        picked = self.chooser.pick(having=[*wait.good, *prompt], exclude=wait.slow)
        for pair in picked:
            wait.asked[pair] = _Asked(self._clock.seconds(), self._kind(pair, batch))
            self.transfer.asked(pair[1], pair[0], instead_of=wait.slow)
            drop(start(self._fetch_share(wait, pair, batch)))
        short = len({i for i, _ in [*wait.good, *prompt, *picked]}) < self.chooser.k
        if short and not self._ask_more() and not wait.asked:
            raise self._shortage()

    def _patience(self, wait: _Wait) -> float:
        """Return the seconds until the next share asked is to be called slow."""
        now = self._clock.seconds()
        prompt = [pair for pair in wait.asked if pair not in wait.slow]
        left = [self._limit(wait, pair) - (now - wait.asked[pair].at) for pair in prompt]
        oldest = min((one.at for one in wait.asked.values()), default=now)
        left.append(oldest + LONGEST_SILENCE_S - now)
        return max(0.0, min(left)) + 0.001

    def _limit(self, wait: _Wait, pair: Pair) -> float:
        """Return the seconds after which *pair* is raced by another share.

        Where many are late, the reason may lie here: each race makes the next one later.
        """
        kind = wait.asked[pair].kind
        usual = self._paces.limit(pair[1], kind, SILENCE_S)
        return (1 + len(wait.slow)) * max(usual, SILENCE_FACTOR * wait.slowest_s)

    def _find_slow(self, wait: _Wait) -> None:
        now = self._clock.seconds()
        limits = {pair: self._limit(wait, pair) for pair in wait.asked}
        for pair, limit in limits.items():
            silence = now - wait.asked[pair].at
            if silence > LONGEST_SILENCE_S:
                del wait.asked[pair]
                self._failed(pair, f"no answer for {LONGEST_SILENCE_S:.0f} s")
            elif silence >= limit and pair not in wait.slow:
                wait.slow.add(pair)
                self.chooser.slow(*pair)
                self._paces.late(pair[1], now)
                self.transfer.silent(pair[1])

    def _kind(self, pair: Pair, batch: Batch | None) -> str:
        """Return what a call to *pair* is to the pace of its server."""
        if batch is None or pair not in self._open_pairs:
            return "open"
        return "bulk" if batch.count * self.file.geometry.block_size > BULK else "read"

    async def _fetch_share(self, wait: _Wait, pair: Pair, batch: Batch | None) -> None:
        asked = wait.asked[pair]
        try:
            share = await self._open(pair)
            blocks = await self._blocks(share, batch) if batch else []
        except CorruptError as e:
            self._failed(pair, e.message, bad=True)
        except GridError as e:
            self._failed(pair, e.message)
        except Exception as e:
            log.failure("share {shnum} failed", failure=Failure(e), shnum=pair[0])
            self._failed(pair, type(e).__name__)
        else:
            now = self._clock.seconds()
            self._paces.took(pair[1], asked.kind, now - asked.at, now)
            if pair in wait.asked:
                wait.good[pair] = blocks
                segments = batch.segments if batch else range(0)
                self.transfer.got(pair[1], segments, sum(map(len, blocks)))
                wait.slowest_s = max(wait.slowest_s, now - asked.at)
        wait.asked.pop(pair, None)
        wait.events.put(None)

    def _failed(self, pair: Pair, why: str, *, bad: bool = False) -> None:
        self.chooser.fail(*pair, why)
        self.transfer.lost(pair[1], why)
        if bad:
            self.on_bad(*pair, why)

    def _shortage(self) -> NotEnoughSharesError:
        k, n = self.chooser.k, self._n
        found = sorted(shnum for shnum, _ in self.chooser.pick())  # fewer than k: all
        missing = [i for i in range(n) if i not in found]
        kind = NotEnoughSharesError if self._rrefs else NoSharesError
        tried = "; ".join(self.chooser.tried)
        return kind(
            f"{len(found)} good shares were found and {k} of {n} are needed",
            why=f"found: {_list(found)}; missing: {_list(missing)}"
            + (f"; {tried}" if tried else ""),
            fix="bring servers back that hold the missing shares, and try again",
        )

    # ---- one share ---------------------------------------------------------------------

    def _open(self, pair: Pair) -> Awaitable[OpenShare]:
        if pair not in self._opening:
            self._opening[pair] = Shared(self._really_open(pair))
        return self._opening[pair].get()

    async def _really_open(self, pair: Pair) -> OpenShare:
        reader = await open_share(self._rrefs[pair], self._guess)
        self._take_extension(await reader.get_uri_extension())
        verifier = ShareVerifier(self.file, pair[0])
        verifier.take_chain(dict(await reader.get_share_hashes()))
        self.layout_versions.add(reader.layout.version)
        self._open_pairs.add(pair)
        return OpenShare(reader, verifier)

    def _take_extension(self, block: bytes) -> None:
        cap = self._cap
        if uri_extension_hash(block) != cap.uri_extension_hash:
            raise BadHashError("the URI extension does not match the capability")
        if self._file is None:
            self.extension = block
            k, n, size = cap.needed_shares, cap.total_shares, cap.size
            told = Extension.parse(block, k=k, n=n, size=size)
            geometry = Geometry(size, k, n, told.segment_size)
            roots = told.crypttext_root_hash, told.share_root_hash
            self._file = FileVerifier(geometry, *roots)

    async def _blocks(self, share: OpenShare, batch: Batch) -> list[Any]:
        layout, verifier, geometry = share.reader.layout, share.verifier, self.file.geometry
        segments = batch.segments
        await self._learn(share, verifier.block_tree, layout.block_hashes, segments)
        await self._learn(
            share, self.file.crypttext_tree, layout.crypttext_hashes, segments
        )
        sizes = [geometry.block_bytes(segnum) for segnum in segments]
        at = layout.data + batch.first * geometry.block_size
        data = memoryview(await share.reader.read(at, sum(sizes)))
        starts = [i * geometry.block_size for i in range(batch.count)]
        return [data[s : s + size] for s, size in zip(starts, sizes, strict=True)]

    async def _learn(
        self, share: OpenShare, tree: IncompleteHashTree, at: int, segments: range
    ) -> None:
        """Fetch the nodes of *tree* that tie *segments* to its root, and check them."""
        needed: set[int] = set()
        for segnum in segments:
            if tree.get_leaf(segnum) is None:
                needed |= tree.needed_hashes(segnum, include_leaf=True)
        if not needed:
            return
        if 2 * self.file.geometry.tree_size <= WHOLE_TREES:
            runs = [range(len(tree))]
        else:
            runs = list(_runs(sorted(needed)))
        hashes: dict[int, bytes] = {}
        for run in runs:
            part = await share.reader.read(at + run.start * HASH_SIZE, len(run) * HASH_SIZE)
            hashes.update(zip(run, split_hashes(part), strict=True))
        if len(runs) > 1 or len(runs[0]) < len(tree):
            hashes = {node: hashes[node] for node in needed}
        tree.set_hashes(hashes)


def _runs(nodes: list[int]) -> Iterator[range]:
    """Yield ranges that cover *nodes* (ascending), joined where the gap is small."""
    begin = end = nodes[0]
    for node in nodes[1:]:
        if node - end > NODE_GAP:
            yield range(begin, end + 1)
            begin = node
        end = node
    yield range(begin, end + 1)


def _list(numbers: list[int]) -> str:
    return " ".join(map(str, numbers)) or "none"
