"""Secrets derived from secrets: who may renew or cancel which lease.

Every server gets secrets of its own for every file, so that none can use what it
was told against another.  Format: docs/formats/leases.md.
"""

from __future__ import annotations

from attrs import field, frozen

from allmydata.crypto.hashutil import tagged_hash, tagged_pair_hash


@frozen
class LeaseSecrets:
    """All lease secrets of one client.

    :param node_secret: 32 random bytes, kept in ``private/secret``
    """

    node_secret: bytes = field(repr=False)

    def renewal(self, storage_index: bytes, tubid: bytes) -> bytes:
        """Return the 32 bytes that renew this client's lease on one server.

        :param tubid: the server's 20-byte Tub id
        """
        client = tagged_hash(self.node_secret, b"allmydata_client_renewal_secret_v1")
        file = tagged_pair_hash(b"allmydata_file_renewal_secret_v1", client, storage_index)
        return tagged_pair_hash(b"allmydata_bucket_renewal_secret_v1", file, tubid)

    def cancel(self, storage_index: bytes, tubid: bytes) -> bytes:
        """Return the 32 bytes that cancel this client's lease on one server.

        :param tubid: the server's 20-byte Tub id
        """
        client = tagged_hash(self.node_secret, b"allmydata_client_cancel_secret_v1")
        file = tagged_pair_hash(b"allmydata_file_cancel_secret_v1", client, storage_index)
        return tagged_pair_hash(b"allmydata_bucket_cancel_secret_v1", file, tubid)
