"""The sealing of one file: leaf hashes are collected, finished trees and chains come out.

    blocks of a share   -> block hash tree       -> its root is a leaf of the
    roots of all shares -> share hash tree       -> share_root_hash
    ciphertext segments -> ciphertext hash tree  -> crypttext_root_hash
    both roots and the hash of all ciphertext    -> the URI extension, which the cap seals

Format: docs/formats/share.md.
"""

from __future__ import annotations

from typing import Any

from attrs import define, field, frozen

from allmydata.coding.erasure import Coder
from allmydata.coding.geometry import Geometry
from allmydata.crypto.hashtree import (
    HashTree,
    PackedHashes,
    first_leaf,
    path_siblings,
)
from allmydata.crypto.hashutil import (
    HASH_SIZE,
    TaggedHasher,
    block_hash,
    crypttext_hasher,
    crypttext_segment_hash,
)


@frozen
class EncodedSegment:
    """One segment cut into blocks.

    :param crypttext: the segment without padding
    :param blocks: one for each share number, in order; buffers of equal length
    """

    crypttext: Any
    blocks: list[Any]
    crypttext_hash: bytes
    block_hashes: list[bytes]


def encode_segment(coder: Coder, crypttext: Any, block_size: int) -> EncodedSegment:
    """Cut, code and hash one segment; pure, and made to run in a thread.

    :param crypttext: the bytes of the segment, without padding
    :param block_size: bytes of each block; k of them hold the segment and its padding
    """
    padded = crypttext
    if len(crypttext) < coder.k * block_size:
        padded = bytes(crypttext).ljust(coder.k * block_size, b"\0")
    view = memoryview(padded)
    pieces = [view[i * block_size : (i + 1) * block_size] for i in range(coder.k)]
    blocks = list(coder.encode(pieces))
    return EncodedSegment(
        crypttext,
        blocks,
        crypttext_segment_hash(crypttext),
        [block_hash(block) for block in blocks],
    )


@define
class FileHashes:
    """What is known of a file's seals while it is being encoded."""

    geometry: Geometry
    _crypttext: TaggedHasher = field(factory=crypttext_hasher)
    _num_hashed: int = field(default=0, init=False)  # segments
    _segment_leaves: bytearray = field(init=False)
    _block_leaves: list[bytearray] = field(init=False)  # by share number

    def __attrs_post_init__(self) -> None:
        size = self.geometry.num_segments * HASH_SIZE  # at once: what grows leaves gaps
        self._segment_leaves = bytearray(size)
        self._block_leaves = [bytearray(size) for _ in range(self.geometry.n)]

    def update_crypttext(self, crypttext: Any) -> None:
        """Take the next segment's ciphertext into the hash of all; safe in a thread."""
        self._crypttext.update(crypttext)

    def add_segment(self, segment: EncodedSegment) -> None:
        """Take the leaves of the next segment."""
        at = slice(self._num_hashed * HASH_SIZE, (self._num_hashed + 1) * HASH_SIZE)
        self._segment_leaves[at] = segment.crypttext_hash
        for leaves, leaf in zip(self._block_leaves, segment.block_hashes, strict=True):
            leaves[at] = leaf
        self._num_hashed += 1

    def finish(self) -> FileSeals:
        """Build all trees; every segment must have been taken."""
        if self._num_hashed != self.geometry.num_segments:
            raise AssertionError(f"{self._num_hashed} segments were hashed")
        crypttext_tree = _tree(self._segment_leaves)
        share_tree = HashTree([_tree(leaves).root for leaves in self._block_leaves])
        whole = self._crypttext.digest()
        return FileSeals(whole, crypttext_tree, self._block_leaves, share_tree)


def _tree(leaves: bytearray) -> HashTree:
    return HashTree(PackedHashes(bytes(leaves)))


@frozen
class FileSeals:
    """All that goes into shares after the blocks.

    :param crypttext_hash: of all ciphertext
    """

    crypttext_hash: bytes
    crypttext_tree: HashTree
    _block_leaves: list[bytearray]  # by share number
    share_tree: HashTree

    def block_tree(self, shnum: int) -> HashTree:
        """Return the block hash tree of share *shnum*.

        It is built each time: all of them of a file of 10 GB would take 10 MB.
        """
        return _tree(self._block_leaves[shnum])

    def share_chain(self, shnum: int) -> list[tuple[int, bytes]]:
        """Return the share hash chain of share *shnum*, as (node number, hash).

        It is in the order of a CPython set of small integers, made from the siblings
        (leaf end first) with the leaf added last: the reference writes it so, and to be
        bit-identical we do.  No hash depends on it.
        """
        leaf = first_leaf(self.share_tree.num_leaves) + shnum
        numbers = set(list(path_siblings(leaf)))
        numbers.add(leaf)
        return [(number, self.share_tree[number]) for number in numbers]
