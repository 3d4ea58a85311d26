"""What a certificate is known by: its key's hash in a NURL, its own hash in a FURL."""

from __future__ import annotations

import hashlib

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def spki_hash(certificate: bytes) -> bytes:
    """Return the SHA-256 of the public key of a certificate in DER (RFC 7469, 2.4).

    :raises ValueError: it is no certificate
    """
    key = x509.load_der_x509_certificate(certificate).public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).digest()


def tubid(certificate: bytes) -> bytes:
    """Return the 20 bytes of the Tub id of a certificate in DER, as foolscap makes it."""
    return hashlib.sha1(certificate).digest()  # noqa: S324 - foolscap's choice
