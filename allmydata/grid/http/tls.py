"""TLS as a client speaks it: a server is who its NURL says, or nothing is sent to it.

No authority is asked who somebody is.  The server's key has the hash that the NURL told,
and its certificate is that of the Tub it is known by: else somebody could announce a
server of his own under the Tub id of another and be shown the secrets meant for that one.
"""

from __future__ import annotations

from hmac import compare_digest
from typing import Any

from attrs import field, frozen
from OpenSSL import SSL, crypto
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from zope.interface import implementer

from allmydata.crypto import certificates
from allmydata.util.tls import take_all

OK, NOT_YET_VALID, EXPIRED, SELF_SIGNED, SELF_SIGNED_IN_CHAIN = 0, 9, 10, 18, 19
TOLERATED = (OK, NOT_YET_VALID, EXPIRED, SELF_SIGNED, SELF_SIGNED_IN_CHAIN)


@frozen
class Pin:
    """What a server's certificate must be.

    :param spki_hash: SHA-256 of its key
    :param tubid: the Tub id it makes
    """

    spki_hash: bytes
    tubid: bytes

    def fits(self, certificate: crypto.X509 | None) -> bool:
        """Tell whether it is."""
        if certificate is None:
            return False
        der = crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)
        try:
            key = certificates.spki_hash(der)
        except ValueError:
            return False
        is_key = compare_digest(key, self.spki_hash)
        return compare_digest(certificates.tubid(der), self.tubid) and is_key


@frozen
class Identity:
    """Who this client is, to servers that want to know.

    :param pem: certificate and key of its Tub
    """

    _pem: bytes = field(repr=False)

    def context(self) -> SSL.Context:
        """Return what connections to one server are made from."""
        context = SSL.Context(SSL.TLS_METHOD)
        context.set_min_proto_version(SSL.TLS1_2_VERSION)
        take_all(context)
        context.use_certificate(crypto.load_certificate(crypto.FILETYPE_PEM, self._pem))
        context.use_privatekey(crypto.load_privatekey(crypto.FILETYPE_PEM, self._pem))
        context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        return context


@implementer(IOpenSSLClientConnectionCreator)
class PinnedTLS:
    """Makes the client's end of TLS connections to one server."""

    def __init__(self, identity: Identity, pin: Pin) -> None:
        self.pin = pin
        self._context = identity.context()
        self._context.set_verify(
            SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, self._accept
        )

    def _accept(self, _: Any, certificate: Any, error: int, depth: int, __: int) -> bool:
        return error in TOLERATED and (depth > 0 or self.pin.fits(certificate))

    def clientConnectionForTLS(self, _: Any) -> SSL.Connection:  # noqa: N802
        """Return OpenSSL's part of one connection."""
        return SSL.Connection(self._context, None)
