import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allmydata.crypto.mutable_keys import MutableKeys
from allmydata.errors import CorruptError, NotMutableError
from allmydata.formats.dir2 import (
    Dir2Entry,
    open_write_cap,
    pack_directory,
    seal_write_cap,
    unpack_directory,
)
from allmydata.util import base32

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "mutable.json").read_text())
[DIRECTORY] = [one for one in VECTORS["samples"] if one["format"] == "dir2"]
KEYS = MutableKeys.from_write_key(bytes.fromhex(VECTORS["writekey"]))

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def test_a_sealed_capability_is_byte_for_byte_that_of_tahoe_lafs():
    sealed = seal_write_cap(KEYS, VECTORS["rwcap"].encode())
    assert sealed.hex() == VECTORS["dir_entry_rwcapdata"]
    assert seal_write_cap(KEYS, b"").hex() == VECTORS["dir_entry_rwcapdata_empty"]
    assert open_write_cap(KEYS, sealed) == VECTORS["rwcap"].encode()


def test_a_directory_of_tahoe_lafs_reads_and_is_written_back_the_same():
    content = bytes.fromhex(DIRECTORY["directory_plaintext"])
    entries = unpack_directory(content)
    assert list(entries) == ["lit", "mut"]
    assert pack_directory(entries.values()) == content
    keys = MutableKeys.from_write_key(base32.a2b(DIRECTORY["cap"].split(":")[2]))
    assert open_write_cap(keys, entries["lit"].sealed) == b""
    assert open_write_cap(keys, entries["mut"].sealed).startswith(b"URI:SSK:")
    assert entries["mut"].read_cap.startswith(b"URI:SSK-RO:")
    assert set(entries["lit"].facts()["tahoe"]) == {"linkcrtime", "linkmotime"}


def test_only_who_may_change_the_directory_opens_what_is_sealed():
    sealed = seal_write_cap(KEYS, b"URI:SSK:secret")
    with pytest.raises(NotMutableError):
        open_write_cap(MutableKeys(KEYS.read_key), sealed)
    assert (
        open_write_cap(MutableKeys.from_write_key(bytes(16)), sealed) != b"URI:SSK:secret"
    )


@given(st.dictionaries(names, st.tuples(st.binary(max_size=40), st.binary(max_size=80))))
def test_what_is_written_reads_back(children):
    entries = [
        Dir2Entry(name, cap.rstrip(b" "), sealed)
        for name, (cap, sealed) in children.items()
    ]
    found = unpack_directory(pack_directory(entries))
    assert found == {entry.name: entry for entry in entries}
    assert list(found) == sorted(children)


@given(st.binary(max_size=60))
def test_bytes_that_are_no_directory_are_refused_or_read(content):
    try:
        unpack_directory(content)
    except CorruptError as e:
        assert "directory" in e.message


@pytest.mark.parametrize(
    "content",
    [b"5:hello,", b"3:0:,,", b"99:short,", b"12:0:,0:,0:,0:,", b"15:0:,0:,0:,0:,0:,,"],
)
def test_what_is_no_directory_is_refused(content):
    with pytest.raises(CorruptError):
        unpack_directory(content)


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"[" * 100_000, b'"x"'])
def test_metadata_that_is_no_object_is_none(text):
    assert Dir2Entry("x", b"", b"", text).facts() == {}


def test_a_sealed_capability_that_is_too_short_is_refused():
    with pytest.raises(CorruptError):
        open_write_cap(KEYS, bytes(47))
