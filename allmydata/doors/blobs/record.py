"""What is known of one key, and how its row in the grid's directory says so.

    bytes   field
    1       1
    32      digest: SHA-256 of the content
    8       size of the content
    8       version
    8       time, milliseconds since the epoch
    2       size of the key
            the key
            meta: the rest

Integers are unsigned and big-endian.  A record is the content of the file in the row: a
literal one, unless the key is very long.  The row's name is the SHA-256 of the key, in
base 32.  Format: docs/formats/blobs.md.
"""

from __future__ import annotations

import struct
from hashlib import sha256

from attrs import field, frozen
from zope.interface import implementer

from allmydata import uri
from allmydata.errors import CorruptError, UsageError
from allmydata.interfaces import IBlob
from allmydata.util import base32

DIGEST_SIZE = 32
MAX_KEY_SIZE = 1024
MAX_META_SIZE = 128
_HEAD = struct.Struct(">B32s3QH")


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

    def to_bytes(self) -> bytes:
        """Return the record."""
        numbers = (self.size, self.version, self.time, len(self.key))
        return _HEAD.pack(1, self.digest, *numbers) + self.key + self.meta

    def to_cap(self) -> str:
        """Return the capability that holds the record."""
        return uri.LiteralFileURI(self.to_bytes()).to_string()

    @property
    def row(self) -> str:
        """The name of the row."""
        return row_of(self.key)


def row_of(key: bytes) -> str:
    """Return the name of the row of *key*."""
    return base32.b2a(sha256(key).digest())


def read_record(row: str, data: bytes) -> Blob:
    """Return what the row named *row* says.

    :raises CorruptError: it is no record, or that of another key
    """
    if len(data) < _HEAD.size or data[0] != 1:
        raise CorruptError(f"a row of {len(data)} bytes is no record")
    _, digest, size, version, time, key_size = _HEAD.unpack_from(data)
    rest = data[_HEAD.size :]
    blob = Blob(rest[:key_size], digest, size, version, time, rest[key_size:])
    if len(blob.key) != key_size or blob.row != row:
        raise CorruptError("a row does not belong to the key in it")
    return blob


def check_key(key: bytes, meta: bytes = b"") -> None:
    """Refuse what is no key.

    :raises UsageError: it is empty, or it or *meta* is too long
    """
    if not key:
        raise UsageError("a key can't be empty")
    for what, data, most in (("key", key, MAX_KEY_SIZE), ("meta", meta, MAX_META_SIZE)):
        if len(data) > most:
            raise UsageError(f"{what} of {len(data)} bytes: at most {most}")
