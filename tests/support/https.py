"""A storage server's HTTPS on a port of its own, and clients that say what they like."""

from __future__ import annotations

from functools import cache

from OpenSSL import SSL, crypto
from twisted.internet import reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.protocol import Factory, Protocol
from zope.interface import implementer

from allmydata.crypto import certificates
from allmydata.formats import http1
from allmydata.formats.gbs import authorization, secret_headers
from allmydata.formats.nurl import Nurl
from allmydata.grid.http.answer import Incoming
from allmydata.node.tub import make_certificate
from allmydata.storage.http.site import Site
from allmydata.storage.http.tls import ServerTLS
from allmydata.util.deferreds import sleep, timeout
from allmydata.util.tls import BulkTLSFactory

SWISSNUM = "swissnumswissnum"


def certificate(number: int = 0) -> bytes:
    """Return certificate and key, the same each time."""
    return _certificate(number)


@cache
def _certificate(_: int) -> bytes:
    return make_certificate()


def der_of(pem: bytes) -> bytes:
    """Return a certificate of a PEM."""
    loaded = crypto.load_certificate(crypto.FILETYPE_PEM, pem)
    return crypto.dump_certificate(crypto.FILETYPE_ASN1, loaded)


class HttpsServer:
    """A Site on a port of its own.

    :param clock: what its patience is measured with
    """

    def __init__(self, storage, clock=reactor, pem=None):
        self.pem = pem or certificate()
        self.tls = ServerTLS(self.pem)
        self.site = Site(storage, SWISSNUM, clock)
        self.factory = self.tls.wrap(self.site)
        self.port = reactor.listenTCP(0, self.factory, interface="127.0.0.1")
        self.number = self.port.getHost().port

    @property
    def tubid(self):
        return certificates.tubid(self.tls.der)

    @property
    def nurl(self):
        return Nurl(self.tls.spki_hash, "127.0.0.1", self.number, SWISSNUM)

    async def stop(self):
        await maybeDeferred(self.port.stopListening)
        for protocol in list(self.factory.protocols):
            protocol.abortConnection()
        while self.factory.protocols:
            await sleep(0, reactor)


@implementer(IOpenSSLClientConnectionCreator)
class AnyServer:
    """TLS that asks nobody who he is."""

    def __init__(self, pem=None):
        self.context = SSL.Context(SSL.TLS_METHOD)
        if pem:
            self.context.use_certificate(crypto.load_certificate(crypto.FILETYPE_PEM, pem))
            self.context.use_privatekey(crypto.load_privatekey(crypto.FILETYPE_PEM, pem))

    def clientConnectionForTLS(self, _):
        return SSL.Connection(self.context, None)


class Wire(Protocol):
    """A client's connection, for bytes of any kind."""

    def __init__(self):
        self.lost = Deferred()
        self.incoming = []
        self.waiting = None
        self.received = b""

    def dataReceived(self, data):
        self.received += data
        if self.waiting is None:
            return
        whole = self.incoming[0].feed(data)
        if whole:
            self._done()

    def _done(self):
        waiting, self.waiting = self.waiting, None
        waiting.callback(self.incoming.pop(0).response())

    def connectionLost(self, reason):
        self.lost.callback(None)
        if self.waiting is not None:
            waiting, self.waiting = self.waiting, None
            waiting.errback(reason)

    async def say(self, data: bytes):
        """Send *data*; return the answer to it."""
        self.waiting = Deferred()
        self.incoming = [Incoming(10**9)]
        self.transport.write(data)
        return await timeout(self.waiting, 20, reactor)

    async def ask(
        self, method, path, body=b"", *, secrets=None, headers=(), swissnum=SWISSNUM, **more
    ):
        """Send a request; return the answer."""
        return await self.say(
            request(method, path, body, secrets=secrets, headers=headers, swissnum=swissnum)
        )


def request(method, path, body=b"", *, secrets=None, headers=(), swissnum=SWISSNUM):
    """Return the bytes of a request."""
    lines = [(b"Host", b"h"), (b"Authorization", authorization(swissnum))]
    lines += [*secret_headers(secrets or {}), *headers]
    lines.append((b"Content-Length", b"%d" % len(body)))
    start = f"{method} {path} HTTP/1.1".encode()
    return http1.pack_head(start, lines) + body


async def connect(server: HttpsServer, pem: bytes | None = None) -> Wire:
    """Return a connection to *server*, by a client who may show a certificate."""
    wire = Wire()
    endpoint = HostnameEndpoint(reactor, "127.0.0.1", server.number)
    factory = Factory.forProtocol(lambda: wire)
    factory.noisy = False
    await endpoint.connect(BulkTLSFactory(AnyServer(pem), True, factory))
    return wire
