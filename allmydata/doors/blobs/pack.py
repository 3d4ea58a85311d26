"""Small contents stored together, as one file.

    bytes        part
    4            "ABP1"
    4            number of contents
    40 x number  of each: digest (SHA-256), size
                 the contents, back to back

Integers are unsigned and big-endian.  Format: docs/formats/blobs.md.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import accumulate

from attrs import frozen

from allmydata.errors import CorruptError

MAGIC = b"ABP1"
MOST = 2**16  # contents in one pack
_HEAD = struct.Struct(">4sL")
_ENTRY = struct.Struct(">32sQ")


@frozen
class Packed:
    """Where one content lies."""

    digest: bytes
    offset: int  # bytes from the start of the pack
    size: int


def lay_out(contents: Sequence[tuple[bytes, int]]) -> list[Packed]:
    """Return where contents lie, of which the digests and sizes are given."""
    sizes = [size for _, size in contents]
    starts = accumulate(sizes, initial=_HEAD.size + len(contents) * _ENTRY.size)
    return [
        Packed(digest, start, size)
        for (digest, size), start in zip(contents, starts, strict=False)
    ]


def make_pack(contents: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Return the pack of contents, each behind its digest."""
    table = [_ENTRY.pack(digest, len(data)) for digest, data in contents]
    return b"".join(
        [_HEAD.pack(MAGIC, len(contents)), *table, *(data for _, data in contents)]
    )


def table_size(head: bytes) -> int:
    """Return how many bytes of a pack tell what is in it.

    :param head: its first 8 bytes, or more
    :raises CorruptError: it is no pack
    """
    if len(head) < _HEAD.size or head[:4] != MAGIC:
        raise CorruptError("this is no pack")
    number: int = _HEAD.unpack_from(head)[1]
    if number > MOST:
        raise CorruptError(f"a pack of {number} contents: at most {MOST}")
    return _HEAD.size + number * _ENTRY.size


def read_table(head: bytes, total: int) -> list[Packed]:
    """Return what is in a pack.

    :param head: all that :func:`table_size` asks for, or more
    :param total: bytes of the pack
    :raises CorruptError: it is no pack, or not all of one
    """
    end = table_size(head)
    if len(head) < end:
        raise CorruptError(f"the table of a pack has {len(head)} bytes, wanted {end}")
    found = lay_out(list(_ENTRY.iter_unpack(head[_HEAD.size : end])))
    last = found[-1].offset + found[-1].size if found else end
    if last != total:
        raise CorruptError(f"a pack of {total} bytes, by its table {last}")
    return found
