"""Capabilities: names that are also the right to use what they name.

    URI:CHK:<key>:<uri extension hash>:<k>:<n>:<size>            read a file
    URI:CHK-Verifier:<storage index>:<hash>:<k>:<n>:<size>       check and repair it
    URI:LIT:<the whole content>                                  files of 55 bytes or fewer
    URI:DIR:<furl>:<write key>                                   change a directory
    URI:DIR-RO:<furl>:<read key>                                 read it

:func:`from_string` is the only parser.  Whoever sees a capability has its authority, so
none of its parts is ever in an error's text.  Format: docs/formats/uri.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cached_property
from typing import Self

from attrs import field, frozen
from zope.interface import implementer

from allmydata.crypto.hashutil import (
    HASH_SIZE,
    KEY_SIZE,
    STORAGE_INDEX_SIZE,
    storage_index_hash,
    tagged_hash,
)
from allmydata.errors import BadCapError
from allmydata.interfaces import IURI, IDirnodeURI, IFileURI
from allmydata.util import base32

LITERAL_LIMIT = 55  # bytes; longer content is stored as shares
MAX_CAP_SIZE = 1000

_WORD = re.compile(r"[!-~]+")  # printable ASCII, no space
_DIRECTORY = re.compile(r"(pb://[a-z0-9]+@[^/]+/[^/:]+):([a-z2-7]{26})")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")  # less than an exabyte


class _Cap:
    """What all capabilities have in common."""

    def init_from_string(self, uri: str) -> Self:
        """Become what *uri* means, and return this; :func:`from_string` is the usual way.

        :raises BadCapError: *uri* is of another kind, and nothing changed
        """
        cap = from_string(uri)
        if type(cap) is not type(self):
            raise BadCapError(f"a capability of another kind: {type(cap).__name__}")
        self.__dict__.clear()
        self.__dict__.update(cap.__dict__)
        return self


class _Immutable(_Cap):
    """What all capabilities of files have in common."""

    def is_readonly(self) -> bool:
        """Return True: nobody can change the data."""
        return True

    def is_mutable(self) -> bool:
        """Return False: nobody can change the data."""
        return False


@implementer(IURI, IFileURI)
@frozen(slots=False)
class CHKFileURI(_Immutable):
    """The right to read one file.

    :param key: 16 bytes of AES key
    :param uri_extension_hash: 32 bytes that seal everything else
    :param size: bytes of the file
    """

    key: bytes = field(repr=False)
    uri_extension_hash: bytes = field(repr=False)
    needed_shares: int
    total_shares: int
    size: int

    @cached_property
    def storage_index(self) -> bytes:
        """The 16 bytes under which servers know the file."""
        return storage_index_hash(self.key)

    def get_size(self) -> int:
        """Return the bytes of the file."""
        return self.size

    def get_readonly(self) -> CHKFileURI:
        """Return this."""
        return self

    def get_verify_cap(self) -> CHKFileVerifierURI:
        """Return the right to check and repair the file without reading it."""
        return CHKFileVerifierURI(
            self.storage_index,
            self.uri_extension_hash,
            self.needed_shares,
            self.total_shares,
            self.size,
        )

    def to_string(self) -> str:
        """Return what :func:`from_string` reads back."""
        words = (base32.b2a(self.key), base32.b2a(self.uri_extension_hash), *_numbers(self))
        return "URI:CHK:" + ":".join(words)


@implementer(IURI)
@frozen(slots=False)
class CHKFileVerifierURI(_Immutable):
    """The right to check that a file's shares are there and whole, and to make new ones.

    :param storage_index: 16 bytes
    """

    storage_index: bytes
    uri_extension_hash: bytes = field(repr=False)
    needed_shares: int
    total_shares: int
    size: int

    def get_size(self) -> int:
        """Return the bytes of the file."""
        return self.size

    def get_readonly(self) -> CHKFileVerifierURI:
        """Return this."""
        return self

    def get_verify_cap(self) -> CHKFileVerifierURI:
        """Return this."""
        return self

    def to_string(self) -> str:
        """Return what :func:`from_string` reads back."""
        words = (
            base32.b2a(self.storage_index),
            base32.b2a(self.uri_extension_hash),
            *_numbers(self),
        )
        return "URI:CHK-Verifier:" + ":".join(words)


@implementer(IURI, IFileURI)
@frozen(slots=False)
class LiteralFileURI(_Immutable):
    """A file so small that its capability holds it whole."""

    data: bytes = field(repr=False)

    def get_size(self) -> int:
        """Return the bytes of the file."""
        return len(self.data)

    def get_readonly(self) -> LiteralFileURI:
        """Return this."""
        return self

    def get_verify_cap(self) -> None:
        """Return None: there is nothing on any server to check."""
        return None

    def to_string(self) -> str:
        """Return what :func:`from_string` reads back."""
        return "URI:LIT:" + base32.b2a(self.data)


@implementer(IURI, IDirnodeURI)
@frozen(slots=False)
class DirnodeURI(_Cap):
    """The right to read and change one directory.

    :param furl: where its vdrive server's object is
    :param write_key: 16 bytes
    """

    furl: str = field(repr=False)
    write_key: bytes = field(repr=False)

    @cached_property
    def read_key(self) -> bytes:
        """The 16 bytes that only read."""
        return tagged_hash(b"allmydata_vdrive_read_key_v2", self.write_key, KEY_SIZE)

    def is_readonly(self) -> bool:
        """Return False: this changes the directory."""
        return False

    def is_mutable(self) -> bool:
        """Return True: somebody can change the directory."""
        return True

    def get_readonly(self) -> ReadOnlyDirnodeURI:
        """Return the right to read the directory only."""
        return ReadOnlyDirnodeURI(self.furl, self.read_key)

    def to_string(self) -> str:
        """Return what :func:`from_string` reads back."""
        return f"URI:DIR:{self.furl}:{base32.b2a(self.write_key)}"


@implementer(IURI, IDirnodeURI)
@frozen(slots=False)
class ReadOnlyDirnodeURI(_Cap):
    """The right to read one directory.

    :param furl: where its vdrive server's object is
    :param read_key: 16 bytes
    """

    furl: str = field(repr=False)
    read_key: bytes = field(repr=False)

    def is_readonly(self) -> bool:
        """Return True: this does not change the directory."""
        return True

    def is_mutable(self) -> bool:
        """Return True: somebody can change the directory."""
        return True

    def get_readonly(self) -> ReadOnlyDirnodeURI:
        """Return this."""
        return self

    def to_string(self) -> str:
        """Return what :func:`from_string` reads back."""
        return f"URI:DIR-RO:{self.furl}:{base32.b2a(self.read_key)}"


@implementer(IURI)
@frozen(slots=False)
class UnknownURI(_Cap):
    """A capability of a kind this version does not know, carried through as it is.

    Nothing can be said of its authority, so it counts as able to change what it names.
    """

    text: str = field(repr=False)

    def is_readonly(self) -> bool:
        """Return whether its holder asserted so, by a prefix ``ro.`` or ``imm.``."""
        return self.text.startswith(("ro.", "imm."))

    def is_mutable(self) -> bool:
        """Return False only where its holder asserted so, by a prefix ``imm.``."""
        return not self.text.startswith("imm.")

    def get_readonly(self) -> UnknownURI | None:
        """Return this if it says it is read-only, else None: it can't be derived."""
        return self if self.is_readonly() else None

    def to_string(self) -> str:
        """Return the text as it was found."""
        return self.text


