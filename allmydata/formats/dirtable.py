"""One child of a directory as its server keeps it: sealed, and bound to its place.

    E(cipher, slot, data) = nonce || AES-128-GCM of data || tag

    nonce 12 bytes, tag 16; associated data: index || row key || slot

    slot     cipher       data
    name     read key     the name, UTF-8
    write    write key    the child's write capability; no bytes at all where it has none
    read     read key     the child's read-only capability

Rows travel together, each as

    32       row key
    8, 8     when it was created, when it was last changed: seconds since the epoch
    3 x 2    sizes of name, write, read
             name, write, read

Integers are unsigned and big-endian.  Format: docs/formats/dirtable.md.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from hmac import compare_digest

from attrs import frozen
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from allmydata.crypto.keys import DirectoryKeys
from allmydata.errors import CorruptError, UsageError
from allmydata.util import base32

NONCE_SIZE = 12
OVERHEAD = NONCE_SIZE + 16
MAX_PART_SIZE = 2000  # sealed bytes
MAX_ROWS = 1000  # that travel together

_HEAD = struct.Struct(">32s2Q3H")


@frozen
class Row:
    """What the server sees of a child; the dates are the server's own."""

    key: bytes
    name: bytes
    write: bytes
    read: bytes
    created: int = 0
    changed: int = 0


@frozen
class Entry:
    """What the holder of a directory's keys sees of a child.

    :param write_cap: None where the child has none, or the keys can't open it
    """

    name: str
    write_cap: str | None
    read_cap: str


# ---- sealing ---------------------------------------------------------------------------


def seal(
    keys: DirectoryKeys,
    name: str,
    write_cap: str | None,
    read_cap: str,
    random: Callable[[int], bytes],
) -> Row:
    """Return the row that :func:`unseal` opens.

    :param name: as a directory's names must be, after NFC
    :param write_cap: None for a child that can't be changed through this directory
    :param random: gives that many bytes that were never given before
    :raises NotMutableError: *keys* only read
    :raises UsageError: a part is larger than servers take
    """
    key = keys.row_key(name)
    place = keys.index + key

    def close(cipher: AESGCM, slot: bytes, text: str) -> bytes:
        data = text.encode("utf-8")
        if len(data) > MAX_PART_SIZE - OVERHEAD:
            most = MAX_PART_SIZE - OVERHEAD
            raise UsageError(f"{slot.decode()} of {len(data)} bytes, at most {most} go in")
        nonce = random(NONCE_SIZE)
        return nonce + cipher.encrypt(nonce, data, place + slot)

    writer, reader = keys.write_cipher, keys.read_cipher
    return Row(
        key,
        close(reader, b"name", name),
        close(writer, b"write", write_cap) if write_cap is not None else b"",
        close(reader, b"read", read_cap),
    )


def unseal(keys: DirectoryKeys, row: Row) -> Entry:
    """Return what *row* says to the holder of *keys*.

    :raises CorruptError: a part was changed, or moved here from another place
    """
    place = keys.index + row.key

    def open_part(cipher: AESGCM, slot: bytes, sealed: bytes) -> str:
        nonce, rest = sealed[:NONCE_SIZE], sealed[NONCE_SIZE:]
        try:
            return cipher.decrypt(nonce, rest, place + slot).decode("utf-8")
        except (InvalidTag, ValueError):  # ValueError: too short, or no UTF-8
            raise _corrupt(keys, f"the {slot.decode()} of a row does not open") from None

    name = open_part(keys.read_cipher, b"name", row.name)
    if not compare_digest(keys.row_key(name), row.key):
        raise _corrupt(keys, "a row is kept under another name's key")
    write_cap = None
    if row.write and keys.write_key is not None:
        write_cap = open_part(keys.write_cipher, b"write", row.write)
    return Entry(name, write_cap, open_part(keys.read_cipher, b"read", row.read))


def _corrupt(keys: DirectoryKeys, what: str) -> CorruptError:
    return CorruptError(f"directory {base32.b2a(keys.index)[:8]}: {what}")


# ---- rows on the wire --------------------------------------------------------------------


def pack_rows(rows: Iterable[Row]) -> bytes:
    """Return the bytes in which *rows* travel together."""
    parts: list[bytes] = []
    for row in rows:
        sizes = len(row.name), len(row.write), len(row.read)
        head = _HEAD.pack(row.key, row.created, row.changed, *sizes)
        parts += (head, row.name, row.write, row.read)
    return b"".join(parts)


def unpack_rows(data: bytes) -> list[Row]:
    """Return the rows of which :func:`pack_rows` made *data*.

    :raises CorruptError: it made nothing like that; more than 1000 rows, or too large a
        part, count as that
    """
    rows: list[Row] = []
    start, size, end = 0, _HEAD.size, len(data)
    while start < end:
        if end - start < size:
            raise CorruptError(f"packed rows: {end - start} bytes left, a head is {size}")
        key, created, changed, *sizes = _HEAD.unpack_from(data, start)
        if max(sizes) > MAX_PART_SIZE:
            raise CorruptError(f"packed rows: {max(sizes)} bytes in one part")
        write = (name := start + size) + sizes[0]
        start = (read := write + sizes[1]) + sizes[2]
        parts = data[name:write], data[write:read], data[read:start]
        rows.append(Row(key, *parts, created, changed))
    if start > end or len(rows) > MAX_ROWS:
        raise CorruptError(f"packed rows: {len(rows)} rows in {end} bytes, {start} wanted")
    return rows
