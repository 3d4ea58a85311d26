"""Headers of the HTTPS storage protocol: who may, what for, and which bytes.

    Authorization: Tahoe-LAFS BASE64(swissnum)
    X-Tahoe-Authorization: NAME BASE64(secret)     once for each secret
    Range: bytes=FIRST-LAST
    Content-Range: bytes FIRST-LAST/TOTAL          or * for TOTAL

What doesn't fit raises :class:`HttpError` with the status to answer.  No text quotes what
was sent.  Protocol: docs/protocols/https.md.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache

from allmydata.errors import GridError

V1 = b"/storage/v1"
OURS = b"/allmydata/v1"  # what only this implementation offers
CBOR = b"application/cbor"
BYTES = b"application/octet-stream"

RENEW, CANCEL = "lease-renew-secret", "lease-cancel-secret"
UPLOAD, ENABLER = "upload-secret", "write-enabler"
SECRET_HEADER = b"X-Tahoe-Authorization"
LEASE_SECRET_SIZE = 32
MAX_SECRET = 200  # bytes

_RANGE = re.compile(rb"bytes=([0-9]{1,18})-([0-9]{1,18})")
_CONTENT_RANGE = re.compile(rb"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")
_QUALITY = re.compile(r"q=0(\.0*)?")


class HttpError(GridError):
    """A request that is not granted.

    :param status: the HTTP status it is answered with
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


# ---- who may ---------------------------------------------------------------------------


def authorization(swissnum: str) -> bytes:
    """Return the header's value that lets a client in."""
    return b"Tahoe-LAFS " + b64encode(swissnum.encode("ascii"))


def pack_secret(name: str, secret: bytes) -> bytes:
    """Return the header's value that shows one secret."""
    return name.encode("ascii") + b" " + b64encode(secret)


def parse_secrets(values: Sequence[bytes], wanted: Collection[str]) -> dict[str, bytes]:
    """Read the headers that show secrets.

    :raises HttpError: they are not exactly those wanted, or can't be understood
    """
    found: dict[str, bytes] = {}
    for value in values:
        name, secret = _parse_secret(value)
        if name in found:
            raise HttpError(400, "a secret that is shown twice")
        found[name] = secret
    if found.keys() != set(wanted):
        raise HttpError(400, f"wanted {len(wanted)} secrets: {', '.join(sorted(wanted))}")
    if any(len(found[n]) != LEASE_SECRET_SIZE for n in (RENEW, CANCEL) if n in found):
        raise HttpError(400, f"secrets of leases have {LEASE_SECRET_SIZE} bytes")
    return found


def _parse_secret(value: bytes) -> tuple[str, bytes]:
    name, _, text = value.partition(b" ")
    try:
        secret = b64decode(text, validate=True)
    except binascii.Error as e:
        raise HttpError(400, "a secret that is not in base 64") from e
    if not 0 < len(secret) <= MAX_SECRET:
        raise HttpError(400, f"a secret of {len(secret)} bytes")
    return name.decode("latin-1"), secret


# ---- what kind -------------------------------------------------------------------------


def demand_cbor(content_type: bytes | None) -> None:
    """Refuse a body that says it is something else than CBOR."""
    if content_type is not None and _essence(content_type) != CBOR.decode():
        raise HttpError(415, f"bodies are {CBOR.decode()}")


def demand_takes_cbor(accept: Sequence[bytes]) -> None:
    """Refuse a client that does not take CBOR."""
    if accept and not _takes_cbor(b",".join(accept)):
        raise HttpError(406, f"answers are {CBOR.decode()}")


@lru_cache(maxsize=16)  # clients don't differ much
def _takes_cbor(accept: bytes) -> bool:
    for one in accept.decode("latin-1").split(","):
        is_off = any(_QUALITY.fullmatch(word.strip()) for word in one.split(";")[1:])
        if not is_off and _essence(one.encode("latin-1")) in _TAKE:
            return True
    return False


_TAKE = ("*/*", "application/*", CBOR.decode())


def _essence(media_type: bytes) -> str:
    return media_type.decode("latin-1").partition(";")[0].strip().lower()


# ---- which bytes -----------------------------------------------------------------------


def parse_range(value: bytes | None) -> tuple[int, int] | None:
    """Return the first byte asked for and the one behind the last; None for all.

    :raises HttpError: it is not one range with both ends
    """
    if value is None:
        return None
    found = _RANGE.fullmatch(value)
    if not found or int(found[2]) < int(found[1]):
        raise HttpError(416, "a range is written  bytes=FIRST-LAST")
    return int(found[1]), int(found[2]) + 1


def parse_content_range(value: bytes | None) -> tuple[int, int]:
    """Return the first byte that a body holds and the one behind the last.

    :raises HttpError: it is missing, or none
    """
    found = _CONTENT_RANGE.fullmatch(value or b"")
    if not found or int(found[2]) < int(found[1]):
        raise HttpError(416, "wanted Content-Range: bytes FIRST-LAST/*")
    first, end = int(found[1]), int(found[2]) + 1
    if found[3] != b"*" and end > int(found[3]):
        raise HttpError(416, "a range that ends behind its total")
    return first, end


def pack_range(offset: int, length: int) -> bytes:
    """Return the value of a Range header."""
    return b"bytes=%d-%d" % (offset, offset + length - 1)


def pack_content_range(offset: int, length: int) -> bytes:
    """Return the value of a Content-Range header."""
    return b"bytes %d-%d/*" % (offset, offset + length - 1)


def secret_headers(secrets: Mapping[str, bytes]) -> list[tuple[bytes, bytes]]:
    """Return the headers that show *secrets*."""
    return [(SECRET_HEADER, pack_secret(*pair)) for pair in secrets.items()]
