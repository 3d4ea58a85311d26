import pytest
from attrs import evolve, frozen
from hypothesis import given
from hypothesis import strategies as st

from allmydata.coding.erasure import coder
from allmydata.coding.geometry import Geometry
from allmydata.coding.hashing import FileHashes, FileSeals, encode_segment
from allmydata.coding.verify import (
    BadBlocksError,
    FileVerifier,
    ShareVerifier,
    open_segment,
)
from allmydata.crypto.aes import AES_CTR
from allmydata.errors import BadHashError, BadShareError

KEY = b"k" * 16
TEXT = bytes(range(1, 101))
GEOMETRY = Geometry(len(TEXT), 3, 5, 42)  # segments of 42, 42 and 16 bytes


@frozen
class Sealed:
    """A file that was encoded: its seals, and its blocks by share, then segment."""

    seals: FileSeals
    blocks: list[list[bytes]]

    def verifier(self):
        roots = self.seals.crypttext_tree.root, self.seals.share_tree.root
        return FileVerifier(GEOMETRY, *roots)

    def share(self, file, shnum):
        """Return a share's verifier with everything known."""
        share = ShareVerifier(file, shnum)
        share.take_chain(dict(self.seals.share_chain(shnum)))
        share.block_tree.set_hashes(dict(enumerate(self.seals.block_tree(shnum))))
        return share

    def opened(self, shnums):
        """Return all that :func:`open_segment` wants, with every leaf known."""
        file = self.verifier()
        file.crypttext_tree.set_hashes(dict(enumerate(self.seals.crypttext_tree)))
        return file, {shnum: self.share(file, shnum) for shnum in shnums}


def seal(forge=lambda segnum, segment: segment):
    """Encode the file; *forge* may change a segment's hashes before they are sealed."""
    cipher, hashing, blocks = AES_CTR(KEY), FileHashes(GEOMETRY), [[] for _ in range(5)]
    for segnum in range(GEOMETRY.num_segments):
        at = segnum * GEOMETRY.segment_size
        crypttext = cipher.process(TEXT[at : at + GEOMETRY.segment_bytes(segnum)])
        segment = encode_segment(coder(3, 5), crypttext, GEOMETRY.block_bytes(segnum))
        hashing.update_crypttext(crypttext)
        hashing.add_segment(forge(segnum, segment))
        for share, block in zip(blocks, segment.blocks, strict=True):
            share.append(bytes(block))
    return Sealed(hashing.finish(), blocks)


@pytest.fixture(scope="module")
def sealed():
    return seal()


def flipped(block):
    return block[:-1] + bytes([block[-1] ^ 1])


# ---- what opens ------------------------------------------------------------------------


@given(st.sets(st.integers(0, 4), min_size=3, max_size=3), st.integers(0, 2), st.randoms())
def test_any_k_blocks_give_the_segment_back_in_whatever_order(
    sealed, shnums, segnum, random
):
    order = list(shnums)
    random.shuffle(order)
    file, shares = sealed.opened(shnums)
    blocks = {shnum: memoryview(sealed.blocks[shnum][segnum]) for shnum in order}
    at = segnum * 42
    assert open_segment(file, shares, segnum, blocks, KEY) == TEXT[at : at + 42]


def test_without_the_key_a_segment_is_checked_and_stays_encrypted(sealed):
    file, shares = sealed.opened([1, 3, 4])
    blocks = {shnum: sealed.blocks[shnum][2] for shnum in shares}
    crypttext = open_segment(file, shares, 2, blocks, None)
    assert type(crypttext) is bytes
    assert AES_CTR(KEY, 84).process(crypttext) == TEXT[84:]


# ---- what does not ---------------------------------------------------------------------


def test_bad_blocks_are_refused_and_their_shares_named(sealed):
    file, shares = sealed.opened([0, 2, 4])
    blocks = {shnum: sealed.blocks[shnum][1] for shnum in shares}
    blocks |= {0: flipped(blocks[0]), 4: b""}
    with pytest.raises(BadBlocksError, match=r"blocks of shares \[0, 4\]") as caught:
        open_segment(file, shares, 1, blocks, KEY)
    assert caught.value.shnums == [0, 4]


