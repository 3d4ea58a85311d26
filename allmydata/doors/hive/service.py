"""The hive's HTTP: which path and method is answered how, for whom.

    GET /v1/hello        what this is
    /v1/e/ALIAS          PUT (``If-None-Match: *``: put, else update) GET HEAD DELETE

An alias is any text of 1 to 1,024 bytes of UTF-8 without NUL, percent-encoded, in one
segment.  Format: docs/doors/hive.md.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Any
from urllib.parse import unquote_to_bytes

from attrs import frozen
from twisted.logger import Logger
from twisted.python.failure import Failure

from allmydata import __version__
from allmydata.doors.blobs.collection import Collection
from allmydata.doors.blobs.face import Answer, Face, TooLargeError, as_json
from allmydata.errors import ConflictError, GridError, NotFoundError, UsageError

log = Logger()

MAX_ALIAS_SIZE = 1024
METHODS = {b"PUT", b"GET", b"HEAD", b"DELETE"}
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?")

STATUS = {  # by GridError.code; any other is 500
    "usage": 400,
    "bad-source": 400,
    "not-permitted": 403,
    "not-found": 404,
    "conflict": 412,
    "not-ready": 503,
    "not-enough-servers": 503,
    "server-lost": 503,
    "bad-config": 503,
    "no-space": 507,
}

Respond = Callable[[Any], Awaitable[Answer | None]]


class RefusedError(GridError):
    """A request that is not served.

    :param status: of the reply
    """

    code = "usage"

    def __init__(self, status: int, message: str, fix: str = "", **headers: str) -> None:
        super().__init__(message, fix=fix)
        self.status = status
        self.headers = {name.replace("_", "-"): text for name, text in headers.items()}


@frozen
class Hive:
    """The table of routes.

    :param token: what clients must show; None: nothing, but then they must ask this machine
        by a name that nobody else can have made lead here, and be no browser
    """

    face: Face
    token: bytes | None = None

    @classmethod
    def over(
        cls, keys: Collection, token: bytes | None = None, max_size: int | None = None
    ) -> Hive:
        """Return the hive whose entries are those of a collection."""
        return cls(Face(keys, max_size), token)

    def find(self, request: Any) -> Respond:
        """Return what answers *request*.

        :raises GridError: nothing does, or not for whoever asks
        """
        self._check_caller(request)
        words = request.path.split(b"/")
        if words == [b"", b"v1", b"hello"]:
            _check_method(request.method, {b"GET", b"HEAD"})
            return self._hello
        if words[:3] != [b"", b"v1", b"e"] or len(words) != 4:
            raise RefusedError(404, "there is nothing here; entries are below /v1/e/")
        _check_method(request.method, METHODS)
        alias = read_alias(words[3])
        return self._answers(request.method, alias)

    def wants_body(self, request: Any) -> bool:
        """Return whether the answer begins before the body has come, and takes it in."""
        return bool(request.method == b"PUT")

    def explain(self, request: Any, error: BaseException) -> Answer:
        """Return what to answer when *error* ended a request."""
        if not isinstance(error, GridError):
            log.failure("a request to the hive failed", failure=Failure(error))
            error = GridError("the node met an error that it did not expect")
        status, headers = STATUS.get(error.code, 500), {}
        if isinstance(error, TooLargeError):
            status = 413
        elif isinstance(error, RefusedError):
            status, headers = error.status, error.headers
        else:
            status = getattr(error, "status", status)
        return as_json(status, {"error": error.as_json()}, headers)

    # ---- inside --------------------------------------------------------------------------

    def _answers(self, method: bytes, alias: bytes) -> Respond:
        act = {b"PUT": self._put, b"DELETE": self.face.delete}.get(method, self.face.get)

        async def answer(request: Any) -> Answer | None:
            try:
                return await act(request, alias)
            except NotFoundError as e:
                raise NotFoundError("there is no such alias") from e

        return answer

    async def _put(self, request: Any, alias: bytes) -> Answer:
        try:
            return await self.face.put(request, alias)
        except ConflictError as e:
            raise ConflictError("this alias is there already") from e

    async def _hello(self, request: Any) -> Answer:
        told = {"hive": 1, "version": f"allmydata/{__version__}"}
        return as_json(200, told | {"max-size": self.face.max_size})

    def _check_caller(self, request: Any) -> None:
        if self.token is not None:
            scheme, _, token = (request.header("authorization") or "").partition(" ")
            given = token.strip().encode("latin-1")
            if scheme.lower() != "bearer" or not hmac.compare_digest(given, self.token):
                raise RefusedError(
                    401,
                    "this hive serves only who shows its token",
                    "it is in private/hive_token of the node",
                    WWW_Authenticate='Bearer realm="hive"',
                )
        elif request.header("origin") or not _is_local(request.header("host")):
            raise RefusedError(403, "this hive serves programs of this machine only")


def read_alias(word: bytes) -> bytes:
    """Return the alias in a segment of a path, as UTF-8.

    :raises GridError: it is none
    """
    alias = unquote_to_bytes(word)
    if len(alias) > MAX_ALIAS_SIZE:
        raise RefusedError(414, f"an alias of {len(alias)} bytes: at most {MAX_ALIAS_SIZE}")
    if not alias or b"\0" in alias:
        raise UsageError("an alias can't be empty, nor hold a NUL")
    try:
        alias.decode()
    except UnicodeDecodeError:
        raise UsageError("an alias must be UTF-8") from None
    return alias


def _check_method(method: bytes, allowed: set[bytes]) -> None:
    if method not in allowed:
        words = b", ".join(sorted(allowed)).decode()
        raise RefusedError(405, f"only these methods are known here: {words}", Allow=words)


def _is_local(host: str | None) -> bool:
    """Return whether a page of another site can't have made a browser ask for this."""
    if host is None:
        return True
    found = _HOST.fullmatch(host.strip().lower())
    if not found:
        return False
    try:
        ip_address(found[1] or found[2])
    except ValueError:
        return found[2] == "localhost"
    return True
