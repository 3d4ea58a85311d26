"""A share of a mutable file: SDMF, one segment, or MDMF, many that change one by one.

    SDMF  bytes   part                        MDMF  bytes   part
          1       version: 0                        1       version: 1
          8       sequence number                   8       sequence number
          32      root hash                         32      root hash
          16      salt                              1, 1    k, n
          1, 1    k, n                              8       segment size
          8       segment size                      8       bytes of the file
          8       bytes of the file                 8 x 8   where these begin: private
          4 x 4   where these begin: signature,             key, chain, signature, public
                  chain, block tree, data                   key, its end, data, block
          8 x 2   private key, the end                      tree, the end
          ..      public key, and the parts         ..      the parts in that order, data
                  in that order                             from byte 2167 on

The fields down to the file's size are the *prefix*, which the owner signs; those down to
k are the *checkstring*, by which a writer tells servers which version it replaces.  A chain
is (2-byte node, 32-byte hash), ascending.  In MDMF, a salt of 16 bytes lies before each
block.  Bytes after the end are left from longer versions.  Integers are unsigned and
big-endian.  Format: docs/formats/mutable.md.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from itertools import accumulate, pairwise

from attrs import field, frozen

from allmydata.crypto.hashutil import HASH_SIZE
from allmydata.crypto.mutable_keys import SALT_SIZE
from allmydata.errors import BadShareError
from allmydata.formats.share import pack_chain

SDMF, MDMF = 0, 1
_PREFIXES = {SDMF: struct.Struct(">BQ32s16sBBQQ"), MDMF: struct.Struct(">BQ32sBBQQ")}
_OFFSETS = {SDMF: struct.Struct(">4L2Q"), MDMF: struct.Struct(">8Q")}
_CHECKED = {SDMF: 57, MDMF: 41}
_ORDER = {  # the parts that the offsets tell the begin of, the last is nobody's begin
    SDMF: ("signature", "chain", "block_tree", "data", "private_key", "end"),
    MDMF: (
        "private_key",
        "chain",
        "signature",
        "public_key",
        "gap",
        "data",
        "block_tree",
        "end",
    ),
}
HEAD_SIZES = {kind: _PREFIXES[kind].size + _OFFSETS[kind].size for kind in (SDMF, MDMF)}
LARGEST_HEAD = max(HEAD_SIZES.values())
MDMF_DATA = 2167  # room for keys, signature and chain, whatever their sizes
MDMF_SEGMENT = 131072
MAX_SHARES = 255


@frozen
class Prefix:
    """One version of a mutable file, as its owner signs it.

    :param kind: :data:`SDMF` or :data:`MDMF`
    :param salt: 16 bytes; empty in MDMF, where each segment has its own
    :param segment_size: bytes
    :param size: bytes of the file
    """

    kind: int
    seqnum: int
    root_hash: bytes
    salt: bytes = field(repr=False)
    k: int
    n: int
    segment_size: int
    size: int

    @classmethod
    def parse(cls, head: bytes) -> Prefix:
        """Read the first bytes of a share.

        :raises BadShareError: unknown version, too short, or numbers that no file has
        """
        kind = head[0] if head else -1
        if kind not in _PREFIXES:
            raise BadShareError(f"mutable share version {kind}, wanted 0 or 1")
        shape = _PREFIXES[kind]
        if len(head) < shape.size:
            raise BadShareError(f"header is {len(head)} bytes, wanted {shape.size}")
        _, seqnum, root, *salt, k, n, segment_size, size = shape.unpack_from(head)
        if not 1 <= k <= n <= MAX_SHARES or segment_size % k or (size and not segment_size):
            raise BadShareError(
                f"no file has {k} of {n} shares, segments of {segment_size}"
            )
        return cls(kind, seqnum, root, b"".join(salt), k, n, segment_size, size)

    def pack(self) -> bytes:
        """Return the bytes that are signed."""
        salt = (self.salt,) if self.kind == SDMF else ()
        numbers = self.k, self.n, self.segment_size, self.size
        fields = (self.kind, self.seqnum, self.root_hash, *salt, *numbers)
        return _PREFIXES[self.kind].pack(*fields)

    @property
    def checkstring(self) -> bytes:
        """What tells this version from others, as a writer has servers compare it."""
        return self.pack()[: _CHECKED[self.kind]]

    @property
    def version(self) -> tuple[int, bytes]:
        """What versions are ordered by: sequence number, then root hash."""
        return self.seqnum, self.root_hash


@frozen
class MutableLayout:
    """Where each part of one share lies: name to its first byte and the one after it."""

    prefix: Prefix
    parts: Mapping[str, tuple[int, int]]

    @classmethod
    def plan(cls, prefix: Prefix, sizes: Mapping[str, int]) -> MutableLayout:
        """Lay out a share about to be written.

        :param sizes: bytes of ``private_key``, ``chain``, ``signature``, ``public_key``,
            ``data`` and ``block_tree``
        :raises BadShareError: keys and chain do not fit the room MDMF has for them
        """
        head = HEAD_SIZES[prefix.kind]
        order = list(_ORDER[prefix.kind][:-1])
        known = dict(sizes)
        if prefix.kind == SDMF:
            order.insert(0, "public_key")
        else:
            before = order[: order.index("gap")]
            known["gap"] = MDMF_DATA - head - sum(known[name] for name in before)
            if known["gap"] < 0:
                raise BadShareError("keys and chain are too long for an MDMF share")
        bounds = pairwise(accumulate((known[name] for name in order), initial=head))
        return cls(prefix, dict(zip(order, bounds, strict=True)))

    @classmethod
    def parse(cls, head: bytes) -> MutableLayout:
        """Read the header of a share; spare bytes are ignored.

        :raises BadShareError: it is not the header of one
        """
        prefix = Prefix.parse(head)
        kind = prefix.kind
        if len(head) < HEAD_SIZES[kind]:
            raise BadShareError(f"header is {len(head)} bytes, wanted {HEAD_SIZES[kind]}")
        starts = _OFFSETS[kind].unpack_from(head, _PREFIXES[kind].size)
        if any(a > b for a, b in pairwise((HEAD_SIZES[kind], *starts))):
            raise BadShareError(f"parts out of order: {starts}")
        parts = dict(zip(_ORDER[kind], pairwise(starts), strict=False))
        if kind == SDMF:
            parts["public_key"] = HEAD_SIZES[SDMF], starts[0]
        return cls(prefix, parts)

    def pack(self) -> bytes:
        """Return the header that :meth:`parse` reads back."""
        starts = [self.parts[name][0] for name in _ORDER[self.prefix.kind][:-1]]
        return self.prefix.pack() + _OFFSETS[self.prefix.kind].pack(*starts, self.end)

    @property
    def end(self) -> int:
        """Bytes of the whole share."""
        return max(end for _, end in self.parts.values())

    def pack_share(self, contents: Mapping[str, bytes]) -> bytes:
        """Return the whole share; *contents* are as long as was planned."""
        share = bytearray(self.end)
        head = self.pack()
        share[: len(head)] = head
        for name, data in contents.items():
            begin, end = self.parts[name]
            if len(data) != end - begin:
                raise BadShareError(
                    f"{name} is {len(data)} bytes, {end - begin} were planned"
                )
            share[begin:end] = data
        return bytes(share)

    def cut(self, share: bytes, name: str) -> bytes:
        """Return one part of a share that was read from its start.

        :raises BadShareError: it ends before that part does
        """
        begin, end = self.parts[name]
        if len(share) < end:
            raise BadShareError(f"the share ends early: {len(share)} of {end} bytes")
        return share[begin:end]


def pack_sorted_chain(chain: Mapping[int, bytes]) -> bytes:
    """Return a share hash chain as it lies in a mutable share."""
    return pack_chain(sorted(chain.items()))


def tree_size(num_nodes: int) -> int:
    """Return the bytes of a hash tree of so many nodes."""
    return num_nodes * HASH_SIZE


def salt_size(kind: int) -> int:
    """Return the bytes that lie before each block."""
    return SALT_SIZE if kind == MDMF else 0
