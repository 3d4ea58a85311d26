"""What can be uploaded: bytes in memory, a file by name, an open file.

``convergence`` chooses the key.  With a secret (any bytes, empty ones too) the same
content under the same encoding parameters gets the same key, and is stored once.
With None the key is random.  ``workers`` lets file reads and the pass over the whole
content that a convergent key takes leave the reactor's thread.
"""

from __future__ import annotations

import io
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, ParamSpec, TypeVar

from attrs import frozen
from zope.interface import implementer

from allmydata.crypto.hashutil import KEY_SIZE, TaggedHasher, convergence_hasher
from allmydata.errors import UploadSourceError, UsageError
from allmydata.interfaces import IUploadable
from allmydata.streams.content import Content
from allmydata.streams.descriptor import Descriptor
from allmydata.util.deferreds import as_deferred
from allmydata.util.workers import Workers

P = ParamSpec("P")
T = TypeVar("T")

SMALL = 2**16  # bytes that are hashed before a thread would have begun


@frozen
class EncodingParameters:
    """What decides a convergent key beside the content and the secret.

    :param segment_size: bytes, after rounding to a multiple of *k*
    """

    segment_size: int
    k: int
    n: int

    @classmethod
    def parse(cls, text: str) -> EncodingParameters:
        """Read ``<segment size>-<k>-<n>``.

        :raises UsageError: it is not that
        """
        numbers = re.fullmatch(r"(\d{1,20})-(\d{1,3})-(\d{1,3})", text)
        if not numbers:
            raise UsageError("encoding parameters must be <segment size>-<k>-<n>")
        return cls(*map(int, numbers.groups()))

    def hasher(self, secret: bytes) -> TaggedHasher:
        """Return what is fed the content to get the key."""
        return convergence_hasher(self.k, self.n, self.segment_size, secret)


class ConvergentUploadMixin:
    """Gives an uploadable its key: from the content, or random.

    The class it is mixed into sets ``convergence`` and ``workers``, and yields its
    content from :meth:`pieces`.
    """

    convergence: bytes | None
    workers: Workers | None
    _parameters: EncodingParameters | None = None
    _key: bytes | None = None

    def pieces(self) -> Iterator[bytes]:
        """Yield the whole content from its start; called in a thread if there is one."""
        raise NotImplementedError

    def set_serialized_encoding_parameters(
        self, serialized_encoding_parameters: str
    ) -> None:
        """Take ``<segment size>-<k>-<n>``, which a convergent key depends on."""
        self._parameters = EncodingParameters.parse(serialized_encoding_parameters)

    @as_deferred
    async def get_encryption_key(self) -> bytes:
        """Return 16 bytes, the same each time.

        :raises UploadSourceError: the content could not be read
        :raises UsageError: a convergent key was asked for before the parameters were set
        """
        if self._key is None:
            if self.convergence is None:
                self._key = os.urandom(KEY_SIZE)
            else:
                self._key = await in_thread(self.workers, self._hash, self.convergence)
        return self._key

    def _hash(self, secret: bytes) -> bytes:
        if self._parameters is None:
            raise UsageError("a convergent key depends on parameters that are not set yet")
        hasher = self._parameters.hasher(secret)
        for piece in self.pieces():
            hasher.update(piece)
        return hasher.digest()[:KEY_SIZE]


