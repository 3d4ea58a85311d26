"""One connection of a client: requests come in and are answered in their order.

A request is begun when its head is there, and its body read as it comes; the next one is
looked at when the answer before it is on its way and the client takes what it is sent.
Every wait for a client has an end.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from http import HTTPStatus
from typing import Any, Protocol

from attrs import field, frozen
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from allmydata.errors import CorruptError
from allmydata.formats import http1
from allmydata.formats.gbs import BYTES
from allmydata.storage.http.body import Body, ClientGoneError
from allmydata.storage.http.tls import client_tubid
from allmydata.util.deferreds import Gate, log_failure, start

log = Logger()

HEAD_S = 30.0  # from connecting, or a request's first byte, to the end of its head
SILENCE_S = 60.0  # in the middle of a body, or of a client that takes nothing of an answer
IDLE_S = 300.0  # between two requests
MAX_UNREAD = 2**20  # bytes of a body that nobody wants, read so that the answer is seen
PIECE = 2**20  # bytes of an answer that are read from the disk at a time
SMALL = 2**14  # bytes of a body that are sent together with its head
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@frozen
class Answer:
    """What is answered.

    :param body: all of it
    :param read: where the body is not in memory: returns so many bytes from an offset
    :param span: the first byte of that, and the one behind the last
    """

    status: int
    body: bytes = field(default=b"", repr=False)
    headers: tuple[tuple[bytes, bytes], ...] = ()
    read: Callable[[int, int], Awaitable[bytes]] | None = None
    span: tuple[int, int] = (0, 0)
    content_type: bytes = BYTES

    @property
    def size(self) -> int:
        """Bytes of its body."""
        return self.span[1] - self.span[0] if self.read else len(self.body)


@frozen
class Request:
    """What a client asks for."""

    method: bytes
    path: bytes = field(repr=False)
    head: http1.Head = field(repr=False)
    body: Body = field(repr=False)
    tubid: str  # of the client; empty if it did not say


class Site(Protocol):
    """Who answers."""

    def entered(self, connection: Connection) -> bool:
        """Take note of a connection; return whether there is room for it."""

    def left(self, connection: Connection) -> None:
        """Take note that it is gone."""

    def known(self, tubid: str, connection: Connection) -> None:
        """Take note of whose it is."""

    async def answer(self, request: Request) -> Answer:
        """Do what is asked for; raises ClientGoneError and nothing else."""


@implementer(IPushProducer)
class Connection(TwistedProtocol):
    """One client's connection, in TLS."""

    transport: Any

    def __init__(self, site: Site, seconds: Callable[[], float]) -> None:
        self._site = site
        self._seconds = seconds
        self._unparsed = b""
        self._body: Body | None = None
        self._is_answering = self._is_lost = self._is_closing = False
        self._is_going = self._is_paused = False
        self._takes = Gate()  # open while the client takes what it is sent
        self._takes.open()
        self._since = seconds()
        self._served = 0
        self.tubid = ""

    # ---- the life of a connection

    def connectionMade(self) -> None:  # noqa: N802
        """Wait for what the client says."""
        self.transport.registerProducer(self, True)
        if not self._site.entered(self):
            self.hang_up()

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]  # noqa: N802
        """Let go of what was done for the client."""
        self._is_lost = True
        self._site.left(self)
        self._takes.open()
        if self._body:
            self._body.lose()

    def hang_up(self) -> None:
        """Close at once."""
        self._is_closing = True
        if not self._is_lost:
            self.transport.abortConnection()

    @property
    def is_idle(self) -> bool:
        """Tell whether nothing is asked for."""
        return not (self._is_answering or self._unparsed or self._body)

    def is_overdue(self, now: float) -> bool:
        """Tell whether the client lets us wait for too long."""
        silent = now - self._since
        if not self._takes.is_open or (self._body and not self._body.is_over):
            is_held = self._takes.is_open and self._body is not None and self._body.is_held
            return not is_held and silent > SILENCE_S
        if self._is_answering:
            return False
        return silent > (IDLE_S if self._served and not self._unparsed else HEAD_S)

    # ---- what comes in

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Hear some bytes."""
        if self._is_closing:
            return
        body = self._body
        if body is not None and not body.is_over:
            self._since = self._seconds()
            data = body.feed(data)
            # whoever waited for it may have answered by now
            if self._body is body and body.is_over and not self._is_answering:
                self._next()  # the end of a body that nobody wanted
        if not data:
            return
        if not self._unparsed:
            self._since = self._seconds()
        self._unparsed += data
        if self._is_answering or self._body is not None:
            if len(self._unparsed) > http1.MAX_HEAD:
                self._pause(True)
        else:
            self._go_on()

    def _go_on(self) -> None:
        """Begin one request after another, as long as their heads are there.

        In a loop: one that is answered at once calls this from within.
        """
        if self._is_going:
            return
        self._is_going = True
        while self._unparsed and self.is_free and self._begin():
            pass
        self._is_going = False

    @property
    def is_free(self) -> bool:
        """Tell whether another request may begin."""
        return not (self._is_answering or self._body or self._is_closing)

    def _begin(self) -> bool:
        head, end, rest = self._unparsed.partition(http1.END)
        if len(head) > http1.MAX_HEAD:
            self._refuse(431)
        if not end:
            return False
        self._unparsed = b""
        try:
            request = self._read(http1.parse_request(head))
        except CorruptError:
            self._refuse(400)
            return False
        if request is None:
            self._refuse(411)
            return False
        self._is_answering = True
        if rest:
            self.dataReceived(rest)
        log_failure(start(self._serve(request)), log, "answering a client")
        return True

    def _read(self, head: http1.Head) -> Request | None:
        method, path, _ = head.start
        if head.every(b"transfer-encoding"):
            return None
        size = head.body_size or 0
        self._body = Body(size, self._hold)
        if size and head.only(b"expect") and not self._unparsed:
            self.transport.write(CONTINUE)
        if not self.tubid:
            self.tubid = client_tubid(self.transport)
            if self.tubid:
                self._site.known(self.tubid, self)
        return Request(method, path, head, self._body, self.tubid)

    def _hold(self, is_held: bool) -> None:
        if self._is_lost:
            return
        self._since = self._seconds()
        self._pause(is_held)

    def _pause(self, is_paused: bool) -> None:
        if is_paused != self._is_paused:
            self._is_paused = is_paused
            act = "pauseProducing" if is_paused else "resumeProducing"
            getattr(self.transport, act)()

    # ---- what goes out

    async def _serve(self, request: Request) -> None:
        try:
            answer = await self._site.answer(request)
            await self._send(request, answer)
        except ClientGoneError:
            return
        finally:
            self._is_answering = False
        self._served += 1
        self._since = self._seconds()
        request.body.drop()
        if self._is_lost:
            return
        if not request.head.keeps_alive or self._has_too_much(request.body):
            self._close()
        elif request.body.is_over:
            self._next()

    def _has_too_much(self, body: Body) -> bool:
        return not body.is_over and body.size > MAX_UNREAD

    async def _send(self, request: Request, answer: Answer) -> None:
        if self._is_lost:
            return
        head = _head(answer, request.head.keeps_alive)
        if answer.read is None:
            whole = len(answer.body) < SMALL
            parts = [head + answer.body] if whole else [head, answer.body]
            self.transport.writeSequence(parts)
        else:
            await self._send_pieces(head, answer.read, *answer.span)
        await self._takes.wait()

    async def _send_pieces(
        self, head: bytes, read: Callable[[int, int], Awaitable[bytes]], at: int, end: int
    ) -> None:
        while at < end and not self._is_lost:
            try:
                piece = await read(at, min(PIECE, end - at))
            except (
                Exception
            ) as e:  # its status is told already: all that is left is to stop
                log.warn("an answer breaks off: {error}", error=e)
                piece = b""
            if not piece:
                return self.hang_up()
            self.transport.writeSequence([head, piece])
            head, at = b"", at + len(piece)
            await self._takes.wait()
        return None

    def _next(self) -> None:
        self._body = None
        self._pause(False)
        if self._unparsed:
            self._since = self._seconds()
            self._go_on()

    def _refuse(self, status: int) -> None:
        self.transport.write(_head(Answer(status), False))
        self._close()

    def _close(self) -> None:
        self._is_closing = True
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    # ---- whether the client takes it

    def pauseProducing(self) -> None:  # noqa: N802
        """Hear that the client takes nothing more for now."""
        self._takes.shut()
        self._since = self._seconds()

    def resumeProducing(self) -> None:  # noqa: N802
        """Hear that it took all there was."""
        self._since = self._seconds()
        self._takes.open()

    def stopProducing(self) -> None:  # noqa: N802
        """Hear that it is gone; :meth:`connectionLost` follows."""


def _head(answer: Answer, keeps_alive: bool) -> bytes:
    headers = [(b"Content-Length", b"%d" % answer.size), *answer.headers]
    if answer.status == 204:  # it has neither body nor length
        headers = list(answer.headers)
    elif answer.size:
        headers.append((b"Content-Type", answer.content_type))
    if not keeps_alive:
        headers.append((b"Connection", b"close"))
    return http1.pack_head(_status_line(answer.status), headers)


@cache
def _status_line(status: int) -> bytes:
    return b"HTTP/1.1 %d %b" % (status, HTTPStatus(status).phrase.encode("ascii"))