def test_a_good_block_in_another_s_place_is_bad(sealed):
    file, shares = sealed.opened([0, 1, 2])
    moved = {0: sealed.blocks[0][0], 1: sealed.blocks[2][0], 2: sealed.blocks[2][0]}
    with pytest.raises(BadBlocksError) as caught:
        open_segment(file, shares, 0, moved, KEY)
    assert caught.value.shnums == [1]
    other_segment = {shnum: sealed.blocks[shnum][1] for shnum in shares}
    with pytest.raises(BadBlocksError, match=r"\[0, 1, 2\]"):
        open_segment(file, shares, 0, other_segment, KEY)


def test_a_block_whose_leaf_is_not_known_is_never_right(sealed):
    file, _ = sealed.opened([])
    share = ShareVerifier(file, 1)
    assert not share.is_right(0, sealed.blocks[1][0])
    share.take_chain(dict(sealed.seals.share_chain(1)))
    assert not share.is_right(0, sealed.blocks[1][0])
    share.block_tree.set_hashes(dict(enumerate(sealed.seals.block_tree(1))))
    assert share.is_right(0, sealed.blocks[1][0])


def test_a_file_that_was_never_whole_is_refused_though_all_blocks_are_right():
    def forge(segnum, segment):
        return evolve(segment, crypttext_hash=bytes(32)) if segnum == 1 else segment

    forged = seal(forge)
    file, shares = forged.opened([0, 1, 2])
    for segnum in (0, 2):
        blocks = {shnum: forged.blocks[shnum][segnum] for shnum in shares}
        open_segment(file, shares, segnum, blocks, KEY)
    blocks = {shnum: forged.blocks[shnum][1] for shnum in shares}
    with pytest.raises(BadHashError, match="segment 1 does not match") as caught:
        open_segment(file, shares, 1, blocks, KEY)
    assert not isinstance(caught.value, BadBlocksError)


def test_a_share_whose_blocks_were_sealed_though_they_belong_to_no_file_is_refused():
    def forge(segnum, segment):
        return evolve(segment, block_hashes=[b"!" * 32, *segment.block_hashes[1:]])

    forged = seal(forge)
    file, shares = forged.opened([0, 1, 2])
    blocks = {shnum: forged.blocks[shnum][0] for shnum in shares}
    with pytest.raises(BadBlocksError, match=r"\[0\]"):
        open_segment(file, shares, 0, blocks, KEY)


def test_a_segment_whose_leaf_is_not_known_is_refused(sealed):
    _, shares = sealed.opened([0, 1, 2])
    blocks = {shnum: sealed.blocks[shnum][0] for shnum in shares}
    with pytest.raises(BadHashError, match="segment 0 does not match"):
        open_segment(sealed.verifier(), shares, 0, blocks, KEY)


# ---- chains ----------------------------------------------------------------------------


def test_a_chain_ties_the_share_s_tree_to_the_file(sealed):
    file = sealed.verifier()
    share = ShareVerifier(file, 3)
    share.take_chain(dict(sealed.seals.share_chain(3)))
    assert share.block_tree[0] == sealed.seals.block_tree(3).root


def test_a_chain_with_any_node_wrong_is_refused_and_not_believed(sealed):
    chain = dict(sealed.seals.share_chain(3))
    for node in chain:
        file = sealed.verifier()
        share = ShareVerifier(file, 3)
        with pytest.raises(BadHashError):
            share.take_chain(chain | {node: flipped(chain[node])})
        assert share.block_tree[0] is None
        assert file.share_tree.get_leaf(3) is None


@pytest.mark.parametrize("missing", [0, 1, 2, 3])
def test_a_chain_with_gaps_is_a_bad_one(sealed, missing):
    chain = dict(sealed.seals.share_chain(3))
    del chain[sorted(chain)[missing]]
    with pytest.raises(BadHashError, match="has gaps"):
        ShareVerifier(sealed.verifier(), 3).take_chain(chain)


def test_nodes_outside_the_tree_are_refused(sealed):
    chain = dict(sealed.seals.share_chain(3)) | {500: bytes(32)}
    with pytest.raises(BadHashError, match="node 500 of a tree of 15"):
        ShareVerifier(sealed.verifier(), 3).take_chain(chain)


def test_another_share_s_chain_does_not_reach_this_one(sealed):
    share = ShareVerifier(sealed.verifier(), 4)
    with pytest.raises(BadShareError, match="does not reach share 4"):
        share.take_chain(dict(sealed.seals.share_chain(0)))
    with pytest.raises(BadShareError, match="does not reach share 4"):
        share.take_chain({})
