"""How another process of the same user acts on a running demo: HTTP on 127.0.0.1.

    GET  /status
    POST /kill  /revive  /freeze  /corrupt      ?servers=1,2

Every request carries ``Authorization: Bearer TOKEN``; the token is in demo.json, which
nobody else can read.  Answers are JSON; errors ``{"error": {code, message, why, fix}}``.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable
from hmac import compare_digest
from typing import Any

from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger
from twisted.web import resource, server

from allmydata.errors import GridError, UsageError
from allmydata.node.demo.grid import DemoGrid
from allmydata.node.demo.plan import HOST
from allmydata.util.deferreds import log_failure, start

log = Logger()

ENDPOINT = f"tcp:0:interface={HOST}"
LONGEST_QUERY = 2000


class ControlSite(server.Site):
    """The site; *token* opens it."""

    def __init__(self, grid: DemoGrid, token: str) -> None:
        super().__init__(Control(grid, token))  # type: ignore[no-untyped-call]
        self.noisy = False

    def log(self, request: Any) -> None:
        """Keep no access log."""


class Control(resource.Resource):
    """Answers all paths."""

    isLeaf = True  # noqa: N815

    def __init__(self, grid: DemoGrid, token: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._grid = grid
        self._expected = f"Bearer {token}".encode()

    def render(self, request: Any) -> int:
        """Answer now or later."""
        log_failure(start(self._answer(request)), log, "answering a control request")
        return server.NOT_DONE_YET

    async def _answer(self, request: Any) -> None:
        gone: list[object] = []
        request.notifyFinish().addErrback(gone.append)
        status, body = await self._result(request)
        if not gone:
            request.setResponseCode(status)
            request.setHeader(b"content-type", b"application/json")
            request.setHeader(b"connection", b"close")
            request.write(json.dumps(body).encode() + b"\n")
            request.finish()

    async def _result(self, request: Any) -> tuple[int, dict[str, Any]]:
        """Return the status and what to say."""
        if not compare_digest(request.getHeader(b"authorization") or b"", self._expected):
            return 401, _error(GridError("this is not the token in demo.json"))
        try:
            return 200, await self._work(request.method, request.path, request.args)
        except GridError as e:
            return 400, _error(e)
        except Exception as e:  # the demo goes on
            log.failure("a control request failed")
            why = f"{type(e).__name__}: {e}"[:200]
            return 500, _error(GridError("the demo met an error", why=why))

    def _work(
        self, method: bytes, path: bytes, arguments: dict[bytes, list[bytes]]
    ) -> Awaitable[dict[str, Any]]:
        """Begin what is asked for.

        :raises UsageError: nothing that there is
        """
        grid = self._grid
        if (method, path) == (b"GET", b"/status"):
            return grid.status()
        actions = {
            b"/kill": grid.kill,
            b"/revive": grid.revive,
            b"/freeze": grid.freeze,
            b"/corrupt": grid.corrupt,
        }
        if method != b"POST" or path not in actions:
            raise UsageError(
                "the demo can't be asked that",
                fix=f"GET /status, or POST {b' '.join(actions).decode()}",
            )
        return actions[path](_numbers(arguments.get(b"servers", [b""])[0]))


def _error(error: GridError) -> dict[str, Any]:
    return {"error": error.as_json()}


def _numbers(text: bytes) -> list[int]:
    try:
        return [int(word) for word in text[:LONGEST_QUERY].split(b",")]
    except ValueError:
        raise UsageError("no servers named", fix="?servers=1,2") from None


async def open_control(grid: DemoGrid, clock: Any) -> tuple[IListeningPort, str, str]:
    """Listen; return the port, its address as HOST:PORT, and the token."""
    token = secrets.token_urlsafe()
    port = await serverFromString(clock, ENDPOINT).listen(ControlSite(grid, token))
    host = port.getHost()
    return port, f"{host.host}:{host.port}", token
