"""One immutable share file: its data, clipped, and its leases."""

from __future__ import annotations

import os
from pathlib import Path

from allmydata.formats.container import (
    HEAD_SIZE,
    LEASE,
    NUM_LEASES,
    NUM_LEASES_OFFSET,
    Container,
    Lease,
    is_mutable,
    parse_leases,
    same_secret,
    stored,
)
from allmydata.storage.disk import Calls


class ShareFile:
    """An open share file; the descriptor is closed with the last reference to this.

    What it says of sizes and leases was true when it was opened and changes only by its
    own methods.  Whoever changes leases holds the lock of :class:`ShareTree`.
    """

    def __init__(self, path: Path, fd: int, container: Container, calls: Calls) -> None:
        self.path = path
        self.container = container
        self.is_deleted = False
        self._fd = fd
        self._calls = calls
        self._leases: list[Lease] | None = None  # None: not read yet

    def __del__(self) -> None:
        os.close(self._fd)

    @classmethod
    def open(cls, path: Path, calls: Calls, *, writable: bool = False) -> ShareFile | None:
        """Open the share at *path*; a mutable container is left alone and gives None.

        :raises BadShareError: it can't be parsed
        :raises OSError: it is gone, or can't be read
        """
        access = os.O_RDWR if writable else os.O_RDONLY
        fd = os.open(path, access | os.O_CLOEXEC | os.O_NONBLOCK)  # a FIFO must not hang us
        try:
            head = os.pread(fd, HEAD_SIZE, 0)
            if is_mutable(head):
                os.close(fd)
                return None
            container = Container.parse(head, os.fstat(fd).st_size)
        except BaseException:
            os.close(fd)
            raise
        return cls(path, fd, container, calls)

    def read(self, offset: int, length: int) -> bytes:
        """Return share data; what lies past its end is left out."""
        return self._pread(*self.container.clip(offset, length))

    def read_cached(self, offset: int, length: int) -> bytes | None:
        """Return what :meth:`read` would, or None if that meant to wait for the disk."""
        start, size = self.container.clip(offset, length)
        buffer = bytearray(size)
        try:
            done = os.preadv(self._fd, [buffer], start, os.RWF_NOWAIT)
        except OSError:  # not in memory, or a file system that does not tell
            return None
        return bytes(buffer) if done == size else None

    def leases(self) -> list[Lease]:
        """Return the leases in the order of the file."""
        return list(self._read_leases())

    def add_or_renew(self, owner: int, renew: bytes, cancel: bytes, expires: int) -> None:
        """Renew the lease that *renew* opens; where there is none, add one."""
        if not self.renew(renew, expires, owner):
            self._append(Lease.grant(self.container.version, owner, renew, cancel, expires))

    def renew(self, renew_secret: bytes, expires: int, owner: int = 0) -> bool:
        """Let the lease of that secret last until *expires*; tell whether there is one.

        :param owner: whose the lease is from now on, if that is somebody's number
        """
        secret = stored(self.container.version, renew_secret)
        leases = self._read_leases()
        for leasenum, lease in enumerate(leases):
            if same_secret(lease.renew_secret, secret):
                renewed = lease.until(expires).of(owner)
                if renewed != lease:
                    self._write(renewed.pack(), self.container.lease_offset(leasenum))
                    leases[leasenum] = renewed
                return True
        return False

    def cancel(self, cancel_secret: bytes) -> bool:
        """Drop the leases of that secret, with the last one the file; tell if any was."""
        secret = stored(self.container.version, cancel_secret)
        leases = self.leases()
        kept = [one for one in leases if not same_secret(one.cancel_secret, secret)]
        if len(kept) == len(leases):
            return False
        if kept:
            self._shrink(kept)
        else:
            self.path.unlink()
            self.is_deleted = True
        return True

    def _read_leases(self) -> list[Lease]:
        if self._leases is None:
            start = self.container.lease_offset(0)
            size = self.container.num_leases * LEASE.size
            self._leases = parse_leases(self._pread(start, size))
        return self._leases

    def _append(self, lease: Lease) -> None:
        # Readers take the data's size from the file's size and the count.  A count that
        # reached the disk before its lease would cut the data short after a crash.
        leases = self._read_leases()
        grown = self.container.with_leases(self.container.num_leases + 1)
        try:
            self._write(lease.pack(), self.container.file_size)
            self._calls.fsync(self._fd)
            self._count(grown)
        except OSError:
            os.ftruncate(self._fd, self.container.file_size)  # or half a lease shifts all
            raise
        leases.append(lease)

    def _shrink(self, kept: list[Lease]) -> None:
        shrunk = self.container.with_leases(len(kept))
        self._write(b"".join(lease.pack() for lease in kept), shrunk.lease_offset(0))
        self._count(shrunk)
        self._leases = kept
        self._calls.fsync(self._fd)  # before the file is cut: see _append
        os.ftruncate(self._fd, shrunk.file_size)

    def _count(self, container: Container) -> None:
        self._write(NUM_LEASES.pack(container.num_leases), NUM_LEASES_OFFSET)
        self.container = container

    def _write(self, data: bytes, offset: int) -> None:
        self._calls.write_all(self._fd, data, offset)

    def _pread(self, offset: int, size: int) -> bytes:
        data = os.pread(self._fd, size, offset)
        while len(data) < size:  # an interrupted read, or a file cut behind our back
            more = os.pread(self._fd, size - len(data), offset + len(data))
            if not more:
                break
            data += more
        return data
