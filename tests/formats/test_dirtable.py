import json
import os
from itertools import count, permutations
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from allmydata.crypto.keys import DirectoryKeys
from allmydata.errors import CorruptError, NotMutableError, UsageError
from allmydata.formats.dirtable import (
    MAX_PART_SIZE,
    OVERHEAD,
    Entry,
    Row,
    pack_rows,
    seal,
    unpack_rows,
    unseal,
)
from allmydata.interfaces.remote import EncryptedThing, PackedRows
from allmydata.util import base32

VECTORS = json.loads((Path(__file__).parents[1] / "vectors/directories.json").read_text())
KEYS = DirectoryKeys.from_write_key(bytes.fromhex(VECTORS["write_key_hex"]))
READER = DirectoryKeys(KEYS.read_key)
OTHER = DirectoryKeys.from_write_key(b"o" * 16)
PLACE = base32.b2a(KEYS.index)[:8]

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
caps = st.text(st.characters(codec="ascii"), max_size=300)
parts = st.binary(max_size=60)
dates = st.integers(0, 2**63)
rows = st.builds(
    Row, st.binary(min_size=32, max_size=32), parts, parts, parts, dates, dates
)


def counting():
    numbers = count(1)
    return lambda size: next(numbers).to_bytes(size, "big")


def sealed(name="a", write_cap="URI:W", read_cap="URI:R", keys=KEYS):
    return seal(keys, name, write_cap, read_cap, os.urandom)


def refused(keys, row):
    with pytest.raises(CorruptError) as caught:
        unseal(keys, row)
    return str(caught.value)


# ---- vectors -----------------------------------------------------------------------------


def vector_row(vector):
    slots = ("key", "sealed_name", "sealed_write", "sealed_read")
    return Row(*(bytes.fromhex(vector[f"{slot}_hex"]) for slot in slots))


def test_sealing_gives_the_bytes_of_the_vectors():
    random = counting()
    for vector in VECTORS["rows"]:
        words = (vector["name"], vector["write_cap"], vector["read_cap"])
        assert seal(KEYS, *words, random) == vector_row(vector)


@pytest.mark.parametrize("vector", VECTORS["rows"], ids=lambda v: ascii(v["name"][:20]))
def test_the_vectors_open(vector):
    name, write_cap, read_cap = vector["name"], vector["write_cap"], vector["read_cap"]
    row = vector_row(vector)
    assert unseal(KEYS, row) == Entry(name, write_cap, read_cap)
    assert unseal(READER, row) == Entry(name, None, read_cap)


def test_the_packed_vectors_unpack():
    packed = bytes.fromhex(VECTORS["packed_hex"])
    found = unpack_rows(packed)
    assert [evolve(one, created=0, changed=0) for one in found] == [
        vector_row(vector) for vector in VECTORS["rows"]
    ]
    assert found[2].created == 1_700_000_002
    assert found[2].changed == 1_700_000_062
    assert pack_rows(found) == packed


# ---- sealing -----------------------------------------------------------------------------


@given(names, st.none() | caps, caps)
def test_unseal_reads_back_what_seal_wrote(name, write_cap, read_cap):
    row = sealed(name, write_cap, read_cap)
    assert unseal(KEYS, row) == Entry(name, write_cap, read_cap)


def test_a_child_without_a_write_capability_has_an_empty_slot():
    assert sealed(write_cap=None).write == b""


def test_sealing_twice_gives_other_bytes_under_the_same_key():
    one, two = sealed(), sealed()
    assert one.key == two.key
    assert not {one.name, one.write, one.read} & {two.name, two.write, two.read}


def test_who_reads_cannot_seal():
    with pytest.raises(NotMutableError):
        sealed(keys=READER)
    with pytest.raises(NotMutableError):
        sealed(keys=READER, write_cap=None)


def test_the_largest_part_goes_in_and_a_larger_one_is_refused():
    most = MAX_PART_SIZE - OVERHEAD
    assert len(sealed(read_cap="r" * most).read) == MAX_PART_SIZE
    with pytest.raises(UsageError, match=f"read of {most + 1} bytes, at most {most}"):
        sealed(read_cap="r" * (most + 1))


