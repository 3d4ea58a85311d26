"""What a client sends behind the head of a request, taken piece by piece as it comes.

Nothing is kept on disk, and in memory no more than what is asked for and a little that
came meanwhile: then the client is held back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.defer import Deferred

from allmydata.errors import GridError

AHEAD = 2 * 2**20  # bytes that may wait to be taken


class ClientGoneError(GridError):
    """The client hung up in the middle of its request."""


class Body:
    """The body of one request.

    :param size: the bytes it has
    :param hold: called with whether the client is to be held back
    """

    def __init__(self, size: int, hold: Callable[[bool], None]) -> None:
        self.size = size
        self._hold = hold
        self._is_held = False
        self._chunks: deque[bytes] = deque()
        self._waiting = 0  # bytes of these
        self._to_come = size
        self._to_take = size
        self._wanted = 0
        self._wakes: Deferred[None] | None = None
        self._is_dropped = False
        self._is_lost = False

    # ---- the connection's side

    @property
    def is_over(self) -> bool:
        """Tell whether all of it has come."""
        return not self._to_come

    @property
    def is_held(self) -> bool:
        """Tell whether the client waits for us."""
        return self._is_held

    def feed(self, data: bytes) -> bytes:
        """Take in what came; return what lies behind the body."""
        part, rest = data, b""
        if len(data) > self._to_come:
            part, rest = data[: self._to_come], data[self._to_come :]
        self._to_come -= len(part)
        if not self._is_dropped:
            self._chunks.append(part)
            self._waiting += len(part)
            self._stir()
        return rest

    def drop(self) -> None:
        """Want nothing more of it."""
        self._is_dropped = True
        self._chunks.clear()
        self._waiting = 0
        self._set_held(False)

    def lose(self) -> None:
        """Hear that no more will come."""
        self._is_lost = True
        self._wake()

    # ---- the reader's side

    async def take(self, most: int) -> bytes:
        """Return the next bytes: *most*, or all that is left.

        :raises ClientGoneError: they don't come
        """
        return b"".join(await self.take_parts(most))

    async def take_parts(self, most: int) -> list[bytes]:
        """Return the next bytes as :meth:`take` does, in the pieces they came in.

        :raises ClientGoneError: they don't come
        """
        self._wanted = min(most, self._to_take)
        if self._waiting < self._wanted:
            self._set_held(False)
            if not self._is_lost:
                self._wakes = Deferred()
                await self._wakes
        if self._waiting < self._wanted:
            raise ClientGoneError("a client hung up in the middle of a request")
        return self._cut(self._wanted)

    def _cut(self, size: int) -> list[bytes]:
        parts, left = [], size
        while left:
            part = self._chunks.popleft()
            if len(part) > left:
                self._chunks.appendleft(part[left:])
                part = part[:left]
            parts.append(part)
            left -= len(part)
        self._waiting -= size
        self._to_take -= size
        self._wanted = 0
        self._set_held(self._waiting >= AHEAD)
        return parts

    def _stir(self) -> None:
        if self._wakes is not None and self._waiting >= self._wanted:
            self._wake()
        elif self._wakes is None and self._waiting >= AHEAD:
            self._set_held(True)

    def _wake(self) -> None:
        wakes, self._wakes = self._wakes, None
        if wakes is not None and not wakes.called:
            wakes.callback(None)

    def _set_held(self, is_held: bool) -> None:
        if is_held != self._is_held:
            self._is_held = is_held
            self._hold(is_held)
