"""TLS for much data: fewer, larger steps between the cipher and the socket than Twisted's.

Twisted hands each record of 16 KiB on by itself and gathers small writes until the next
turn of the reactor.  Whoever writes a head and a megabyte behind it wants neither.
"""

from __future__ import annotations

from typing import Any

from OpenSSL.SSL import Error, WantReadError
from twisted.internet.protocol import Factory
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure

RECORD = 2**14  # OpenSSL takes no more of one write
STEP = 2**18  # bytes that are encrypted before they are handed on
TAKE = STEP + 2**15  # that many, encrypted, and a little more
RECEIVE = 2**18  # bytes read from a socket at a time
SEND = 2**20


class BulkTLS(TLSMemoryBIOProtocol):
    """The transport of a protocol that speaks TLS."""

    transport: Any

    def writeSequence(self, iovec: Any) -> None:  # noqa: N802
        """Send each part; they are not joined, which would copy them."""
        for part in iovec:
            self.write(part)  # type: ignore[no-untyped-call]

    def _write(self, data: Any) -> None:
        view = memoryview(data)
        for at in range(0, len(view), STEP):
            if self._lostTLSConnection:
                return
            if not self._encrypt(view[at : at + STEP]):
                self._bufferedWrite(bytes(view[at:]))  # type: ignore[no-untyped-call]
                return
            self._hand_on()

    def _encrypt(self, view: memoryview) -> bool:
        """Return whether it was taken; all is, or none: before the handshake is done."""
        at = 0
        while at < len(view):
            try:
                at += self._tlsConnection.send(view[at : at + RECORD])
            except WantReadError:
                return False
            except Error:
                self._tlsShutdownFinished(Failure())  # type: ignore[no-untyped-call]
                return True
        return True

    def _hand_on(self) -> None:
        while not self._lostTLSConnection:
            try:
                data = self._tlsConnection.bio_read(TAKE)
            except WantReadError:
                return
            self.transport.write(data)
            if len(data) < TAKE:
                return


class BulkTLSFactory(TLSMemoryBIOFactory):
    """Makes them.

    :param creator: an IOpenSSLServerConnectionCreator, or one for a client
    """

    protocol = BulkTLS
    noisy = False

    def __init__(self, creator: Any, is_client: bool, factory: Factory[Any]) -> None:
        super().__init__(creator, is_client, factory)


def widen(transport: Any) -> None:
    """Let a TCP transport take and give more at a time."""
    transport.bufferSize, transport.SEND_LIMIT = RECEIVE, SEND
