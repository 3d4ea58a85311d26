"""TLS for much data: fewer, larger steps between the cipher and the socket than Twisted's.

Twisted hands each record of 16 KiB on by itself and gathers small writes until the next
turn of the reactor.  Whoever writes a head and a megabyte behind it wants neither.
"""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.bindings.openssl.binding import Binding
from OpenSSL.SSL import Connection, Context, Error, WantReadError
from twisted.internet.protocol import Factory
from twisted.protocols.policies import ProtocolWrapper
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure

CHUNK = 2**16  # bytes that OpenSSL is given at a time: it keeps room for the most there was
STEP = 2**18  # bytes that are encrypted before they are handed on
TAKE = STEP + 2 * CHUNK  # that many, encrypted, and a little more
RECEIVE = 2**18  # bytes read from a socket at a time
SEND = 2**18
JOINED = 2**14  # bytes: what is no more together goes out together
_lib, _ffi = Binding.lib, Binding.ffi
_received = _ffi.new("char[]", RECEIVE)  # of whichever connection is being read
_sealed = _ffi.new("char[]", TAKE)  # and written


def take_all(context: Context) -> None:
    """Let a connection encrypt all it is given in one call, not a record of 16 KiB.

    pyOpenSSL chooses the other for sockets, where a write may block; here it goes to
    memory.  Without its insides, or OpenSSL's, all works as before.
    """
    inner = getattr(context, "_context", None)
    if inner is not None and hasattr(_lib, "SSL_CTX_clear_mode"):
        _lib.SSL_CTX_clear_mode(inner, _lib.SSL_MODE_ENABLE_PARTIAL_WRITE)


def decrypt(connection: Connection, size: int = 0) -> tuple[int, bool]:
    """Decrypt what there is, behind *size* bytes that were decrypted before.

    Many records in one piece: each handed on by itself costs more than its decryption.
    Where nothing comes though there should, OpenSSL's own read tells why.

    :return: the bytes in :data:`_received` now, 256 KiB at the most, and whether there is
        no more yet
    """
    inner, got = getattr(connection, "_ssl", None), 0
    while inner is not None and size < RECEIVE:
        got = _lib.SSL_read(inner, _received + size, RECEIVE - size)
        if got <= 0:
            break
        size += got
    is_all = got < 0 and _lib.SSL_get_error(inner, got) == _lib.SSL_ERROR_WANT_READ
    return size, is_all


def take_sealed(connection: Connection, size: int = 0) -> int:
    """Take what was encrypted, behind *size* bytes that were taken before.

    :return: the bytes in :data:`_sealed` now, :data:`TAKE` at the most
    """
    inner = getattr(connection, "_from_ssl", None)
    if inner is not None:
        return size + max(0, int(_lib.BIO_read(inner, _sealed + size, TAKE - size)))
    try:
        data = connection.bio_read(TAKE - size)
    except WantReadError:
        return size
    _ffi.memmove(_sealed + size, data, len(data))
    return size + len(data)


def send_now(tcp: Any, data: Any) -> int:
    """Send what the system takes at once, where nothing waits before it.

    Twisted would copy it twice, and wait for the next turn of the reactor.

    :return: the number of bytes sent; a connection that is broken takes none, and says so
        when it is asked to write the rest
    """
    is_idle = (
        not getattr(tcp, "_tempDataBuffer", True)
        and tcp.offset == len(tcp.dataBuffer)
        and tcp.connected
        and not tcp.disconnecting
    )
    try:
        return int(tcp.socket.send(data)) if is_idle else 0
    except OSError:
        return 0


class BulkTLS(TLSMemoryBIOProtocol):
    """The transport of a protocol that speaks TLS."""

    transport: Any
    _num_decrypted = 0  # bytes that wait to be handed on, while they come

    def writeSequence(self, iovec: Any) -> None:  # noqa: N802
        """Send each part; large ones are not joined, which would copy them."""
        parts = list(iovec)
        if sum(map(len, parts)) <= JOINED:
            parts = [b"".join(parts)]
        if self._producer is not None or not self.disconnecting:
            self._write_parts(parts)

    def _write(self, data: Any) -> None:
        self._write_parts([data])

    def _write_parts(self, parts: list[Any]) -> None:
        """Encrypt *parts* as one, in chunks, and hand it on in larger steps."""
        size = 0
        for part in parts:
            left = memoryview(part)
            while left and not self._lostTLSConnection:
                if not self._encrypt(left[:CHUNK]):
                    self._bufferedWrite(bytes(left))  # type: ignore[no-untyped-call]
                    break
                left = left[CHUNK:]
                size = take_sealed(self._tlsConnection, size)
                if size >= STEP:
                    self._send(size)
                    size = 0
        if size:
            self._send(size)
        self._hand_on()

    def _encrypt(self, view: memoryview) -> bool:
        """Return whether it was taken; all is, or none: before the handshake is done."""
        at = 0
        while at < len(view):
            try:
                at += self._tlsConnection.send(view[at:])
            except WantReadError:
                return False
            except Error:
                self._tlsShutdownFinished(Failure())  # type: ignore[no-untyped-call]
                return True
        return True

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Decrypt what came, in chunks; all of it is handed on with the last."""
        left, size = memoryview(data), 0
        while len(left) > CHUNK and self._handshakeDone and not self._appSendBuffer:
            self._tlsConnection.bio_write(left[:CHUNK])
            left = left[CHUNK:]
            size, _ = decrypt(self._tlsConnection, size)
        self._num_decrypted = size
        super().dataReceived(left)  # type: ignore[no-untyped-call]

    def _flushReceiveBIO(self) -> None:  # noqa: N802
        """Hand on what was decrypted, in large pieces; Twisted does the rest."""
        size, is_all = 1, False
        while size and not (is_all or self._lostTLSConnection or self._aborted):
            size, is_all = decrypt(self._tlsConnection, self._num_decrypted)
            self._num_decrypted = 0
            if size:
                ProtocolWrapper.dataReceived(self, bytes(_ffi.buffer(_received, size)))
        if is_all:
            self._flushSendBIO()
        else:
            super()._flushReceiveBIO()  # type: ignore[no-untyped-call]

    def _flushSendBIO(self) -> None:  # noqa: N802
        self._hand_on()

    def _hand_on(self) -> None:
        while not self._lostTLSConnection:
            size = take_sealed(self._tlsConnection)
            if not size:
                return
            self._send(size)

    def _send(self, size: int) -> None:
        sealed = _ffi.buffer(_sealed, size)
        sent = send_now(self.transport, sealed)
        if sent < size:
            self.transport.write(bytes(sealed[sent:]))


class BulkTLSFactory(TLSMemoryBIOFactory):
    """Makes them.

    :param creator: an IOpenSSLServerConnectionCreator, or one for a client
    """

    protocol = BulkTLS
    noisy = False

    def __init__(self, creator: Any, is_client: bool, factory: Factory[Any]) -> None:
        super().__init__(creator, is_client, factory)


def widen(transport: Any) -> None:
    """Let a TCP transport take and give more at a time, and hold nothing back."""
    transport.setTcpNoDelay(True)
    transport.bufferSize, transport.SEND_LIMIT = RECEIVE, SEND
