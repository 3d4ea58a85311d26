"""One share on one server, written and read by part instead of by offset.

A share is written front to back: what follows on what was put before is gathered into
writes of some hundred kilobytes, a few of which are under way at a time.  It is read in
as few calls as can be: the shape of a share can be guessed from the capability, so
header and tail are asked for together, and a small share comes whole.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from allmydata.crypto.hashtree import pack_hashes
from allmydata.errors import BadShareError
from allmydata.formats.share import (
    HEADER_SIZE,
    MAX_EXTENSION_SIZE,
    ShareLayout,
    pack_chain,
    split_hashes,
    unpack_chain,
)
from allmydata.grid.remote import call
from allmydata.grid.shape import ShareShape
from allmydata.interfaces import IStorageBucketReader, IStorageBucketWriter
from allmydata.util.deferreds import as_deferred, drop, gather, start

WINDOW = 2  # writes under way for one share
IN_FLIGHT = 21_000_000  # bytes under way for all shares of one upload
SMALLEST_WRITE = 65_536
LARGEST_WRITE = 1_040_000  # a little less than k blocks, which are 1 MiB
MAX_READ = 1_000_000  # bytes asked for in one call
WHOLE_SHARE = 65_536  # a share expected to be no larger is read in one call
WHOLE_TREES = 262_144  # trees expected to be larger are not read along with the tail


def write_size_for(n: int) -> int:
    """Return the bytes to gather for one write when *n* shares are written together."""
    return max(SMALLEST_WRITE, min(LARGEST_WRITE, IN_FLIGHT // (n * WINDOW)))


@implementer(IStorageBucketWriter)
class WriteBucketProxy:
    """A share being written.

    Every ``put`` returns as soon as there is room for more; a write that failed fails
    the next ``put``, and at the latest ``close``.

    :param rref: RemoteReference of an RIBucketWriter
    :param write_size: bytes to gather before they are sent
    :param max_write: the most bytes the server takes in one call
    """

    def __init__(
        self,
        rref: Any,
        shape: ShareShape,
        clock: IReactorTime,
        write_size: int = LARGEST_WRITE,
        max_write: int = LARGEST_WRITE,
    ) -> None:
        self._rref = rref
        self._layout = shape.layout
        self._clock = clock
        self._write_size = min(write_size, max_write)
        self._max_write = max_write
        self._gathered: list[Any] = [self._layout.pack()]
        self._gathered_at = 0
        self._gathered_size = self._layout.data
        self._sent: deque[tuple[float, str]] = deque()  # when each call was sent
        self._answers: deque[Deferred[Any]] = deque()
        self._failure: Exception | None = None
        self.slowest_answer_s = 0.0
        self.on_answer: Callable[[str, float], None] = lambda *_: None  # name, seconds

    @property
    def waiting_s(self) -> float:
        """How long the oldest call without an answer is under way; 0 when there is none."""
        return self._clock.seconds() - self._sent[0][0] if self._sent else 0.0

    @property
    def waiting_for(self) -> str:
        """The name of that call; empty when there is none."""
        return self._sent[0][1] if self._sent else ""

    # ---- the parts, in the order they lie ----------------------------------------------

    def put_block(self, segmentnum: int, data: Any) -> Deferred[None]:
        """Write the block of segment *segmentnum*; *data* must not change afterwards."""
        return self._put(self._layout.data + segmentnum * self._layout.block_size, data)

    def put_plaintext_hashes(self, hashes: Sequence[bytes]) -> Deferred[None]:
        """Write the reserved tree: zeros, unless the uploader chose otherwise."""
        return self._put(self._layout.plaintext_hashes, pack_hashes(hashes))

    def put_crypttext_hashes(self, hashes: Sequence[bytes]) -> Deferred[None]:
        """Write all nodes of the ciphertext hash tree, root first."""
        return self._put(self._layout.crypttext_hashes, pack_hashes(hashes))

    def put_block_hashes(self, blockhashes: Sequence[bytes]) -> Deferred[None]:
        """Write all nodes of this share's block hash tree, root first."""
        return self._put(self._layout.block_hashes, pack_hashes(blockhashes))

    def put_share_hashes(self, sharehashes: Sequence[tuple[int, bytes]]) -> Deferred[None]:
        """Write the share hash chain: (node number, hash) in the order given."""
        return self._put(self._layout.share_hashes, pack_chain(sharehashes))

    def put_uri_extension(self, data: bytes) -> Deferred[None]:
        """Write the URI extension block, which ends the share."""
        return self._put(self._layout.uri_extension, self._layout.pack_extension(data))

    @as_deferred
    async def close(self) -> None:
        """Send what is left and have the server keep the share.

        :raises ServerLostError, ServerRefusedError: the server does not have it
        """
        self._flush()
        self._send("close")
        while self._answers:
            await self._answers[0]
        self._check()

    def abort(self) -> Deferred[None]:
        """Have the server throw away what it has; a server that is gone did so already."""
        self._gathered, self._gathered_size = [], 0
        self._failure = self._failure or BadShareError("the share was given up")
        aborting = start(call(self._rref, "abort"))
        return aborting.addErrback(lambda _: None)

    # ---- gathering and sending ---------------------------------------------------------

    @as_deferred
    async def _put(self, offset: int, data: Any) -> None:
        self._check()
        is_too_much = self._gathered_size + len(data) > self._max_write
        if is_too_much or offset != self._gathered_at + self._gathered_size:
            self._flush()
            self._gathered_at = offset
        self._gathered.append(data)
        self._gathered_size += len(data)
        if self._gathered_size >= self._write_size:
            self._flush()
        while len(self._answers) >= WINDOW:
            await self._answers[0]
        self._check()

    def _check(self) -> None:
        if self._failure:
            raise self._failure

    def _flush(self) -> None:
        if not self._gathered_size:
            return
        parts, offset, size = self._gathered, self._gathered_at, self._gathered_size
        self._gathered, self._gathered_size = [], 0
        self._gathered_at = offset + size
        if size <= self._max_write and getattr(self._rref, "takes_parts", False):
            self._send("write", offset, parts)
            return
        data = b"".join(parts)  # the one copy: foolscap takes bytes only
        for at in range(0, size, self._max_write):
            part = data[at : at + self._max_write] if len(data) > self._max_write else data
            self._send("write", offset + at, part)

    def _send(self, name: str, *args: Any) -> None:
        sent = self._clock.seconds(), name
        self._sent.append(sent)
        answer: Deferred[None] = Deferred()
        self._answers.append(answer)

        async def ask() -> None:
            try:
                await call(self._rref, name, *args)
            except Exception as e:
                self._failure = self._failure or e
            else:
                self.on_answer(name, self._clock.seconds() - sent[0])
            finally:
                self.slowest_answer_s = max(
                    self.slowest_answer_s, self._clock.seconds() - sent[0]
                )
                self._sent.remove(sent)
                self._answers.remove(answer)
                answer.callback(None)

        drop(start(ask()))


