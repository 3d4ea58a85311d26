"""The one place where Tubs are made: certificate, options, ports, links.

A Tub is a node's presence in foolscap's world.  Its id is the hash of its certificate, so
the certificate file is the node's identity.  What it serves is named by FURLs, kept in
files so that an address stays the same over restarts.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from errno import EADDRINUSE
from pathlib import Path
from typing import Any

from attrs import frozen
from foolscap.api import RemoteException, Tub
from foolscap.reconnector import Reconnector
from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IStreamServerEndpoint
from twisted.python.failure import Failure
from zope.interface import implementer

from allmydata.errors import ConfigError, ConflictError
from allmydata.node.fork import Fork
from allmydata.node.negotiation import PinnedNegotiation
from allmydata.util.deferreds import as_deferred, gather, sleep
from allmydata.util.fileutil import write_atomically

AUTO = "AUTO"
ANY_PORT = "tcp:0"
FIRST_RETRY_S = 0.2  # the wait after a connection is lost; it doubles with each attempt
RECONNECT_S = 10.0  # the longest wait between two attempts, more or less
SOON_S = 1.0  # what foolscap's Reconnector.reset makes the wait
PATIENCE_S = 0.7  # how long a stopping Tub waits for peers to say goodbye
CERTIFICATE_DAYS = 100 * 365

_FURL_NAME = re.compile(r"pb://[^/\s]+@[^/\s]*/([^/\s]+)\s*")


# ---- identity --------------------------------------------------------------------------


def load_certificate(path: Path) -> bytes:
    """Return the PEM in *path*: certificate and key; a missing one is made."""
    if not path.exists():
        write_atomically(path, make_certificate(), private=True)
    return path.read_bytes()


def make_certificate() -> bytes:
    """Return a new self-signed certificate on P-256 and its key, as PEM (decision 20)."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "newpb_thingy")])
    start = datetime.now(UTC) - timedelta(days=1)  # peers' clocks may be behind ours
    certificate = (
        x509.CertificateBuilder(name, name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=CERTIFICATE_DAYS))
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


# ---- the Tub ---------------------------------------------------------------------------


