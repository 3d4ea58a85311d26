from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allmydata.coding.erasure import coder
from allmydata.coding.geometry import Geometry
from allmydata.coding.hashing import FileHashes, FileSeals, encode_segment
from allmydata.crypto.hashtree import HashTree
from allmydata.crypto.hashutil import block_hash, crypttext_hasher, crypttext_segment_hash


def seals_of(num_shares):
    leaves = [sha256(b"%d" % i).digest() for i in range(num_shares)]
    return FileSeals(b"", HashTree([]), [], HashTree(leaves))


@pytest.mark.parametrize(
    ("num_shares", "shnum", "order"),
    [
        (1, 0, "0"),
        (2, 1, "1 2"),
        (3, 0, "2 3 4"),
        (10, 0, "2 4 8 15 16"),
        (10, 9, "1 6 12 23 24"),
        (100, 0, "128 32 64 2 4 8 16 127"),
        (100, 63, "2 3 9 45 21 189 93 190"),
        (100, 99, "225 1 226 5 14 111 56 28"),
        (256, 200, "1 228 5 455 456 14 114 55 28"),
    ],
)
def test_the_share_hash_chain_is_in_the_order_of_the_reference(num_shares, shnum, order):
    seals = seals_of(num_shares)
    chain = seals.share_chain(shnum)
    assert [node for node, _ in chain] == [int(number) for number in order.split()]
    assert all(value == seals.share_tree[node] for node, value in chain)


# ---- one segment -----------------------------------------------------------------------


@given(st.binary(min_size=1, max_size=100), st.integers(1, 8), st.integers(0, 8))
def test_the_padding_is_hashed_with_the_blocks_and_not_with_the_segment(data, k, extra):
    block_size = -(-len(data) // k)
    segment = encode_segment(coder(k, k + extra), data, block_size)
    padded = data.ljust(k * block_size, b"\0")
    assert b"".join(segment.blocks[:k]) == padded
    assert [len(block) for block in segment.blocks] == [block_size] * (k + extra)
    assert segment.crypttext == data
    assert segment.crypttext_hash == crypttext_segment_hash(data)
    assert segment.block_hashes == [block_hash(bytes(b)) for b in segment.blocks]


def test_a_segment_may_be_any_buffer():
    for data in (b"abcdef", bytearray(b"abcdef"), memoryview(b"xabcdefx")[1:7]):
        segment = encode_segment(coder(2, 3), data, 3)
        assert [bytes(block) for block in segment.blocks[:2]] == [b"abc", b"def"]


def test_a_segment_filled_into_blocks_that_are_too_large_keeps_its_bytes_in_front():
    segment = encode_segment(coder(2, 2), b"abcde", 4)
    assert [bytes(block) for block in segment.blocks] == [b"abcd", b"e\0\0\0"]


# ---- one file --------------------------------------------------------------------------


def test_a_file_is_sealed_from_its_blocks_up_to_two_roots():
    geometry = Geometry(10, 2, 3, 4)
    texts = [b"abcd", b"efgh", b"ij"]
    hashing = FileHashes(geometry)
    segments = []
    for segnum, text in enumerate(texts):
        segment = encode_segment(coder(2, 3), text, geometry.block_bytes(segnum))
        hashing.update_crypttext(text)
        hashing.add_segment(segment)
        segments.append(segment)
    seals = hashing.finish()
    whole = crypttext_hasher()
    whole.update(b"abcdefghij")
    assert seals.crypttext_hash == whole.digest()
    assert list(seals.crypttext_tree) == list(HashTree(map(crypttext_segment_hash, texts)))
    trees = [seals.block_tree(shnum) for shnum in range(3)]
    for shnum, tree in enumerate(trees):
        leaves = [block_hash(bytes(segment.blocks[shnum])) for segment in segments]
        assert list(tree) == list(HashTree(leaves))
    roots = [tree.root for tree in trees]
    assert list(seals.share_tree) == list(HashTree(roots))


def test_a_file_is_not_sealed_before_its_last_segment():
    hashing = FileHashes(Geometry(10, 2, 3, 4))
    hashing.add_segment(encode_segment(coder(2, 3), b"abcd", 2))
    with pytest.raises(AssertionError, match="1 segments were hashed"):
        hashing.finish()
