"""The two hashes between the keys that capabilities of mutable files hold.

They need no cipher, and are quick to import.  All other keys: :mod:`.mutable_keys`.
Format: docs/formats/mutable.md.
"""

from __future__ import annotations

from allmydata.crypto.hashutil import KEY_SIZE, STORAGE_INDEX_SIZE, tagged_hash


def read_key_of(write_key: bytes) -> bytes:
    """Return the 16 bytes that only read."""
    tag = b"allmydata_mutable_writekey_to_readkey_v1"
    return tagged_hash(tag, write_key, KEY_SIZE)


def storage_index_of(read_key: bytes) -> bytes:
    """Return the 16 bytes under which servers know the file."""
    tag = b"allmydata_mutable_readkey_to_storage_index_v1"
    return tagged_hash(tag, read_key, STORAGE_INDEX_SIZE)
