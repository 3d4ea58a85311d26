"""A mutable share on a server's disk: header, share data, leases.

    offset   bytes    field
    0        32       magic: version 2 is written, version 1 is read as well
    32       20       Tub id of the server that took the write enabler down
    52       32       write enabler, as it came
    84       8        bytes of share data L
    92       8        offset X of further leases
    100      4 x 92   four leases
    468      L        share data, in room for X - 468 bytes
    X        4        number of further leases m
    X + 4    92 x m   further leases

    a lease: 4        owner number; 0: no lease is here
             4        when it expires, in seconds since 1970
             32       renew secret
             32       cancel secret
             20       Tub id of the server that took it down

Version 1 holds the lease secrets as they came, version 2 their BLAKE2b-256.  The room
never shrinks; L does only where a writer asks for it.  Integers are unsigned and
big-endian.  Format: docs/formats/slot.md.
"""

from __future__ import annotations

import struct

from attrs import evolve, field, frozen

from allmydata.errors import BadShareError
from allmydata.formats.container import LARGEST, MUTABLE_MAGICS, stored

HEAD = struct.Struct(">32s20s32sQQ")
LEASE = struct.Struct(">LL32s32s20s")
COUNT = struct.Struct(">L")
NUM_IN_HEAD = 4
DATA = HEAD.size + NUM_IN_HEAD * LEASE.size  # 468
WRITTEN_VERSION = 2
MAX_SIZE = 69_105 * 10**12
MOST_LEASES = 100_000  # a count beyond that is no count


@frozen
class Slot:
    """Where the parts of one mutable share file lie.

    :param tubid: of the server that took the write enabler down
    :param size: bytes of share data
    :param extra: offset of the leases that did not fit into the header
    """

    version: int
    tubid: bytes
    write_enabler: bytes = field(repr=False)
    size: int = 0
    extra: int = DATA

    @classmethod
    def parse(cls, head: bytes, file_size: int) -> Slot:
        """Read the first 100 bytes of a file.

        :raises BadShareError: it is no mutable container, or its sizes can't be
        """
        if len(head) < HEAD.size:
            raise BadShareError(f"header is {len(head)} bytes, wanted {HEAD.size}")
        magic, tubid, enabler, size, extra = HEAD.unpack_from(head)
        if magic not in MUTABLE_MAGICS:
            raise BadShareError("no mutable container: its magic number is another")
        if not DATA + size <= extra <= file_size - COUNT.size:
            raise BadShareError(f"{file_size} bytes can't hold {size} of data")
        return cls(MUTABLE_MAGICS.index(magic) + 1, tubid, enabler, size, extra)

    def pack(self) -> bytes:
        """Return the 100 bytes that :meth:`parse` reads back."""
        magic = MUTABLE_MAGICS[self.version - 1]
        return HEAD.pack(magic, self.tubid, self.write_enabler, self.size, self.extra)

    def pack_new(self) -> bytes:
        """Return a whole file without data or leases."""
        return self.pack() + bytes(NUM_IN_HEAD * LEASE.size) + COUNT.pack(0)

    def clip(self, offset: int, length: int) -> tuple[int, int]:
        """Return the file offset and size of those of *length* bytes that are data."""
        start = min(offset, self.size)
        return DATA + start, min(length, self.size - start)

    def grown(self, end: int) -> Slot:
        """Return the layout after data was written up to *end*.

        :raises BadShareError: no container is that large
        """
        if end > MAX_SIZE:
            raise BadShareError(f"a mutable share of {end} bytes; at most {MAX_SIZE} fit")
        return evolve(self, size=max(self.size, end), extra=max(self.extra, DATA + end))

    def cut(self, size: int) -> Slot:
        """Return the layout with the data cut to *size*; it never grows by that."""
        return evolve(self, size=min(self.size, size))


@frozen
class SlotLease:
    """One holder's claim on a mutable share, with its secrets as the file holds them."""

    owner: int
    expires: int
    renew_secret: bytes = field(repr=False)
    cancel_secret: bytes = field(repr=False)
    tubid: bytes

    @classmethod
    def grant(
        cls, slot: Slot, owner: int, renew: bytes, cancel: bytes, expires: int, tubid: bytes
    ) -> SlotLease:
        """Make a lease for a file from the secrets as received."""
        held = stored(slot.version, renew), stored(slot.version, cancel)
        return cls(owner, min(expires, LARGEST), *held, tubid)

    @classmethod
    def parse(cls, record: bytes) -> SlotLease | None:
        """Read one record; None where no lease is."""
        lease = cls(*LEASE.unpack(record))
        return lease if lease.owner else None

    def pack(self) -> bytes:
        """Return the 92 bytes that :meth:`parse` reads back."""
        secrets = self.renew_secret, self.cancel_secret
        return LEASE.pack(self.owner, self.expires, *secrets, self.tubid)

    def until(self, expires: int) -> SlotLease:
        """Return the lease renewed; it never ends earlier than before."""
        return evolve(self, expires=max(self.expires, min(expires, LARGEST)))


def lease_offset(slot: Slot, number: int) -> int:
    """Return the file offset of a lease; the first four lie in the header."""
    if number < NUM_IN_HEAD:
        return HEAD.size + number * LEASE.size
    return slot.extra + COUNT.size + (number - NUM_IN_HEAD) * LEASE.size
