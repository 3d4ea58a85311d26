"""What a server says of itself, signed, so that an introducer can only pass it on.

    (message, signature, key)       three byte strings

The message is a JSON object; the signature is of exactly its bytes, so that whoever passes
it on keeps them.  A publisher counts its announcements up: one that is not newer than what
is known of the same key and service is not believed.  Format: docs/formats/announcement.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from attrs import field, frozen

from allmydata.crypto.signing import NodeKey, check_signed
from allmydata.errors import BadHashError, CorruptError
from allmydata.util import base32

STORAGE = "storage"
MAX_MESSAGE = 50_000  # bytes; those of Tahoe-LAFS are some 600
MAX_FURL = 1000
MAX_NURLS = 20
NONCE_SIZE = 32
SEED_LIMIT = 200  # bytes of a permutation seed
_FURL = re.compile(r"pb://[a-z2-7]{32}@[^/\s]*/[^/\s]+")
_NURL = re.compile(r"pb(?:\+tor)?://[A-Za-z0-9_-]{43}@[^/\s]+/[^/\s#]+#v=1")

Signed = tuple[bytes, bytes, bytes]


@frozen
class Announcement:
    """A signed announcement that was checked.

    :param facts: the JSON object
    :param key: the public key as text, ``v0-…``: who says so
    :param signed: as it was received, to be passed on
    """

    facts: Mapping[str, Any] = field(repr=False)
    key: str
    signed: Signed = field(repr=False)

    @classmethod
    def open(cls, signed: object) -> Announcement:
        """Check what somebody sent.

        :raises CorruptError: it is no announcement, or not signed by its key
        """
        if not isinstance(signed, tuple) or len(signed) != 3:
            raise CorruptError("an announcement is three byte strings")
        if not all(isinstance(part, bytes) for part in signed):
            raise CorruptError("an announcement is three byte strings")
        message, signature, key = signed
        if len(message) > MAX_MESSAGE:
            raise CorruptError(f"an announcement of {len(message)} bytes")
        try:
            name = key.decode("ascii")
            check_signed(name, signature.decode("ascii"), message)
            facts = json.loads(message)
        except (ValueError, RecursionError) as e:
            raise BadHashError("an announcement can't be read") from e
        if not isinstance(facts, dict):
            raise CorruptError("an announcement is no JSON object")
        return cls(facts, name, (message, signature, key))

    @classmethod
    def sign(cls, facts: Mapping[str, Any], key: NodeKey) -> Announcement:
        """Sign *facts*."""
        message = json.dumps(facts).encode()
        signed = message, key.sign(message).encode(), key.name.encode()
        return cls(dict(facts), key.name, signed)

    @property
    def service(self) -> str:
        """What is announced; ``storage`` is what there is."""
        return self._text("service-name")

    @property
    def index(self) -> tuple[str, str]:
        """What a later announcement of the same has in common with it."""
        return self.service, self.key

    @property
    def nickname(self) -> str:
        """What its owner calls it; may be empty."""
        return self._text("nickname")

    @property
    def furl(self) -> str:
        """Where its RIStorageServer is; empty where that is no FURL."""
        furl = self._text("anonymous-storage-FURL")
        return furl if len(furl) <= MAX_FURL and _FURL.fullmatch(furl) else ""

    @property
    def nurls(self) -> list[str]:
        """Where it speaks the HTTPS protocol; those that are no NURLs are left out."""
        told = self.facts.get("anonymous-storage-NURLs")
        texts = told if isinstance(told, list) else []
        fit = [one for one in texts if isinstance(one, str) and _is_nurl(one)]
        return fit[:MAX_NURLS]

    @cached_property
    def seed(self) -> bytes:
        """What gives the server its place in the ring; empty where it does not say."""
        try:
            seed = base32.a2b(self._text("permutation-seed-base32"))
        except ValueError:
            return b""
        return seed if len(seed) <= SEED_LIMIT else b""

    def replaces(self, known: Announcement) -> bool:
        """Return whether this is news after *known*, of the same index."""
        if self.signed[0] == known.signed[0]:
            return False
        before = known.facts.get("seqnum")
        number = self.facts.get("seqnum")
        if before is None:
            return True
        return _is_number(number) and (not _is_number(before) or number > before)

    def _text(self, name: str) -> str:
        value = self.facts.get(name)
        return value if isinstance(value, str) else ""


def storage_facts(
    *,
    nickname: str,
    version: str,
    furl: str,
    nurls: list[str],
    seed: bytes,
    seqnum: int,
    nonce: bytes,
) -> dict[str, Any]:
    """Return what a storage server announces.

    :param seed: its permutation seed
    :param seqnum: larger than in all its earlier announcements
    :param nonce: 32 random bytes
    """
    facts: dict[str, Any] = {
        "version": 0,
        "service-name": STORAGE,
        "nickname": nickname,
        "app-versions": [],
        "my-version": version,
        "oldest-supported": "1.0.0",
        "seqnum": seqnum,
        "nonce": base32.b2a(nonce),
        "anonymous-storage-FURL": furl,
        "permutation-seed-base32": base32.b2a(seed),
    }
    return facts | ({"anonymous-storage-NURLs": nurls} if nurls else {})


def _is_nurl(text: str) -> bool:
    return len(text) <= MAX_FURL and _NURL.fullmatch(text) is not None


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
