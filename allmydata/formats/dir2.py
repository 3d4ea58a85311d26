"""What the file behind a directory of Tahoe-LAFS holds: its children, one after the other.

    netstring(entry) for each child, in the order of their names

    entry: netstring(name)                  UTF-8, NFC
           netstring(read capability)       empty where it is not known
           netstring(sealed write cap.)     salt 16, ciphertext, MAC 32; empty in an
                                            immutable directory
           netstring(metadata)              a JSON object

Only whoever may change the directory can open a sealed capability.  Its MAC is written and
never checked: what it would tell, the file's own signature tells.  A child that was not
changed is written as it was read.  Format: docs/formats/dir2.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from attrs import field, frozen

from allmydata.crypto.aes import AES_CTR
from allmydata.crypto.hashutil import HASH_SIZE, tagged_hash
from allmydata.crypto.mutable_keys import SALT_SIZE, MutableKeys
from allmydata.errors import CorruptError
from allmydata.util.netstring import netstring, split_netstring

NO_CAP = b""


@frozen
class Dir2Entry:
    """One child as it lies in the file.

    :param read_cap: text of a capability, or empty
    :param sealed: the write capability, sealed; see :func:`open_write_cap`
    :param metadata: the text of a JSON object
    """

    name: str
    read_cap: bytes = field(repr=False)
    sealed: bytes = field(repr=False)
    metadata: bytes = b"{}"

    def pack(self) -> bytes:
        """Return what :func:`unpack_directory` reads back."""
        name = self.name.encode("utf-8")
        fields = (name, self.read_cap, self.sealed, self.metadata)
        return netstring(b"".join(map(netstring, fields)))

    def facts(self) -> dict[str, Any]:
        """Return the metadata; what can't be parsed is as if there were none."""
        try:
            found = json.loads(self.metadata)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


def pack_directory(entries: Iterable[Dir2Entry]) -> bytes:
    """Return the content of the file behind a directory."""
    return b"".join(entry.pack() for entry in sorted(entries, key=lambda one: one.name))


def unpack_directory(content: bytes) -> dict[str, Dir2Entry]:
    """Return the children by name, in the order they lie in.

    :raises CorruptError: it is no directory
    """
    found: dict[str, Dir2Entry] = {}
    at = 0
    try:
        while at < len(content):
            packed, at = split_netstring(content, at)
            entry = _unpack(packed)
            found[entry.name] = entry
    except (ValueError, UnicodeDecodeError) as e:
        raise CorruptError("the content of a directory can't be read", why=str(e)) from e
    return found


def _unpack(packed: bytes) -> Dir2Entry:
    fields, at = [], 0
    for _ in range(4):
        value, at = split_netstring(packed, at)
        fields.append(value)
    if at != len(packed):
        raise ValueError("an entry has more than four fields")
    name, read_cap, sealed, metadata = fields
    return Dir2Entry(name.decode("utf-8"), read_cap.rstrip(b" "), sealed, metadata)


def pack_facts(facts: Mapping[str, Any]) -> bytes:
    """Return metadata as it is written: ASCII, keys in the order given."""
    return json.dumps(facts).encode("ascii")


# ---- write capabilities ----------------------------------------------------------------


def seal_write_cap(keys: MutableKeys, cap: bytes) -> bytes:
    """Return *cap*, maybe empty, for those only who may change the directory."""
    tag = b"allmydata_dirnode_child_rwcap_to_salt_v1"
    salt = tagged_hash(tag, cap, SALT_SIZE)
    key = keys.child_key(salt)
    body = AES_CTR(key).process(cap)
    return salt + body + _mac(key, salt + body)


def open_write_cap(keys: MutableKeys, sealed: bytes) -> bytes:
    """Return the write capability of a child; empty where there is none.

    :raises CorruptError: it is too short to be one
    """
    if not sealed:
        return NO_CAP
    if len(sealed) < SALT_SIZE + HASH_SIZE:
        raise CorruptError(f"a sealed capability of {len(sealed)} bytes")
    salt, body = sealed[:SALT_SIZE], sealed[SALT_SIZE:-HASH_SIZE]
    return AES_CTR(keys.child_key(salt)).process(body).rstrip(b" ")


def _mac(key: bytes, data: bytes) -> bytes:
    outer, inner = (bytes(byte ^ pad for byte in key) for pad in (0x5C, 0x36))
    return sha256(outer + sha256(inner + data).digest()).digest()
