"""The only parser of capabilities: from text to what it means."""

from __future__ import annotations

import re
from collections.abc import Callable

from allmydata.crypto.hashutil import HASH_SIZE, KEY_SIZE, STORAGE_INDEX_SIZE
from allmydata.errors import BadCapError
from allmydata.uri.dir2 import Dir2URI, Dir2VerifierURI, Readable, Verifiable, file_text
from allmydata.uri.directories import DirnodeURI, ReadOnlyDirnodeURI
from allmydata.uri.files import CHKFileURI, CHKFileVerifierURI, LiteralFileURI
from allmydata.uri.kinds import UnknownURI
from allmydata.uri.mutable import (
    MDMF,
    SDMF,
    MutableFileURI,
    MutableFileVerifierURI,
    ReadOnlyMutableFileURI,
)
from allmydata.util import base32

MAX_CAP_SIZE = 1000

_WORD = re.compile(r"[!-~]+")  # printable ASCII, no space
_DIRECTORY = re.compile(r"(pb://[a-z0-9]+@[^/]+/[^/:]+):([a-z2-7]{26})")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")  # less than an exabyte

Cap = (
    CHKFileURI
    | CHKFileVerifierURI
    | LiteralFileURI
    | MutableFileURI
    | ReadOnlyMutableFileURI
    | MutableFileVerifierURI
    | DirnodeURI
    | ReadOnlyDirnodeURI
    | Dir2URI
    | Dir2VerifierURI
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


def _parse_mutable(rest: str, format_: str, size: int) -> tuple[bytes, bytes, str]:
    """Read two fields; after those of MDMF there may be more, which nobody heeds.

    :param size: bytes of the first
    """
    first, _, rest = rest.partition(":")
    second, colon, _ = rest.partition(":")
    if colon and format_ == SDMF:
        raise ValueError("there are more than 2 fields")
    return _binary(first, size), _binary(second, HASH_SIZE), format_


def _parse_literal(rest: str) -> LiteralFileURI:
    return LiteralFileURI(base32.a2b(rest))


def _parse_directory(rest: str) -> tuple[str, bytes]:
    found = _DIRECTORY.fullmatch(rest)
    if not found:
        raise ValueError("there must be a pb:// address, a colon, and 26 characters")
    return found.group(1), _binary(found.group(2), KEY_SIZE)


def _directory(prefix: str) -> Callable[[str], Cap]:
    """Return what parses the rest of a capability of the kind *prefix*."""
    kind = file_text(prefix)

    def parse(rest: str) -> Cap:
        file = _KINDS[kind](rest)
        if isinstance(file, Readable):
            return Dir2URI(file)
        if isinstance(file, Verifiable):
            return Dir2VerifierURI(file)
        raise ValueError("there is no file that can hold a directory")

    return parse


def _mutable(kind: Callable[..., Cap], format_: str, size: int) -> Callable[[str], Cap]:
    """Return what parses the rest of a capability of a mutable file."""
    return lambda rest: kind(*_parse_mutable(rest, format_, size))


_AUTHORITIES: tuple[tuple[str, Callable[..., Cap], int], ...] = (
    ("", MutableFileURI, KEY_SIZE),
    ("-RO", ReadOnlyMutableFileURI, KEY_SIZE),
    ("-Verifier", MutableFileVerifierURI, STORAGE_INDEX_SIZE),
)
_MUTABLE = {
    f"URI:{word}{authority}:": _mutable(kind, format_, size)
    for word, format_ in (("SSK", SDMF), ("MDMF", MDMF))
    for authority, kind, size in _AUTHORITIES
}
_DIR2 = (
    *(
        f"URI:DIR2{form}{authority}:"
        for form in ("", "-MDMF")
        for authority in ("", "-RO", "-Verifier")
    ),
    "URI:DIR2-CHK:",
    "URI:DIR2-CHK-Verifier:",
    "URI:DIR2-LIT:",
)
_KINDS: dict[str, Callable[[str], Cap]] = {
    "URI:CHK:": _parse_chk,
    "URI:CHK-Verifier:": _parse_verifier,
    "URI:LIT:": _parse_literal,
    "URI:DIR:": lambda rest: DirnodeURI(*_parse_directory(rest)),
    "URI:DIR-RO:": lambda rest: ReadOnlyDirnodeURI(*_parse_directory(rest)),
    **_MUTABLE,
    **{prefix: _directory(prefix) for prefix in _DIR2},
}
