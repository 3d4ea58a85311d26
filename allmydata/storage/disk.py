"""The server's disk: file operations in threads, and what its failures are called."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import ParamSpec, TypeVar

from attrs import define, field, frozen
from foolscap.eventual import fireEventually
from twisted.logger import Logger

from allmydata.errors import GridError, NoSpaceError
from allmydata.util.deferreds import Gate
from allmydata.util.workers import Workers

P = ParamSpec("P")
T = TypeVar("T")
PathOrText = Path | str

log = Logger()

FULL = (errno.ENOSPC, errno.EDQUOT)
SYNC_FILE_RANGE_WRITE = 2
NO_DESCRIPTOR = (errno.EMFILE, errno.ENFILE)


@cache
def _sync_file_range() -> Callable[[int, int, int, int], int] | None:
    """Return Linux's call, where there is one."""
    import ctypes  # not before a large share comes: a node at rest does without

    function = getattr(ctypes.CDLL(None), "sync_file_range", None)
    if function is not None:
        size = ctypes.c_int64
        function.argtypes = (ctypes.c_int, size, size, ctypes.c_uint)
    return function


def begin_sync(fd: int) -> None:
    """Have the disk begin with what was written, so that a later fsync waits less.

    It promises nothing, so neither a system that can't do it nor one that fails matters:
    fsync tells.
    """
    sync_file_range = _sync_file_range()
    if sync_file_range is not None:
        sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE)


@frozen
class Calls:
    """The system calls that make a share durable; a test hands in ones that fail."""

    pwrite: Callable[[int, bytes | memoryview, int], int] = os.pwrite
    begin_sync: Callable[[int], None] = begin_sync
    fsync: Callable[[int], None] = os.fsync
    rename: Callable[[PathOrText, PathOrText], None] = os.rename

    def write_all(self, fd: int, data: bytes, offset: int) -> None:
        """Write *data* whole: a kernel may take less than it is given."""
        done = self.pwrite(fd, data, offset)
        while done < len(data):
            done += self.pwrite(fd, memoryview(data)[done:], offset + done)

    def sync_directory(self, path: PathOrText) -> None:
        """Make the names in directory *path* durable."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.fsync(fd)
        finally:
            os.close(fd)


SYSTEM = Calls()


@define
class Disk:
    """Runs file operations in threads of the node's pool, and can wait for the last one."""

    _workers: Workers
    _is_open: bool = field(default=False, init=False)
    _num_running: int = field(default=0, init=False)
    _idle: Gate = field(factory=Gate, init=False)

    def open(self) -> None:
        """Take operations from now on."""
        self._is_open = True

    async def shut(self, last: Callable[[], None]) -> None:
        """Wait until none is in hand, nor one that follows on it; then take no more.

        :param last: done in a thread when all others are
        """
        while self._num_running:
            await self._idle.wait()
            await fireEventually()
        self._is_open = False
        await self._workers.run(last)

    async def run(self, f: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call *f* in a thread and return what it returns.

        :raises NoSpaceError: the disk is full
        :raises GridError: the operating system failed in another way; the text names no
            path, for it goes to the peer
        """
        if not self._is_open:
            raise GridError("the storage server is stopped")
        self._num_running += 1
        self._idle.shut()
        try:
            return await self._workers.run(f, *args, **kwargs)
        except OSError as e:
            log.warn("a file operation failed: {error}", error=e)
            raise explain(e) from e
        finally:
            self._num_running -= 1
            if not self._num_running:
                self._idle.open()


def explain(error: OSError) -> GridError:
    """Say in our words what the operating system said."""
    if error.errno in FULL:
        return NoSpaceError("the server's disk is full")
    return GridError(f"the server's disk failed: {error.strerror or 'no reason given'}")
