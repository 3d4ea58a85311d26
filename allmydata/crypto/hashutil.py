"""Tagged hashes: one named function for each purpose, so that no two can be confused.

    netstring(s)           = decimal length || ":" || s || ","
    tagged(tag, v)         = SHA256d(netstring(tag) || v)
    tagged_pair(tag, a, b) = SHA256d(netstring(tag) || netstring(a) || netstring(b))

SHA256d is SHA-256 of SHA-256, against length extension (Ferguson and Schneier,
Practical Cryptography, 2003).  Format: docs/formats/hashes.md.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from allmydata.util.netstring import netstring

if TYPE_CHECKING:
    from hashlib import _Hash

HASH_SIZE = 32
KEY_SIZE = 16
STORAGE_INDEX_SIZE = 16

_CONVERGENCE = b"allmydata_immutable_content_to_key_with_added_secret_v1+"


class TaggedHasher:
    """A tagged SHA256d that is fed piece by piece."""

    def __init__(self, tag: bytes) -> None:
        self._inner = _begun(tag).copy()

    def update(self, data: Any) -> None:
        """Take the next bytes; pieces of 2 KiB and more leave the GIL to others."""
        self._inner.update(data)

    def digest(self) -> bytes:
        """Return the 32 bytes of the hash of everything taken so far."""
        return hashlib.sha256(self._inner.digest()).digest()


@lru_cache(maxsize=256)
def _begun(tag: bytes) -> _Hash:
    return hashlib.sha256(netstring(tag))


def tagged_hash(tag: bytes, data: Any, length: int = HASH_SIZE) -> bytes:
    """Return the first *length* bytes of the hash of *data* for the purpose *tag*."""
    inner = _begun(tag).copy()
    inner.update(data)
    return hashlib.sha256(inner.digest()).digest()[:length]


def tagged_pair_hash(tag: bytes, a: bytes, b: bytes) -> bytes:
    """Return the hash of two values, each framed, for the purpose *tag*."""
    return tagged_hash(tag, netstring(a) + netstring(b))


# ---- keys and names ----------------------------------------------------------------------


def convergence_hasher(k: int, n: int, segment_size: int, secret: bytes) -> TaggedHasher:
    """Return what is fed the plaintext; the key is the digest's first 16 bytes.

    :param segment_size: bytes, after rounding to a multiple of *k*
    :param secret: the convergence secret; empty is valid, and differs from none
    """
    parameters = b"%d,%d,%d" % (k, n, segment_size)
    # not through the cache: the tag holds a secret
    hasher = TaggedHasher.__new__(TaggedHasher)
    tag = _CONVERGENCE + netstring(secret) + netstring(parameters)
    hasher._inner = hashlib.sha256(netstring(tag))
    return hasher


def web_session_key(token: bytes) -> bytes:
    """Return the key that seals the cookies of a gateway with this token."""
    return tagged_hash(b"allmydata_web_session_key_v1", token)


def storage_index_hash(key: bytes) -> bytes:
    """Return the 16 bytes under which servers keep what *key* encrypts."""
    return tagged_hash(
        b"allmydata_immutable_key_to_storage_index_v1", key, STORAGE_INDEX_SIZE
    )


def annex_key_hasher() -> TaggedHasher:
    """Return what is fed a content that git-annex is to name by the digest."""
    return TaggedHasher(b"allmydata_annex_key_v1")


# ---- what seals a file -------------------------------------------------------------------


def block_hash(block: Any) -> bytes:
    """Return the leaf of a share's block hash tree: of the block with its padding."""
    return tagged_hash(b"allmydata_encoded_subshare_v1", block)


def uri_extension_hash(data: bytes) -> bytes:
    """Return the hash that a capability holds of the URI extension block."""
    return tagged_hash(b"allmydata_uri_extension_v1", data)


def crypttext_hasher() -> TaggedHasher:
    """Return what is fed all ciphertext of a file, in order."""
    return TaggedHasher(b"allmydata_crypttext_v1")


def crypttext_segment_hash(segment: Any) -> bytes:
    """Return the leaf of the ciphertext hash tree: a segment without its padding."""
    return tagged_hash(b"allmydata_crypttext_segment_v1", segment)


def plaintext_hasher() -> TaggedHasher:
    """Return what is fed all plaintext of a file; uploads don't, see docs/security.md."""
    return TaggedHasher(b"allmydata_plaintext_v1")


def plaintext_hash(data: Any) -> bytes:
    """Return the hash of a whole plaintext."""
    return tagged_hash(b"allmydata_plaintext_v1", data)


def plaintext_segment_hasher() -> TaggedHasher:
    """Return what is fed one segment of plaintext."""
    return TaggedHasher(b"allmydata_plaintext_segment_v1")


def plaintext_segment_hash(segment: Any) -> bytes:
    """Return the leaf of the plaintext hash tree."""
    return tagged_hash(b"allmydata_plaintext_segment_v1", segment)


# ---- Merkle trees ------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def empty_leaf_hash(leaf: int) -> bytes:
    """Return what stands at position *leaf* of a tree that has fewer leaves."""
    return tagged_hash(b"Merkle tree empty leaf", b"%d" % leaf)


_PAIR = hashlib.sha256(netstring(b"Merkle tree internal node"))


def pair_hash(a: bytes, b: bytes) -> bytes:
    """Return the parent of two 32-byte nodes of a Merkle tree."""
    inner = _PAIR.copy()
    inner.update(b"32:%b,32:%b," % (a, b))
    return hashlib.sha256(inner.digest()).digest()
