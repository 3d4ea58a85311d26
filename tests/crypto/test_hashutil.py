import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allmydata.crypto import hashutil
from allmydata.crypto.hashutil import (
    TaggedHasher,
    convergence_hasher,
    empty_leaf_hash,
    pair_hash,
    storage_index_hash,
    tagged_hash,
    tagged_pair_hash,
)
from allmydata.util import base32

VECTORS = json.loads(Path(__file__).parents[1].joinpath("vectors/chk.json").read_text())


def framed(data):
    return str(len(data)).encode() + b":" + data + b","


def by_hand(tag, value):
    """The page docs/formats/hashes.md, from nothing but hashlib."""
    return hashlib.sha256(hashlib.sha256(framed(tag) + value).digest()).digest()


def plaintext(size):
    return bytes((i * i + 7 * i + 3) % 251 for i in range(size))


TAGS = {
    "block_hash": b"allmydata_encoded_subshare_v1",
    "uri_extension_hash": b"allmydata_uri_extension_v1",
    "crypttext_segment_hash": b"allmydata_crypttext_segment_v1",
    "plaintext_hash": b"allmydata_plaintext_v1",
    "plaintext_segment_hash": b"allmydata_plaintext_segment_v1",
}
HASHER_TAGS = {
    "annex_key_hasher": b"allmydata_annex_key_v1",
    "crypttext_hasher": b"allmydata_crypttext_v1",
    "plaintext_hasher": b"allmydata_plaintext_v1",
    "plaintext_segment_hasher": b"allmydata_plaintext_segment_v1",
}


@given(st.binary(max_size=40), st.binary(max_size=200), st.integers(0, 32))
def test_tagged_hash_frames_the_tag_and_not_the_value(tag, value, length):
    assert tagged_hash(tag, value, length) == by_hand(tag, value)[:length]


@given(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=40))
def test_tagged_pair_hash_frames_tag_and_both_values(tag, a, b):
    assert tagged_pair_hash(tag, a, b) == by_hand(tag, framed(a) + framed(b))


@given(st.lists(st.binary(max_size=50), max_size=6))
def test_a_hasher_fed_by_pieces_gives_the_hash_of_the_whole(pieces):
    hasher = TaggedHasher(b"tag")
    for piece in pieces:
        hasher.update(piece)
    assert hasher.digest() == tagged_hash(b"tag", b"".join(pieces))
    assert hasher.digest() == hasher.digest()


def test_hashers_of_one_tag_do_not_see_each_other_s_bytes():
    one, other = TaggedHasher(b"tag"), TaggedHasher(b"tag")
    one.update(b"one")
    assert other.digest() == by_hand(b"tag", b"")


@pytest.mark.parametrize("name", TAGS)
def test_each_purpose_has_the_tag_of_the_format(name):
    assert getattr(hashutil, name)(b"value") == by_hand(TAGS[name], b"value")


@pytest.mark.parametrize("name", HASHER_TAGS)
def test_each_hasher_has_the_tag_of_the_format(name):
    hasher = getattr(hashutil, name)()
    hasher.update(b"value")
    assert hasher.digest() == by_hand(HASHER_TAGS[name], b"value")


def test_bytes_like_objects_hash_as_bytes():
    assert tagged_hash(b"t", memoryview(b"xvaluex")[1:6]) == tagged_hash(b"t", b"value")


def test_nodes_of_merkle_trees_have_the_tags_of_the_format():
    a, b = b"a" * 32, b"b" * 32
    assert empty_leaf_hash(17) == by_hand(b"Merkle tree empty leaf", b"17")
    assert pair_hash(a, b) == by_hand(b"Merkle tree internal node", framed(a) + framed(b))


def test_the_hashes_printed_in_the_page_are_right():
    assert tagged_hash(b"tag", b"value").hex() == (
        "64b0cafcfe5f99653ae63b644191c890600965073ef48bf9b24f9e623c940229"
    )
    assert tagged_pair_hash(b"tag", b"a", b"b").hex() == (
        "e003cf467d5cbcdf2eedb7369cd332e96f4405959a932f35200b862b2dc0a593"
    )
    assert tagged_hash(b"allmydata_encoded_subshare_v1", b"").hex() == (
        "64931e84fc25687f941bcdbf475517286ab6ca71e87dd64491b15b54dd06d26b"
    )
    assert empty_leaf_hash(0).hex() == (
        "e0024730188e2de564a697cc2987407b24ae7eb6b880190c1a0337a5740e527a"
    )


SMALL = [case for case in VECTORS["chk"] if case["size"] <= 1024]


def test_convergent_keys_and_storage_indexes_are_those_of_the_reference():
    assert {case["convergence_name"] for case in SMALL} == {"A", "B", "empty"}
    for case in SMALL:
        secret = bytes.fromhex(case["convergence_hex"])
        hasher = convergence_hasher(case["k"], case["n"], case["segsize"], secret)
        hasher.update(plaintext(case["size"]))
        key = hasher.digest()[:16]
        assert key.hex() == case["key_hex"]
        assert base32.b2a(storage_index_hash(key)) == case["storage_index"]


def test_uri_extension_hashes_are_those_of_the_reference():
    for case in VECTORS["chk"]:
        block = bytes.fromhex(case["ueb_hex"])
        assert hashutil.uri_extension_hash(block).hex() == case["ueb_hash_hex"]


def test_the_convergent_key_depends_on_every_parameter():
    params = [(3, 10, 57, b"s"), (4, 10, 57, b"s"), (3, 11, 57, b"s"), (3, 10, 60, b"s")]
    params += [(3, 10, 57, b""), (3, 10, 57, b"t")]
    assert len({convergence_hasher(*each).digest() for each in params}) == len(params)
