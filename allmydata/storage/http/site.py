"""The HTTPS face of a storage server: who is let in, and which request is which call."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from hmac import compare_digest
from typing import Any

from attrs import frozen
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import Factory
from twisted.logger import Logger

from allmydata.errors import (
    BadShareError,
    ConflictError,
    CorruptError,
    GridError,
    NoSpaceError,
    NotFoundError,
    UsageError,
)
from allmydata.formats.gbs import (
    CANCEL,
    ENABLER,
    OURS,
    RENEW,
    SECRET_HEADER,
    UPLOAD,
    V1,
    HttpError,
    authorization,
    demand_cbor,
    demand_takes_cbor,
    parse_secrets,
)
from allmydata.formats.gbs_messages import MAX_SHARES
from allmydata.storage.http.body import ClientGoneError
from allmydata.storage.http.calls import MAX_RENEWALS_BODY, Calls, Place
from allmydata.storage.http.connection import Answer, Connection, Request
from allmydata.storage.http.visitors import Visitors
from allmydata.storage.server import StorageServer
from allmydata.util import base32

log = Logger()

MOST_CONNECTIONS = 2000
MAX_SHARES_BODY = 32 * 2**20  # bytes of whole shares that come together
MAX_SLOT_BODY = 512 * 2**20  # bytes of one change of mutable shares
MOST_IN_MEMORY = 1024 * 2**20  # of all that come at once
SWEEP_S = 5.0  # between two looks for clients that let us wait

LEASE = frozenset([RENEW, CANCEL])
SI = rb"/([a-z2-7]{26})"
SHARE = SI + rb"/(0|[1-9][0-9]{0,2})"

Call = Callable[[Calls, Request, Place, Any], Awaitable[Answer]]


@frozen
class Route:
    """A kind of request.

    :param secrets: the names of those it needs
    :param most: the most bytes of its body; None where the body goes to the disk
    :param is_cbor: whether its body and its answer are CBOR
    """

    method: bytes
    pattern: re.Pattern[bytes]
    call: Call
    secrets: frozenset[str] = frozenset()
    most: int | None = 0
    is_cbor: bool = False


def _route(method: bytes, path: bytes, call: Call, **rest: Any) -> Route:
    return Route(method, re.compile(path), call, **rest)


ROUTES = [  # what is asked for most comes first
    _route(b"PATCH", V1 + b"/immutable" + SHARE, Calls.write, most=None,
           secrets=frozenset([UPLOAD])),
    _route(b"GET", V1 + b"/immutable" + SHARE, Calls.read_immutable),
    _route(b"POST", OURS + b"/immutable" + SI, Calls.put_shares, is_cbor=True,
           most=MAX_SHARES_BODY, secrets=LEASE),
    _route(b"GET", V1 + b"/version", Calls.version, is_cbor=True),
    _route(b"POST", V1 + b"/immutable" + SI, Calls.allocate, is_cbor=True, most=8192,
           secrets=LEASE | {UPLOAD}),
    _route(b"GET", V1 + b"/immutable" + SI + b"/shares", Calls.list_immutable,
           is_cbor=True),
    _route(b"PUT", V1 + b"/immutable" + SHARE + b"/abort", Calls.abort,
           secrets=frozenset([UPLOAD])),
    _route(b"POST", V1 + b"/immutable" + SHARE + b"/corrupt", Calls.advise_immutable,
           is_cbor=True, most=32768),
    _route(b"PUT", V1 + b"/lease" + SI, Calls.lease, secrets=LEASE),
    _route(b"POST", V1 + b"/mutable" + SI + b"/read-test-write", Calls.test_and_write,
           is_cbor=True, most=MAX_SLOT_BODY, secrets=LEASE | {ENABLER}),
    _route(b"GET", V1 + b"/mutable" + SI + b"/shares", Calls.list_mutable, is_cbor=True),
    _route(b"GET", V1 + b"/mutable" + SHARE, Calls.read_mutable),
    _route(b"POST", V1 + b"/mutable" + SHARE + b"/corrupt", Calls.advise_mutable,
           is_cbor=True, most=32768),
    _route(b"GET", OURS + b"/about", Calls.about, is_cbor=True),
    _route(b"POST", OURS + b"/leases", Calls.leases, most=MAX_RENEWALS_BODY),
]  # fmt: skip


def find_route(method: bytes, path: bytes) -> tuple[Route, Place]:
    """Return what a request is, and what its path names.

    :raises HttpError: there is no such path, or not for that method
    """
    others = False
    for route in ROUTES:
        found = route.pattern.fullmatch(path)
        if found and route.method == method:
            return route, _place(*found.groups())
        others = others or bool(found)
    raise HttpError(405 if others else 404, "there is nothing of that name")


def _place(index: bytes = b"", shnum: bytes = b"0") -> Place:
    try:
        storage_index = base32.a2b(index.decode("ascii"))
    except ValueError as e:
        raise HttpError(404, "that is no storage index") from e
    if int(shnum) >= MAX_SHARES:
        raise HttpError(404, "there is no such share")
    return Place(storage_index, int(shnum))


class Site(Factory):
    """Makes connections, and answers what comes over them.

    :param swissnum: what a client must know
    :param clock: an IReactorTime
    """

    noisy = False

    def __init__(self, server: StorageServer, swissnum: str, clock: Any) -> None:
        self._clock = clock
        self._allowed = authorization(swissnum)
        self._visitors = Visitors(clock)
        self._calls = Calls(server, self._visitors)
        self._connections: set[Connection] = set()
        self._sweep_call: IDelayedCall | None = None
        self._in_memory = 0
        self.num_requests = 0

    def buildProtocol(self, _: Any) -> Connection:  # noqa: N802
        """Return the protocol of one more connection."""
        return Connection(self, self._clock.seconds)

    # ---- requests ----------------------------------------------------------------------

    async def answer(self, request: Request) -> Answer:
        """Do what is asked for.

        :raises ClientGoneError: the client did not send all of it
        """
        self.num_requests += 1
        try:
            return await self._answer(request)
        except ClientGoneError:
            raise
        except GridError as e:
            status = _status(e)
            if status == 500:
                log.warn("a request fails: {error}", error=e.message)
            return _tell(status, e.message)
        except Exception:  # one request must not end the others
            log.failure("a request fails")
            return _tell(500, "the server failed")

    async def _answer(self, request: Request) -> Answer:
        shown = request.head.every(b"authorization")
        if len(shown) != 1 or not compare_digest(shown[0], self._allowed):
            raise HttpError(401, "who does not know the swissnum is not let in")
        route, place = find_route(request.method, request.path)
        if route.is_cbor:
            demand_takes_cbor(request.head.every(b"accept"))
        if route.is_cbor and route.method != b"GET":
            demand_cbor(request.head.only(b"content-type"))
        header = SECRET_HEADER.lower()
        secrets = parse_secrets(request.head.every(header), route.secrets)
        if route.most is None:
            return await route.call(self._calls, request, place, secrets)
        return await self._bounded(route.most, route.call, request, place, secrets)

    async def _bounded(
        self, most: int, call: Call, request: Request, place: Place, secrets: Any
    ) -> Answer:
        """Answer a request whose body is held in memory."""
        size = request.body.size
        if size > most:
            raise HttpError(413, f"a body of {size} bytes, at most {most} are taken")
        if self._in_memory + size > MOST_IN_MEMORY:
            raise HttpError(503, "too much comes at once; try again later")
        self._in_memory += size
        try:
            return await call(self._calls, request, place, secrets)
        finally:
            self._in_memory -= size

    # ---- connections -------------------------------------------------------------------

    def entered(self, connection: Connection) -> bool:
        """Take in a connection; where there are too many, an idle one goes."""
        if len(self._connections) >= MOST_CONNECTIONS:
            idle = next((one for one in self._connections if one.is_idle), None)
            if idle is None:
                return False
            idle.hang_up()
        self._connections.add(connection)
        if self._sweep_call is None:
            self._sweep_call = self._clock.callLater(SWEEP_S, self._sweep)
        return True

    def known(self, tubid: str, connection: Connection) -> None:
        """Take note of whose a connection is."""
        if connection in self._connections:
            self._visitors.came(tubid)

    def left(self, connection: Connection) -> None:
        """Forget a connection."""
        if connection not in self._connections:
            return
        self._connections.discard(connection)
        if connection.tubid:
            self._visitors.left(connection.tubid)
        if not self._connections and self._sweep_call is not None:
            self._sweep_call.cancel()
            self._sweep_call = None

    def _sweep(self) -> None:
        self._sweep_call = self._clock.callLater(SWEEP_S, self._sweep)
        now = self._clock.seconds()
        for connection in list(self._connections):
            if connection.is_overdue(now):
                connection.hang_up()


def _status(e: GridError) -> int:
    if isinstance(e, HttpError):
        return e.status
    for kind, status in STATUSES.items():
        if isinstance(e, kind):
            return status
    return 500


STATUSES = {
    BadShareError: 500,
    CorruptError: 400,  # of what was sent
    UsageError: 400,
    NotFoundError: 404,
    ConflictError: 409,
    NoSpaceError: 507,
}


def _tell(status: int, message: str) -> Answer:
    return Answer(status, message.encode("utf-8"), content_type=b"text/plain")
