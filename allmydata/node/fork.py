"""One port for two protocols: who begins as foolscap does gets foolscap, others TLS.

The first eight bytes tell: a Tub that connects says ``GET /id/`` before anything else, and
TLS begins with a byte that is no letter.  Protocol: docs/protocols/https.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakSet

from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.python.failure import Failure

from allmydata.util.tls import widen

FOOLSCAP = b"GET /id/"
PATIENCE_S = 30.0  # for these bytes


class Fork(ServerFactory):
    """Stands before a Tub on its port.

    :param foolscap: the Tub's own factory
    :param https: returns that of connections in TLS; None while there is none
    :param clock: an IReactorTime
    """

    noisy = False

    def __init__(self, foolscap: Any, https: Callable[[], Any], clock: Any) -> None:
        self.foolscap = foolscap
        self.https = https
        self.clock = clock
        self.transports: set[Any] = set()  # of those that have said nothing yet
        self.peers: WeakSet[Any] = WeakSet()  # of those that were given to the Tub

    def buildProtocol(self, addr: Any) -> Peek:  # noqa: N802
        """Return what listens to the first bytes."""
        return Peek(self, addr)


class Peek(Protocol):
    """A connection that has not said yet what it is."""

    transport: Any

    def __init__(self, fork: Fork, addr: Any) -> None:
        self._fork = fork
        self._addr = addr
        self._begun = b""
        self._call: IDelayedCall | None = None

    def connectionMade(self) -> None:  # noqa: N802
        """Wait for what it says, for a while."""
        self._fork.transports.add(self.transport)
        self._call = self._fork.clock.callLater(
            PATIENCE_S, lambda: self.transport.abortConnection()
        )

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]  # noqa: N802
        """Hear that it is gone."""
        self._stop_waiting()

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Hear some bytes, and give the connection to whom it is for."""
        self._begun += data
        head = self._begun[: len(FOOLSCAP)]
        if len(head) < len(FOOLSCAP) and FOOLSCAP.startswith(head):
            return
        self._stop_waiting()
        if head == FOOLSCAP:
            self._fork.peers.add(self.transport)
            self._give(self._fork.foolscap.buildProtocol(self._addr))
            return
        https = self._fork.https()
        if https is None:
            self.transport.abortConnection()
            return
        widen(self.transport)
        self._give(https.buildProtocol(self._addr))

    def _give(self, protocol: Any) -> None:
        begun, self._begun = self._begun, b""
        self.transport.protocol = protocol
        protocol.makeConnection(self.transport)
        protocol.dataReceived(begun)

    def _stop_waiting(self) -> None:
        self._fork.transports.discard(self.transport)
        if self._call is not None and self._call.active():
            self._call.cancel()
