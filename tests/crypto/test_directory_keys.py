import json
from hashlib import sha256
from pathlib import Path

import pytest

from allmydata.crypto.keys import DirectoryKeys
from allmydata.errors import NotCapableError, NotMutableError
from allmydata.uri import DirnodeURI

VECTORS = json.loads((Path(__file__).parents[1] / "vectors/directories.json").read_text())
WRITE_KEY = bytes.fromhex(VECTORS["write_key_hex"])
KEYS = DirectoryKeys.from_write_key(WRITE_KEY)
READER = DirectoryKeys(KEYS.read_key)


def framed(data):
    return b"%d:%b," % (len(data), data)


def test_the_keys_are_those_of_the_vectors():
    assert KEYS.read_key.hex() == VECTORS["read_key_hex"]
    assert KEYS.index.hex() == VECTORS["index_hex"]
    assert KEYS.write_enabler.hex() == VECTORS["write_enabler_hex"]
    for row in VECTORS["rows"]:
        assert KEYS.row_key(row["name"]).hex() == row["key_hex"]


def test_a_row_key_is_what_the_page_says():
    inner = framed(b"allmydata_vdrive_name_v2") + framed(KEYS.read_key) + b"2:\xc3\xa9,"
    assert KEYS.row_key("\xe9") == sha256(sha256(inner).digest()).digest()


def test_the_read_key_is_that_of_the_capability():
    assert DirnodeURI("pb://x@h/n", WRITE_KEY).read_key == KEYS.read_key


def test_who_reads_knows_the_same_rows():
    assert READER.index == KEYS.index
    assert READER.row_key("name") == KEYS.row_key("name")


@pytest.mark.parametrize("secret", ["write_enabler", "write_cipher"])
def test_who_reads_cannot_work_out_what_changes(secret):
    with pytest.raises(NotMutableError) as caught:
        getattr(READER, secret)
    assert isinstance(caught.value, NotCapableError)


def test_no_two_directories_or_names_or_uses_share_a_value():
    made = set()
    for write_key in (WRITE_KEY, bytes(16)):
        keys = DirectoryKeys.from_write_key(write_key)
        made |= {keys.read_key, keys.index, keys.write_enabler}
        made |= {keys.row_key("a"), keys.row_key("b"), keys.row_key("")}
    assert len(made) == 12


def test_printing_the_keys_does_not_tell_them():
    assert repr(KEYS) == "DirectoryKeys()"