class NodeTub(Service):
    """A Tub with our options, and all that is done with it.

    :param certificate: PEM of certificate and key
    :param keepalive: seconds of silence after which a peer is pinged
    :param disconnect: seconds of silence after which we hang up, or None
    :param outgoing: whether TCP connections may be made
    :param clock: an IReactorTime
    """

    def __init__(
        self,
        certificate: bytes,
        *,
        clock: Any,
        keepalive: int = 240,
        disconnect: int | None = None,
        outgoing: bool = True,
    ) -> None:
        self._clock = clock
        self._ports: list[Any] = []
        self._is_frozen = False
        self._forks: list[Fork] = []
        self.certificate = certificate
        self.https: Any = None  # a factory of what speaks TLS on the same ports
        self.tub = Tub(certData=certificate)
        self.tub.negotiationClass = PinnedNegotiation
        self.tub.unsafeTracebacks = False
        self.tub.setOption("expose-remote-exception-types", False)
        self.tub.setOption("accept-gifts", False)
        self.tub.setOption("keepaliveTimeout", keepalive)
        if disconnect:
            self.tub.setOption("disconnectTimeout", disconnect)
        if not outgoing:
            self.tub.removeAllConnectionHintHandlers()

    @property
    def tubid(self) -> str:
        """The Tub id: 32 characters of base 32."""
        return str(self.tub.getTubID())

    @property
    def location(self) -> tuple[str, ...]:
        """The hints by which others find it; none if it does not listen."""
        return tuple(self.tub.locationHints)

    def startService(self) -> None:  # noqa: N802
        """Begin to make connections."""
        Service.startService(self)
        self.tub.startService()

    @as_deferred
    async def stopService(self) -> None:  # noqa: N802
        """Close every port and connection; peers that don't answer are hung up on.

        Ports first: else a peer that lost its connection makes another meanwhile.
        """
        Service.stopService(self)
        patience = 0.0 if self._is_frozen else PATIENCE_S
        await gather(maybeDeferred(port.stopListening) for port in self._ports)
        _abort(self._others())
        hang_up = self._clock.callLater(patience, _abort, self._transports())
        try:
            await self.tub.stopService()
        finally:
            if hang_up.active():
                hang_up.cancel()
            await self._hang_up_on_the_rest()

    async def _hang_up_on_the_rest(self) -> None:
        """Close what the Tub leaves open: connections that were just being negotiated."""
        left = [one for fork in self._forks for one in fork.peers if one.connected]
        if left:
            _abort(left)
            await sleep(0, self._clock)

    def freeze(self) -> None:
        """Read nothing more: peers are not answered, and their connections stay."""
        self._is_frozen = True
        for port in self._ports:
            port.stopReading()
        for transport in self._transports():
            transport.pauseProducing()

    def thaw(self) -> None:
        """Read again what has come meanwhile, and answer it."""
        self._is_frozen = False
        for port in self._ports:
            port.startReading()
        for transport in self._transports():
            transport.resumeProducing()

    def _transports(self) -> list[Any]:
        every = [broker.transport for broker in self.tub.brokers.values()]
        peers = [one for one in every if hasattr(one, "abortConnection")]  # no loopback
        return peers + self._others()

    def _others(self) -> list[Any]:
        """Return the transports of those on our ports that don't speak foolscap."""
        speakers = self.https.protocols if self.https is not None else ()
        silent = [one for fork in self._forks for one in fork.transports]
        return silent + [one.transport for one in speakers]

    async def listen(self, ports: Iterable[str], hints: Iterable[str]) -> list[int]:
        """Open *ports*, then tell others *hints*; return the ports' numbers.

        :param ports: Twisted's endpoint descriptions; ``tcp:0`` is any free port
        :param hints: ``tcp:HOST:PORT``…; ``AUTO`` stands for every address of this machine
        :raises ConflictError: a port is in use
        :raises ConfigError: a port can't be opened
        """
        opened = [await self._open(port) for port in ports]
        self.tub.setLocation(*expand_hints(hints, opened[0].host, opened[0].port))
        return [host.port for host in opened]

    async def _open(self, port: str) -> Any:
        try:
            endpoint = _WatchedEndpoint(serverFromString(self._clock, port), self._fork)
        except ValueError as e:
            raise ConfigError(f"tub.port {port!r} can't be opened", why=str(e)) from e
        self.tub.listenOn(endpoint)
        try:
            opened = await endpoint.opened
        except CannotListenError as e:
            raise cannot_listen("tub.port", port, e) from e
        self._ports.append(opened)
        return opened.getHost()

    def _fork(self, foolscap: Any) -> Fork:
        fork = Fork(foolscap, lambda: self.https, self._clock)
        self._forks.append(fork)
        return fork

    def serve(self, thing: Any, furl_file: Path) -> str:
        """Let whoever knows its FURL call *thing*; return the FURL.

        :param furl_file: where the FURL is kept, readable by nobody else; the name in it
            is used again, hints and Tub id are those of now
        :raises ConfigError: the file holds something else
        """
        old = furl_file.read_text("utf-8") if furl_file.exists() else ""
        furl = str(self.tub.registerReference(thing, name=_name_in(old, furl_file)))
        if old != furl + "\n":
            write_atomically(furl_file, furl.encode() + b"\n", private=True)
        return furl

    def connect(self, furl: str, connected: Callable[[Any], None]) -> TubLink:
        """Connect to *furl*, again whenever the connection breaks.

        :param connected: is given the RemoteReference each time; must not raise
        """
        reconnector = self.tub.connectTo(furl, connected)
        reconnector.initialDelay, reconnector.factor = FIRST_RETRY_S, 2.0
        reconnector.maxDelay = RECONNECT_S
        reconnector.reset()
        return TubLink(self.tub, reconnector)


def _abort(transports: Sequence[Any]) -> None:
    for transport in transports:
        transport.abortConnection()


def _name_in(furl: str, path: Path) -> str | None:
    if not furl:
        return None
    found = _FURL_NAME.fullmatch(furl)
    if not found:
        fix = "put the FURL back, or delete the file: then the address changes"
        raise ConfigError(f"{path} does not hold a FURL", fix=fix)
    return found.group(1)


# ---- ports and locations ---------------------------------------------------------------


