"""A Tub speaks to the Tub of its FURL, and sends to another not a byte after TLS began."""

import pytest
from foolscap.api import Referenceable, flushEventualQueue
from pytest_twisted import blockon, ensureDeferred
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol

from allmydata.crypto import certificates
from allmydata.node.tub import NodeTub
from allmydata.storage.http.tls import ServerTLS
from allmydata.util.base32 import b2a
from allmydata.util.deferreds import sleep
from tests.support.https import certificate, der_of

ACCEPTED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: TLS/1.0\r\n\r\n"


class Thing(Referenceable):
    def remote_double(self, number):
        return 2 * number


class Thief(Protocol):
    """Answers as a Tub does, and begins TLS with a certificate of its own."""

    def __init__(self, factory):
        self.factory = factory
        self.plain = b""
        self.is_open = False

    def dataReceived(self, data):
        if self.is_open:
            self.factory.heard.append(data)
            return
        self.plain += data
        if self.plain.endswith(b"\r\n\r\n"):
            self.factory.plain.append(self.plain)
            self.is_open = True
            self.transport.write(ACCEPTED)
            self.transport.startTLS(ServerTLS(self.factory.pem))

    def connectionLost(self, reason):
        self.factory.num_lost += 1


class Thieves(Factory):
    noisy = False

    def __init__(self, pem):
        self.pem = pem
        self.plain, self.heard, self.num_lost = [], [], 0

    def buildProtocol(self, _):
        return Thief(self)


@pytest.fixture
def client():
    tub = NodeTub(certificate(1), clock=reactor)
    tub.startService()
    yield tub
    blockon(tub.stopService())
    blockon(flushEventualQueue())


@pytest.fixture
def thieves():
    factory = Thieves(certificate(2))
    port = reactor.listenTCP(0, factory, interface="127.0.0.1")
    factory.number = port.getHost().port
    yield factory
    blockon(port.stopListening())


def furl(tubid, port, name="swissnumswissnum"):
    return f"pb://{tubid}@tcp:127.0.0.1:{port}/{name}"


@ensureDeferred
async def test_the_right_tub_is_spoken_to(client, tmp_path):
    server = NodeTub(certificate(0), clock=reactor)
    server.startService()
    await server.listen(["tcp:0:interface=127.0.0.1"], ["AUTO"])
    found = Deferred()
    client.connect(server.serve(Thing(), tmp_path / "furl"), found.callback)
    assert await (await found).callRemote("double", 4) == 8
    await server.stopService()


@ensureDeferred
async def test_to_who_shows_another_certificate_nothing_is_sent(client, thieves):
    found = []
    link = client.connect(furl("a" * 32, thieves.number), found.append)
    while not thieves.num_lost:
        await sleep(0.01, reactor)
    link.stop()
    assert found == [] and thieves.heard == []
    assert all(b"swissnum" not in one for one in thieves.plain)


@ensureDeferred
async def test_what_is_sent_to_who_shows_the_right_one_is_heard(client, thieves):
    tubid = b2a(tubid_of(thieves.pem))  # the test above would hear it, too
    link = client.connect(furl(tubid, thieves.number), lambda _: None)
    while not thieves.heard:
        await sleep(0.01, reactor)
    link.stop()
    assert b"banana-negotiation-range" in b"".join(thieves.heard)


def tubid_of(pem):
    return certificates.tubid(der_of(pem))
