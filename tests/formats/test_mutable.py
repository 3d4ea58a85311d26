"""Shares of mutable files as a Tahoe-LAFS 1.20 node made them, opened and made anew."""

import json
import random
from pathlib import Path

import pytest

from allmydata.coding.mutable import (
    MutableGeometry,
    block_tree,
    check_root,
    decode_mutable,
    encode_mutable,
    mutable_block_hash,
    share_chain,
)
from allmydata.crypto.hashtree import HashTree
from allmydata.crypto.mutable_keys import (
    MutableKeys,
    SigningKey,
    check_signature,
    fingerprint_of,
    write_key_of,
)
from allmydata.errors import BadHashError, BadShareError
from allmydata.formats.mutable import (
    HEAD_SIZES,
    MDMF,
    SDMF,
    MutableLayout,
    Prefix,
    pack_sorted_chain,
    salt_size,
)
from allmydata.formats.share import unpack_chain
from allmydata.util import base32

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "mutable.json").read_text())
SAMPLES = {sample["format"]: sample for sample in VECTORS["samples"] if "shares" in sample}


def shares_of(sample):
    return {int(n): bytes.fromhex(share) for n, share in sample["shares"].items()}


def keys_of(sample):
    return MutableKeys.from_write_key(base32.a2b(sample["cap"].split(":")[2]))


def plaintext_of(sample):
    return bytes((i * i + 7 * i + 3) % 251 for i in range(sample["plaintext_size"]))


def opened(shnum, share):
    """Return the geometry of a share, and its (salt, block) pairs, all checked."""
    layout = MutableLayout.parse(share)
    prefix = layout.prefix
    public = layout.cut(share, "public_key")
    check_signature(public, layout.cut(share, "signature"), prefix.pack())
    geometry = MutableGeometry(
        prefix.size, prefix.k, prefix.n, prefix.segment_size, salt_size(prefix.kind)
    )
    data, pairs = layout.cut(share, "data"), []
    for segnum in range(geometry.num_segments):
        at = segnum * geometry.stride
        begin = at + geometry.salt_size
        block = data[begin : begin + geometry.block_bytes(segnum)]
        pairs.append((data[at:begin] or prefix.salt, block))
    tree = block_tree([mutable_block_hash(geometry, *pair) for pair in pairs])
    assert tree.pack() == layout.cut(share, "block_tree")
    chain = unpack_chain(layout.cut(share, "chain"))
    check_root(prefix.n, shnum, tree.root, chain, prefix.root_hash)
    return layout, geometry, pairs


@pytest.mark.parametrize("name", SAMPLES)
def test_shares_of_tahoe_lafs_are_opened_and_decoded(name):
    sample = SAMPLES[name]
    keys = keys_of(sample)
    parts = {n: opened(n, share) for n, share in shares_of(sample).items()}
    _, geometry, _ = parts[0]
    found = b""
    for segnum in range(geometry.num_segments):
        blocks = {n: pairs[segnum][1] for n, (_, _, pairs) in parts.items()}
        salt = parts[0][2][segnum][0]
        found += decode_mutable(keys, geometry, segnum, blocks, salt)
    assert found == plaintext_of(sample)
    layout = parts[0][0]
    share = shares_of(sample)[0]
    assert fingerprint_of(layout.cut(share, "public_key")) == base32.a2b(
        sample["cap"].split(":")[3]
    )
    private = keys.seal_private_key(layout.cut(share, "private_key"))
    assert write_key_of(private) == keys.write_key


@pytest.mark.parametrize("name", SAMPLES)
def test_made_anew_with_the_same_salts_they_are_the_same_but_for_the_signature(name):
    sample = SAMPLES[name]
    keys, shares = keys_of(sample), shares_of(sample)
    layout, geometry, pairs = opened(0, shares[0])
    prefix, size = layout.prefix, geometry.segment_size
    plaintext = plaintext_of(sample)
    coded = [
        encode_mutable(keys, geometry, i, plaintext[i * size : (i + 1) * size], salt)
        for i, (salt, _) in enumerate(pairs)
    ]
    trees = [
        block_tree([mutable_block_hash(geometry, one.salt, one.blocks[n]) for one in coded])
        for n in range(prefix.n)
    ]
    share_tree = HashTree([tree.root for tree in trees])
    assert share_tree.root == prefix.root_hash
    private = SigningKey.load(keys.seal_private_key(layout.cut(shares[0], "private_key")))
    for n, share in shares.items():
        salts = [one.salt if geometry.salt_size else b"" for one in coded]
        contents = {
            "private_key": keys.seal_private_key(private.der),
            "chain": pack_sorted_chain(share_chain(share_tree, n)),
            "signature": layout.cut(share, "signature"),
            "public_key": private.public_der,
            "data": b"".join(
                salt + bytes(one.blocks[n]) for salt, one in zip(salts, coded, strict=True)
            ),
            "block_tree": trees[n].pack(),
        }
        sizes = {part: len(data) for part, data in contents.items()}
        assert MutableLayout.plan(prefix, sizes).pack_share(contents) == share


@pytest.mark.parametrize("kind", [SDMF, MDMF])
def test_a_header_reads_back(kind):
    prefix = Prefix(kind, 7, b"r" * 32, b"s" * 16 if kind == SDMF else b"", 3, 10, 300, 299)
    sizes = dict.fromkeys(
        ("private_key", "chain", "signature", "public_key", "data", "block_tree"), 20
    )
    layout = MutableLayout.plan(prefix, sizes)
    parsed = MutableLayout.parse(layout.pack() + b"spare")
    assert parsed.prefix == prefix
    assert {name: parsed.parts[name] for name in sizes} == {
        name: layout.parts[name] for name in sizes
    }
    assert len(layout.pack()) == HEAD_SIZES[kind]


@pytest.mark.parametrize(
    ("head", "why"),
    [
        (b"", "version -1"),
        (b"\2" + bytes(200), "version 2"),
        (b"\0" * 20, "wanted 75"),
        (bytes(200), "no file has 0 of 0"),
        (
            Prefix(SDMF, 1, bytes(32), bytes(16), 3, 10, 3, 3).pack() + b"\0" * 32,
            "out of order",
        ),
        (
            Prefix(MDMF, 1, bytes(32), b"", 3, 10, 4, 3).pack() + b"\0" * 64,
            "no file has 3 of 10",
        ),
        (Prefix(MDMF, 1, bytes(32), b"", 3, 10, 3, 3).pack(), "wanted 123"),
    ],
)
def test_a_header_that_is_none_is_refused(head, why):
    with pytest.raises(BadShareError, match=why):
        MutableLayout.parse(head)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_flipped_bit_of_what_is_signed_or_hashed_is_found(name):
    rng = random.Random(1)
    [share, *_] = shares_of(SAMPLES[name]).values()
    layout = MutableLayout.parse(share)
    parts = [(0, len(layout.prefix.pack()))]
    parts += [layout.parts[p] for p in ("public_key", "signature", "chain", "data")]
    for begin, end in parts:
        for _ in range(5):
            raw = bytearray(share)
            raw[rng.randrange(begin, end)] ^= 1 << rng.randrange(8)
            with pytest.raises((BadHashError, BadShareError, AssertionError)):
                opened(0, bytes(raw))
