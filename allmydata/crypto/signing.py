"""Ed25519 keys of nodes, in the texts that Tahoe-LAFS gives them.

    priv-v0-<52 characters>     private/node.privkey: the 32-byte seed
    pub-v0-<52 characters>      node.pubkey
    v0-<52 characters>          in announcements, where it is also a server's name
    v0-<103 characters>         a signature: 64 bytes

Base 32 throughout.  Source: RFC 8032.  Format: docs/formats/announcement.md.
"""

from __future__ import annotations

from attrs import field, frozen
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from allmydata.errors import BadHashError
from allmydata.util import base32

VERSION = "v0-"
SEED_SIZE = KEY_SIZE = 32
SIGNATURE_SIZE = 64


@frozen
class NodeKey:
    """What a node signs with.

    :param seed: 32 random bytes
    """

    seed: bytes = field(repr=False)

    @classmethod
    def load(cls, text: str) -> NodeKey:
        """Read what :attr:`text` writes.

        :raises ValueError: it is no such text; the message does not quote it
        """
        prefix = f"priv-{VERSION}"
        if not text.startswith(prefix):
            raise ValueError(f"a private key begins with {prefix}")
        seed = base32.a2b(text[len(prefix) :])
        if len(seed) != SEED_SIZE:
            raise ValueError(f"a private key of {len(seed)} bytes, wanted {SEED_SIZE}")
        return cls(seed)

    @property
    def text(self) -> str:
        """The private key; nobody else's to read."""
        return f"priv-{VERSION}{base32.b2a(self.seed)}"

    @property
    def name(self) -> str:
        """The public key as announcements hold it."""
        public = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return VERSION + base32.b2a(public)

    def sign(self, data: bytes) -> str:
        """Return the signature of *data*."""
        return VERSION + base32.b2a(self._key.sign(data))

    @property
    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)


def check_signed(name: str, signature: str, data: bytes) -> None:
    """Check that the holder of the key called *name* signed *data*.

    :raises BadHashError: he did not, or these are no texts of a key and a signature
    """
    try:
        key = Ed25519PublicKey.from_public_bytes(_binary(name, KEY_SIZE))
        key.verify(_binary(signature, SIGNATURE_SIZE), data)
    except (ValueError, InvalidSignature):
        raise BadHashError("the signature is not that key's") from None


def _binary(text: str, size: int) -> bytes:
    if not text.startswith(VERSION):
        raise ValueError(f"it begins with {VERSION}")
    data = base32.a2b(text[len(VERSION) :])
    if len(data) != size:
        raise ValueError(f"{len(data)} bytes, wanted {size}")
    return data
