"""A server is who its NURL says, or not one byte of a request is sent to it."""

import hashlib

import pytest
from attrs import evolve
from OpenSSL import SSL, crypto
from pytest_twisted import blockon, ensureDeferred
from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol

from allmydata.crypto import certificates
from allmydata.errors import ServerLostError
from allmydata.grid.http import tls
from allmydata.grid.http.tls import Pin
from allmydata.storage.http.tls import ServerTLS
from allmydata.util.base32 import b2a
from allmydata.util.deferreds import start
from allmydata.util.tls import BulkTLSFactory
from tests.support.https import certificate, der_of

SI = b"\1" * 16


class Thief(Protocol):
    """Stands where a server should, with a certificate of its own."""

    def __init__(self, heard):
        self.heard = heard

    def dataReceived(self, data):
        self.heard.append(data)


@pytest.fixture
def thief():
    """Listen as somebody else does; return port and what was heard of any client."""
    heard, opened = [], []

    def listen(pem):
        factory = Factory.forProtocol(lambda: Thief(heard))
        factory.noisy = False
        port = reactor.listenTCP(
            0, BulkTLSFactory(ServerTLS(pem), False, factory), interface="127.0.0.1"
        )
        opened.append(port)
        return port.getHost().port, heard

    yield listen
    for port in opened:
        blockon(port.stopListening())


@ensureDeferred
async def test_the_right_server_is_spoken_to(reach):
    assert await reach().callRemote("get_buckets", SI) == {}


@ensureDeferred
async def test_to_a_server_with_another_key_nothing_is_sent(reach, https, thief):
    port, heard = thief(certificate(2))
    storage = reach(evolve(https.nurl, port=port))
    with pytest.raises(ServerLostError):
        await storage.callRemote("get_buckets", SI)
    assert heard == []


@ensureDeferred
async def test_nor_to_one_with_the_key_announced_under_another_s_tub_id(
    reach, https, thief
):
    port, heard = thief(certificate(2))
    der = der_of(certificate(2))
    nurl = evolve(https.nurl, port=port, spki_hash=certificates.spki_hash(der))
    with pytest.raises(ServerLostError):
        await reach(nurl).callRemote("get_buckets", SI)
    assert heard == []
    storage = reach(nurl, certificates.tubid(der))  # its own Tub id is another matter
    asking = start(storage.callRemote("get_buckets", SI))
    while not heard:
        await _turn()
    storage.pool.close()
    with pytest.raises(ServerLostError):
        await asking


@ensureDeferred
async def test_nor_when_openssl_asks_nobody(reach, https, thief, monkeypatch):
    monkeypatch.setattr(tls.PinnedTLS, "_accept", lambda *_: True)
    port, heard = thief(certificate(2))
    with pytest.raises(ServerLostError, match="could not be reached"):
        await reach(evolve(https.nurl, port=port)).callRemote("get_buckets", SI)
    assert heard == []


@ensureDeferred
async def test_a_pin_that_is_wrong_by_a_bit_is_wrong(reach, https):
    first, *rest = https.nurl.spki_hash
    storage = reach(evolve(https.nurl, spki_hash=bytes([first ^ 1, *rest])))
    with pytest.raises(ServerLostError):
        await storage.callRemote("get_version")
    assert https.site.num_requests == 0


@ensureDeferred
async def test_another_swissnum_is_not_let_in(reach, https):
    from allmydata.errors import ServerRefusedError

    with pytest.raises(ServerRefusedError) as caught:
        await reach(evolve(https.nurl, swissnum="other")).callRemote("get_version")
    assert "other secrets" in caught.value.why


async def _turn():
    from allmydata.util.deferreds import sleep

    await sleep(0.01, reactor)


# ---- what a certificate is known by ----------------------------------------------------


def test_a_certificate_s_hashes_are_those_that_others_compute():
    der = der_of(certificate())
    loaded = crypto.load_certificate(crypto.FILETYPE_ASN1, der)
    spki = crypto.dump_publickey(crypto.FILETYPE_ASN1, loaded.get_pubkey())
    assert certificates.spki_hash(der) == hashlib.sha256(spki).digest()
    sha1 = loaded.digest("sha1").replace(b":", b"").decode()
    assert certificates.tubid(der).hex() == sha1.lower()


def test_a_pin_fits_one_certificate():
    der = der_of(certificate())
    pin = Pin(certificates.spki_hash(der), certificates.tubid(der))
    one, other = (
        crypto.load_certificate(crypto.FILETYPE_PEM, certificate(n)) for n in (0, 2)
    )
    assert pin.fits(one) and not pin.fits(other) and not pin.fits(None)
    assert len(b2a(pin.tubid)) == 32


@pytest.mark.parametrize(
    ("error", "depth", "is_accepted"),
    [
        (0, 0, True),
        (tls.NOT_YET_VALID, 0, True),
        (tls.EXPIRED, 0, True),
        (tls.SELF_SIGNED, 0, True),
        (tls.SELF_SIGNED_IN_CHAIN, 1, True),
        (SSL.X509VerificationCodes.ERR_CERT_REVOKED, 0, False),
        (SSL.X509VerificationCodes.ERR_CERT_SIGNATURE_FAILURE, 0, False),
        (SSL.X509VerificationCodes.ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, 0, False),
    ],
)
def test_what_may_be_wrong_with_a_certificate(error, depth, is_accepted):
    der = der_of(certificate())
    pin = Pin(certificates.spki_hash(der), certificates.tubid(der))
    pinned = tls.PinnedTLS(tls.Identity(certificate(1)), pin)
    loaded = crypto.load_certificate(crypto.FILETYPE_PEM, certificate())
    assert pinned._accept(None, loaded, error, depth, 0) is is_accepted
