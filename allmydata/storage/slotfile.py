"""One mutable share file: its data, clipped, and its leases.

Whoever changes it holds the lock of :class:`~allmydata.storage.tree.ShareTree`.
Format: docs/formats/slot.md.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from hmac import compare_digest
from pathlib import Path

from attrs import define, evolve, field, frozen

from allmydata.errors import BadShareError
from allmydata.formats.container import same_secret, stored
from allmydata.formats.slot import (
    COUNT,
    DATA,
    HEAD,
    LEASE,
    MOST_LEASES,
    NUM_IN_HEAD,
    Slot,
    SlotLease,
    lease_offset,
)
from allmydata.storage.disk import Calls

PIECE = 2**20
NEW_LEASE_OWNER = 1

ReadVector = list[tuple[int, int]]  # offset, length
TestVector = list[tuple[int, int, bytes, bytes]]  # offset, length, b"eq", specimen
WriteVector = list[tuple[int, bytes]]  # offset, data


@frozen
class SlotClaim:
    """Who wants to write, and that its shares be kept.

    :param tubid: this server's, for what is taken down
    :param expires: when leases end, in seconds since the epoch
    """

    storage_index: bytes
    write_enabler: bytes = field(repr=False)
    renew_secret: bytes = field(repr=False)
    cancel_secret: bytes = field(repr=False)
    tubid: bytes
    expires: int
    owner: int = NEW_LEASE_OWNER

    def lease(self, slot: Slot) -> SlotLease:
        """Return the lease that is claimed, as *slot*'s file holds it."""
        secrets = self.renew_secret, self.cancel_secret
        return SlotLease.grant(slot, self.owner, *secrets, self.expires, self.tubid)


@define
class SlotFile:
    """An open mutable share file; close it."""

    path: Path
    fd: int
    slot: Slot
    _calls: Calls

    @classmethod
    def open(cls, path: Path, calls: Calls, *, writable: bool = False) -> SlotFile:
        """Open the mutable share at *path*.

        :raises BadShareError: it is none
        :raises OSError: it is gone, or can't be read
        """
        access = os.O_RDWR if writable else os.O_RDONLY
        fd = os.open(path, access | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            slot = Slot.parse(os.pread(fd, HEAD.size, 0), os.fstat(fd).st_size)
        except BaseException:
            os.close(fd)
            raise
        return cls(path, fd, slot, calls)

    def close(self) -> None:
        """Let the file go."""
        os.close(self.fd)

    def read(self, vector: ReadVector) -> list[bytes]:
        """Return the parts asked for; what lies past the end of the data is left out."""
        return [self._pread(*self.slot.clip(*part)) for part in vector]

    def passes(self, tests: TestVector) -> bool:
        """Tell whether all is there that a writer believes to be."""
        found = self.read([(offset, length) for offset, length, _, _ in tests])
        wanted = [specimen for *_, specimen in tests]
        return all(map(compare_digest, found, wanted))

    def write(self, writes: WriteVector, new_length: int | None) -> None:
        """Write the parts in their order, then cut the data to *new_length*.

        :raises BadShareError: no container is that large
        """
        for offset, data in writes:
            self._make_room(offset + len(data))
            self._fill(self.slot.size, offset)
            self._calls.write_all(self.fd, data, DATA + offset)
            self._set(self.slot.grown(offset + len(data)))
        if new_length is not None:
            self._set(self.slot.cut(new_length))

    def leases(self) -> list[SlotLease]:
        """Return the leases in the order of the file."""
        return [lease for _, lease in self._leases() if lease]

    def add_or_renew(self, claim: SlotClaim) -> None:
        """Renew the lease that the claim's secret opens; where there is none, add one."""
        secret = stored(self.slot.version, claim.renew_secret)
        records = dict(self._leases())
        for number, lease in records.items():
            if lease and same_secret(lease.renew_secret, secret):
                self._put_lease(number, lease.until(claim.expires))
                return
        number = next((i for i, lease in records.items() if not lease), len(records))
        self._put_lease(number, claim.lease(self.slot))
        if number == len(records):
            count = COUNT.pack(number + 1 - NUM_IN_HEAD)
            self._calls.write_all(self.fd, count, self.slot.extra)

    # ---- inside

    def _leases(self) -> Iterator[tuple[int, SlotLease | None]]:
        records = [lease_offset(self.slot, i) for i in range(NUM_IN_HEAD + self._count())]
        for number, at in enumerate(records):
            record = self._pread(at, LEASE.size)
            if len(record) < LEASE.size:
                raise BadShareError("a mutable share ends within its leases")
            yield number, SlotLease.parse(record)

    def _count(self) -> int:
        (count,) = COUNT.unpack(self._pread(self.slot.extra, COUNT.size))
        if count > MOST_LEASES:
            raise BadShareError(f"a mutable share says it has {count} leases more")
        return int(count)

    def _put_lease(self, number: int, lease: SlotLease) -> None:
        self._calls.write_all(self.fd, lease.pack(), lease_offset(self.slot, number))

    def _make_room(self, end: int) -> None:
        """Move the leases behind the data out of the way of data that grows."""
        grown = self.slot.grown(end)
        if grown.extra == self.slot.extra:
            return
        size = COUNT.size + LEASE.size * self._count()
        leases = self._pread(self.slot.extra, size)
        self._calls.write_all(self.fd, leases, grown.extra)
        self._fill_file(self.slot.extra, min(self.slot.extra + size, grown.extra))
        self._set(evolve(self.slot, extra=grown.extra))

    def _fill(self, begin: int, end: int) -> None:
        self._fill_file(DATA + begin, DATA + end)

    def _fill_file(self, begin: int, end: int) -> None:
        for at in range(begin, end, PIECE):
            self._calls.write_all(self.fd, bytes(min(PIECE, end - at)), at)

    def _set(self, slot: Slot) -> None:
        if slot != self.slot:
            self._calls.write_all(self.fd, slot.pack(), 0)
            self.slot = slot

    def _pread(self, offset: int, length: int) -> bytes:
        return os.pread(self.fd, length, offset)
