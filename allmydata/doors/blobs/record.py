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

Integers are unsigned and big-endian.  The row's name is the SHA-256 of the key, in base 32.
In the row is

    up to 615 bytes     a literal capability that holds the record
    up to 1,399 bytes   one of its first 615 bytes to read with, and to write with
                        ``x-allmydata-more:`` and the rest in base 85 (RFC 1924)
    more                the capability of a file that holds it: the key is very long

Format: docs/formats/blobs.md.
"""

from __future__ import annotations

import struct
from base64 import b85decode, b85encode
from hashlib import sha256

from attrs import field, frozen
from zope.interface import implementer

from allmydata.errors import BadCapError, CorruptError, UsageError
from allmydata.interfaces import IBlob
from allmydata.uri import LiteralFileURI, from_string
from allmydata.util import base32

Caps = str | tuple[str, str]  # to read with; or to write, and to read
MAX_KEY_SIZE = 1024
MAX_META_SIZE = 128
TINY = 1024  # bytes; the content of a key is in its record, and nowhere else
MORE = "x-allmydata-more:"  # a capability of no kind we know: nobody follows it
_FIRST, _REST = 615, 784  # bytes; a capability has at most 1,000 characters
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


def caps_of(record: bytes) -> Caps | None:
    """Return what goes into the row; None: it is too long for one."""
    first, rest = record[:_FIRST], record[_FIRST:]
    literal = LiteralFileURI(first).to_string()
    if len(rest) > _REST:
        return None
    return (MORE + b85encode(rest).decode(), literal) if rest else literal


def record_in(caps: tuple[str | None, str]) -> bytes | None:
    """Return the record in a row; None: there is none.

    :param caps: that to write with, if any, and that to read with
    """
    more, literal = caps
    try:
        first = from_string(literal)
        if not isinstance(first, LiteralFileURI):
            return None
        if more is None:
            return first.data
        return first.data + b85decode(more.removeprefix(MORE))
    except (BadCapError, ValueError):
        return None


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
