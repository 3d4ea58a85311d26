"""HTTP as this gateway speaks it: bodies stream in, and errors may come before their end.

``twisted.web`` keeps a whole body in memory or in a temporary file before anybody
sees the request.  Here whoever answers may ask for the body as it comes
(:meth:`Request.pour_into`), and nobody keeps what nobody asked for.

A reply has its place after the body.  One that is ready earlier, because an upload
failed, waits for the rest of a short body, so that the connection can go on.  For a
long one it is sent at once, the rest is thrown away, and the connection is closed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web import http
from twisted.web.http_headers import Headers

from allmydata import __version__
from allmydata.errors import CancelledError, UsageError
from allmydata.util.deferreds import Gate, log_failure, start
from allmydata.web.errors import HTTPError
from allmydata.web.reply import Reply
from allmydata.web.session import Standing

log = Logger()

SHORT = 2**16  # bytes of a body that are waited for rather than close the connection


class Receiver(Protocol):
    """Where a body goes."""

    def write(self, data: bytes) -> Deferred[None] | None:
        """Take the next bytes; no more come before the Deferred, if any, has fired."""

    def finish(self) -> None:
        """Hear that the body is complete."""


Answer = Callable[["Request"], Awaitable[Reply | None]]


class Router(Protocol):
    """Who knows what answers which request."""

    def find(self, request: Request) -> Answer:
        """Return what answers *request*, of which everything but the body is there."""

    def wants_body(self, request: Request) -> bool:
        """Return whether the answer begins before the body has come."""

    def explain(self, request: Request, error: BaseException) -> Reply:
        """Return what to answer when *error* ended a request."""


class Request(http.Request):
    """One request: its arguments, its body as it comes, and the one reply to it.

    ``standing`` tells who asks, once the router has looked.
    """

    standing = Standing.NOBODY

    def __init__(self, channel: Any, *_: Any) -> None:
        super().__init__(channel)
        self._router: Router = channel.site.router
        self._work: Deferred[None] | None = None
        self._receiver: Receiver | None = None
        self._reply: Reply | None = None
        self._num_holds = 0  # chunks that a receiver has not coped with yet
        self._has_body = False  # whether all of the body has come
        self._is_answered = False  # whether the answer is known
        self._length: int | None = 0
        self._num_unwanted = 0  # bytes of a body that came without being asked for

    # ---- for those who answer

    @property
    def segments(self) -> list[str]:
        """The words of the path between its slashes, percent-decoded.

        :raises UsageError: they are not UTF-8
        """
        try:
            return [unquote_to_bytes(w).decode() for w in self.path.split(b"/")[1:]]
        except UnicodeDecodeError:
            raise UsageError("the path is not UTF-8") from None

    def argument(self, name: str) -> str | None:
        """Return the first value that the query, or else a form, gives *name*.

        :raises UsageError: it is not UTF-8
        """
        values = self.args.get(name.encode(), [])
        try:
            return values[0].decode() if values else None
        except UnicodeDecodeError:
            raise UsageError(f"the argument {name} is not UTF-8") from None

    def header(self, name: str) -> str | None:
        """Return the last value of a header."""
        value = self.getHeader(name.encode())
        return None if value is None else value.decode("latin-1")

    @property
    def body_size(self) -> int | None:
        """Bytes of the body, if the headers say."""
        return self._length

    def pour_into(self, receiver: Receiver) -> None:
        """Give *receiver* the body as it comes, and no faster than it copes."""
        self._receiver = receiver

    async def read_body(self, limit: int) -> bytes:
        """Wait for the whole body; nothing else may have been waited for before.

        :raises HTTPError: it has more than *limit* bytes
        """
        body = _Body(limit)
        self.pour_into(body)
        return await body.whole()

    def begin(self, head: Reply) -> None:
        """Make *head* the status and headers that the first byte of a body takes along."""
        connection = self.responseHeaders.getRawHeaders("connection", [])
        self.responseHeaders = Headers(
            {
                "Server": [f"allmydata/{__version__}"],
                "Date": [http.datetimeToString()],
                "X-Frame-Options": ["DENY"],
                "Referrer-Policy": ["no-referrer"],
                "X-Content-Type-Options": ["nosniff"],
                "Content-Type": [head.content_type],
            }
        )
        if not head.is_streamed:
            size = len(head.body) if head.size is None else head.size
            self.responseHeaders.setRawHeaders("content-length", [str(size)])
        if connection:
            self.responseHeaders.setRawHeaders("connection", connection)
        for name, value in head.headers.items():
            self.responseHeaders.setRawHeaders(name.encode(), [_octets(value)])
        self.setResponseCode(head.status)

    # ---- what the channel calls

    def begun(self, command: bytes, path: bytes, version: bytes) -> None:
        """Hear the request line; all headers have come."""
        self.method, self.uri, self.clientproto = command, path, version
        self.path, _, query = path.partition(b"?")
        self.args = parse_query(query)

    def gotLength(self, length: int | None) -> None:  # noqa: N802
        """Hear how long the body will be; None means chunked."""
        self._length = length
        if self._router.wants_body(self) or (length or 0) > SHORT:
            self._start()

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
        """Hear a piece of the body."""
        if self._work is None:
            self._num_unwanted += len(data)
            if self._num_unwanted > SHORT:
                self._start()
        if self._receiver is None or self._is_answered:
            return
        waiting = self._receiver.write(data)
        if waiting is not None:
            log_failure(start(self._hold(waiting)), log, "pausing a client")

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:  # noqa: N802
        """Hear that the body is complete."""
        self._has_body = True
        if self._work is None:
            self._start()
        elif self._is_answered:
            self._conclude()
        elif self._receiver is not None:
            self._receiver.finish()

    def connectionLost(self, reason: Failure) -> None:  # noqa: N802
        """Hear that the client has gone: whatever is done for it ends."""
        super().connectionLost(reason)  # type: ignore[no-untyped-call]
        if self._work is not None:
            self._work.cancel()

    @property
    def is_receiving(self) -> bool:
        """Whether a body is coming in that somebody wants, at whatever pace."""
        return self._receiver is not None and not (self._has_body or self._is_answered)

    @property
    def is_held(self) -> bool:
        """Whether the client is kept from sending more, until what came is dealt with."""
        return self._num_holds > 0

    # ---- inside

    def _start(self) -> None:
        self._work = start(self._serve())
        log_failure(self._work, log, "answering a request")

    async def _serve(self) -> None:
        try:
            self._check_body()
            self._reply = await self._router.find(self)(self)
        except (CancelledError, defer.CancelledError):
            return self._cut()
        except Exception as e:
            self._reply = self._router.explain(self, e)
            if self.startedWriting:
                log.info("a reply was cut short: {error}", error=e)
                return self._cut()
        self._is_answered = True
        if not self._disconnected:
            self._conclude()
        return None

    def _check_body(self) -> None:
        """Refuse a long body that nobody has a use for.

        :raises HTTPError: it is one
        """
        if not self._has_body and not self._router.wants_body(self):
            raise HTTPError(413, "no body goes with this method")

    def _conclude(self) -> None:
        """Send the reply if its time has come, and finish after the body."""
        if self._has_body:
            self._send()
            return self.finish()  # type: ignore[no-any-return,no-untyped-call]
        self.channel.wait_for_rest()  # type: ignore[attr-defined]
        if self._is_hopeless():
            self._send_early()
        return None

    def _is_hopeless(self) -> bool:
        """Return whether it was an error, and much of the body may be yet to come."""
        is_error = self._reply is not None and self._reply.status >= 400
        return is_error and (self._length is None or self._length > SHORT)

    def _send(self) -> None:
        reply, self._reply = self._reply, None
        if reply is not None:
            self.begin(reply)
            self.write(reply.body)  # type: ignore[no-untyped-call]

    def _send_early(self) -> None:
        self.responseHeaders.setRawHeaders("connection", ["close"])
        self.channel.persistent = 0
        self._send()
        if self.requestHeaders.hasHeader("expect"):
            # the client still waits for our word before it sends the body: this was it
            self.requestHeaders.removeHeader("expect")
            self.channel.loseConnection()

    def _cut(self) -> None:
        """End the connection early: the client must not think that it has the whole."""
        self._is_answered = True
        if not self._disconnected:
            if self.producer is not None:
                self.unregisterProducer()  # type: ignore[no-untyped-call]
            self.channel.loseConnection()

    async def _hold(self, waiting: Deferred[None]) -> None:
        transport = IPushProducer(self.transport)
        self._num_holds += 1
        transport.pauseProducing()
        try:
            await waiting
        finally:
            self._num_holds -= 1
            if not self._num_holds:
                transport.resumeProducing()


class _Body:
    """A short body, kept until all of it has come."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pieces: list[bytes] = []
        self._size = 0
        self._has_all = Gate()

    async def whole(self) -> bytes:
        """Wait for its end, or until it is too long."""
        await self._has_all.wait()
        if self._size > self._limit:
            raise HTTPError(
                413, f"the body is too long: at most {self._limit} bytes go here"
            )
        return b"".join(self._pieces)

    def write(self, data: bytes) -> None:
        """Keep the next bytes."""
        self._size += len(data)
        if self._size > self._limit:
            self._pieces.clear()
            self._has_all.open()
        else:
            self._pieces.append(data)

    def finish(self) -> None:
        """Hear that this was all."""
        self._has_all.open()


def parse_query(query: bytes) -> dict[bytes, list[bytes]]:
    """Return each argument's values, percent-decoded, in their order."""
    found: dict[bytes, list[bytes]] = {}
    for item in filter(None, query.split(b"&")):
        name, _, value = item.replace(b"+", b" ").partition(b"=")
        found.setdefault(unquote_to_bytes(name), []).append(unquote_to_bytes(value))
    return found


def _octets(value: str | bytes) -> bytes:
    return value.encode("latin-1") if isinstance(value, str) else value
