"""One connection to a storage server: a request, its answer, then another."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IHandshakeListener
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from zope.interface import implementer

from allmydata.errors import CorruptError, ServerLostError, ServerRefusedError
from allmydata.grid.http.answer import Incoming, Response
from allmydata.grid.http.tls import Pin

SILENCE_S = 300.0  # with a request under way: a slow line may be busy with other servers


@implementer(IHandshakeListener)
class ClientConnection(Protocol):
    """A connection to one server; it is usable when ``ready`` fires.

    :param clock: an IReactorTime
    """

    transport: Any

    def __init__(self, pin: Pin, clock: Any) -> None:
        self.ready: Deferred[ClientConnection] = Deferred(lambda _: self.close())
        self.lost: Deferred[bool] = Deferred()  # fires with whether that is unexpected
        self.heard_at = 0.0  # seconds
        self.idle_since = 0.0
        self.is_usable = False
        self._pin = pin
        self._clock = clock
        self._asked_at = 0.0
        self._answer: Deferred[Response] | None = None
        self._incoming = Incoming(0)
        self._watch_call: IDelayedCall | None = None
        self._why = ""

    # ---- the life of a connection

    def handshakeCompleted(self) -> None:  # noqa: N802
        """Begin, if the server is who it should be."""
        if self.ready.called:
            return
        if not self._pin.fits(self.transport.getPeerCertificate()):
            self._why = "it shows another certificate than it should"
            self.close()
            return
        self.is_usable = True
        self.heard_at = self._clock.seconds()
        self.ready.callback(self)

    def close(self) -> None:
        """End it now; a request under way fails."""
        self.is_usable = False
        if self.transport is not None and not self.lost.called:
            self.transport.abortConnection()

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]  # noqa: N802
        """Hear that it has ended."""
        was_usable, self.is_usable = self.is_usable, False
        if self._watch_call is not None:
            self._watch_call.cancel()
            self._watch_call = None
        self.lost.callback(was_usable)
        if not self.ready.called:
            error = ServerLostError("a server could not be reached", why=self._why)
            self.ready.errback(error)
        if self._incoming.ends_with_connection and not self._why:
            self._finish()
        self._fail(ServerLostError("the connection to a server broke", why=self._why))

    # ---- a request

    def ask(self, head: bytes, body: list[Any], most: int) -> Deferred[Response]:
        """Send a request and return its answer; one at a time.

        :param body: parts, one behind the other; emptied, so that nobody who waits for
            the answer keeps them in memory
        :param most: the most bytes an answer's body may have
        :raises ServerLostError: the connection broke before the answer came
        :raises ServerRefusedError: what came is no answer, or too large
        """
        assert self._answer is None
        answer: Deferred[Response] = Deferred(lambda _: self.close())
        self._answer = answer
        self._incoming = Incoming(most)
        self._asked_at = self._clock.seconds()
        if self._watch_call is None:
            self._watch_call = self._clock.callLater(SILENCE_S, self._watch)
        self.transport.writeSequence([head, *body])
        body.clear()
        return answer

    def _watch(self) -> None:
        """Look whether the server is silent; goes on from one request to the next."""
        self._watch_call = None
        if self._answer is None:
            return
        since = max(self.heard_at, self._asked_at)
        left = since + SILENCE_S - self._clock.seconds()
        if left > 0:
            self._watch_call = self._clock.callLater(left, self._watch)
            return
        self._why = f"nothing came for {SILENCE_S:.0f} s"
        self.close()

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Hear some bytes of an answer."""
        self.heard_at = self._clock.seconds()
        if self._answer is None:
            return self.close()  # it says something that nobody asked for
        try:
            if self._incoming.feed(data):
                self._finish()
        except CorruptError as e:
            why = f"what it answers can't be understood: {e.message}"
            self._fail(
                ServerRefusedError("a server does not keep to the protocol", why=why)
            )
            self.close()
        return None

    def _finish(self) -> None:
        if not self._incoming.leaves_connection:
            self.close()
        answer, incoming = self._end(), self._incoming
        self._incoming = Incoming(0)
        self.idle_since = self._clock.seconds()
        if answer is not None and not answer.called:
            answer.callback(incoming.response())

    def _fail(self, error: Exception) -> None:
        answer = self._end()
        if answer is not None and not answer.called:
            answer.errback(error)

    def _end(self) -> Deferred[Response] | None:
        answer, self._answer = self._answer, None
        return answer
