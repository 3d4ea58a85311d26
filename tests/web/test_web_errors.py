"""Which error is told with which status, in which words."""

import json

import pytest

from allmydata import errors
from allmydata.web.errors import HTTPError, explain


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (errors.NoSharesError("none", why="0 of 3"), 410, "NoSharesError: none; 0 of 3"),
        (errors.NotEnoughSharesError("2 of 3"), 410, "NotEnoughSharesError: 2 of 3"),
        (
            errors.NotEnoughServersError("too few", why="2 of 7", fix="start more"),
            500,
            "allmydata.interfaces.UploadUnhappinessError: too few; 2 of 7; start more",
        ),
        (errors.BadCapError("mistyped"), 400, "mistyped"),
        (errors.BadNameError("'..'"), 400, "'..'"),
        (errors.ConfigError("none"), 503, "none"),
        (errors.UsageError("what?"), 400, "what?"),
        (errors.UploadSourceError("short"), 400, "short"),
        (errors.NotCapableError("no"), 403, "no"),
        (errors.NotMutableError("no"), 403, "NotWriteableError: no"),
        (errors.NoSuchChildError("no"), 404, "no"),
        (errors.ConflictError("other"), 409, "other"),
        (errors.BadHashError("bad"), 500, "bad"),
        (errors.ServerLostError("lost"), 503, "lost"),
        (errors.NotYetError("later"), 501, "later"),
        (errors.NodeNotReadyError("wait"), 503, "wait"),
        (errors.NoSpaceError("full"), 507, "full"),
        (HTTPError(405, "not so", {"Allow": "GET"}), 405, "not so"),
    ],
)
def test_each_error_has_a_status_and_one_line(error, status, words):
    reply = explain(error, in_json=False)
    assert (reply.status, reply.body.decode()) == (status, words)
    assert reply.content_type == "text/plain;charset=utf-8"
    reply = explain(error, in_json=True)
    assert reply.status == status
    assert json.loads(reply.body) == {"error": error.as_json()}
    assert reply.headers == getattr(error, "headers", {})
