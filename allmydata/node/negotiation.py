"""How our Tub begins a connection to another: nothing is said to a Tub that is not the one.

Foolscap compares the Tub id in a FURL with the certificate that it is shown only after it
has greeted whoever shows it.  Here a client looks during the handshake of TLS, and breaks
it off: behind it not one byte is sent.
"""

from __future__ import annotations

from hmac import compare_digest
from typing import Any

from foolscap.crypto import FoolscapContextFactory, alwaysValidate
from foolscap.negotiate import Negotiation
from OpenSSL import SSL, crypto

from allmydata.crypto import certificates
from allmydata.util import base32


class _Pinned(FoolscapContextFactory):
    """What foolscap's contexts are, for connections to one Tub."""

    def __init__(self, tubid: bytes, **keys: Any) -> None:
        super().__init__(**keys)
        self._tubid = tubid

    def getContext(self) -> SSL.Context:  # noqa: N802
        context: SSL.Context = super().getContext()
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, self._accept)
        return context

    def _accept(
        self, _: Any, shown: crypto.X509, error: int, depth: int, is_ok: int
    ) -> bool:
        if not alwaysValidate(_, shown, error, depth, is_ok):
            return False
        der = crypto.dump_certificate(crypto.FILETYPE_ASN1, shown)
        return depth > 0 or compare_digest(certificates.tubid(der), self._tubid)


class PinnedNegotiation(Negotiation):
    """Foolscap's negotiation; a client goes on with the Tub it looks for and no other."""

    def startTLS(self, cert: Any) -> None:  # noqa: N802
        """Begin TLS."""
        if not self.isClient:
            super().startTLS(cert)
            return
        keys = {"privateKey": cert.privateKey.original, "certificate": cert.original}
        tubid = base32.a2b(self.target.getTubID())
        self.transport.startTLS(_Pinned(tubid, **keys))
