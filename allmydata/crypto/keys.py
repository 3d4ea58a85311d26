"""Secrets derived from secrets: of leases, and of directories.

Every server gets lease secrets of its own for every file, so that none can use what it
was told against another.  A directory's write key gives its read key, and never the other
way round.  Formats: docs/formats/leases.md, docs/formats/dirtable.md.
"""

from __future__ import annotations

from functools import cached_property, lru_cache

from attrs import field, frozen
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from allmydata.crypto.hashutil import KEY_SIZE, tagged_hash, tagged_pair_hash
from allmydata.errors import NotMutableError

RENEWAL = b"allmydata_file_renewal_secret_v1"
CANCEL = b"allmydata_file_cancel_secret_v1"
FIRST_ACCOUNT = 2  # owner numbers below are those that leases of Tahoe-LAFS have


def account_number(tubid: bytes) -> int:
    """Return the number by which a share file knows whose a lease is.

    :param tubid: the client's 20-byte Tub id
    :return: of 4 bytes, never below 2; two clients in four thousand million share one
    """
    digest = tagged_hash(b"allmydata_storage_account_v1", tubid, 4)
    return max(FIRST_ACCOUNT, int.from_bytes(digest, "big"))


@frozen(slots=False)
class LeaseSecrets:
    """All lease secrets of one client.

    :param node_secret: 32 random bytes, kept in ``private/secret``
    """

    node_secret: bytes = field(repr=False)

    def renewal(self, storage_index: bytes, tubid: bytes) -> bytes:
        """Return the 32 bytes that renew this client's lease on one server.

        :param tubid: the server's 20-byte Tub id
        """
        file = _file_secret(RENEWAL, self._renewal, storage_index)
        return tagged_pair_hash(b"allmydata_bucket_renewal_secret_v1", file, tubid)

    def cancel(self, storage_index: bytes, tubid: bytes) -> bytes:
        """Return the 32 bytes that cancel this client's lease on one server.

        :param tubid: the server's 20-byte Tub id
        """
        file = _file_secret(CANCEL, self._cancel, storage_index)
        return tagged_pair_hash(b"allmydata_bucket_cancel_secret_v1", file, tubid)

    @cached_property
    def _renewal(self) -> bytes:
        return tagged_hash(self.node_secret, b"allmydata_client_renewal_secret_v1")

    @cached_property
    def _cancel(self) -> bytes:
        return tagged_hash(self.node_secret, b"allmydata_client_cancel_secret_v1")


@lru_cache(maxsize=4)  # each server of a file asks
def _file_secret(tag: bytes, client: bytes, storage_index: bytes) -> bytes:
    return tagged_pair_hash(tag, client, storage_index)


@frozen(slots=False)
class DirectoryKeys:
    """What the holder of a directory's capability can work out.

    :param read_key: 16 bytes
    :param write_key: 16 bytes, from which the read key follows; None for who only reads
    """

    read_key: bytes = field(repr=False)
    write_key: bytes | None = field(default=None, repr=False)

    @classmethod
    def from_write_key(cls, write_key: bytes) -> DirectoryKeys:
        """Return the keys of someone who may change the directory."""
        read_key = tagged_hash(b"allmydata_vdrive_read_key_v2", write_key, KEY_SIZE)
        return cls(read_key, write_key)

    @cached_property
    def index(self) -> bytes:
        """The 32 bytes by which the server knows the directory."""
        return tagged_hash(b"allmydata_vdrive_index_v2", self.read_key)

    @cached_property
    def write_enabler(self) -> bytes:
        """The 32 bytes that the server asks of whoever changes the directory.

        :raises NotMutableError: there is no write key
        """
        return tagged_hash(b"allmydata_vdrive_write_enabler_v2", self._demand_write_key())

    def row_key(self, name: str) -> bytes:
        """Return the 32 bytes under which the server keeps the child *name*.

        :param name: after NFC: another form gives another key
        """
        utf8 = name.encode("utf-8")
        return tagged_pair_hash(b"allmydata_vdrive_name_v2", self.read_key, utf8)

    @cached_property
    def read_cipher(self) -> AESGCM:
        """What seals and opens names and read capabilities."""
        return AESGCM(self.read_key)

    @cached_property
    def write_cipher(self) -> AESGCM:
        """What seals and opens write capabilities.

        :raises NotMutableError: there is no write key
        """
        return AESGCM(self._demand_write_key())

    def _demand_write_key(self) -> bytes:
        if self.write_key is None:
            raise NotMutableError(
                "this capability reads the directory, and can't change it"
            )
        return self.write_key
