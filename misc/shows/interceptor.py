"""Who stands between two nodes: passes all on, or pretends to be the one that is called.

As an impostor it answers on either protocol with a certificate of its own, and keeps every
byte that a caller lets it read: what came before TLS, and what came in it.  What it gets
over HTTPS it passes on to the real node, and the answers back.
"""

from __future__ import annotations

import socket
import ssl
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from attrs import define, field
from OpenSSL import crypto

from allmydata.crypto import certificates
from allmydata.node.tub import make_certificate
from allmydata.util import base32

FOOLSCAP = b"GET /id/"
UPGRADE = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: TLS/1.0, PB/1.0\r\n"
    b"Connection: Upgrade\r\n\r\n"
)
WAIT_S = 20.0  # for what a caller says next


@define(eq=False)
class Interceptor:
    """A port of its own.

    :param target: the port of the real node; 0: there is none
    :ivar is_impostor: whether it breaks TLS, of calls that begin from now on
    :ivar plain: what callers said in clear, to be let into foolscap
    :ivar heard: what callers said in TLS
    :ivar refused: how many broke the handshake off, over foolscap and over HTTPS
    """

    target: int = 0
    is_impostor: bool = False
    plain: bytearray = field(factory=bytearray, init=False)
    heard: bytearray = field(factory=bytearray, init=False)
    num_calls: int = field(default=0, init=False)
    refused: dict[str, int] = field(factory=lambda: {"foolscap": 0, "https": 0}, init=False)
    port: int = field(init=False)
    pem: bytes = field(factory=make_certificate, init=False)
    _listener: socket.socket = field(init=False)
    _open: set[socket.socket] = field(factory=set, init=False)
    _context: ssl.SSLContext = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._context = _context_of(self.pem)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        _in_thread(self._accept)

    def become(self, *, impostor: bool) -> None:
        """Change, and cut what is under way."""
        self.is_impostor = impostor
        for one in list(self._open):
            _hang_up(one)

    def close(self) -> None:
        """Take no more calls."""
        self._listener.close()
        self.become(impostor=False)

    @property
    def _der(self) -> bytes:
        loaded = crypto.load_certificate(crypto.FILETYPE_PEM, self.pem)
        return bytes(crypto.dump_certificate(crypto.FILETYPE_ASN1, loaded))

    @property
    def tubid(self) -> str:
        """The Tub id that its certificate makes."""
        return base32.b2a(certificates.tubid(self._der))

    @property
    def pin(self) -> bytes:
        """The hash of its key."""
        return certificates.spki_hash(self._der)

    # ---- one call ------------------------------------------------------------------------

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            self.num_calls += 1
            _in_thread(lambda caller=caller: self._serve(caller))

    def _serve(self, caller: socket.socket) -> None:
        self._open.add(caller)
        with suppress(OSError):
            caller.settimeout(WAIT_S)
            if self.is_impostor:
                self._pretend(caller)
            else:
                caller.settimeout(None)
                self._pass_on(caller, self._call_target(), lambda data: None)
        _hang_up(caller)

    def _pretend(self, caller: socket.socket) -> None:
        begun = caller.recv(len(FOOLSCAP), socket.MSG_PEEK)
        kind = "foolscap" if begun.startswith(b"GET") else "https"
        if kind == "foolscap":
            self._read_plain(caller)
            caller.sendall(UPGRADE)
        try:
            shown = self._context.wrap_socket(caller, server_side=True)
        except (ssl.SSLError, ConnectionError):
            self.refused[kind] += 1
            return
        self._open.add(shown)
        if kind == "https" and self.target:
            real = _careless().wrap_socket(self._call_target())
            self._open.add(real)
            self._pass_on(shown, real, self.heard.extend)
            return
        while data := shown.recv(65536):
            self.heard += data

    def _read_plain(self, caller: socket.socket) -> None:
        said = b""
        while not said.endswith(b"\r\n\r\n"):
            if not (byte := caller.recv(1)):
                break
            said += byte
        self.plain += said

    def _call_target(self) -> socket.socket:
        target = socket.create_connection(("127.0.0.1", self.target))
        self._open.add(target)
        return target

    def _pass_on(
        self, caller: socket.socket, target: socket.socket, note: Callable[[bytes], None]
    ) -> None:
        _in_thread(lambda: _pump(target, caller, lambda data: None))
        _pump(caller, target, note)


def careless_request(port: int, request: bytes) -> bytes:
    """Return the answer to *request* in TLS, of whoever it is that listens."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as plain,
        _careless().wrap_socket(plain) as shown,
    ):
        shown.sendall(request)
        return shown.recv(65536)


def _careless() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _context_of(pem: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(pem)
        context.load_cert_chain(file.name)
    return context


def _pump(
    source: socket.socket, sink: socket.socket, note: Callable[[bytes], None]
) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            note(data)
            sink.sendall(data)
    _hang_up(source)
    _hang_up(sink)


def _hang_up(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    with suppress(OSError):
        one.close()


def _in_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, daemon=True).start()
