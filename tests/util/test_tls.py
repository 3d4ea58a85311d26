"""TLS for much data: what it relies on in others' insides, and that bytes come as sent."""

import os

import pytest
from OpenSSL import SSL
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.tcp import Connection as TCPConnection

from allmydata.util import tls
from allmydata.util.tls import BulkTLSFactory, send_now, widen
from tests.support.https import AnyServer, certificate


def test_the_insides_that_make_it_fast_are_still_there():
    """Without them all works, and takes longer."""
    connection = SSL.Connection(SSL.Context(SSL.TLS_METHOD), None)
    assert connection._ssl and connection._from_ssl and connection._context._context
    assert hasattr(tls._lib, "SSL_CTX_clear_mode")
    for name in ("dataBuffer", "offset"):
        assert hasattr(TCPConnection, name)


class Told:
    """A transport that takes what it is told to take."""

    connected, disconnecting, offset = True, False, 0

    def __init__(self, most=10**6, waiting=b""):
        self._tempDataBuffer, self.dataBuffer = [], waiting
        self.most, self.sent, self.socket = most, b"", self

    def send(self, data):
        if not self.most:
            raise BlockingIOError
        self.sent += bytes(data[: self.most])
        return min(len(data), self.most)


@pytest.mark.parametrize(("most", "taken"), [(100, 5), (3, 3), (0, 0)])
def test_what_the_system_takes_is_sent_at_once(most, taken):
    tcp = Told(most)
    assert send_now(tcp, memoryview(b"bytes")) == taken
    assert tcp.sent == b"bytes"[:taken]


def test_nothing_overtakes_what_waits():
    assert send_now(Told(waiting=b"before"), b"bytes") == 0
    tcp = Told()
    tcp._tempDataBuffer = [b"before"]
    assert send_now(tcp, b"bytes") == 0
    assert send_now(object(), b"bytes") == 0  # no TCP at all


class Echo(Protocol):
    def dataReceived(self, data):
        self.transport.write(data)


class Collect(Protocol):
    def __init__(self, size):
        self.got, self.size, self.done = bytearray(), size, Deferred()

    def connectionMade(self):
        self.ready = True

    def dataReceived(self, data):
        self.got += data
        if len(self.got) >= self.size:
            self.done.callback(bytes(self.got))


@ensureDeferred
async def test_much_data_comes_back_as_it_was_sent():
    from allmydata.storage.http.tls import ServerTLS

    outer = ServerTLS(certificate()).wrap(Factory.forProtocol(Echo))
    port = reactor.listenTCP(0, outer, interface="127.0.0.1")
    parts = [os.urandom(n) for n in (1, 20, 16384, 16385, 3_000_001, 0, 7, 262_144)]
    client = Collect(sum(map(len, parts)))
    inner = BulkTLSFactory(AnyServer(), True, Factory.forProtocol(lambda: client))
    endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
    wrapped = await endpoint.connect(inner)
    widen(wrapped.transport)
    client.transport.writeSequence(memoryview(part) for part in parts)
    for part in parts:
        client.size += len(part)
        client.transport.write(part)
    assert await client.done == b"".join(parts) * 2
    client.transport.abortConnection()
    for one in list(outer.protocols):
        one.abortConnection()
    await port.stopListening()