@implementer(IStorageBucketReader)
class ReadBucketProxy:
    """A share being read; what it returns is what the server sent, to be verified.

    :param rref: RemoteReference of an RIBucketReader
    """

    def __init__(self, rref: Any, layout: ShareLayout, chunks: dict[int, bytes]) -> None:
        self._rref = rref
        self.layout = layout
        self._chunks = chunks  # what was read already, by offset

    @as_deferred
    async def get_block(self, blocknum: int) -> bytes:
        """Return block *blocknum*; its sizes are those the share's header tells."""
        start_at = blocknum * self.layout.block_size
        length = min(self.layout.block_size, self.layout.data_size - start_at)
        return await self.read(self.layout.data + start_at, length)

    @as_deferred
    async def get_plaintext_hashes(self) -> list[bytes]:
        """Return the reserved tree: zeros in all shares of today."""
        length = self.layout.crypttext_hashes - self.layout.plaintext_hashes
        return split_hashes(await self.read(self.layout.plaintext_hashes, length))

    @as_deferred
    async def get_crypttext_hashes(self) -> list[bytes]:
        """Return all nodes of the ciphertext hash tree, root first."""
        length = self.layout.block_hashes - self.layout.crypttext_hashes
        return split_hashes(await self.read(self.layout.crypttext_hashes, length))

    @as_deferred
    async def get_block_hashes(self) -> list[bytes]:
        """Return all nodes of the block hash tree, root first."""
        return split_hashes(
            await self.read(self.layout.block_hashes, self.layout.tree_size)
        )

    @as_deferred
    async def get_share_hashes(self) -> list[tuple[int, bytes]]:
        """Return the share hash chain as (node number, hash)."""
        part = await self.read(self.layout.share_hashes, self.layout.chain_size)
        return list(unpack_chain(part).items())

    @as_deferred
    async def get_uri_extension(self) -> bytes:
        """Return the URI extension block."""
        at, size = self.layout.uri_extension, self.layout.field_size
        known = self._known(at, size)
        if known is not None:
            length = int.from_bytes(known, "big")
            if 0 < length < MAX_EXTENSION_SIZE:
                known = self._known(at, size + length)
        if known is None:
            known = await _read(self._rref, at, size + MAX_EXTENSION_SIZE)
        return self.layout.unpack_extension(known)

    @as_deferred
    async def read(self, offset: int, length: int) -> bytes:
        """Return exactly *length* bytes from *offset*.

        :raises BadShareError: the share ends before that
        :raises ServerLostError, ServerRefusedError: the server does not answer
        """
        known = self._known(offset, length)
        if known is not None:
            return known
        starts = range(offset, offset + length, MAX_READ)
        parts = await gather(
            _read(self._rref, at, min(MAX_READ, offset + length - at)) for at in starts
        )
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        if len(data) != length:
            raise BadShareError(f"the share ends early: {len(data)} of {length} bytes")
        return data

    def _known(self, offset: int, length: int) -> bytes | None:
        for at, chunk in self._chunks.items():
            if at <= offset and offset + length <= at + len(chunk):
                return chunk[offset - at : offset - at + length]
        return None


async def open_share(rref: Any, guess: ShareShape) -> ReadBucketProxy:
    """Read a share's header, and what else is likely to be wanted, and return its reader.

    :param guess: the shape the share has if its uploader chose today's segment size
    :raises BadShareError: the header is not a share's
    :raises ServerLostError, ServerRefusedError: the server does not answer
    """
    end = guess.share_size + MAX_EXTENSION_SIZE
    if guess.share_size <= WHOLE_SHARE:
        header = await _read(rref, 0, end)
        chunks = {0: header}
    else:
        tail_at = guess.layout.crypttext_hashes
        if 2 * guess.geometry.tree_size > WHOLE_TREES:
            tail_at = guess.layout.share_hashes
        header, tail = await gather(
            [_read(rref, 0, HEADER_SIZE), _read(rref, tail_at, end - tail_at)]
        )
        chunks = {tail_at: tail}
    return ReadBucketProxy(rref, ShareLayout.parse(header[:HEADER_SIZE]), chunks)


async def _read(rref: Any, offset: int, length: int) -> bytes:
    data = await call(rref, "read", offset, length)
    if not isinstance(data, bytes) or len(data) > length:
        raise BadShareError(f"a server sent something else than up to {length} bytes")
    return data
