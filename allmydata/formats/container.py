"""A share file on a server's disk: header, share data, leases.

    offset       bytes    field
    0x00         4        container version: 2 is written, 1 is read as well
    0x04         4        smaller of the data size and 2**32 - 1; never read back
    0x08         4        number of leases n
    0x0c         D        share data
    0x0c + D     72 x n   leases

    a lease:     4        owner number: whose it is; or 0 made by an allocation, 1 by
                          add_lease, for somebody not known
                 32       renew secret
                 32       cancel secret
                 4        when it expires, in seconds since 1970

D is not written down: it is the file's size less header and leases.  Version 1 holds
the secrets as they came, version 2 their BLAKE2b-256.  Integers are unsigned and
big-endian.  Format: docs/formats/container.md.
"""

from __future__ import annotations

import struct
from hashlib import blake2b
from hmac import compare_digest

from attrs import evolve, field, frozen

from allmydata.crypto.keys import FIRST_ACCOUNT
from allmydata.errors import BadShareError

HEADER = struct.Struct(">3L")
LEASE = struct.Struct(">L32s32sL")
NUM_LEASES = struct.Struct(">L")  # the header's last field, changed on its own
NUM_LEASES_OFFSET = 8
LARGEST = 2**32 - 1
LEASE_DURATION_S = 31 * 24 * 60 * 60
MUTABLE_MAGICS = (
    b"Tahoe mutable container v1\n\x75\x09\x44\x03\x8e",
    b"Tahoe mutable container v2\n\xc3\x55\x21\x99\x25",
)
HEAD_SIZE = 32  # bytes that tell every kind of container apart


def is_mutable(head: bytes) -> bool:
    """Tell whether a file that begins with *head* holds a mutable share."""
    return head.startswith(MUTABLE_MAGICS)


@frozen
class Container:
    """Where the parts of one immutable share file lie."""

    version: int
    data_size: int
    num_leases: int

    @classmethod
    def plan(cls, data_size: int) -> Container:
        """Lay out a file about to be written, with room for its first lease."""
        return cls(2, data_size, 1)

    @classmethod
    def parse(cls, head: bytes, file_size: int) -> Container:
        """Read the first bytes of a share file; those after the header are ignored.

        :param file_size: size of the whole file, from which the data's size follows
        :raises BadShareError: mutable, unknown version, or smaller than its own leases
        """
        if is_mutable(head):
            raise BadShareError("a mutable container where an immutable one was wanted")
        if len(head) < HEADER.size:
            raise BadShareError(f"header is {len(head)} bytes, wanted {HEADER.size}")
        version, _, num_leases = HEADER.unpack_from(head)
        if version not in (1, 2):
            raise BadShareError(f"container version {version}, wanted 1 or 2")
        data_size = file_size - HEADER.size - num_leases * LEASE.size
        if data_size < 0:
            raise BadShareError(f"{file_size} bytes can't hold {num_leases} leases")
        return cls(version, data_size, num_leases)

    def pack(self) -> bytes:
        """Return the header that :meth:`parse` reads back."""
        return HEADER.pack(self.version, min(self.data_size, LARGEST), self.num_leases)

    @property
    def file_size(self) -> int:
        """Bytes of the whole file."""
        return self.lease_offset(self.num_leases)

    def lease_offset(self, leasenum: int) -> int:
        """Return the file offset of a lease; that of the first one ends the data."""
        return HEADER.size + self.data_size + leasenum * LEASE.size

    def with_leases(self, num_leases: int) -> Container:
        """Return the layout of the same data with another number of leases."""
        return evolve(self, num_leases=num_leases)

    def clip(self, offset: int, length: int) -> tuple[int, int]:
        """Return the file offset and size of those of *length* bytes that are data.

        :param offset: from the start of the share data; past its end gives size 0
        """
        start = min(offset, self.data_size)
        return HEADER.size + start, min(length, self.data_size - start)


@frozen
class Lease:
    """One holder's claim on a share, with its secrets as the container holds them."""

    owner: int
    renew_secret: bytes = field(repr=False)
    cancel_secret: bytes = field(repr=False)
    expires: int

    @classmethod
    def grant(
        cls, version: int, owner: int, renew: bytes, cancel: bytes, expires: int
    ) -> Lease:
        """Make a lease for a container of *version* from the secrets as received."""
        held = stored(version, renew), stored(version, cancel)
        return cls(owner, *held, min(expires, LARGEST))

    def pack(self) -> bytes:
        """Return the 72 bytes that :func:`parse_leases` reads back."""
        return LEASE.pack(self.owner, self.renew_secret, self.cancel_secret, self.expires)

    def until(self, expires: int) -> Lease:
        """Return the lease renewed; it never ends earlier than before."""
        return evolve(self, expires=max(self.expires, min(expires, LARGEST)))

    def of(self, owner: int) -> Lease:
        """Return the lease as *owner*'s; a number that names nobody leaves it as it is."""
        return self if owner < FIRST_ACCOUNT else evolve(self, owner=owner)


def parse_leases(records: bytes) -> list[Lease]:
    """Read leases that follow each other.

    :raises BadShareError: the last one is not whole
    """
    if len(records) % LEASE.size:
        raise BadShareError(f"{len(records)} bytes are no whole number of leases")
    return [Lease(*fields) for fields in LEASE.iter_unpack(records)]


def stored(version: int, secret: bytes) -> bytes:
    """Return how a container of *version* holds *secret*."""
    return secret if version == 1 else blake2b(secret, digest_size=32).digest()


def same_secret(held: bytes, candidate: bytes) -> bool:
    """Compare two stored secrets in a time that tells nothing of either."""
    return compare_digest(held, candidate)