async def in_thread(
    workers: Workers | None, f: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Call *f* in a thread, or here and now where there are no *workers*."""
    if workers is None:
        return f(*args, **kwargs)
    return await workers.run(f, *args, **kwargs)


@implementer(IUploadable)
class Data(ConvergentUploadMixin):
    """Bytes in memory."""

    def __init__(
        self, data: bytes, convergence: bytes | None = None, workers: Workers | None = None
    ) -> None:
        self.convergence = convergence
        self.workers = workers if len(data) > SMALL else None
        self._content = Content(
            lambda start, length: data[start : start + length], len(data)
        )

    @as_deferred
    async def get_size(self) -> int:
        """Return the number of bytes."""
        return self._content.size

    def pieces(self) -> Iterator[bytes]:
        """Yield the whole content from its start."""
        return self._content.pieces()

    @as_deferred
    async def read(self, length: int) -> list[bytes]:
        """Return the next *length* bytes in pieces, fewer at the end."""
        return self._content.next(length)

    def close(self) -> None:
        """Do nothing: memory needs no closing."""


@implementer(IUploadable)
class FileName(ConvergentUploadMixin):
    """A regular file, opened when it is first asked for something.

    :raises UploadSourceError: from every method: it is missing, unreadable or not a
        regular file, or changed while it was read
    """

    def __init__(
        self,
        path: str | Path,
        convergence: bytes | None = None,
        workers: Workers | None = None,
    ) -> None:
        self.convergence = convergence
        self.workers = workers
        self._path = path
        self._file: Descriptor | None = None
        self._content: Content | None = None

    @as_deferred
    async def get_size(self) -> int:
        """Return the bytes the file has now, which must stay as they are."""
        return self._open().size

    def pieces(self) -> Iterator[bytes]:
        """Yield the whole content from its start."""
        with _told(self._path):
            yield from self._open().pieces()

    @as_deferred
    async def read(self, length: int) -> list[bytes]:
        """Return the next *length* bytes in pieces, fewer at the end."""
        with _told(self._path):
            return await in_thread(self.workers, self._open().next, length)

    def close(self) -> None:
        """Close the file; it can be used again, from its start."""
        if self._file is not None:
            self._file.close()
        self._file = self._content = None

    def _open(self) -> Content:
        if self._content is None:
            with _told(self._path):
                self._file = _open_regular(self._path)
                self._content = _unchanging(self._file)
        return self._content


def _open_regular(path: str | Path) -> Descriptor:
    # without O_NONBLOCK, opening a FIFO waits for somebody to write to it
    file = Descriptor(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
    mode = file.stat().st_mode
    if stat.S_ISREG(mode):
        return file
    file.close()
    kind = "a directory" if stat.S_ISDIR(mode) else "not a regular file"
    raise UploadSourceError(
        f"can't upload {path}: it is {kind}", fix="name a file, or send its bytes to stdin"
    )


def _unchanging(file: Descriptor) -> Content:
    """Return the content of *file*, which complains at its end if it was written to.

    What was hashed into the key and what is then encrypted under it must be the same
    bytes: two contents under one key of counter mode give each other away.
    """
    before = file.stat()

    def check() -> None:
        after = file.stat()
        if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise UploadSourceError(
                "the file changed while it was read",
                why=f"it had {before.st_size} bytes at first, {after.st_size} at the end",
                fix="try again when nothing else writes to it",
            )

    return Content(file.read_at, before.st_size, check)


@contextmanager
def _told(path: str | Path) -> Iterator[None]:
    try:
        yield
    except OSError as e:
        raise UploadSourceError(f"can't read {path}", why=e.strerror or "") from e


@implementer(IUploadable)
class FileHandle(ConvergentUploadMixin):
    """An open file that can seek, from its start to its end; the caller closes it.

    :raises UploadSourceError: from every method: it can't seek, gives no bytes, or
        changed while it was read
    """

    def __init__(
        self,
        filehandle: BinaryIO,
        convergence: bytes | None = None,
        workers: Workers | None = None,
    ) -> None:
        self.convergence = convergence
        self.workers = workers
        self._handle = filehandle
        self._content: Content | None = None

    @as_deferred
    async def get_size(self) -> int:
        """Return the bytes the file has now, which must stay as they are."""
        return self._open().size

    def pieces(self) -> Iterator[bytes]:
        """Yield the whole content from its start."""
        yield from self._open().pieces()

    @as_deferred
    async def read(self, length: int) -> list[bytes]:
        """Return the next *length* bytes in pieces, fewer at the end."""
        return await in_thread(self.workers, self._open().next, length)

    def close(self) -> None:
        """Leave the file alone: whoever opened it closes it."""

    def _open(self) -> Content:
        if self._content is None:
            try:
                size = self._handle.seek(0, io.SEEK_END)
            except (OSError, ValueError) as e:
                raise UploadSourceError(
                    "can't upload from this file: it can't seek, or is closed",
                    fix="read it into memory or into a file first",
                ) from e
            self._content = Content(self._read_at, size, self._check_end)
        return self._content

    def _read_at(self, offset: int, length: int) -> bytes:
        try:
            self._handle.seek(offset)
            data = self._handle.read(length)
        except (OSError, ValueError) as e:
            raise UploadSourceError("can't read the file to upload", why=str(e)) from e
        if not isinstance(data, bytes):
            raise UploadSourceError("can't upload from a file that was opened as text")
        return data

    def _check_end(self) -> None:
        if self._content is not None and self._read_at(self._content.size, 1):
            raise UploadSourceError(
                "the file grew while it was read",
                why=f"it had {self._content.size} bytes at first",
                fix="try again when nothing else writes to it",
            )
