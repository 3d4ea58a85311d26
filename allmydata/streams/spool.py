"""An upload held back until all of it has come, with none of it readable on disk.

A convergent key is a hash of the whole content, so nothing can be encrypted before the
last byte is there (decision 18).  A small upload waits in memory.  A larger one
waits in an unlinked file, encrypted under a key that exists in memory only; hashing,
encrypting and writing go on in a thread while more arrives.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from twisted.internet.defer import Deferred
from zope.interface import implementer

from allmydata.crypto.aes import AES_CTR
from allmydata.crypto.hashutil import KEY_SIZE, TaggedHasher
from allmydata.errors import CancelledError, GridError, NoSpaceError, UploadSourceError
from allmydata.interfaces import IUploadable
from allmydata.streams.content import Content, ReadAt
from allmydata.streams.descriptor import Descriptor
from allmydata.streams.uploadable import SMALL, EncodingParameters, in_thread
from allmydata.util.deferreds import Gate, as_deferred
from allmydata.util.fileutil import free_space
from allmydata.util.mathutil import next_multiple
from allmydata.util.workers import Workers

MEMORY = 2**20  # bytes of an upload that stay in memory
BATCH = 2**19  # bytes worth a thread's while
ROOM = 2**20  # bytes that may wait for the thread
LEFT_FREE = 2**26  # bytes of the disk that others may need meanwhile

_NO_ROOM = "the node has no room to hold the upload until all of it has come"
_MAKE_ROOM = "make room where its node directory lies"

Random = Callable[[int], bytes]


@implementer(IUploadable)
class Spool:
    """Written to first, by :meth:`write` and :meth:`finish`; uploaded from afterwards.

    :param directory: where the unlinked file is made
    :param convergence: the secret; None for a random key
    :param parameters: k and n that the upload will probably have
    :param max_segment_size: bytes of a segment, before rounding to a multiple of k
    :param size: bytes that will come, if that is known
    """

    def __init__(
        self,
        directory: Path,
        convergence: bytes | None,
        workers: Workers,
        *,
        parameters: tuple[int, int],
        max_segment_size: int,
        size: int | None = None,
        random: Random = os.urandom,
    ) -> None:
        self._directory = directory
        self._convergence = convergence
        self._workers = workers
        self._random = random
        self._promised = size
        self._coding = parameters
        self._max_segment_size = max_segment_size
        # once there are more bytes than this, the segment size is known
        self._memory = max(MEMORY, max_segment_size)

        self._queue: list[bytes] = []
        self._num_queued = 0  # bytes in _queue and in the thread
        self._num_written = 0
        self._is_finished = self._is_closed = False
        self._room, self._more = Gate(), Gate()

        self._file: _SealedFile | None = None
        self._hasher: TaggedHasher | None = None
        self._content: Content | None = None
        self._assumed: EncodingParameters | None = None  # what _hasher was made with
        self._parameters: EncodingParameters | None = None
        self._key = random(KEY_SIZE)  # until a convergent one is known

    # ---- the side that writes

    def write(self, data: bytes) -> Deferred[None] | None:
        """Take the next bytes; whoever gets a Deferred should wait for it before more."""
        if self._is_closed:
            return None
        self._queue.append(data)
        self._num_queued += len(data)
        self._num_written += len(data)
        if self._is_due():
            self._more.open()
        if self._num_queued < self._enough() + ROOM:
            return None
        self._room.shut()
        return self._room.wait()

    def finish(self) -> None:
        """There is no more to write."""
        self._is_finished = True
        self._more.open()

    @as_deferred
    async def fill(self) -> None:
        """Take in what is written, until :meth:`finish`; to be called once, at the start.

        Where this fails, the spool is closed: its writer is not kept waiting.

        :raises NoSpaceError: there is no room for the file
        :raises UploadSourceError: more or fewer bytes came than were promised
        :raises CancelledError: :meth:`close` was called
        """
        try:
            await self._take_in()
            await self._settle()
        except BaseException:
            self.close()
            raise

    # ---- the side that reads

    @as_deferred
    async def get_size(self) -> int:
        """Return the number of bytes that came."""
        return self._whole().size

    def set_serialized_encoding_parameters(
        self, serialized_encoding_parameters: str
    ) -> None:
        """Take ``<segment size>-<k>-<n>``; if unforeseen, the content is hashed again."""
        self._parameters = EncodingParameters.parse(serialized_encoding_parameters)

    @as_deferred
    async def get_encryption_key(self) -> bytes:
        """Return 16 bytes, the same each time."""
        content, wanted = self._whole(), self._parameters
        if wanted not in (None, self._assumed) and self._convergence is not None:
            hasher = wanted.hasher(self._convergence)
            await in_thread(self._threads(), _hash_all, hasher, content)
            self._assumed, self._key = wanted, hasher.digest()[:KEY_SIZE]
        return self._key

    @as_deferred
    async def read(self, length: int) -> list[bytes]:
        """Return the next *length* bytes in pieces, fewer at the end."""
        return await in_thread(self._threads(), self._whole().next, length)

    def close(self) -> None:
        """Forget everything that came, and what comes from now on."""
        self._is_closed = self._is_finished = True
        self._queue.clear()
        self._content = None
        if self._file is not None:
            self._file.close()
        self._room.open()
        self._more.open()

    # ---- between the two

    def _enough(self) -> int:
        """Return how many waiting bytes are worth moving to the file."""
        return BATCH if self._file is not None else self._memory + 1

    def _is_due(self) -> bool:
        is_last = self._is_finished and self._file is not None and bool(self._queue)
        return is_last or self._num_queued >= self._enough()

    async def _take_in(self) -> None:
        if (self._promised or 0) > self._memory:
            self._check_room(self._promised or 0)
        while not self._is_closed and (not self._is_finished or self._is_due()):
            if self._is_due():
                await self._move_to_file()
            else:
                self._more.shut()
                await self._more.wait()
        if self._is_closed:
            raise CancelledError("the upload was given up before all its bytes had come")
        if self._promised not in (None, self._num_written):
            came = f"{self._num_written} bytes came"
            raise UploadSourceError(f"{came}, {self._promised} were promised")

    async def _move_to_file(self) -> None:
        batch, self._queue = self._queue, []
        size = sum(map(len, batch))
        if self._file is None:
            await self._workers.run(self._open)
        keeping = self._workers.run(self._keep, batch, size)
        try:
            if self._hasher is not None:
                await self._workers.run(_hash, self._hasher, batch)
        finally:
            await keeping
        self._num_queued -= size
        if self._num_queued < self._enough() + ROOM // 2:
            self._room.open()

    def _open(self) -> None:
        """Make the file, for what does not stay in memory; in a thread."""
        self._hasher = self._make_hasher(self._max_segment_size)
        self._file = _SealedFile(self._directory, self._random)
        if self._is_closed:  # while the file was made, so that close() missed it
            self._file.close()

    def _keep(self, batch: list[bytes], size: int) -> None:
        """Encrypt and write, in a thread, while another hashes the same."""
        assert self._file is not None
        self._check_room(size)
        for piece in batch:
            self._file.append(piece)

    def _check_room(self, size: int) -> None:
        with _told():
            room = free_space(self._directory)
        if size > room - LEFT_FREE:
            raise NoSpaceError(
                _NO_ROOM,
                why=f"{size} bytes are to come, {room} are free, of which "
                f"{LEFT_FREE} stay free",
                fix=_MAKE_ROOM,
            )

    async def _settle(self) -> None:
        """Make what came ready for its reader, and hash it if it never left memory."""
        if self._file is not None:
            self._content = Content(self._file.read_at, self._num_written)
        else:
            data = b"".join(self._queue)
            self._queue.clear()
            self._content = Content(_slices(data), len(data))
            self._hasher = self._make_hasher(len(data))
            if self._hasher is not None:
                await in_thread(self._threads(), self._hasher.update, data)
        if self._hasher is not None:
            self._key = self._hasher.digest()[:KEY_SIZE]

    def _make_hasher(self, size: int) -> TaggedHasher | None:
        if self._convergence is None:
            return None
        k, n = self._coding
        segment_size = next_multiple(min(self._max_segment_size, size), k)
        self._assumed = EncodingParameters(segment_size, k, n)
        return self._assumed.hasher(self._convergence)

    def _whole(self) -> Content:
        if self._content is None:
            raise CancelledError("the upload was closed, or has not all come yet")
        return self._content

    def _threads(self) -> Workers | None:
        return self._workers if self._num_written > SMALL else None


def _hash(hasher: TaggedHasher, batch: list[bytes]) -> None:
    for piece in batch:
        hasher.update(piece)


def _hash_all(hasher: TaggedHasher, content: Content) -> None:
    for piece in content.pieces():
        hasher.update(piece)


def _slices(data: bytes) -> ReadAt:
    return lambda offset, length: data[offset : offset + length]


class _SealedFile:
    """A file without a name, encrypted under a key that nothing else knows."""

    def __init__(self, directory: Path, random: Random) -> None:
        self._key = random(KEY_SIZE)
        self._cipher = AES_CTR(self._key)
        with _told():
            self._file = Descriptor(_open_unnamed(directory))

    def append(self, data: bytes) -> None:
        with _told():
            self._file.write(self._cipher.process(data))

    def read_at(self, offset: int, length: int) -> bytes:
        with _told():
            crypttext = self._file.read_at(offset, length)
        return AES_CTR(self._key, offset).process(crypttext)

    def close(self) -> None:
        self._file.close()


def _open_unnamed(directory: Path) -> int:
    try:
        return os.open(directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as e:
        # file systems and kernels that can't say it in one of these ways
        if e.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
            raise
    fd, name = tempfile.mkstemp(dir=directory)
    os.unlink(name)
    return fd


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except OSError as e:
        if e.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoSpaceError(_NO_ROOM, why=e.strerror or "", fix=_MAKE_ROOM) from e
        raise GridError("the node can't hold the upload", why=e.strerror or "") from e