@implementer(IStreamServerEndpoint)
class _WatchedEndpoint:
    """An endpoint whose opening can be waited for; foolscap drops the Deferred it gets.

    :param wrap: returns what listens in the place of foolscap's factory
    """

    def __init__(self, inner: Any, wrap: Callable[[Any], Any]) -> None:
        self._inner = inner
        self._wrap = wrap
        self.opened: Deferred[Any] = Deferred()

    def listen(self, factory: Any) -> Deferred[Any]:
        """Open the port; the Deferred never fires if that fails."""
        for_foolscap: Deferred[Any] = Deferred()

        def opened(port: Any) -> None:
            for_foolscap.callback(port)
            self.opened.callback(port)

        self._inner.listen(self._wrap(factory)).addCallbacks(opened, self.opened.errback)
        return for_foolscap


def cannot_listen(key: str, port: str, e: CannotListenError) -> ConfigError | ConflictError:
    """Return what to raise when *port*, which tahoe.cfg calls *key*, can't be opened."""
    error = e.socketError
    why = str(getattr(error, "strerror", None) or error)
    if getattr(error, "errno", None) == EADDRINUSE:
        return ConflictError(
            f"port {e.port} is in use, wanted for {key} ({port})",
            why=why,
            fix=f"stop the program that uses it, or change {key} in tahoe.cfg",
        )
    fix = f"change {key} in tahoe.cfg"
    return ConfigError(
        f"port {e.port} can't be opened for {key} ({port})", why=why, fix=fix
    )


def expand_hints(hints: Iterable[str], host: str, port: int) -> list[str]:
    """Return *hints* with ``AUTO`` replaced by what leads to a port opened on *host*."""
    expanded: list[str] = []
    for hint in hints:
        expanded += _local_hints(host, port) if hint == AUTO else [hint]
    return list(dict.fromkeys(expanded))


def _local_hints(host: str, port: int) -> list[str]:
    if host not in ("", "0.0.0.0", "::"):  # noqa: S104
        return [f"tcp:[{host}]:{port}" if ":" in host else f"tcp:{host}:{port}"]
    return [f"tcp:{address}:{port}" for address in local_addresses()]


def local_addresses() -> list[str]:
    """Return the IPv4 addresses of this machine, loopback first."""
    import socket

    import psutil

    found = {
        entry.address
        for entries in psutil.net_if_addrs().values()
        for entry in entries
        if entry.family == socket.AF_INET
    }
    loopback = {address for address in found if address.startswith("127.")}
    return sorted(loopback | {"127.0.0.1"}) + sorted(found - loopback)


# ---- links -----------------------------------------------------------------------------


@frozen(eq=False)
class TubLink:
    """A connection to one FURL that is made anew whenever it breaks."""

    _tub: Any
    _reconnector: Reconnector

    def status(self) -> str:
        """Return its state as one line (docs/webapi.md)."""
        info = self._reconnector.getReconnectionInfo()
        if info.state == "connected":
            return _connected_text(info.connectionInfo)
        if info.state == "waiting":
            now = time.time()
            seconds = max(0, round(info.nextAttempt - now))
            ago = max(0, round(now - info.lastAttempt))
            return f"Reconnecting in {seconds} seconds (last attempt {ago}s ago)"
        return "Trying to connect"

    def trouble(self) -> str:
        """Return why the last attempt failed, or an empty text."""
        failure = self._reconnector.getLastFailure()
        return _trouble_text(failure) if failure else ""

    def reset(self) -> None:
        """Try again soon: something suggests that the other side is back."""
        if (self._reconnector.getDelayUntilNextAttempt() or 0.0) > SOON_S:
            self._reconnector.reset()

    def stop(self) -> None:
        """Make no new connections."""
        if self._tub.running:
            self._reconnector.stopConnecting()


def _connected_text(info: Any) -> str:
    if info is None or not info.connected:
        return "Trying to connect"
    if info.winningHint:
        handler = info.connectionHandlers.get(info.winningHint, info.winningHint)
        return f"Connected to {info.winningHint} via {handler}"
    return f"Connected via {info.listenerStatus[0] or 'listener'}"


def _trouble_text(failure: Failure) -> str:
    if failure.check(RemoteException):
        return "the node there has nothing by that name"
    return str(getattr(failure.type, "__name__", failure.type))
