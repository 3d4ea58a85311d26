"""What is known of one key, and how its row in the grid's directory says so.

    bytes   field
    1       1
    32      digest: SHA-256 of the content
    8       size of the content
    8       version
    8       time, milliseconds since the epoch
    2       size of the key
    1       size of meta
            the key
            meta
            the content itself, if it is tiny; else nothing

Integers are unsigned and big-endian.  A record is the content of the file in the row: a
literal one, unless the key is very long.  The row's name is the SHA-256 of the key, in
base 32.  Format: docs/formats/blobs.md.
"""

from __future__ import annotations

import struct
from hashlib import sha256

from attrs import field, frozen
from zope.interface import implementer

from allmydata.errors import CorruptError, UsageError
from allmydata.interfaces import IBlob
from allmydata.util import base32

DIGEST_SIZE = 32
MAX_KEY_SIZE = 1024
MAX_META_SIZE = 128
TINY = 400  # bytes; the content of a key is in its record, and nowhere else
_HEAD = struct.Struct(">B32s3QHB")


@implementer(IBlob)
@frozen
class Blob:
    """A key, and the content that it has at one time."""

    key: bytes
    digest: bytes
    size: int
    version: int
    time: int
    meta: bytes = field(default=b"")

    def to_bytes(self, content: bytes = b"") -> bytes:
        """Return the record.

        :param content: if it is tiny
        """
        sizes = (len(self.key), len(self.meta))
        numbers = (self.size, self.version, self.time, *sizes)
        return _HEAD.pack(1, self.digest, *numbers) + self.key + self.meta + content

    @property
    def is_tiny(self) -> bool:
        """Whether the content is in the record."""
        return self.size <= TINY

    @property
    def row(self) -> str:
        """The name of the row."""
        return row_of(self.key)


def row_of(key: bytes) -> str:
    """Return the name of the row of *key*."""
    return base32.b2a(sha256(key).digest())


def read_record(row: str, data: bytes) -> tuple[Blob, bytes]:
    """Return what the row named *row* says, and the content if it is tiny.

    :raises CorruptError: it is no record, or that of another key
    """
    if len(data) < _HEAD.size or data[0] != 1:
        raise CorruptError(f"a row of {len(data)} bytes is no record")
    _, digest, size, version, time, key_size, meta_size = _HEAD.unpack_from(data)
    rest = data[_HEAD.size :]
    key, meta = rest[:key_size], rest[key_size:][:meta_size]
    blob = Blob(key, digest, size, version, time, meta)
    if blob.row != row:
        raise CorruptError("a row does not belong to the key in it")
    content = rest[key_size + meta_size :]
    if blob.is_tiny and sha256(content).digest() != digest:
        raise CorruptError("a row does not hold the content that it says")
    return blob, content


def check_key(key: bytes, meta: bytes = b"") -> None:
    """Refuse what is no key.

    :raises UsageError: it is empty, or it or *meta* is too long
    """
    if not key:
        raise UsageError("a key can't be empty")
    for what, data, most in (("key", key, MAX_KEY_SIZE), ("meta", meta, MAX_META_SIZE)):
        if len(data) > most:
            raise UsageError(f"{what} of {len(data)} bytes: at most {most}")
