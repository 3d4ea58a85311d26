"""The arithmetic of a mutable file: segments, blocks, trees, and what ties them together.

    SDMF  one segment, encrypted under one salt that the version has
    MDMF  segments of 128 KiB, each under a salt of its own, hashed with its block

Pure: salts are handed in.  Format: docs/formats/mutable.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from attrs import frozen

from allmydata.coding.erasure import coder
from allmydata.crypto.aes import AES_CTR
from allmydata.crypto.hashtree import HashTree, IncompleteHashTree, num_nodes
from allmydata.crypto.hashutil import block_hash, empty_leaf_hash
from allmydata.crypto.mutable_keys import MutableKeys
from allmydata.errors import BadHashError, NotEnoughHashesError
from allmydata.util.mathutil import div_ceil, next_multiple

MDMF_SEGMENT = 131072  # bytes, before rounding up to a multiple of k


@frozen(slots=False)
class MutableGeometry:
    """The shape of one version's shares; sizes are bytes.

    :param size: of the file
    :param segment_size: of every segment but the last; a multiple of k
    :param salt_size: before each block: 0 in SDMF
    """

    size: int
    k: int
    n: int
    segment_size: int
    salt_size: int

    @classmethod
    def of_new(cls, size: int, k: int, n: int, salt_size: int) -> MutableGeometry:
        """Choose the segment size as every writer does; one salt for all is SDMF."""
        segment = MDMF_SEGMENT if salt_size else size
        return cls(size, k, n, next_multiple(segment, k) if segment else 0, salt_size)

    @cached_property
    def num_segments(self) -> int:
        """How many segments; an empty file has none."""
        return div_ceil(self.size, self.segment_size) if self.size else 0

    @cached_property
    def num_nodes(self) -> int:
        """Nodes of the tree over the blocks of a share; one of an empty file."""
        return num_nodes(max(1, self.num_segments))

    @cached_property
    def block_size(self) -> int:
        """Bytes of a block of every segment but the last."""
        return self.segment_size // self.k

    @property
    def stride(self) -> int:
        """Bytes from one block's salt to the next's."""
        return self.salt_size + self.block_size

    @cached_property
    def data_size(self) -> int:
        """Bytes of all blocks of one share, and their salts."""
        if not self.num_segments:
            return 0
        last = self.salt_size + self.block_bytes(self.num_segments - 1)
        return (self.num_segments - 1) * self.stride + last

    def segment_bytes(self, segnum: int) -> int:
        """Return the bytes of the file in segment *segnum*."""
        return min(self.segment_size, self.size - segnum * self.segment_size)

    def block_bytes(self, segnum: int) -> int:
        """Return the bytes of a block of segment *segnum*, without salt."""
        return div_ceil(self.segment_bytes(segnum), self.k)


@frozen
class MutableSegment:
    """One segment of a version, coded.

    :param salt: 16 bytes it is encrypted under
    :param blocks: one for each share number
    """

    salt: bytes
    blocks: list[Any]


def encode_mutable(
    keys: MutableKeys, geometry: MutableGeometry, segnum: int, plaintext: Any, salt: bytes
) -> MutableSegment:
    """Encrypt and cut one segment; made to run in a thread.

    :param plaintext: its bytes, without padding
    :param salt: 16 fresh random bytes; in SDMF those of the version
    """
    crypttext = AES_CTR(keys.data_key(salt)).process(plaintext)
    size = geometry.block_bytes(segnum)
    padded = memoryview(crypttext.ljust(size * geometry.k, b"\0"))
    pieces = [padded[i * size : (i + 1) * size] for i in range(geometry.k)]
    return MutableSegment(salt, list(coder(geometry.k, geometry.n).encode(pieces)))


def decode_mutable(
    keys: MutableKeys,
    geometry: MutableGeometry,
    segnum: int,
    blocks: Mapping[int, Any],
    salt: bytes,
) -> bytes:
    """Return the plaintext of a segment from k blocks that were checked; for a thread."""
    numbers = sorted(blocks)[: geometry.k]
    code = coder(geometry.k, geometry.n)
    pieces = code.decode([blocks[i] for i in numbers], numbers)
    crypttext = b"".join(pieces)[: geometry.segment_bytes(segnum)]
    return AES_CTR(keys.data_key(salt)).process(crypttext)


def mutable_block_hash(geometry: MutableGeometry, salt: bytes, block: Any) -> bytes:
    """Return the leaf of a share's block hash tree; MDMF's hold the salt too."""
    return block_hash(salt + bytes(block)) if geometry.salt_size else block_hash(block)


def block_tree(leaves: Sequence[bytes]) -> HashTree:
    """Return the tree over the blocks of one share; that of an empty file is padding."""
    return HashTree(leaves or [empty_leaf_hash(0)])


def share_chain(share_tree: HashTree, shnum: int) -> dict[int, bytes]:
    """Return what ties the root of a share's block tree to the root hash."""
    return {node: share_tree[node] for node in share_tree.needed_hashes(shnum)}


def check_root(
    n: int, shnum: int, root: bytes, chain: Mapping[int, bytes], root_hash: bytes
) -> None:
    """Check that a share's block tree belongs to the version.

    :param root: of the share's block hash tree
    :param chain: node number to hash; old shares' holds the leaf too
    :raises BadHashError: it does not
    """
    tree = IncompleteHashTree(n)
    tree.set_root(root_hash)
    try:
        tree.set_hashes(chain, {shnum: root})
    except NotEnoughHashesError as e:
        raise BadHashError(f"the share hash chain has gaps: {e}") from e
