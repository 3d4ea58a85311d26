"""TLS as a storage server speaks it: with its Tub's certificate, asking for the client's.

A client of this make shows the certificate of its own Tub, and so is the same account
over HTTPS as over foolscap; one that shows none is let in all the same.
"""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL, crypto
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.protocol import Factory
from zope.interface import implementer

from allmydata.crypto import certificates
from allmydata.util import base32
from allmydata.util.tls import BulkTLSFactory, take_all

SESSION_ID = b"allmydata"


@implementer(IOpenSSLServerConnectionCreator)
class ServerTLS:
    """Makes the server's end of TLS connections.

    :param pem: certificate and key
    """

    def __init__(self, pem: bytes) -> None:
        certificate = crypto.load_certificate(crypto.FILETYPE_PEM, pem)
        self._context = context = SSL.Context(SSL.TLS_METHOD)
        context.set_min_proto_version(SSL.TLS1_2_VERSION)
        take_all(context)
        context.use_certificate(certificate)
        context.use_privatekey(crypto.load_privatekey(crypto.FILETYPE_PEM, pem))
        context.set_options(
            SSL.OP_NO_TICKET | SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION
        )
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.set_session_id(SESSION_ID)
        # any certificate will do: only what is done with its key is believed
        context.set_verify(SSL.VERIFY_PEER, lambda *_: True)
        self.der = crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)

    @property
    def spki_hash(self) -> bytes:
        """What NURLs of this server begin with, 32 bytes."""
        return certificates.spki_hash(self.der)

    def serverConnectionForTLS(self, _: Any) -> SSL.Connection:  # noqa: N802
        """Return OpenSSL's part of one connection."""
        return SSL.Connection(self._context, None)

    def wrap(self, factory: Factory) -> BulkTLSFactory:
        """Return a factory of TLS connections over which *factory*'s protocols speak."""
        return BulkTLSFactory(self, False, factory)


def client_tubid(transport: Any) -> str:
    """Return the Tub id of the client at the other end; empty if it shows none."""
    certificate = transport.getPeerCertificate()
    if certificate is None:
        return ""
    der = crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)
    return base32.b2a(certificates.tubid(der))