Cap = (
    CHKFileURI
    | CHKFileVerifierURI
    | LiteralFileURI
    | DirnodeURI
    | ReadOnlyDirnodeURI
    | UnknownURI
)


def from_string(text: str) -> Cap:
    """Return what the capability *text* means; white space around it is dropped.

    A prefix ``ro.`` (read-only) or ``imm.`` (immutable) is checked, and dropped where the
    kind is known.

    :raises BadCapError: it is of a kind we know, but mistyped or not what its prefix
        asserts, or it is no text of a capability at all
    """
    text = text.strip()
    if len(text) > MAX_CAP_SIZE or not _WORD.fullmatch(text):
        raise BadCapError(
            "this is not a capability: it should be one word such as URI:CHK:…",
            fix="copy the whole capability, from URI: to its end",
        )
    bare = _strip_assertion(text)
    kind = next((kind for kind in _KINDS if bare.startswith(kind)), None)
    if kind is None:
        return UnknownURI(text)
    try:
        cap = _KINDS[kind](bare[len(kind) :])
    except ValueError as e:
        raise BadCapError(
            f"mistyped capability: after {kind} {e}",
            fix="copy the whole capability, from URI: to its end",
        ) from None
    if bare != text:
        _check_assertion(text, cap)
    return cap


def _check_assertion(text: str, cap: Cap) -> None:
    if not cap.is_readonly() or (text.startswith("imm.") and cap.is_mutable()):
        raise BadCapError(
            "the capability says it is read-only or immutable, but holds more authority",
            fix="take the prefix ro. or imm. away if you mean to use all of it",
        )


