"""One table: which error is answered with which status, and in which words.

A program that accepts ``application/json`` gets ``{"error": {code, message, why, fix}}``,
any other one line of text, which begins with the name that Tahoe-LAFS gives the error,
where it has one.  Neither ever holds a capability.  Format: docs/webapi.md.
"""

from __future__ import annotations

from twisted.logger import Logger
from twisted.python.failure import Failure

from allmydata.errors import (
    GridError,
    MutableChildError,
    NoSharesError,
    NotEnoughServersError,
    NotEnoughSharesError,
    NotMutableError,
)
from allmydata.web.reply import Reply, as_json, text

log = Logger()

STATUS = {  # by GridError.code; any other is 500
    "usage": 400,
    "bad-cap": 400,
    "bad-name": 400,
    "bad-source": 400,
    "not-permitted": 403,
    "not-found": 404,
    "conflict": 409,
    "unrecoverable": 410,
    "not-offered": 501,
    "not-ready": 503,
    "bad-config": 503,
    "server-lost": 503,
    "no-space": 507,
}

NAMES: dict[type[GridError], str] = {  # what programs made for Tahoe-LAFS look for
    NoSharesError: "NoSharesError",
    NotEnoughSharesError: "NotEnoughSharesError",
    NotMutableError: "NotWriteableError",
    MutableChildError: "MustBeDeepImmutableError",
    NotEnoughServersError: "allmydata.interfaces.UploadUnhappinessError",
}


class HTTPError(GridError):
    """A request that can't be answered, for a reason that only HTTP has.

    :param status: of the reply
    :param headers: for the reply
    """

    code = "usage"

    def __init__(
        self, status: int, message: str, headers: dict[str, str | bytes] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}


class SignInError(HTTPError):
    """Only the owner of the gateway may have that, and nothing shows that it is they.

    A scheme other than Basic lets no browser ask for a password.
    """

    code = "not-permitted"

    def __init__(self, message: str = "only the owner of this node may see that") -> None:
        super().__init__(401, message, {"WWW-Authenticate": 'Bearer realm="allmydata"'})
        self.fix = "tahoe webopen, or send the token of private/api_auth_token"


def foreseen(error: BaseException) -> GridError:
    """Return *error*; if nobody foresaw it, log it, and return what may be told of it."""
    if isinstance(error, GridError):
        return error
    log.failure("a request failed", failure=Failure(error))
    return GridError(
        "the node met an error that it did not expect", fix="see the node's log"
    )


def explain(error: BaseException, *, in_json: bool) -> Reply:
    """Return what to answer when *error* ended a request; log it if nobody foresaw it."""
    error = foreseen(error)
    status, headers = STATUS.get(error.code, 500), {}
    if isinstance(error, HTTPError):
        status, headers = error.status, error.headers
    reply = as_json(status, {"error": error.as_json()}) if in_json else _line(status, error)
    return Reply(reply.status, reply.body, reply.content_type, headers)


def _line(status: int, error: GridError) -> Reply:
    name = NAMES.get(type(error))
    words = f"{name}: {error.message}" if name else error.message
    return text(status, "; ".join(filter(None, [words, error.why, error.fix])))
