"""The few connections to one storage server: made when needed, kept for a while."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

from allmydata.errors import ServerLostError
from allmydata.grid.http.answer import Response
from allmydata.grid.http.connection import ClientConnection
from allmydata.util.deferreds import drop

MOST_CONNECTIONS = 6
KEPT_S = 40.0  # without a request; servers of Tahoe-LAFS hang up after 60


@define(eq=False)
class Pool:
    """Connections to one server; requests beyond so many wait for their turn.

    :param connect: makes a connection whose server has proved who it is
    :param clock: an IReactorTime
    :param on_loss: called when a connection ends that was not closed here
    """

    _connect: Callable[[], Deferred[ClientConnection]]
    _clock: Any
    on_loss: Callable[[], None] = lambda: None
    num_requests: int = field(default=0, init=False)
    _heard_at: float | None = field(default=None, init=False)
    _every: set[ClientConnection] = field(factory=set, init=False)
    _idle: list[ClientConnection] = field(factory=list, init=False)
    _num: int = field(default=0, init=False)  # connections, and attempts to make one
    _attempts: set[Deferred[ClientConnection]] = field(factory=set, init=False)
    _waiting: deque[Deferred[ClientConnection | None]] = field(factory=deque, init=False)
    _tidy_call: IDelayedCall | None = field(default=None, init=False)
    _is_closed: bool = field(default=False, init=False)

    async def ask(self, head: bytes, body: list[Any], most: int) -> Response:
        """Send a request over some connection and return its answer.

        :param body: parts, one behind the other; emptied when they are sent
        :raises ServerLostError: the server can't be reached, or the connection broke
        :raises ServerRefusedError: what came is no answer
        """
        connection = await self._take()
        self.num_requests += 1
        try:
            return await connection.ask(head, body, most)
        finally:
            self._give_back(connection)

    @property
    def heard_at(self) -> float | None:
        """When something came from the server last, in seconds."""
        for connection in self._every:
            self._heard_at = max(self._heard_at or 0.0, connection.heard_at)
        return self._heard_at

    def close(self) -> None:
        """End all connections; requests under way fail."""
        self._is_closed = True
        if self._tidy_call is not None:
            self._tidy_call.cancel()
            self._tidy_call = None
        for attempt in list(self._attempts):
            attempt.cancel()
        for connection in list(self._every):
            connection.close()
        self._let_next()

    # ---- which connection --------------------------------------------------------------

    async def _take(self) -> ClientConnection:
        while not self._is_closed:
            while self._idle:
                connection = self._idle.pop()
                if connection.is_usable:
                    return connection
            if self._num < MOST_CONNECTIONS:
                return await self._make()
            waiting: Deferred[ClientConnection | None] = Deferred(self._give_up)
            self._waiting.append(waiting)
            given = await waiting
            if given is not None:
                return given
        raise ServerLostError("the connection to a server was given up")

    def _give_up(self, waiting: Deferred[ClientConnection | None]) -> None:
        if waiting in self._waiting:
            self._waiting.remove(waiting)

    async def _make(self) -> ClientConnection:
        self._num += 1
        attempt = self._connect()
        self._attempts.add(attempt)
        try:
            connection = await attempt
        except BaseException:
            self._num -= 1
            self._let_next()
            raise
        finally:
            self._attempts.discard(attempt)
        self._every.add(connection)
        connection.lost.addCallback(self._lost, connection)
        return connection

    def _give_back(self, connection: ClientConnection) -> None:
        if not connection.is_usable:
            return  # _lost counts it
        if self._waiting:
            self._waiting.popleft().callback(connection)
            return
        self._idle.append(connection)
        if self._tidy_call is None and not self._is_closed:
            self._tidy_call = self._clock.callLater(KEPT_S / 2, self._tidy)

    def _lost(self, is_unexpected: bool, connection: ClientConnection) -> None:
        self._heard_at = self.heard_at
        self._every.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._num -= 1
        self._let_next()
        if is_unexpected and not self._is_closed:
            self.on_loss()

    def _let_next(self) -> None:
        while self._waiting and (self._is_closed or self._num < MOST_CONNECTIONS):
            self._waiting.popleft().callback(None)
            if not self._is_closed:
                break

    def _tidy(self) -> None:
        self._tidy_call = None
        since = self._clock.seconds() - KEPT_S
        for connection in [one for one in self._idle if one.idle_since <= since]:
            self._idle.remove(connection)
            connection.close()
        if self._idle:
            self._tidy_call = self._clock.callLater(KEPT_S / 2, self._tidy)


def forget(waiting: Deferred[Any]) -> None:
    """Cancel what nobody waits for any more."""
    drop(waiting)
    waiting.cancel()