def _strip_assertion(text: str) -> str:
    for prefix in ("ro.", "imm."):
        if text.startswith(prefix):
            return text[len(prefix) :]
    return text


def _numbers(cap: CHKFileURI | CHKFileVerifierURI) -> tuple[str, str, str]:
    return str(cap.needed_shares), str(cap.total_shares), str(cap.size)


def _parse_chk(rest: str) -> CHKFileURI:
    return CHKFileURI(*_five_fields(rest, KEY_SIZE))


def _parse_verifier(rest: str) -> CHKFileVerifierURI:
    return CHKFileVerifierURI(*_five_fields(rest, STORAGE_INDEX_SIZE))


def _five_fields(rest: str, first_size: int) -> tuple[bytes, bytes, int, int, int]:
    fields = rest.split(":")
    if len(fields) != 5:
        raise ValueError(f"there are {len(fields)} fields, wanted 5")
    first, seal = _binary(fields[0], first_size), _binary(fields[1], HASH_SIZE)
    if not all(_NUMBER.fullmatch(number) for number in fields[2:]):
        raise ValueError("the last three fields must be numbers of up to 18 digits")
    k, n, size = map(int, fields[2:])
    if not 1 <= k <= n <= 256:
        raise ValueError(f"it says {k} of {n} shares, which no file has")
    if size < 1:
        raise ValueError("it says 0 bytes, which no stored file has")
    return first, seal, k, n, size


def _binary(text: str, size: int) -> bytes:
    data = base32.a2b(text)
    if len(data) != size:
        raise ValueError(f"a field holds {len(data)} bytes, wanted {size}")
    return data


def _parse_literal(rest: str) -> LiteralFileURI:
    return LiteralFileURI(base32.a2b(rest))


def _parse_directory(rest: str) -> tuple[str, bytes]:
    found = _DIRECTORY.fullmatch(rest)
    if not found:
        raise ValueError("there must be a pb:// address, a colon, and 26 characters")
    return found.group(1), _binary(found.group(2), KEY_SIZE)


_KINDS: dict[str, Callable[[str], Cap]] = {
    "URI:CHK:": _parse_chk,
    "URI:CHK-Verifier:": _parse_verifier,
    "URI:LIT:": _parse_literal,
    "URI:DIR:": lambda rest: DirnodeURI(*_parse_directory(rest)),
    "URI:DIR-RO:": lambda rest: ReadOnlyDirnodeURI(*_parse_directory(rest)),
}
