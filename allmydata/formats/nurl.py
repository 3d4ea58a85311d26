"""Where a storage server speaks HTTPS: its address, its key's hash, and a secret.

    pb://KEY-HASH@HOST:PORT/SWISSNUM#v=1

KEY-HASH is the SHA-256 of the public key of the server's certificate, in URL-safe base 64
without padding.  Whoever knows the swissnum may use the server, so no text made here
quotes it.  Format: docs/protocols/https.md.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode

from attrs import field, frozen

MAX_NURL = 1000  # characters
HASH_SIZE = 32
TOR = "pb+tor"

_NURL = re.compile(
    r"(pb|pb\+tor)://([A-Za-z0-9_-]{43})@(\[[0-9A-Fa-f:.%]+\]|[^\s@/:\[\]#]+):([0-9]{1,5})"
    r"/([!-.0-~]+)#v=1"
)
_FURL = re.compile(r"pb://[a-z2-7]{32}@([^/\s]*)/([^/\s#]+)")
_HINT = re.compile(r"(tcp|tor):(\[[0-9A-Fa-f:.%]+\]|[^\s@/:\[\]#]+):([0-9]{1,5})")


@frozen
class Nurl:
    """One address of one server.

    :param spki_hash: 32 bytes
    :param host: a name or an IP address, without brackets
    :param swissnum: what a client shows to be let in
    """

    spki_hash: bytes
    host: str
    port: int
    swissnum: str = field(repr=False)
    is_tor: bool = False

    @classmethod
    def parse(cls, text: str) -> Nurl:
        """Read a NURL.

        :raises ValueError: it is none; the message does not quote it
        """
        found = _NURL.fullmatch(text) if len(text) <= MAX_NURL else None
        if not found:
            raise ValueError(f"not a NURL: {len(text)} characters")
        scheme, digest, host, port, swissnum = found.groups()
        spki_hash = urlsafe_b64decode(digest + "=")
        if _unpadded(spki_hash) != digest or not 0 < int(port) < 2**16:
            raise ValueError("not a NURL: its hash or port can't be")
        return cls(spki_hash, host.strip("[]"), int(port), swissnum, scheme == TOR)

    @property
    def where(self) -> str:
        """Host and port, which are no secret."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def text(self) -> str:
        """What :meth:`parse` reads back."""
        scheme = TOR if self.is_tor else "pb"
        digest = _unpadded(self.spki_hash)
        return f"{scheme}://{digest}@{self.where}/{self.swissnum}#v=1"


def nurls_of(furl: str, spki_hash: bytes) -> list[Nurl]:
    """Return the NURLs of the storage server at *furl*, one for each TCP or Tor hint.

    :raises ValueError: it is no FURL
    """
    found = _FURL.fullmatch(furl)
    if not found:
        raise ValueError(f"not a FURL: {len(furl)} characters")
    hints, swissnum = found.groups()
    parts = [_HINT.fullmatch(hint) for hint in hints.split(",")]
    return [
        Nurl(spki_hash, one[2].strip("[]"), int(one[3]), swissnum, one[1] == "tor")
        for one in parts
        if one
    ]


def swissnum_of(furl: str) -> str:
    """Return the name of the thing at *furl*.

    :raises ValueError: it is no FURL
    """
    found = _FURL.fullmatch(furl)
    if not found:
        raise ValueError(f"not a FURL: {len(furl)} characters")
    return found[2]


def _unpadded(digest: bytes) -> str:
    return urlsafe_b64encode(digest).decode("ascii").rstrip("=")
