"""The keys of a mutable file: from its RSA key pair down to each server's write enabler.

    private key -> write key -> read key -> storage index
                   write key -> write enabler master -> write enabler of one server
    public key  -> fingerprint, which every capability of the file holds

Each arrow is a tagged hash and leads one way.  The private key itself lies in every share,
encrypted with the write key.  Format: docs/formats/mutable.md.
"""

from __future__ import annotations

from functools import cached_property

from attrs import field, frozen
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

from allmydata.crypto.aes import AES_CTR
from allmydata.crypto.hashutil import (
    KEY_SIZE,
    tagged_hash,
    tagged_pair_hash,
)
from allmydata.crypto.mutable_hashes import read_key_of, storage_index_of
from allmydata.errors import BadHashError, NotMutableError

KEY_BITS = 2048
EXPONENT = 65537
SIGNATURE_SIZE = KEY_BITS // 8
SALT_SIZE = 16
_PADDING = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=32)


def write_key_of(private_der: bytes) -> bytes:
    """Return the 16 bytes that let their holder change the file."""
    tag = b"allmydata_mutable_privkey_to_writekey_v1"
    return tagged_hash(tag, private_der, KEY_SIZE)


def fingerprint_of(public_der: bytes) -> bytes:
    """Return the 32 bytes by which capabilities know the public key."""
    return tagged_hash(b"allmydata_mutable_pubkey_to_fingerprint_v1", public_der)


@frozen(slots=False)
class MutableKeys:
    """What the holder of a capability of a mutable file can work out.

    :param read_key: 16 bytes
    :param write_key: 16 bytes, from which the read key follows; None for who only reads
    """

    read_key: bytes = field(repr=False)
    write_key: bytes | None = field(default=None, repr=False)

    @classmethod
    def from_write_key(cls, write_key: bytes) -> MutableKeys:
        """Return the keys of someone who may change the file."""
        return cls(read_key_of(write_key), write_key)

    @cached_property
    def storage_index(self) -> bytes:
        """The 16 bytes under which servers know the file."""
        return storage_index_of(self.read_key)

    def data_key(self, salt: bytes) -> bytes:
        """Return the 16 bytes that encrypt what goes with *salt*.

        :param salt: 16 bytes, of a version (SDMF) or a segment (MDMF)
        """
        tag = b"allmydata_mutable_readkey_to_datakey_v1"
        return tagged_pair_hash(tag, salt, self.read_key)[:KEY_SIZE]

    def write_enabler(self, tubid: bytes) -> bytes:
        """Return the 32 bytes that one server asks of whoever changes its shares.

        :param tubid: the server's 20-byte Tub id
        :raises NotMutableError: there is no write key
        """
        return tagged_pair_hash(
            b"allmydata_mutable_write_enabler_master_and_nodeid_to_write_enabler_v1",
            self._enabler_master,
            tubid,
        )

    def seal_private_key(self, private_der: bytes) -> bytes:
        """Return the private key as shares hold it; the same call opens it again."""
        return AES_CTR(self._demand_write_key()).process(private_der)

    def child_key(self, salt: bytes) -> bytes:
        """Return the 16 bytes that seal a write capability in a directory.

        :param salt: 16 bytes, that follow from the sealed capability
        :raises NotMutableError: there is no write key
        """
        tag = b"allmydata_mutable_writekey_and_salt_to_dirnode_child_capkey_v1"
        return tagged_pair_hash(tag, salt, self._demand_write_key())[:KEY_SIZE]

    @cached_property
    def _enabler_master(self) -> bytes:
        tag = b"allmydata_mutable_writekey_to_write_enabler_master_v1"
        return tagged_hash(tag, self._demand_write_key())

    def _demand_write_key(self) -> bytes:
        if self.write_key is None:
            raise NotMutableError("this capability reads the file, and can't change it")
        return self.write_key


@frozen
class SigningKey:
    """The RSA key that signs the versions of one file.

    :param der: PKCS#8, as it is hashed
    """

    der: bytes = field(repr=False)
    _key: rsa.RSAPrivateKey = field(repr=False)

    @classmethod
    def generate(cls) -> SigningKey:
        """Make a new one; takes a tenth of a second: made to run in a thread."""
        return cls._of(rsa.generate_private_key(EXPONENT, KEY_BITS))

    @classmethod
    def load(cls, der: bytes) -> SigningKey:
        """Read what :attr:`der` holds.

        :raises BadHashError: it is no RSA key of 2048 bits
        """
        try:
            key = load_der_private_key(der, None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise BadHashError("the private key of a mutable file is damaged") from None
        if not isinstance(key, rsa.RSAPrivateKey) or key.key_size != KEY_BITS:
            raise BadHashError(
                "the private key of a mutable file is no RSA key of 2048 bits"
            )
        return cls(der, key)

    @classmethod
    def _of(cls, key: rsa.RSAPrivateKey) -> SigningKey:
        der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        return cls(der, key)

    @property
    def public_der(self) -> bytes:
        """The public half: SubjectPublicKeyInfo, 294 bytes."""
        public = self._key.public_key()
        return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def sign(self, data: bytes) -> bytes:
        """Return the 256 bytes of an RSASSA-PSS signature, with SHA-256."""
        return self._key.sign(data, _PADDING, hashes.SHA256())


def check_signature(public_der: bytes, signature: bytes, data: bytes) -> None:
    """Check that the holder of the private half of *public_der* signed *data*.

    :raises BadHashError: he did not, or it is no RSA key of 2048 bits
    """
    try:
        key = load_der_public_key(public_der)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadHashError("the public key of a mutable file is damaged") from None
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size != KEY_BITS:
        raise BadHashError("the public key of a mutable file is no RSA key of 2048 bits")
    try:
        key.verify(signature, data, _PADDING, hashes.SHA256())
    except InvalidSignature:
        raise BadHashError("the signature of a mutable file is not its owner's") from None
