"""Where each part of a share lies: pure arithmetic on offsets.

    bytes            part
    4                version: 1, with fields of 4 bytes, or 2, with fields of 8
    8 fields         block size, data size, then the start of each part below
    data size        data: blocks back to back; the last may be short
    32 x nodes       plaintext_hashes (reserved: zeros)
    32 x nodes       crypttext_hashes
    32 x nodes       block_hashes
    34 x entries     share_hashes: 2-byte number, 32-byte hash
    1 field + that   uri_extension, its length first

Integers are unsigned and big-endian.  Format: docs/formats/share.md.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from itertools import accumulate, pairwise

from attrs import astuple, frozen

from allmydata.crypto.hashutil import HASH_SIZE
from allmydata.errors import BadShareError

HEADERS = {1: struct.Struct(">9L"), 2: struct.Struct(">L8Q")}
HEADER_SIZE = HEADERS[2].size  # reading this many bytes is enough for either version
LIMIT_V1 = 2**32  # version 1 cannot name a byte at or past this one
CHAIN_ENTRY_SIZE = 2 + HASH_SIZE
MAX_EXTENSION_SIZE = 2000  # a URI extension block this long or longer is corrupt


@frozen
class ShareLayout:
    """Sizes, and the first byte of every part counted from the share's start."""

    block_size: int
    data_size: int
    data: int
    plaintext_hashes: int
    crypttext_hashes: int
    block_hashes: int
    share_hashes: int
    uri_extension: int

    @classmethod
    def plan(
        cls, block_size: int, data_size: int, tree: int, chain: int, oldest: int = 1
    ) -> ShareLayout:
        """Lay out a share about to be written, in the oldest version it fits.

        :param tree: bytes of one segment hash tree; all three are equal
        :param chain: bytes of the share hash chain
        :param oldest: the oldest version allowed
        """
        parts = (data_size, tree, tree, tree, chain)
        largest = max(block_size, HEADERS[1].size + sum(parts))
        version = oldest if largest < LIMIT_V1 else 2
        return cls(block_size, data_size, *accumulate(parts, initial=HEADERS[version].size))

    @classmethod
    def parse(cls, header: bytes) -> ShareLayout:
        """Read the first bytes of a share found on a server; spare bytes are ignored.

        :raises BadShareError: unknown version, too short, parts out of order, or parts
            that are no whole number of entries
        """
        version = int.from_bytes(header[:4], "big")
        if version not in HEADERS:
            raise BadShareError(f"share version {version}, wanted 1 or 2")
        shape = HEADERS[version]
        if len(header) < shape.size:
            raise BadShareError(f"header is {len(header)} bytes, wanted {shape.size}")
        _, block_size, data_size, *starts = shape.unpack_from(header)
        if starts[0] != shape.size or any(a > b for a, b in pairwise(starts)):
            raise BadShareError(f"parts out of order: {starts}")
        layout = cls(block_size, data_size, *starts)
        if layout.chain_size % CHAIN_ENTRY_SIZE or layout.tree_size % HASH_SIZE:
            raise BadShareError("a part for hashes is no whole number of them")
        return layout

    @property
    def version(self) -> int:
        """The version this layout is written in: 1 or 2."""
        return 1 if self.data == HEADERS[1].size else 2

    @property
    def field_size(self) -> int:
        """Bytes of one field, and of the length before the URI extension."""
        return 4 if self.version == 1 else 8

    @property
    def tree_size(self) -> int:
        """Bytes of the block hash tree."""
        return self.share_hashes - self.block_hashes

    @property
    def chain_size(self) -> int:
        """Bytes of the share hash chain."""
        return self.uri_extension - self.share_hashes

    def total_size(self, extension_size: int) -> int:
        """Return the bytes of a whole share whose URI extension has *extension_size*."""
        return self.uri_extension + self.field_size + extension_size

    def pack(self) -> bytes:
        """Return the header that :meth:`parse` reads back."""
        return HEADERS[self.version].pack(self.version, *astuple(self))

    def pack_extension(self, extension: bytes) -> bytes:
        """Return the last part of a share: *extension* with its length before."""
        return len(extension).to_bytes(self.field_size, "big") + extension

    def unpack_extension(self, part: bytes) -> bytes:
        """Return the URI extension from the share's last part; spare bytes are ignored.

        :raises BadShareError: its length is impossible, or bytes are missing
        """
        length = int.from_bytes(part[: self.field_size], "big")
        if not 0 < length < MAX_EXTENSION_SIZE:
            raise BadShareError(f"URI extension of {length} bytes")
        extension = part[self.field_size : self.field_size + length]
        if len(extension) < length:
            raise BadShareError(f"{len(extension)} of {length} bytes of the URI extension")
        return extension


def pack_chain(chain: Iterable[tuple[int, bytes]]) -> bytes:
    """Return the share hash chain as it lies in a share."""
    return b"".join(node.to_bytes(2, "big") + value for node, value in chain)


def unpack_chain(part: bytes) -> dict[int, bytes]:
    """Return the share hash chain as node number to hash.

    :raises BadShareError: *part* is no whole number of entries
    """
    if len(part) % CHAIN_ENTRY_SIZE:
        raise BadShareError(f"share hash chain of {len(part)} bytes")
    starts = range(0, len(part), CHAIN_ENTRY_SIZE)
    return {
        int.from_bytes(part[at : at + 2], "big"): part[at + 2 : at + CHAIN_ENTRY_SIZE]
        for at in starts
    }


def split_hashes(part: bytes) -> list[bytes]:
    """Return the hashes of a tree or part of one, in order; spare bytes are dropped."""
    last = len(part) - HASH_SIZE + 1
    return [part[at : at + HASH_SIZE] for at in range(0, last, HASH_SIZE)]
