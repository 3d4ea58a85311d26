import json
from pathlib import Path

import pytest
from attrs import astuple
from hypothesis import given
from hypothesis import strategies as st

from allmydata.errors import BadShareError
from allmydata.formats.share import (
    CHAIN_ENTRY_SIZE,
    HEADER_SIZE,
    HEADERS,
    LIMIT_V1,
    MAX_EXTENSION_SIZE,
    ShareLayout,
    pack_chain,
    split_hashes,
    unpack_chain,
)
from tests.support.strategies import hashes

VECTORS = json.loads(Path(__file__).parents[1].joinpath("vectors/chk.json").read_text())

sizes = st.integers(0, 10**12)
nodes = st.integers(0, 2**16 - 1)
versions = st.sampled_from([1, 2])


@st.composite
def layouts(draw):
    tree, chain = 32 * draw(st.integers(0, 10**6)), 34 * draw(st.integers(0, 9))
    return ShareLayout.plan(draw(sizes), draw(sizes), tree, chain, draw(versions))


# ---- headers ---------------------------------------------------------------------------


@given(layouts(), st.binary(max_size=60))
def test_parse_reads_back_what_pack_wrote(layout, spare):
    header = layout.pack()
    assert len(header) == layout.data == HEADERS[layout.version].size <= HEADER_SIZE
    assert ShareLayout.parse(header + spare) == layout


def test_version_1_is_36_bytes_of_32_bit_numbers():
    layout = ShareLayout.plan(19, 57, 32, 170)
    numbers = [1, 19, 57, 36, 93, 125, 157, 189, 359]
    assert layout.pack() == b"".join(n.to_bytes(4, "big") for n in numbers)
    assert (layout.version, layout.field_size) == (1, 4)
    assert (layout.tree_size, layout.chain_size) == (32, 170)
    assert layout.total_size(500) == 359 + 4 + 500


def test_version_2_is_68_bytes_of_64_bit_numbers_after_the_first():
    layout = ShareLayout.plan(19, 57, 32, 170, oldest=2)
    numbers = [19, 57, 68, 125, 157, 189, 221, 391]
    assert layout.pack() == b"\0\0\0\2" + b"".join(n.to_bytes(8, "big") for n in numbers)
    assert (layout.version, layout.field_size) == (2, 8)
    assert layout.total_size(500) == 391 + 8 + 500


def test_version_2_is_taken_from_the_first_share_that_version_1_cannot_name():
    tree, chain = 32 * 3, 34 * 5
    largest = LIMIT_V1 - 1 - 36 - 3 * tree - chain
    fits = ShareLayout.plan(1, largest, tree, chain)
    assert (fits.version, fits.uri_extension) == (1, 2**32 - 1)
    assert ShareLayout.parse(fits.pack()) == fits
    over = ShareLayout.plan(1, largest + 1, tree, chain)
    assert (over.version, over.uri_extension) == (2, 2**32 + 32)
    assert ShareLayout.parse(over.pack()) == over


def test_a_block_size_that_version_1_cannot_hold_takes_version_2():
    assert ShareLayout.plan(2**32 - 1, 10, 32, 34).version == 1
    layout = ShareLayout.plan(2**32, 10, 32, 34)
    assert layout.version == 2
    assert ShareLayout.parse(layout.pack()) == layout


def packed(version, *numbers):
    return HEADERS[version].pack(version, *numbers)


@pytest.mark.parametrize(
    ("header", "why"),
    [
        (b"", "share version 0, wanted 1 or 2"),
        (b"\0\0\0\3" + bytes(80), "share version 3, wanted 1 or 2"),
        (b"\1\0\0\0" + bytes(80), "share version 16777216"),
        (b"\0\0\0\1", "header is 4 bytes, wanted 36"),
        (b"\0\0\0\1" + bytes(31), "header is 35 bytes, wanted 36"),
        (b"\0\0\0\2" + bytes(63), "header is 67 bytes, wanted 68"),
        (packed(1, 9, 9, 36, 99, 36, 36, 36, 36), "parts out of order"),
        (packed(1, 9, 9, 36, 46, 45, 77, 109, 143), "parts out of order"),
        (packed(1, 9, 9, 35, 36, 36, 36, 36, 36), "parts out of order"),
        (packed(1, 9, 9, 68, 68, 68, 68, 68, 68), "parts out of order"),
        (packed(2, 9, 9, 36, 68, 68, 68, 68, 68), "parts out of order"),
        (packed(1, 9, 9, 36, 36, 36, 36, 70, 36), "parts out of order"),
        (packed(1, 9, 9, 36, 45, 77, 109, 141, 174), "no whole number"),
        (packed(1, 9, 9, 36, 45, 77, 109, 140, 174), "no whole number"),
    ],
)
def test_parse_refuses(header, why):
    with pytest.raises(BadShareError, match=why):
        ShareLayout.parse(header)


@given(st.binary(max_size=80), st.sampled_from([b"", b"\0\0\0\1", b"\0\0\0\2"]))
def test_any_bytes_are_parsed_to_parts_in_order_or_refused(data, start):
    try:
        layout = ShareLayout.parse(start + data)
    except BadShareError:
        return
    parts = astuple(layout)[2:]
    assert list(parts) == sorted(parts)
    assert layout.pack() == (start + data)[: layout.data]


# ---- the URI extension's place ---------------------------------------------------------


@given(versions, st.binary(min_size=1, max_size=MAX_EXTENSION_SIZE - 1))
def test_the_extension_reads_back_with_whatever_follows_it(version, extension):
    layout = ShareLayout.plan(1, 1, 32, 34, oldest=version)
    part = layout.pack_extension(extension)
    assert len(part) == layout.total_size(len(extension)) - layout.uri_extension
    assert part == len(extension).to_bytes(4 * version, "big") + extension
    assert layout.unpack_extension(part + b"spare") == extension


@pytest.mark.parametrize(
    ("part", "why"),
    [
        (b"", "URI extension of 0 bytes"),
        (b"\0\0\0\0", "URI extension of 0 bytes"),
        (b"\0\0\x07\xd0" + bytes(2000), "URI extension of 2000 bytes"),
        (b"\xff\xff\xff\xff" + bytes(2000), "URI extension of 4294967295 bytes"),
        (b"\0\0\0\5abcd", "4 of 5 bytes"),
    ],
)
def test_an_extension_of_impossible_length_is_refused(part, why):
    with pytest.raises(BadShareError, match=why):
        ShareLayout.plan(1, 1, 32, 34).unpack_extension(part)


# ---- hashes ----------------------------------------------------------------------------


@given(st.dictionaries(nodes, hashes, max_size=9))
def test_the_share_hash_chain_reads_back_in_its_order(chain):
    part = pack_chain(chain.items())
    assert len(part) == CHAIN_ENTRY_SIZE * len(chain)
    assert list(unpack_chain(part).items()) == list(chain.items())


def test_an_entry_of_the_chain_is_a_16_bit_number_and_a_hash():
    assert pack_chain([(0x0102, b"h" * 32)]) == b"\1\2" + b"h" * 32


@pytest.mark.parametrize("size", [1, 33, 35, 67])
def test_half_an_entry_of_the_chain_is_refused(size):
    with pytest.raises(BadShareError, match=f"share hash chain of {size} bytes"):
        unpack_chain(bytes(size))


@given(st.lists(hashes, max_size=9), st.binary(max_size=31))
def test_a_tree_is_cut_into_its_hashes_and_spare_bytes_are_dropped(tree, spare):
    assert split_hashes(b"".join(tree) + spare) == tree
