"""The arguments of a request, checked."""

from __future__ import annotations

from attrs import frozen

from allmydata.errors import NotYetError, UsageError
from allmydata.web.errors import HTTPError
from allmydata.web.request import Request

TRUE = ("true", "t", "1", "yes", "on")
FALSE = ("false", "f", "0", "no", "off")
FORMATS = ("CHK", "SDMF", "MDMF")
MAX_HAPPY = 256


@frozen
class UploadOptions:
    """How a file is to be stored.

    :param happy: servers that must hold a share; None for what the node is set to
    :param is_convergent: whether the same content is stored once
    """

    happy: int | None
    is_convergent: bool


def read_upload(request: Request) -> UploadOptions:
    """Return what ``PUT /uri`` says beside the body.

    :raises UsageError: an argument makes no sense
    :raises NotYetError: it asks for something other than an immutable file
    """
    check_unlinked_kind(request)
    _check_format(request)
    return UploadOptions(_read_happy(request), _read_convergence(request))


def check_unlinked_kind(request: Request) -> None:
    """Refuse every ``t=`` of ``/uri`` but that of uploading a file.

    :raises HTTPError: there is no such ``t=``
    :raises NotYetError: it is not offered
    """
    kind = request.argument("t") or ""
    is_mkdir = kind == "mkdir" or (request.method == b"POST" and kind.startswith("mkdir-"))
    if is_mkdir:
        raise NotYetError("this version does not have directories")
    if kind and (request.method, kind) != (b"POST", "upload"):
        known = "PUT, PUT?t=mkdir, POST?t=upload, and POST?t=mkdir"
        raise HTTPError(400, f"/uri accepts only {known}")


def read_boolean(request: Request, name: str) -> bool:
    """Return an argument that is true or false; false where it is missing.

    :raises UsageError: it is neither
    """
    value = request.argument(name)
    word = (value or "false").lower()
    if word in TRUE:
        return True
    if word in FALSE:
        return False
    raise UsageError(f"invalid boolean argument: {(value or '').encode()!r}")


def _check_format(request: Request) -> None:
    asked = request.argument("format")
    kind = (asked or "CHK").upper()
    if kind not in FORMATS:
        raise UsageError(f"Unknown format: {asked}, I know CHK, SDMF, MDMF")
    if kind != "CHK" or (asked is None and read_boolean(request, "mutable")):
        raise NotYetError("this version does not have mutable files")


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
