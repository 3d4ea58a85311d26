"""Ciphertext to shares: cut, coded, hashed, and handed to those who keep them.

For each segment: read it, code and hash it in a thread, give each block to its writer;
then the hash trees, the URI extension, and close.  A bounded number of segments is under
way (:class:`Pipeline`), and a bounded number of bytes on the wire (the writers).  A
writer that fails, or is silent while most others go on, is dropped as long as the file
stays happy without it.
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
from allmydata.crypto.hashutil import uri_extension_hash
from allmydata.errors import CorruptError, GridError, NotEnoughServersError
from allmydata.formats.extension import Extension
from allmydata.grid.shape import ShareShape
from allmydata.immutable.pipeline import Pipeline
from allmydata.immutable.transfers import Transfer, unrecorded
from allmydata.interfaces import IEncoder
from allmydata.util.deferreds import Gate, Workers, as_deferred, drop, start, timeout

log = Logger()

DEFAULT_SHARES = (25, 75, 100)  # the seed's, for an Encoder nobody told otherwise
SILENCE_S = 1.0  # the least silence for which a writer is dropped
SILENCE_FACTOR = 4.0  # and no less than this many times the slowest answer of the others
LOOK_EVERY_S = 0.1
GIVE_UP_S = 60.0  # a writer this silent has failed, happy or not

StillHappy = Callable[[set[int]], bool]


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
            await self._each(lambda _, writer: writer.close())
        except BaseException:
            for writer in self._writers.values():
                _abort(writer)
            raise
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
        """Return the share numbers whose writers have not failed."""
        return set(self._writers)

    async def _send_segments(self) -> FileSeals:
        geometry, hashes = self.geometry, FileHashes(self.geometry)
        code = coder(geometry.k, geometry.n)

        async def begin(segnum: int) -> Deferred[EncodedSegment]:
            length = geometry.segment_bytes(segnum)
            pieces = await self._source.read_encrypted(length)
            crypttext = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            size = geometry.block_bytes(segnum)
            return self._workers.run(encode_segment, code, crypttext, size)

        async def finish(segnum: int, segment: EncodedSegment) -> None:
            hashing = self._workers.run(hashes.update_crypttext, segment.crypttext)
            hashes.add_segment(segment)
            blocks = segment.blocks
            try:
                await self._each(lambda shnum, w: w.put_block(segnum, blocks[shnum]))
            except BaseException:
                drop(hashing)
                raise
            await hashing
            for shnum in self._writers:
                holder = self._holders.get(shnum, shnum)
                self._transfer.got(holder, range(segnum, segnum + 1), len(blocks[shnum]))
            self._transfer.advance(geometry.segment_bytes(segnum))

        depth = 2 * self._workers.num_threads + 2
        await Pipeline(geometry.num_segments, depth, begin, finish).run()
        return await self._workers.run(hashes.finish)

    async def _send_seals(self, seals: FileSeals, extension: bytes) -> None:
        plain = await self._source.get_plaintext_segment_hashtree_nodes(
            self.geometry.num_segments
        )
        await self._each(lambda _, w: w.put_plaintext_hashes(plain))
        await self._each(lambda _, w: w.put_crypttext_hashes(seals.crypttext_tree))
        await self._each(lambda i, w: w.put_block_hashes(seals.block_trees[i]))
        await self._each(lambda i, w: w.put_share_hashes(seals.share_chain(i)))
        await self._each(lambda _, w: w.put_uri_extension(extension))

    # ---- keeping company ---------------------------------------------------------------

    async def _each(self, ask: Callable[[int, Any], Deferred[None]]) -> None:
        """Ask every writer together; return when all that were not dropped are done."""
        pending = set(self._writers)
        num_lost = len(self.lost)
        all_done = Gate()

        def done(_: Any, shnum: int) -> None:
            pending.discard(shnum)
            if not pending:
                all_done.open()

        def failed(why: Failure, shnum: int) -> None:
            if shnum in self._writers:
                self._drop(shnum, _reason(why))
            done(None, shnum)

        for shnum, writer in list(self._writers.items()):
            args = (shnum,)
            ask(shnum, writer).addCallbacks(
                done, failed, callbackArgs=args, errbackArgs=args
            )
        while pending:
            try:
                await timeout(all_done.wait(), LOOK_EVERY_S, self._clock)
            except TimeoutError:
                self._note_silence(pending)
                for shnum in self._silent(pending):
                    self._drop(shnum, "it was silent")
                    pending.discard(shnum)
        if len(self.lost) > num_lost:
            self._check_happy()

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
        _abort(self._writers.pop(shnum))

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


def _abort(writer: Any) -> None:
    abort = getattr(writer, "abort", None)  # ours have it; the seed's interface has not
    if abort:
        drop(start(abort()))


def _reason(failure: Failure) -> str:
    error = failure.value
    return error.message if isinstance(error, GridError) else type(error).__name__
