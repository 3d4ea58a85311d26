"""One connection of a client, and what it may cost: bytes, silence, and a place.

Whoever has something to say may be slow at it, but not silent: each wait for a client has
an end, after which the connection is closed.  What is no request is answered as far as
that can be done, and what still comes is read for a while, so that the answer is seen:
a socket that is closed with bytes unread resets the connection, and takes it back.
Table of the limits: docs/webapi.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web import http

from allmydata.util.tls import RECEIVE
from allmydata.web.crowd import Crowd
from allmydata.web.request import Request

log = Logger()

IDLE_S = 60  # between two requests, and before the first
HEADERS_S = 30.0  # from the first byte of a request to the end of its headers
BODY_S = 300.0  # of silence, in the middle of a body
STALL_S = 900.0  # of a client that takes nothing of its reply
LINGER_S = 30.0  # for what still comes after an answer that did not wait for it

MAX_HEADERS_SIZE = 16384  # bytes, of the request line and all headers
MAX_NUM_HEADERS = 500

_GONE = Failure(ConnectionDone())


class Channel(http.HTTPChannel):
    """One connection of a client."""

    site: Any
    transport: Any
    requests: list[Request]
    totalHeadersSize = MAX_HEADERS_SIZE  # noqa: N815
    maxHeaders = MAX_NUM_HEADERS  # noqa: N815

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._headers_call: IDelayedCall | None = None
        self._stall_call: IDelayedCall | None = None
        self._rest_call: IDelayedCall | None = None
        self._silence_s = 0.0
        self._is_refused = self._is_lost = False

    @property
    def _crowd(self) -> Crowd:
        crowd: Crowd = self.site.crowd
        return crowd

    # ---- the life of a connection

    def connectionMade(self) -> None:  # noqa: N802
        """Take a place, if need be that of somebody who does not use it."""
        super().connectionMade()  # type: ignore[no-untyped-call]
        self.transport.bufferSize = RECEIVE
        if not self._crowd.enter(self):
            self._is_refused = True
            self.transport.write(_answer(503, "too many requests; try again later"))
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure = _GONE) -> None:  # noqa: N802
        """Give up the place, and whatever was done for this client."""
        self._is_lost = True
        self._crowd.leave(self)
        for call in (self._headers_call, self._stall_call, self._rest_call):
            _cancel(call)
        super().connectionLost(reason)  # type: ignore[no-untyped-call]

    def make_room(self) -> None:
        """Close a connection on which nothing is asked for."""
        self.transport.abortConnection()

    # ---- what comes in

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Hear some bytes; those of a request's headers must all come soon."""
        if self._is_refused:
            return
        self._silence_s = 0.0
        if self.line_mode and self._headers_call is None:
            self._headers_call = self._later(HEADERS_S, self._end_headers)
        super().dataReceived(data)  # type: ignore[no-untyped-call]

    def headerReceived(self, line: bytes) -> bool:  # noqa: N802
        """Take a header."""
        try:
            taken: bool = super().headerReceived(line)  # type: ignore[no-untyped-call]
        except ValueError:  # a length of thousands of digits
            self._respondToBadRequestAndDisconnect()
            return False
        return taken

    def allHeadersReceived(self) -> None:  # noqa: N802
        """Tell the request what it is before it hears of its body."""
        _cancel(self._headers_call)
        self._headers_call = None
        if len(self.requests[-1].requestHeaders.getRawHeaders("host", [])) > 1:
            return self._respondToBadRequestAndDisconnect()
        self._crowd.is_busy(self)
        self.requests[-1].begun(self._command, self._path, self._version)
        super().allHeadersReceived()  # type: ignore[no-untyped-call]
        # from here on the client does not wait for our word any more
        self.requests[-1].requestHeaders.removeHeader("expect")
        return None

    def allContentReceived(self) -> None:  # noqa: N802
        """Hear that a body is complete."""
        if self._is_refused:
            return
        _cancel(self._rest_call)
        self._rest_call = None
        super().allContentReceived()  # type: ignore[no-untyped-call]

    def requestDone(self, request: Request) -> None:  # noqa: N802
        """Hear that a request is answered."""
        self._crowd.is_idle(self)
        super().requestDone(request)  # type: ignore[no-untyped-call]

    # ---- what goes out

    def pauseProducing(self) -> None:  # noqa: N802
        """Wait for a client to take what it asked for."""
        super().pauseProducing()  # type: ignore[no-untyped-call]
        self._watch()

    def resumeProducing(self) -> None:  # noqa: N802
        """Go on: it took all there was."""
        _cancel(self._stall_call)
        self._stall_call = None
        super().resumeProducing()  # type: ignore[no-untyped-call]

    def loseConnection(self) -> None:  # noqa: N802
        """Close when everything was taken, which must not last for ever either."""
        self._watch()
        super().loseConnection()  # type: ignore[no-untyped-call]

    def _watch(self) -> None:
        if self._stall_call is None and not self._is_lost:
            self._stall_call = self._later(STALL_S, self._abort)

    # ---- ends of patience

    def timeoutConnection(self) -> None:  # noqa: N802
        """Hang up on a silent client, unless it is we who hold it back.

        One that takes a reply slowly has nothing to say meanwhile, and one that sends a
        body may be silent for longer.
        """
        request = self.requests[-1] if self.requests else None
        is_held = self._waitingForTransport or (request is not None and request.is_held)
        if request is not None and request.is_receiving and not is_held:
            self._silence_s += IDLE_S
            if self._silence_s >= BODY_S:
                return self._refuse(408, f"nothing of the body came for {BODY_S:.0f} s")
        elif not is_held:
            return super().timeoutConnection()  # type: ignore[no-any-return,no-untyped-call]
        self.setTimeout(IDLE_S)  # type: ignore[no-untyped-call]
        return None

    def wait_for_rest(self) -> None:
        """Read what nobody wants of a body, for a while, and close if it has no end."""
        if self._rest_call is None and not self._is_lost:
            self._rest_call = self._later(LINGER_S, self._abort)

    def _end_headers(self) -> None:
        self._refuse(408, f"the headers did not end within {HEADERS_S:.0f} s")

    def _later(self, seconds: float, act: Callable[[], None]) -> IDelayedCall:
        call: IDelayedCall = self.callLater(seconds, act)  # type: ignore[no-untyped-call]
        return call

    def _abort(self) -> None:
        log.info("a client that does not go on is hung up on")
        self.transport.abortConnection()

    # ---- what is no request

    def lineLengthExceeded(self, line: bytes) -> None:  # noqa: N802
        """Hear that a line has no end."""
        self._refuse_headers()

    def _respondToBadRequestAndDisconnect(self) -> None:  # noqa: N802
        is_large = self._receivedHeaderSize > self.totalHeadersSize
        if is_large or self._receivedHeaderCount > self.maxHeaders:
            self._refuse_headers()
        else:
            self._refuse(400, "this is no request of HTTP/1.1")

    def _refuse_headers(self) -> None:
        most = f"{MAX_HEADERS_SIZE} bytes and {MAX_NUM_HEADERS} headers"
        self._refuse(431, f"a request's line and headers have at most {most}")

    def _refuse(self, status: int, words: str) -> None:
        """Answer, unless an answer has begun, and hear nothing more from this client."""
        if self._is_refused:
            return
        self._is_refused = True
        requests, self.requests = self.requests, []
        is_answered = any(request.startedWriting for request in requests)
        if not is_answered:
            self.transport.write(_answer(status, words))
        for request in requests:
            request.connectionLost(_GONE)
        self._shut()

    def _shut(self) -> None:
        """End our side; the connection ends with the client's, or after a while."""
        self.clearLineBuffer()  # type: ignore[no-untyped-call]
        self.setTimeout(None)  # type: ignore[no-untyped-call]
        _cancel(self._headers_call)
        self.wait_for_rest()
        if hasattr(self.transport, "loseWriteConnection"):  # TLS can't close one side only
            self.transport.loseWriteConnection()


def _answer(status: int, words: str) -> bytes:
    reason = http.RESPONSES.get(status, b"Refused")
    head = f"Content-Type: text/plain\r\nContent-Length: {len(words)}\r\nConnection: close"
    return b"HTTP/1.1 %d %s\r\n" % (status, reason) + f"{head}\r\n\r\n{words}".encode()


def _cancel(call: IDelayedCall | None) -> None:
    if call is not None and call.active():
        call.cancel()
