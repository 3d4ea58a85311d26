"""Looks for a server at its NURLs, keeps asking whether it is there, and looks again.

All NURLs are tried together; the first where a storage server answers is used.  It is asked
for its version now and then, and at once when a connection breaks: where no answer comes,
nor anything else, the server counts as gone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from attrs import frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as NoAnswerError
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.protocol import Factory
from twisted.logger import Logger

from allmydata.errors import GridError, ServerLostError, ServerRefusedError
from allmydata.formats.nurl import Nurl
from allmydata.grid.http.connection import ClientConnection
from allmydata.grid.http.pool import Pool, forget
from allmydata.grid.http.storage import HttpStorage
from allmydata.grid.http.tls import Identity, Pin, PinnedTLS
from allmydata.grid.server import ServerVersion
from allmydata.util.deferreds import as_deferred, log_failure, sleep, start, timeout
from allmydata.util.tls import BulkTLSFactory, widen

log = Logger()

CONNECT_S = 10.0  # to reach a server, and to hear its version
POLL_S = 20.0  # between two questions whether it is there
ANSWER_S = 60.0  # to hear from it
LEAST_S = 1.0  # between two questions, whatever happens
FIRST_RETRY_S, RETRY_S = 0.2, 10.0  # the wait between two attempts doubles up to that


Found = tuple[HttpStorage, ServerVersion]


@frozen
class Events:
    """What a link tells.

    :param found: a server answers, or tells its version anew
    :param lost: it does not any more
    :param missed: it was looked for at all NURLs, and is at none
    """

    found: Callable[[HttpStorage, ServerVersion], None]
    lost: Callable[[HttpStorage], None]
    missed: Callable[[], None]


class HttpsLink:
    """The way to one server.

    :param open_pool: makes connections to a NURL
    :param clock: an IReactorTime
    """

    def __init__(
        self,
        nurls: Sequence[Nurl],
        open_pool: Callable[[Nurl], Pool],
        events: Events,
        clock: Any,
    ) -> None:
        self.nurls = tuple(nurls)
        self._open_pool = open_pool
        self._events = events
        self._clock = clock
        self._storage: HttpStorage | None = None
        self._pause: Deferred[None] | None = None
        self._wait_s = FIRST_RETRY_S
        self._is_stopped = False
        self._asked_at = 0.0
        self._is_in_doubt = False  # a connection was lost since it was asked last
        self._running = start(self._run())
        log_failure(self._running, log, "looking for a storage server")

    def status(self) -> str:
        """Return its state as one line."""
        if self._storage is not None:
            return f"Connected to {self._storage.nurl.where} via HTTPS"
        return "Trying to connect"

    def reset(self) -> None:
        """Try again soon."""
        self._wait_s = FIRST_RETRY_S
        self._wake()

    def stop(self) -> None:
        """Use it no more, and make no new connections."""
        self._is_stopped = True
        self._running.cancel()
        if self._storage is not None:
            self._storage.pool.close()

    # ---- looking -----------------------------------------------------------------------

    async def _run(self) -> None:
        while not self._is_stopped:
            found = await self._find()
            if found is None:
                self._events.missed()
                self._wait_s = min(2 * self._wait_s, RETRY_S)
            else:
                await self._use(*found)
                self._wait_s = FIRST_RETRY_S
            await self._sleep(self._wait_s)

    async def _find(self) -> Found | None:
        first: Deferred[Found | None] = Deferred()
        attempts = [start(self._try(nurl)) for nurl in self.nurls]
        for attempt in attempts:
            attempt.addCallback(_first_of, first, attempts)
        try:
            return await first
        finally:
            for attempt in attempts:
                forget(attempt)

    async def _try(self, nurl: Nurl) -> Found | None:
        storage, version = HttpStorage(nurl, self._open_pool(nurl)), None
        try:
            version = await timeout(_ask(storage), CONNECT_S, self._clock)
        except (GridError, NoAnswerError) as e:
            why = getattr(e, "why", "") or str(e)
            log.info("no storage at {where}: {why}", where=nurl.where, why=why)
        finally:
            if version is None:
                storage.pool.close()
        return (storage, version) if version else None

    # ---- while it is there -------------------------------------------------------------

    async def _use(self, storage: HttpStorage, version: ServerVersion) -> None:
        self._storage = storage
        storage.pool.on_loss = self._connection_lost
        self._events.found(storage, version)
        try:
            while await self._is_there(storage):
                pass
        finally:
            self._storage = None
            storage.pool.on_loss = lambda: None
            storage.pool.close()
            self._events.lost(storage)

    def _connection_lost(self) -> None:
        """Ask soon whether the server is there; again, if it is being asked already."""
        self._is_in_doubt = True
        self._wake()

    async def _is_there(self, storage: HttpStorage) -> bool:
        await self._sleep(0.0 if self._is_in_doubt else POLL_S)
        await sleep(max(0.0, self._asked_at + LEAST_S - self._clock.seconds()), self._clock)
        self._asked_at = asked_at = self._clock.seconds()
        self._is_in_doubt = False
        try:
            version = await timeout(_ask(storage), ANSWER_S, self._clock)
        except ServerRefusedError:
            return False
        except (GridError, NoAnswerError):
            heard_at = storage.pool.heard_at
            return heard_at is not None and heard_at > asked_at
        self._events.found(storage, version)
        return True

    async def _sleep(self, seconds: float) -> None:
        if self._is_stopped:  # from within, where cancelling does nothing
            raise CancelledError
        self._pause = Deferred()
        call = self._clock.callLater(seconds, self._wake)
        try:
            await self._pause
        finally:
            self._pause = None
            if call.active():
                call.cancel()

    def _wake(self) -> None:
        pause, self._pause = self._pause, None
        if pause is not None and not pause.called:
            pause.callback(None)


def _first_of(
    found: Found | None, first: Deferred[Found | None], attempts: Sequence[Deferred[Any]]
) -> None:
    """Let *first* fire with what was found, or when nobody looks any more."""
    if found is None:
        if not first.called and all(one.called for one in attempts):
            first.callback(None)
    elif first.called:
        found[0].pool.close()
    else:
        first.callback(found)


@as_deferred
async def _ask(storage: HttpStorage) -> ServerVersion:
    return ServerVersion.parse(await storage.callRemote("get_version"))


# ---- connections -----------------------------------------------------------------------


def pool_opener(identity: Identity, tubid: bytes, reactor: Any) -> Callable[[Nurl], Pool]:
    """Return what makes the connections to the server of one Tub id."""

    def open_pool(nurl: Nurl) -> Pool:
        tls = PinnedTLS(identity, Pin(nurl.spki_hash, tubid))
        return Pool(lambda: _connect(nurl, tls, reactor), reactor)

    return open_pool


def _connect(nurl: Nurl, tls: PinnedTLS, reactor: Any) -> Deferred[ClientConnection]:
    return timeout(_connected(nurl, tls, reactor), CONNECT_S, reactor)


async def _connected(nurl: Nurl, tls: PinnedTLS, reactor: Any) -> ClientConnection:
    connection = ClientConnection(tls.pin, reactor)
    inner = Factory.forProtocol(lambda: connection)
    inner.noisy = False
    endpoint = HostnameEndpoint(reactor, nurl.host, nurl.port, timeout=CONNECT_S)
    try:
        wrapped = await endpoint.connect(BulkTLSFactory(tls, True, inner))
        widen(cast(Any, wrapped).transport)
        return await connection.ready
    except (GridError, CancelledError):
        raise
    except Exception as e:  # whatever the system, or a resolver, says of it
        why = type(e).__name__
        raise ServerLostError("a server can't be reached", why=why) from e
