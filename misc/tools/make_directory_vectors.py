"""Make tests/vectors/directories.json, from docs/formats/dirtable.md and nothing of ours.

    python misc/tools/make_directory_vectors.py > tests/vectors/directories.json

Nonces count upwards here; a real one is random.
"""

from __future__ import annotations

import json
import sys
from hashlib import sha256
from itertools import count

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FURL = "pb://" + "a" * 32 + "@tcp:10.0.0.1:3457,tor:x.onion:80/vdrive"
CHK = "URI:CHK:" + "b" * 26 + ":" + "c" * 52 + ":3:10:1000"
DIR = f"URI:DIR:{FURL}:" + "d" * 25 + "a"
DIR_RO = f"URI:DIR-RO:{FURL}:" + "e" * 25 + "a"
CHILDREN = [
    ("notes.txt", None, CHK),
    ("a directory", DIR, DIR_RO),
    ("shared with me", None, DIR_RO),
    ("\N{LATIN SMALL LETTER E WITH ACUTE}\N{GRINNING FACE}\n%2e%2e", None, "URI:LIT:"),
    ("n" * 255, "from-the-future:" + "x" * 984, "ro.from-the-future:" + "x" * 981),
]


def tagged(tag: str, *values: bytes) -> bytes:
    """Return a tagged hash; two values are framed each."""
    body = values[0] if len(values) == 1 else b"".join(map(framed, values))
    return sha256(sha256(framed(tag.encode()) + body).digest()).digest()


def framed(data: bytes) -> bytes:
    """Return a netstring."""
    return b"%d:%b," % (len(data), data)


def main() -> None:
    """Print the vectors."""
    nonces = (n.to_bytes(12, "big") for n in count(1))
    write_key = bytes(range(16))
    read_key = tagged("allmydata_vdrive_read_key_v2", write_key)[:16]
    index = tagged("allmydata_vdrive_index_v2", read_key)
    rows = []
    for name, write_cap, read_cap in CHILDREN:
        key = tagged("allmydata_vdrive_name_v2", read_key, name.encode())

        def seal(cipher_key: bytes, slot: str, text: str, key: bytes = key) -> str:
            nonce, place = next(nonces), index + key + slot.encode()
            return (nonce + AESGCM(cipher_key).encrypt(nonce, text.encode(), place)).hex()

        rows.append(
            {
                "name": name,
                "write_cap": write_cap,
                "read_cap": read_cap,
                "key_hex": key.hex(),
                "sealed_name_hex": seal(read_key, "name", name),
                "sealed_write_hex": seal(write_key, "write", write_cap)
                if write_cap is not None
                else "",
                "sealed_read_hex": seal(read_key, "read", read_cap),
            }
        )
    packed = b""
    for created, row in enumerate(rows, 1_700_000_000):
        parts = [
            bytes.fromhex(row[f"sealed_{slot}_hex"]) for slot in ("name", "write", "read")
        ]
        packed += bytes.fromhex(row["key_hex"])
        packed += created.to_bytes(8, "big") + (created + 60).to_bytes(8, "big")
        packed += b"".join(len(part).to_bytes(2, "big") for part in parts) + b"".join(parts)
    vectors = {
        "write_key_hex": write_key.hex(),
        "read_key_hex": read_key.hex(),
        "write_enabler_hex": tagged("allmydata_vdrive_write_enabler_v2", write_key).hex(),
        "index_hex": index.hex(),
        "rows": rows,
        "packed_hex": packed.hex(),
    }
    json.dump(vectors, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
