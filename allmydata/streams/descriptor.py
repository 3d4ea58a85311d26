"""A file descriptor that a thread may be using while somebody else closes it."""

from __future__ import annotations

import os
from threading import Lock
from typing import Any

from allmydata.errors import CancelledError


class Descriptor:
    """An open file, ours alone; each call happens before :meth:`close` or not at all.

    Without this a read still waiting for its thread could meet the number of a
    descriptor that has been closed and given to another file.
    """

    def __init__(self, fd: int) -> None:
        self._fd: int | None = fd
        self._lock = Lock()

    def stat(self) -> os.stat_result:
        """Return what the system says of the file.

        :raises CancelledError: it was closed
        """
        with self._lock:
            return os.fstat(self._number())

    def read_at(self, offset: int, length: int) -> bytes:
        """Return *length* bytes from *offset* on, fewer at the end of the file.

        :raises CancelledError: it was closed
        """
        with self._lock:
            return os.pread(self._number(), length, offset)

    def write(self, data: Any) -> None:
        """Write all of *data* (any bytes-like object) after what was written before.

        :raises CancelledError: it was closed
        """
        left = memoryview(data)
        with self._lock:
            while left:
                left = left[os.write(self._number(), left) :]

    def close(self) -> None:
        """Wait for a call in hand, then close; the second time does nothing."""
        with self._lock:
            if self._fd is not None:
                os.close(self._fd)
            self._fd = None

    def _number(self) -> int:
        if self._fd is None:
            raise CancelledError("the file was closed before it was read or written")
        return self._fd
