"""The arguments of a request, checked."""

from __future__ import annotations

import re
from enum import Enum

from attrs import frozen

from allmydata.errors import UsageError
from allmydata.web.errors import HTTPError
from allmydata.web.request import Request

TRUE = ("true", "t", "1", "yes", "on")
FALSE = ("false", "f", "0", "no", "off")
FORMATS = ("CHK", "SDMF", "MDMF")
DIR2 = "dir2"  # the kind of directory that Tahoe-LAFS has
MAX_HAPPY = 256
MAX_SECONDS_DIGITS = 9  # some 30 years

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@frozen
class UploadOptions:
    """How a file is to be stored.

    :param happy: servers that must hold a share; None for what the node is set to
    :param is_convergent: whether the same content is stored once
    :param mutable: ``SDMF`` or ``MDMF``; None for a file that does not change
    """

    happy: int | None
    is_convergent: bool
    mutable: str | None = None


class Replace(Enum):
    """What a new child may take the place of."""

    ANYTHING = "true"
    NOTHING = "false"
    FILES = "only-files"


def is_browsing(request: Request) -> bool:
    """Return whether a browser asks for a page to be shown, and no program or script."""
    accepted = request.header("accept") or ""
    mode = request.header("sec-fetch-mode") or "navigate"
    wants_page = "text/html" in accepted and "application/json" not in accepted
    return wants_page and mode.lower() == "navigate"


def read_upload(request: Request) -> UploadOptions:
    """Return how a file that comes is to be stored.

    :raises UsageError: an argument makes no sense
    """
    asked = _read_format(request)
    if asked is None and read_boolean(request, "mutable"):
        asked = "SDMF"
    mutable = asked if asked != "CHK" else None
    return UploadOptions(_read_happy(request), _read_convergence(request), mutable)


def read_directory_format(request: Request) -> str | None:
    """Return in which kind of file a new directory is to lie; None: of our own kind.

    Where a directory is made in another, None means of that one's kind.

    :raises UsageError: an argument makes no sense
    """
    asked, kind = _read_format(request), (request.argument("kind") or "").lower()
    if asked == "CHK":
        method = request.method.decode("latin-1")
        where = f"{method} /uri?t={request.argument('t')}"
        raise UsageError(f"format=CHK not currently accepted for {where}")
    if kind not in ("", DIR2):
        raise UsageError(f"Unknown kind of directory: {kind}, I know {DIR2}")
    return asked or ("SDMF" if kind == DIR2 else None)


def read_boolean(request: Request, name: str, default: bool = False) -> bool:
    """Return an argument that is true or false; *default* where it is missing or empty.

    :raises UsageError: it is neither
    """
    value = request.argument(name)
    if not value:
        return default
    word = value.lower()
    if word in TRUE:
        return True
    if word in FALSE:
        return False
    raise UsageError(f"invalid boolean argument: {value.encode()!r}")


def read_seconds(request: Request, name: str) -> int | None:
    """Return how long something is to be kept, or None where nothing is said.

    :raises UsageError: it makes no sense
    """
    value = request.argument(name)
    if not value:
        return None
    if not (value.isascii() and value.isdigit() and len(value) <= MAX_SECONDS_DIGITS):
        raise UsageError(f"{name}= must be a number of seconds")
    return int(value)


def read_replace(request: Request) -> Replace:
    """Return what the child to be made may take the place of.

    :raises UsageError: it makes no sense
    """
    value = request.argument("replace") or "true"
    if value.lower() == Replace.FILES.value:
        return Replace.FILES
    try:
        may_replace = read_boolean(request, "replace", default=True)
    except UsageError as e:
        raise UsageError(f"invalid replace= argument: {value!r}") from e
    return Replace.ANYTHING if may_replace else Replace.NOTHING


def read_when_done(request: Request) -> str | None:
    """Return where to send a client when all is done.

    :raises UsageError: it can't be sent there
    """
    place = request.argument("when_done")
    if place and _CONTROL.search(place):
        raise UsageError("when_done= holds a control character")
    return place or None


def require(request: Request, name: str, message: str) -> str:
    """Return an argument.

    :raises HTTPError: it is missing or empty; with *message*
    """
    value = request.argument(name)
    if not value:
        raise HTTPError(400, message)
    return value


def _read_format(request: Request) -> str | None:
    asked = request.argument("format")
    if not asked:
        return None
    if asked.upper() not in FORMATS:
        raise UsageError(f"Unknown format: {asked}, I know CHK, SDMF, MDMF")
    return asked.upper()


def _read_happy(request: Request) -> int | None:
    text = request.argument("happy")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:4]) <= MAX_HAPPY):
        raise UsageError(f"happy= must be a number from 1 to {MAX_HAPPY}")
    return int(text)


def _read_convergence(request: Request) -> bool:
    word = request.argument("convergence") or "node"
    if word not in ("node", "none"):
        raise UsageError("convergence= must be none or node")
    return word == "node"
