"""From a file's two root hashes down to every byte: nothing unverified gets past here.

A :class:`FileVerifier` is one file, sealed by the URI extension that its capability
names; a :class:`ShareVerifier` is one share of it, sealed by the file.  Both hold only
what has been tied to those roots.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from allmydata.coding.erasure import coder
from allmydata.coding.geometry import Geometry
from allmydata.crypto.aes import AES_CTR
from allmydata.crypto.hashtree import HashTree, IncompleteHashTree, first_leaf
from allmydata.crypto.hashutil import HASH_SIZE, block_hash, crypttext_segment_hash
from allmydata.errors import BadHashError, BadShareError, NotEnoughHashesError


class FileVerifier:
    """What is known, for certain, of one file.

    :param crypttext_root: root of the tree over its ciphertext segments
    :param share_root: root of the tree over its shares
    """

    def __init__(
        self, geometry: Geometry, crypttext_root: bytes, share_root: bytes
    ) -> None:
        self.geometry = geometry
        self.crypttext_tree = IncompleteHashTree(geometry.num_segments)
        self.crypttext_tree.set_root(crypttext_root)
        self.share_tree = IncompleteHashTree(geometry.n)
        self.share_tree.set_root(share_root)

    def check_segment(self, segnum: int, crypttext: Any) -> None:
        """Check a decoded segment without padding; its leaf must be known.

        :raises BadHashError: it is not what was uploaded
        """
        if crypttext_segment_hash(crypttext) != self.crypttext_tree.get_leaf(segnum):
            raise BadHashError(f"segment {segnum} does not match the ciphertext hash tree")


class ShareVerifier:
    """What is known, for certain, of one share of a file."""

    def __init__(self, file: FileVerifier, shnum: int) -> None:
        self._file = file
        self.shnum = shnum
        self.block_tree = IncompleteHashTree(file.geometry.num_segments)

    def take_chain(self, chain: Mapping[int, bytes]) -> None:
        """Check the share hash chain: it ties this share's block tree to the file.

        :param chain: node number to hash
        :raises BadHashError: it does not
        """
        try:
            self._file.share_tree.set_hashes(chain)
        except NotEnoughHashesError as e:
            raise BadHashError(f"the share hash chain has gaps: {e}") from e
        root = self._file.share_tree.get_leaf(self.shnum)
        if root is None:
            raise BadShareError(f"the share hash chain does not reach share {self.shnum}")
        self.block_tree.set_root(root)

    def is_right(self, segnum: int, block: Any) -> bool:
        """Tell whether a block is what was uploaded; its leaf must be known."""
        return block_hash(block) == self.block_tree.get_leaf(segnum)


class BadBlocksError(BadHashError):
    """Some of the blocks that a segment was to be decoded from are not what was uploaded.

    :param shnums: the numbers of their shares
    """

    def __init__(self, shnums: list[int]) -> None:
        super().__init__(f"blocks of shares {shnums} do not match their hashes")
        self.shnums = shnums


def open_segment(
    file: FileVerifier,
    shares: Mapping[int, ShareVerifier],
    segnum: int,
    blocks: Mapping[int, Any],
    key: bytes | None,
) -> bytes:
    """Check, decode, check again and decrypt one segment; made to run in a thread.

    :param shares: share number to its verifier; the leaves of *segnum* must be known
    :param blocks: share number to block: k of them
    :param key: the 16 bytes it is encrypted with, or None to leave it encrypted
    :return: the bytes of the segment, without padding
    :raises BadBlocksError: blocks that do not match their hashes, and whose they are
    :raises BadHashError: all blocks were right, but the file was never whole
    """
    bad = [i for i, block in blocks.items() if not shares[i].is_right(segnum, block)]
    if bad:
        raise BadBlocksError(bad)
    geometry = file.geometry
    numbers = sorted(blocks)
    pieces = coder(geometry.k, geometry.n).decode([blocks[i] for i in numbers], numbers)
    crypttext = memoryview(b"".join(pieces))[: geometry.segment_bytes(segnum)]
    file.check_segment(segnum, crypttext)
    if key is None:
        return bytes(crypttext)
    return AES_CTR(key, segnum * geometry.segment_size).process(crypttext)


# ---- whole shares ----------------------------------------------------------------------


def hash_blocks(data: Any, block_size: int) -> list[bytes]:
    """Return the hash of each block of consecutive ones; the last may be short.

    Made to run in a thread.
    """
    view = memoryview(data)
    return [
        block_hash(view[at : at + block_size]) for at in range(0, len(view), block_size)
    ]


def leaves_of(part: bytes, num_leaves: int) -> list[bytes]:
    """Return the leaves, padding left out, of a whole tree as it lies in a share."""
    begin = first_leaf(num_leaves)
    nodes = range(begin, begin + num_leaves)
    return [part[i * HASH_SIZE : (i + 1) * HASH_SIZE] for i in nodes]


def check_whole_tree(part: bytes, leaves: Sequence[bytes], root: bytes) -> None:
    """Check every node of a tree as it lies in a share.

    :param part: its nodes, root first
    :param leaves: what they must be
    :raises BadHashError: a node is wrong, or the root is not *root*
    """
    tree = HashTree(leaves)
    if tree.root != root:
        raise BadHashError("the leaves of a hash tree do not match its root")
    if tree.pack() != part:
        raise BadHashError("a hash tree has wrong nodes")