# ---- what a malicious server can try -----------------------------------------------------


def test_every_changed_bit_is_noticed():
    row = sealed()
    for slot in ("name", "write", "read"):
        good = getattr(row, slot)
        for i in range(8 * len(good)):
            bad = bytearray(good)
            bad[i // 8] ^= 1 << i % 8
            said = refused(KEYS, evolve(row, **{slot: bytes(bad)}))
            assert said == f"directory {PLACE}: the {slot} of a row does not open"


@pytest.mark.parametrize("slot", ["name", "write", "read"])
@pytest.mark.parametrize("size", [1, 11, 12, 27, 28, 2000])
def test_parts_of_impossible_sizes_are_noticed(slot, size):
    assert slot in refused(KEYS, evolve(sealed(), **{slot: bytes(size)}))


@pytest.mark.parametrize("slot", ["name", "read"])
def test_an_emptied_part_is_noticed(slot):
    assert slot in refused(READER, evolve(sealed(), **{slot: b""}))


def test_swapped_slots_are_noticed():
    row = sealed("same", "same", "same")
    good = (row.name, row.write, row.read)
    for swapped in permutations(good):
        if swapped != good:
            refused(KEYS, Row(row.key, *swapped))


@pytest.mark.parametrize("slot", ["key", "name", "write", "read"])
def test_a_part_of_another_row_is_noticed(slot):
    refused(KEYS, evolve(sealed("a"), **{slot: getattr(sealed("b"), slot)}))


def test_a_row_of_another_directory_is_noticed():
    row = sealed(keys=OTHER)
    refused(KEYS, row)
    refused(KEYS, evolve(row, key=KEYS.row_key("a")))


def test_a_name_under_the_key_of_another_is_noticed():
    key = KEYS.row_key("b")
    nonce = bytes(12)
    name = nonce + KEYS.read_cipher.encrypt(nonce, b"a", KEYS.index + key + b"name")
    said = refused(KEYS, evolve(sealed("b"), name=name))
    assert said == f"directory {PLACE}: a row is kept under another name's key"


def test_what_is_no_text_is_noticed():
    key, nonce = KEYS.row_key("a"), bytes(12)
    read = nonce + KEYS.read_cipher.encrypt(nonce, b"\xff", KEYS.index + key + b"read")
    assert "read" in refused(KEYS, evolve(sealed("a"), read=read))


def test_a_reader_never_opens_the_write_slot():
    row = evolve(sealed(), write=b"damaged")
    assert unseal(READER, row).write_cap is None
    assert "write" in refused(KEYS, row)


def test_an_old_row_played_again_opens_as_nothing_binds_it_to_a_time():
    old = sealed(read_cap="URI:OLD")
    assert unseal(KEYS, old).read_cap == "URI:OLD"


# ---- packing -----------------------------------------------------------------------------


@given(st.lists(rows, max_size=20))
def test_unpack_reads_back_what_pack_wrote(some):
    assert unpack_rows(pack_rows(some)) == some


ROW = Row(b"k" * 32, b"name", b"write", b"read", 1, 2)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"x", "1 bytes left, a head is 54"),
        (pack_rows([ROW])[:-1], "1 rows in 66 bytes, 67 wanted"),
        (pack_rows([ROW]) + bytes(53), "53 bytes left"),
        (pack_rows([evolve(ROW, read=bytes(2001))]), "2001 bytes in one part"),
        (pack_rows([ROW] * 1001), "1001 rows"),
    ],
)
def test_unpack_refuses(data, why):
    with pytest.raises(CorruptError, match=why):
        unpack_rows(data)


def test_the_wire_takes_the_largest_parts_and_as_many_rows_as_can_be_packed():
    part = bytes(MAX_PART_SIZE)
    assert EncryptedThing.maxLength == MAX_PART_SIZE
    most = pack_rows([Row(b"k" * 32, part, part, part)] * 1000)
    assert PackedRows.maxLength == len(most)
    assert len(unpack_rows(most)) == 1000
