"""An upload of known size whose bytes go straight through, under a random key."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable

from twisted.internet.defer import Deferred
from zope.interface import implementer

from allmydata.crypto.hashutil import KEY_SIZE
from allmydata.errors import CancelledError, UploadSourceError
from allmydata.interfaces import IUploadable
from allmydata.util.deferreds import Gate, as_deferred

ROOM = 2**20  # bytes that may wait for their reader


@implementer(IUploadable)
class Incoming:
    """What one side writes, the other reads; neither gets far ahead.

    :param size: bytes that will come
    """

    def __init__(self, size: int, random: Callable[[int], bytes] = os.urandom) -> None:
        self._size = size
        self._key = random(KEY_SIZE)
        self._pieces: deque[bytes] = deque()
        self._num_waiting = 0  # bytes in _pieces
        self._num_written = 0
        self._num_read = 0
        self._num_wanted = 0  # bytes that the reader is waiting for
        self._is_finished = self._is_closed = False
        self._room, self._more = Gate(), Gate()

    # ---- the side that writes

    def write(self, data: bytes) -> Deferred[None] | None:
        """Take the next bytes; whoever gets a Deferred should wait for it before more."""
        if self._is_closed:
            return None
        self._pieces.append(data)
        self._num_waiting += len(data)
        self._num_written += len(data)
        if self._num_waiting >= self._num_wanted:
            self._more.open()
        if self._num_waiting < max(ROOM, self._num_wanted):
            return None
        self._room.shut()
        return self._room.wait()

    def finish(self) -> None:
        """There is no more to write."""
        self._is_finished = True
        self._more.open()

    # ---- the side that reads

    @as_deferred
    async def get_size(self) -> int:
        """Return the number of bytes that were promised."""
        return self._size

    def set_serialized_encoding_parameters(
        self, serialized_encoding_parameters: str
    ) -> None:
        """Do nothing: a random key depends on nothing."""

    @as_deferred
    async def get_encryption_key(self) -> bytes:
        """Return 16 random bytes, the same each time."""
        return self._key

    @as_deferred
    async def read(self, length: int) -> list[bytes]:
        """Return the next *length* bytes in pieces, once they have come.

        :raises UploadSourceError: more or fewer bytes came than were promised
        :raises CancelledError: :meth:`close` was called
        """
        self._num_wanted = min(length, self._size - self._num_read)
        while self._num_waiting < self._num_wanted and not self._is_finished:
            self._room.open()
            self._more.shut()
            await self._more.wait()
        self._check()
        pieces = list(self._take(self._num_wanted))
        self._num_wanted = 0
        if self._num_waiting < ROOM:
            self._room.open()
        return pieces

    def close(self) -> None:
        """Nobody reads any more: forget what came, and what comes from now on."""
        self._is_closed = self._is_finished = True
        self._pieces.clear()
        self._num_waiting = 0
        self._room.open()
        self._more.open()

    def _check(self) -> None:
        if self._is_closed:
            raise CancelledError("the upload was given up before all its bytes had come")
        came, is_short = self._num_written, self._num_waiting < self._num_wanted
        if is_short or came > self._size:
            raise UploadSourceError(f"{came} bytes came, {self._size} were promised")

    def _take(self, length: int) -> deque[bytes]:
        taken: deque[bytes] = deque()
        self._num_read += length
        self._num_waiting -= length
        while length:
            piece = self._pieces.popleft()
            if len(piece) > length:
                self._pieces.appendleft(piece[length:])
                piece = piece[:length]
            taken.append(piece)
            length -= len(piece)
        return taken
