"""A share being written: one descriptor, any order of writes, whole or thrown away."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress

from attrs import define, field

from allmydata.errors import ConflictError, UsageError
from allmydata.formats.container import HEADER, Container, Lease
from allmydata.storage.extents import Extents
from allmydata.storage.inventory import Held
from allmydata.storage.tree import ShareTree, delete

MOST_SPANS = 16_384  # bounds the memory that scattered writes can take
BEGIN_SYNC = 4_000_000  # bytes written after which the disk may begin with them


def store(
    tree: ShareTree, storage_index: bytes, shnum: int, data: bytes, lease: Lease
) -> None:
    """Write a share that is whole already, in one go, and serve it; durable on return.

    :raises ConflictError: something lies where it belongs
    :raises OSError: nothing is left behind
    """
    container = Container.plan(len(data))
    path = tree.incoming(storage_index, shnum)
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            file = b"".join([container.pack(), data, lease.pack()])
            tree.calls.write_all(fd, file, 0)
            tree.calls.fsync(fd)
        finally:
            os.close(fd)
        tree.place(path, (storage_index, shnum), Held.of(container, [lease]))
    except Exception:
        delete(path)
        raise


@define(eq=False)
class IncomingShare:
    """A share file under ``incoming``.  Its methods run in threads, one at a time.

    Whatever the disk refuses ends it: the file is deleted and ``is_over`` set.
    """

    storage_index: bytes
    shnum: int
    container: Container
    held: Held  # what it will be, whole
    path: str
    _tree: ShareTree
    _fd: int
    _written: Extents = field(factory=Extents, init=False)
    _num_ahead: int = field(default=0, init=False)  # bytes the disk has not begun with
    is_over: bool = field(default=False, init=False)

    @classmethod
    def begin(
        cls, tree: ShareTree, storage_index: bytes, shnum: int, size: int, lease: Lease
    ) -> IncomingShare:
        """Make the file with its header and first lease; hold the tree's lock.

        :param size: bytes of share data to come
        :raises OSError: nothing is left behind
        """
        container = Container.plan(size)
        path = tree.incoming(storage_index, shnum)
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            held = Held.of(container, [lease])
            share = cls(storage_index, shnum, container, held, path, tree, fd)
            share._frame(lease)
        except OSError:
            delete(path)
            raise
        return share

    def check(self, offset: int, length: int) -> None:
        """Refuse a write outside the share before anything is done for it.

        :raises UsageError: it begins before the start or ends after the end
        """
        size = self.container.data_size
        if offset < 0 or offset + length > size:
            raise UsageError(f"write of {length} bytes at {offset}, the share has {size}")

    def write(self, offset: int, data: bytes) -> None:
        """Write *data*; where something was written before it must be the same bytes.

        :raises ConflictError: it is not; nothing was changed
        :raises UsageError: the share is over, or written in too many pieces
        """
        self._demand_open()
        end = offset + len(data)
        for start, stop in self._written.overlaps(offset, end):
            if self._read(start, stop - start) != data[start - offset : stop - offset]:
                raise ConflictError(f"bytes {start} to {stop} were written otherwise")
        if len(self._written) >= MOST_SPANS:
            raise UsageError(f"more than {MOST_SPANS} separate pieces")
        try:
            self._write(data, HEADER.size + offset)
        except OSError:
            self._throw_away()
            raise
        self._written.add(offset, end)
        self._num_ahead += len(data)
        if self._num_ahead >= BEGIN_SYNC:
            self._num_ahead = 0
            self._tree.calls.begin_sync(self._fd)

    def put(self, offset: int, parts: Sequence[bytes]) -> list[tuple[int, int]]:
        """Write *parts*, one behind the other, as :meth:`write` does.

        They are not joined: that would be one more copy of all that comes.

        :return: the spans that are still missing
        """
        for part in parts:
            self.write(offset, part)
            offset += len(part)
        return self._written.gaps(self.container.data_size)

    def finish(self) -> None:
        """Make the share durable and move it to where it is served from.

        :raises UsageError: bytes are missing; like every failure, that deletes the file
        """
        self._demand_open()
        try:
            self._demand_whole()
            self._tree.calls.fsync(self._fd)
            self._close()
            self._tree.place(self.path, (self.storage_index, self.shnum), self.held)
        except Exception:
            self._throw_away()
            raise

    def discard(self) -> None:
        """Delete the file; does nothing once the share is over."""
        if not self.is_over:
            self._throw_away()

    def _frame(self, lease: Lease) -> None:
        try:
            self._write(self.container.pack(), 0)
            self._write(lease.pack(), self.container.lease_offset(0))
        except OSError:
            self._close()
            raise

    def _demand_open(self) -> None:
        if self.is_over:
            raise UsageError("this share was closed or thrown away")

    def _demand_whole(self) -> None:
        gap = self._written.first_gap(self.container.data_size)
        if gap is not None:
            raise UsageError(
                f"thrown away: closed with nothing written at {gap}",
                why=f"the share has {self.container.data_size} bytes",
            )

    def _write(self, data: bytes, offset: int) -> None:
        self._tree.calls.write_all(self._fd, data, offset)

    def _read(self, offset: int, size: int) -> bytes:
        return os.pread(self._fd, size, HEADER.size + offset)

    def _throw_away(self) -> None:
        self._close()
        delete(self.path)

    def _close(self) -> None:
        if not self.is_over:
            self.is_over = True
            with suppress(OSError):  # fsync has told what there is to tell
                os.close(self._fd)
