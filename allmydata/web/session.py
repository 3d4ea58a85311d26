"""What proves that somebody is the owner of this gateway.

    token     of private/api_auth_token; programs show it
    code      in a login link, for a browser: good once, within five minutes
    cookie    expiry "." nonce "." mac; what a browser shows for thirty days

    key       = tagged("allmydata_web_session_key_v1", token)
    mac       = HMAC-SHA256(key, expiry "." nonce), in base 64 without padding

*expiry* is in seconds since the epoch.  A node that starts again knows its cookies, for
they are made of the token; it has forgotten its codes.  Docs: docs/security.md.
"""

from __future__ import annotations

import hmac
import os
import re
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from enum import Enum, auto
from hashlib import sha256
from urllib.parse import quote

from attrs import define, field

from allmydata.crypto.hashutil import web_session_key

LOGIN = "/_/login"
CODE_S = 300
COOKIE_S = 30 * 86400
NONCE_SIZE = 16
MOST_CODES = 100  # the oldest makes room
MOST_ENDED = 10_000
_COOKIE = re.compile(r"(\d{1,12})\.([\w-]{22})\.[\w-]{43}", re.ASCII)


class Standing(Enum):
    """Who it is that asks."""

    NOBODY = auto()
    DOUBTFUL = auto()  # has the owner's cookie, but it may be a page of another site
    OWNER = auto()


@define
class GatewayKeys:
    """The token, and the codes and cookies that were made for whoever had it.

    :param now: the time in seconds since the epoch
    """

    _token: bytes = field(repr=False)
    _now: Callable[[], float] = time.time
    _random: Callable[[int], bytes] = os.urandom
    _codes: dict[bytes, float] = field(factory=dict, init=False, repr=False)
    _ended: dict[str, float] = field(factory=dict, init=False, repr=False)

    @classmethod
    def unknown(cls) -> GatewayKeys:
        """Return keys that nobody has: such a gateway has no owner."""
        return cls(os.urandom(32))

    def is_token(self, text: str) -> bool:
        """Return whether *text* is the token."""
        return hmac.compare_digest(text.encode(), self._token)

    # ---- codes ---------------------------------------------------------------------------

    def new_code(self, *, lasting: bool = False) -> str:
        """Return a code that makes one session.

        :param lasting: any number of them, for as long as this process runs
        """
        code = _letters(self._random(NONCE_SIZE))
        self._forget_codes()
        self._codes[_digest(code)] = float("inf") if lasting else self._now() + CODE_S
        return code

    def use_code(self, code: str) -> bool:
        """Return whether *code* is good; it is no more afterwards."""
        expiry = self._codes.get(_digest(code), 0.0)
        if expiry != float("inf"):
            self._codes.pop(_digest(code), None)
        return self._now() < expiry

    def _forget_codes(self) -> None:
        now = self._now()
        self._codes = {code: end for code, end in self._codes.items() if now < end}
        passing = [code for code, end in self._codes.items() if end != float("inf")]
        for code in passing[: max(0, len(passing) + 1 - MOST_CODES)]:
            del self._codes[code]

    # ---- cookies -------------------------------------------------------------------------

    def new_cookie(self) -> str:
        """Return the cookie of a new session."""
        expiry = int(self._now()) + COOKIE_S
        return self._sealed(f"{expiry}.{_letters(self._random(NONCE_SIZE))}")

    def is_cookie(self, text: str) -> bool:
        """Return whether *text* is the cookie of a session that goes on."""
        found = _COOKIE.fullmatch(text)
        if not found:
            return False
        is_ours = hmac.compare_digest(self._sealed(text.rpartition(".")[0]), text)
        return is_ours and self._now() < int(found[1]) and found[2] not in self._ended

    def end_cookie(self, text: str) -> None:
        """End the session of a cookie, until this process ends: then only it forgets."""
        if not self.is_cookie(text):
            return
        now = self._now()
        self._ended = {nonce: end for nonce, end in self._ended.items() if now < end}
        while len(self._ended) >= MOST_ENDED:
            del self._ended[next(iter(self._ended))]
        expiry, nonce, _ = text.split(".")
        self._ended[nonce] = float(expiry)

    def _sealed(self, words: str) -> str:
        key = web_session_key(self._token)
        return f"{words}.{_letters(hmac.digest(key, words.encode(), sha256))}"


def login_path(code: str, place: str = "/") -> str:
    """Return the path of a login link that leads on to *place*."""
    more = "" if place == "/" else f"&next={quote(place, safe='/')}"
    return f"{LOGIN}?code={code}{more}"


def _letters(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def _digest(code: str) -> bytes:
    """Return what is kept of a code: finding it tells nothing by the time that takes."""
    return sha256(code.encode("utf-8", "replace")).digest()
