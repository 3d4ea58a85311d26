"""Ciphertext to shares: cut, coded, hashed, and handed to those who keep them.

For each segment: read it, code and hash it in a thread, give each block to its writer;
then the hash trees, the URI extension, and close.  A bounded number of segments is under
way (:class:`Pipeline`), and a bounded number of bytes on the wire (the writers).  A
writer that fails, or is silent while most others go on, is dropped as long as the file
stays happy without it.  Where :meth:`Encoder.let_lag` was called, one that is slower than
usual is first left behind, and given what it lacks later (:mod:`.lanes`, decision 39).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from allmydata.coding.erasure import coder
from allmydata.coding.geometry import DEFAULT_MAX_SEGMENT_SIZE, Geometry, check_counts
from allmydata.coding.hashing import EncodedSegment, FileHashes, FileSeals, encode_segment
from allmydata.crypto.hashtree import PackedHashes, pack_hashes
from allmydata.crypto.hashutil import uri_extension_hash
from allmydata.errors import CorruptError, NotEnoughServersError
from allmydata.formats.extension import Extension
from allmydata.grid.shape import ShareShape
from allmydata.immutable.encrypt import read_sealing
from allmydata.immutable.lanes import Lane, reason
from allmydata.immutable.pipeline import Pipeline
from allmydata.immutable.transfers import Transfer, unrecorded
from allmydata.interfaces import IEncoder
from allmydata.util.deferreds import Gate, as_deferred, drop, timeout
from allmydata.util.workers import Workers

log = Logger()

DEFAULT_SHARES = (25, 75, 100)  # the seed's, for an Encoder nobody told otherwise
SILENCE_S = 1.0  # the least silence for which a writer is dropped
SILENCE_FACTOR = 4.0  # and no less than this many times the slowest answer of the others
LOOK_EVERY_S = 0.02
LAG_FACTOR = 2.0  # not late before this many times the slowest answer of the others
MOST_LAG = 12_000_000  # bytes held for writers that are late; beyond, they are waited for
GIVE_UP_S = 60.0  # a writer this silent has failed, happy or not

StillHappy = Callable[[set[int]], bool]
Limit = Callable[[int, str], float]
Leave = Callable[[int, Lane], None]


@implementer(IEncoder)
class Encoder:
    """Encodes one file; see IEncoder for the order of the calls.

    :param options: may hold ``needed_and_happy_and_total_shares``, a (k, happy, n)
    :param still_happy: tells whether the file would be safe enough if only these share
        numbers were written; by default, whether they are at least ``happy``
    """

    def __init__(
        self,
        workers: Workers,
        clock: IReactorTime,
        options: Mapping[str, Any] | None = None,
        max_segment_size: int = DEFAULT_MAX_SEGMENT_SIZE,
        still_happy: StillHappy | None = None,
    ) -> None:
        self._workers = workers
        self._clock = clock
        self._max_segment_size = max_segment_size
        name = "needed_and_happy_and_total_shares"
        self._params: tuple[int, int, int] = (options or {}).get(name, DEFAULT_SHARES)
        self.still_happy = still_happy or (lambda left: len(left) >= self._params[1])
        self._size: int | None = None
        self._geometry: Geometry | None = None
        self._seal = b""
        self._source: Any = None
        self._storage_index: bytes | None = None
        self._writers: dict[int, Any] = {}
        self._lanes: dict[int, Lane] = {}
        self._limit: Limit | None = None
        self._leave: Leave = lambda *_: None
        self._suspects: set[int] = set()  # late when looked at last
        self._transfer = unrecorded()
        self._holders: Mapping[int, Any] = {}
        self.lost: dict[int, str] = {}  # share number to why its writer was dropped

    # ---- setting up --------------------------------------------------------------------

    def set_size(self, size: int) -> None:
        """Tell the bytes of the file, 1 or more."""
        self._unfixed()
        self._size = size

    def set_params(self, params: tuple[int, int, int]) -> None:
        """Choose (k, happy, n); before any parameter was asked for."""
        self._unfixed()
        check_counts(params[0], params[2])
        self._params = params

    def set_original(self, geometry: Geometry, extension: bytes) -> None:
        """Make shares of a file that is stored already, bit for bit those it has.

        :param geometry: of that file, whatever is usual today
        :param extension: its URI extension, of which the hash was checked
        """
        self._unfixed()
        self._params = geometry.k, self._params[1], geometry.n
        self._size, self._geometry, self._seal = geometry.size, geometry, extension

    def _unfixed(self) -> None:
        if self._geometry is not None:
            raise AssertionError("the parameters were asked for already")

    @as_deferred
    async def set_encrypted_uploadable(self, u: Any) -> Encoder:
        """Take the source of ciphertext; its size and storage index are asked for."""
        self._source = u
        if self._size is None:
            self.set_size(await u.get_size())
        u.set_serialized_encoding_parameters(self.get_param("serialized_params"))
        u.set_segment_size(self.get_param("segment_size"))
        self._storage_index = await u.get_storage_index()
        return self

    def set_shareholders(self, shareholders: Mapping[int, Any]) -> None:
        """Take the IStorageBucketWriter for each share number that is to be written."""
        self._writers = dict(shareholders)
        self._lanes = {shnum: Lane(writer) for shnum, writer in shareholders.items()}

    def let_lag(self, limit: Limit, leave: Leave) -> None:
        """Go on, and end, without writers that are late, where the file is happy so.

        :param limit: returns, for a share number and the name of a call, the seconds
            after which the call is late
        :param leave: takes, at the end, the share number and lane of each that still is
        """
        self._limit, self._leave = limit, leave

    def watch(self, transfer: Transfer, holders: Mapping[int, Any]) -> None:
        """Record all that happens in *transfer*; *holders* has the server of each share."""
        self._transfer, self._holders = transfer, holders
        transfer.num_segments = self.geometry.num_segments
        for shnum in self._writers:
            transfer.asked(holders[shnum], shnum)

    @property
    def geometry(self) -> Geometry:
        """All sizes that follow from the file's and the parameters; fixes both."""
        if self._geometry is None:
            if self._size is None:
                raise AssertionError("set_size must come first")
            k, _, n = self._params
            self._geometry = Geometry.for_new_file(self._size, k, n, self._max_segment_size)
        return self._geometry

    def get_param(self, name: str) -> Any:
        """Return a parameter by the seed's name for it.

        :raises KeyError: there is none of that name
        """
        if name == "storage_index":
            return self._storage_index
        if name == "share_counts":
            return self._params
        return {
            "num_segments": self.geometry.num_segments,
            "segment_size": self.geometry.segment_size,
            "block_size": self.geometry.block_size,
            "share_size": self.geometry.share_data_size,
            "serialized_params": self.geometry.codec_params,
        }[name]

    # ---- the work ----------------------------------------------------------------------

    @as_deferred
    async def start(self) -> tuple[bytes, int, int, int]:
        """Encode and deliver; return (hash of the URI extension, k, n, size).

        :raises NotEnoughServersError: so many writers failed that the file is not happy
        """
        try:
            self._check_happy()
            seals = await self._send_segments()
            extension = self._extension(seals)
            await self._send_seals(seals, extension)
            await self._each(lambda _, lane: lane.close())
        except BaseException:
            for shnum in self._writers:
                self._lanes[shnum].stop()
            raise
        for shnum in self._late():
            self._leave(shnum, self._lanes[shnum])
        geometry = self.geometry
        return uri_extension_hash(extension), geometry.k, geometry.n, geometry.size

    def _extension(self, seals: FileSeals) -> bytes:
        """Return the URI extension, after a look whether it still fits.

        :raises CorruptError: other shares than the original ones were made
        """
        roots = seals.crypttext_tree.root, seals.share_tree.root
        if not self._seal:
            return ShareShape(self.geometry).pack_extension(seals.crypttext_hash, *roots)
        g = self.geometry
        told = Extension.parse(self._seal, k=g.k, n=g.n, size=g.size)
        if (told.crypttext_root_hash, told.share_root_hash) != roots:
            raise CorruptError("the shares made anew are not those that were stored")
        return self._seal

    def get_shares_placed(self) -> set[int]:
        """Return the share numbers whose writers have not failed, and are not late."""
        return set(self._writers) - self._late()

    async def _send_segments(self) -> FileSeals:
        geometry, hashes = self.geometry, FileHashes(self.geometry)
        code = coder(geometry.k, geometry.n)

        async def begin(segnum: int) -> Deferred[EncodedSegment]:
            seal = await read_sealing(self._source, geometry.segment_bytes(segnum))
            size = geometry.block_bytes(segnum)
            return self._workers.run(lambda: encode_segment(code, seal(), size))

        async def finish(segnum: int, segment: EncodedSegment) -> None:
            hashing = self._workers.run(hashes.update_crypttext, segment.crypttext)
            hashes.add_segment(segment)
            blocks = segment.blocks
            try:
                await self._each(lambda i, _: self._give_block(i, segnum, blocks[i]))
            except BaseException:
                drop(hashing)
                raise
            await hashing
            self._transfer.advance(geometry.segment_bytes(segnum))

        depth = self._workers.num_threads  # one more takes 2 MB, and 3 % less time
        await Pipeline(geometry.num_segments, depth, begin, finish).run()
        return await self._workers.run(hashes.finish)

    @as_deferred
    async def _give_block(self, shnum: int, segnum: int, block: Any) -> None:
        lane = self._lanes[shnum]
        if lane.is_late:
            block = bytes(block)  # what has to wait is a piece of a larger buffer no more
        await lane.give(lambda writer: writer.put_block(segnum, block), len(block))
        if shnum in self._writers:
            holder = self._holders.get(shnum, shnum)
            self._transfer.got(holder, range(segnum, segnum + 1), len(block))

    async def _send_seals(self, seals: FileSeals, extension: bytes) -> None:
        nodes = await self._source.get_plaintext_segment_hashtree_nodes(
            self.geometry.num_segments
        )
        plain = PackedHashes(pack_hashes(nodes))
        del nodes

        async def put_all(shnum: int, writer: Any) -> None:
            await writer.put_plaintext_hashes(plain)
            await writer.put_crypttext_hashes(seals.crypttext_tree)
            # not before it is wanted: those who wait need not have one each
            tree = await self._workers.run(seals.block_tree, shnum)
            await writer.put_block_hashes(tree)
            await writer.put_share_hashes(seals.share_chain(shnum))
            await writer.put_uri_extension(extension)

        await self._each(lambda i, lane: lane.give(lambda writer: put_all(i, writer)))

    # ---- keeping company ---------------------------------------------------------------

    async def _each(self, ask: Callable[[int, Lane], Deferred[None]]) -> None:
        """Ask every writer together; return when all that are waited for are done."""
        pending = set(self._writers)
        num_lost = len(self.lost)
        all_done = Gate()

        def done(_: Any, shnum: int) -> None:
            pending.discard(shnum)
            self._caught_up(shnum)
            if not self._awaited(pending):
                all_done.open()

        def failed(why: Failure, shnum: int) -> None:
            if shnum in self._writers:
                assert why.value is not None
                self._drop(shnum, reason(why.value))
            done(None, shnum)

        for shnum in list(self._writers):
            args = (shnum,)
            ask(shnum, self._lanes[shnum]).addCallbacks(
                done, failed, callbackArgs=args, errbackArgs=args
            )
        while self._awaited(pending):
            all_done.shut()  # it may have been opened before a late writer was needed again
            try:
                await timeout(all_done.wait(), LOOK_EVERY_S, self._clock)
            except TimeoutError:
                awaited = self._awaited(pending)
                self._note_silence(awaited)
                for shnum in self._silent(awaited):
                    self._drop(shnum, "it was silent")
                    pending.discard(shnum)
                self._leave_behind(pending)
        if len(self.lost) > num_lost:
            self._check_happy()

    def _late(self) -> set[int]:
        return {shnum for shnum in self._writers if self._lanes[shnum].is_late}

    def _awaited(self, pending: set[int]) -> set[int]:
        """Return those of *pending* without which this can't go on."""
        late = self._late()
        if not late:
            return pending
        held = sum(self._lanes[shnum].num_waiting for shnum in late)
        can_wait = held <= MOST_LAG and self.still_happy(set(self._writers) - late)
        return pending - late if can_wait else pending

    def _leave_behind(self, pending: set[int]) -> None:
        """Wait no longer for those that were late at two looks, if the file is happy so."""
        late, suspects = self._late(), self._lagging(pending)
        behind, self._suspects = suspects & self._suspects, suspects
        if behind and self.still_happy(set(self._writers) - late - behind):
            for shnum in behind:
                self._lanes[shnum].is_late = True
                self._transfer.late(self._holders.get(shnum, shnum))

    def _lagging(self, pending: set[int]) -> set[int]:
        """Return those of *pending* whose servers take longer than they usually do."""
        prompt = [w for shnum, w in self._writers.items() if shnum not in pending]
        if self._limit is None or len(prompt) < len(pending):
            return set()
        slowest = max((getattr(w, "slowest_answer_s", 0.0) for w in prompt), default=0.0)
        waits = {
            i: (w.waiting_s, max(LAG_FACTOR * slowest, self._limit(i, w.waiting_for)))
            for i, w in ((i, self._writers[i]) for i in pending - self._late())
        }
        return {shnum for shnum, (waiting, limit) in waits.items() if waiting > limit}

    def _caught_up(self, shnum: int) -> None:
        """Wait again for a writer that was late and has been given all there is."""
        lane = self._lanes[shnum]
        if lane.is_late and lane.is_idle:
            lane.is_late = False
            self._transfer.settled(self._holders.get(shnum, shnum))

    def _silent(self, pending: set[int]) -> set[int]:
        """Return those of *pending* that are waited for no longer."""
        waits = {i: getattr(self._writers[i], "waiting_s", 0.0) for i in pending}
        hopeless = {i for i, wait in waits.items() if wait > GIVE_UP_S}
        others = [w for i, w in self._writers.items() if i not in pending]
        if hopeless or len(others) < len(pending):
            return hopeless
        usual = max(getattr(w, "slowest_answer_s", 0.0) for w in others)
        limit = max(SILENCE_S, SILENCE_FACTOR * usual)
        silent = {i for i, wait in waits.items() if wait > limit}
        return silent if self.still_happy(set(self._writers) - silent) else set()

    def _note_silence(self, pending: set[int]) -> None:
        for shnum in pending:
            if getattr(self._writers[shnum], "waiting_s", 0.0) > SILENCE_S / 2:
                self._transfer.silent(self._holders.get(shnum, shnum))

    def _drop(self, shnum: int, why: str) -> None:
        log.info("share {shnum} is not written any further: {why}", shnum=shnum, why=why)
        self.lost[shnum] = why
        self._transfer.lost(self._holders.get(shnum, shnum), why)
        del self._writers[shnum]
        self._lanes[shnum].stop()

    def _check_happy(self) -> None:
        if self.still_happy(set(self._writers)):
            return
        _, happy, n = self._params
        reasons = "; ".join(sorted(set(self.lost.values()))) or "none"
        raise NotEnoughServersError(
            f"the upload lost too many servers: {len(self._writers)} of {n} shares left",
            why=f"shares on {happy} servers are wanted; lost: {reasons}",
            fix="start more servers and try again, or accept less safety: --happy",
        )
