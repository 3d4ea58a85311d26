"""Walks through whole trees that a client starts, and asks for later by a handle.

    POST DIRECTORY?t=start-manifest&ophandle=H     and start-deep-size, start-deep-stats,
                                                   start-deep-check
    GET  /operations/H?output=JSON
    POST /operations/H?t=cancel

Whoever named a long handle, and had the capability, may ask for it; else only the owner.
A handle that was taken already means the newer walk; the older one ends.  A finished one
is kept for four days, one more day once it was asked for, or as long as ``retain-for=``
says; when there are too many, the one that finished first goes.  Nothing wakes up for
that: what is due is forgotten when the next request about any handle comes.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from html import escape
from typing import Any
from urllib.parse import quote, urlencode

from attrs import define, field
from twisted.internet.defer import CancelledError as DeferredCancelledError
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from allmydata.errors import CancelledError, NotFoundError, UsageError
from allmydata.streams.spool import Spool
from allmydata.util.deferreds import start
from allmydata.util.names import shown
from allmydata.web import arguments
from allmydata.web.errors import HTTPError
from allmydata.web.forms import Form, read_form
from allmydata.web.guard import check_own
from allmydata.web.manifest import Walk
from allmydata.web.paths import Found
from allmydata.web.reply import HTML, PLAIN, Reply, as_json, text
from allmydata.web.request import Request

MAX_HANDLES = 50
MAX_HANDLE_SIZE = 256  # characters
UNGUESSABLE = 16  # characters of a handle that is a secret between a program and us
DAY = 24 * 3600
UNASKED_S, ASKED_S = 4 * DAY, DAY  # how long what is finished is kept
PREFIX = "start-"
DEEP_CHECK = "start-deep-check"
KINDS = ("start-manifest", "start-deep-size", "start-deep-stats", DEEP_CHECK)

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Operation</title></head>
<body>
<h1>Operation</h1>
<p>finished: {finished}</p>
<table>
{rows}
</table>
</body>
</html>
"""

Act = Callable[[Request, Found, Form], Awaitable[Reply | None]]


@define
class Operation:
    """One walk, and what was found on it so far.

    :param kind: one of KINDS
    :param needs_owner: whether only the owner of the gateway may ask for it
    :ivar finished: when that was, in seconds of the clock; None before
    :ivar asked: when somebody last asked after that
    :ivar retain: how many seconds it is kept then, if a client said so
    """

    kind: str
    _clock: IReactorTime
    needs_owner: bool = True
    walk: Any = field(factory=Walk)  # or what checks all that it finds
    found: list[dict[str, Any]] = field(factory=list)  # for a manifest
    errors: list[str] = field(factory=list)  # directories that can't be read
    fault: BaseException | None = None
    finished: float | None = None
    asked: float | None = None
    retain: float | None = None
    work: Deferred[None] | None = None

    async def run(self, root: Found) -> None:
        """Walk through everything below *root*."""
        try:
            async for lines in self.walk.lines(root):
                for line in lines:
                    self._keep(line)
        except (CancelledError, DeferredCancelledError):
            pass
        except Exception as e:  # told to whoever asks, as an error of that request
            self.fault = e
        self.finished = self._clock.seconds()

    def _keep(self, line: str) -> None:
        if line.startswith("ERROR:"):
            self.errors.append(line)
        elif self.kind == "start-manifest":
            told = json.loads(line)
            if told["type"] != "stats":
                self.found.append(told)

    def expiry(self) -> float | None:
        """Return when it is to be forgotten, if it has finished."""
        if self.finished is None:
            return None
        if self.retain is not None:
            return max(self.finished, self.asked or self.finished) + self.retain
        return self.finished + UNASKED_S if self.asked is None else self.asked + ASKED_S

    def as_json(self) -> dict[str, Any]:
        """Return what programs read."""
        stats, finished = self.walk.stats.as_json(), self.finished is not None
        errors = {"errors": self.errors} if self.errors else {}
        match self.kind:
            case "start-deep-size":
                return {"finished": finished, "size": stats, **errors}
            case "start-deep-stats":
                return {**stats, "finished": finished, **errors}
            case "start-deep-check":
                return {"finished": finished, **self.walk.as_json(), **errors}
        return {
            "stats": stats,
            "finished": finished,
            "origin": "",  # the storage index of a directory, which it has not here
            "manifest": [[one["path"], one["cap"]] for one in self.found],
            "verifycaps": _distinct(one["verifycap"] for one in self.found),
            "storage-index": _distinct(one["storage-index"] for one in self.found),
            **errors,
        }

    def as_text(self) -> str:
        """Return the same in lines."""
        if self.kind == "start-deep-stats":
            return json.dumps(self.as_json(), indent=1) + "\n"
        lines = [f"finished: {_yes(self)}"]
        if self.finished is None:
            return f"{lines[0]}\n"
        if self.kind == "start-deep-size":
            lines.append(f"size: {_total(self.walk.stats.as_json())}")
        lines += [f"{_path(one['path'])} {one['cap']}" for one in self.found]
        return "\n".join([*lines, *self.errors, ""])


class Operations:
    """Starts walks, and answers below ``/operations``."""

    def __init__(self, clock: IReactorTime, deep_check: Callable[[Request], Any]) -> None:
        self._clock = clock
        self._deep_check = deep_check
        self._running: dict[str, Operation] = {}

    # ---- what starts one

    def acts(self) -> dict[str, Act]:
        """Return what begins each kind, for a directory that was found."""
        return dict.fromkeys(KINDS, self.begin)

    async def begin(self, request: Request, root: Found, form: Form) -> Reply:
        """Answer ``POST DIRECTORY?t=start-…``."""
        kind = request.argument("t") or ""
        handle = arguments.require(request, "ophandle", "slow operation requires ophandle=")
        if len(handle) > MAX_HANDLE_SIZE:
            raise UsageError(f"ophandle= has at most {MAX_HANDLE_SIZE} characters")
        retain = arguments.read_seconds(request, "retain-for")
        walk = self._deep_check(request) if kind == DEEP_CHECK else Walk()
        self._make_room(handle)
        by_cap = request.segments[0] != "vdrive" and len(handle) >= UNGUESSABLE
        operation = Operation(kind, self._clock, not by_cap, walk, retain=retain)
        self._running[handle] = operation
        operation.work = start(operation.run(root))
        return Reply(302, headers={"Location": _location(request, handle)})

    # ---- what asks for it

    async def get(self, request: Request) -> Reply:
        """Answer ``GET /operations/H``: how far it is, and what was found.

        :raises NotFoundError: there is none
        """
        handle, operation = self._find(request)
        output = (request.argument("output") or "html").lower()
        if output not in ("json", "text", "html"):
            raise UsageError(f"Unknown output value: {shown(output)}")
        retain = arguments.read_seconds(request, "retain-for")
        is_last = arguments.read_boolean(request, "release-after-complete")
        if request.method != b"HEAD":
            operation.retain = operation.retain if retain is None else retain
            if operation.finished is not None:
                operation.asked = self._clock.seconds()
                if is_last:
                    del self._running[handle]
        if operation.fault is not None:
            raise operation.fault
        if output == "json":
            return as_json(200, operation.as_json(), PLAIN)
        if output == "text" and operation.kind == DEEP_CHECK:
            raise HTTPError(400, "this walk is told as JSON or as a page")
        if output == "text":
            return text(200, operation.as_text())
        return Reply(200, _page(operation).encode(), HTML)

    async def post(self, request: Request) -> Reply:
        """Answer ``POST /operations/H?t=cancel``; without that it is a ``GET``."""
        await _read_fields(request)
        kind = request.argument("t") or "status"
        if kind not in ("cancel", "status"):
            raise HTTPError(400, f"POST to an operation: bad t={kind}")
        if kind == "status":
            return await self.get(request)
        self._forget(self._find(request)[0])
        return text(200, "Operation cancelled")

    def _find(self, request: Request) -> tuple[str, Operation]:
        self._sweep()
        handle = request.segments[1]
        operation = self._running.get(handle)
        if operation is None or operation.needs_owner:
            check_own(request)
        if operation is None:
            raise NotFoundError(f"unknown/expired handle {shown(handle)}")
        return handle, operation

    # ---- how long it is kept

    def _sweep(self) -> None:
        now = self._clock.seconds()
        for handle, operation in list(self._running.items()):
            expiry = operation.expiry()
            if expiry is not None and expiry <= now:
                self._forget(handle)

    def _make_room(self, handle: str) -> None:
        self._sweep()
        if handle in self._running:
            self._forget(handle)
        if len(self._running) < MAX_HANDLES:
            return
        done = {h: o.finished for h, o in self._running.items() if o.finished is not None}
        if not done:
            raise HTTPError(503, f"{MAX_HANDLES} slow operations are running; cancel one")
        self._forget(min(done, key=lambda one: done[one]))

    def _forget(self, handle: str) -> None:
        work = self._running.pop(handle).work
        if work is not None:
            work.cancel()


async def _read_fields(request: Request) -> None:
    """Let the fields of a form become arguments."""

    def refuse() -> Spool:
        raise UsageError("no file goes here")

    (await read_form(request, refuse)).close()


def _location(request: Request, handle: str) -> bytes:
    host = request.header("host")
    place = f"/operations/{quote(handle, safe='')}"
    output = request.argument("output")
    query = "?" + urlencode({"output": output}) if output else ""
    return ((f"http://{host}" if host else "") + place + query).encode("latin-1")


def _distinct(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(filter(None, words)))


def _yes(operation: Operation) -> str:
    return "no" if operation.finished is None else "yes"


def _path(names: list[str]) -> str:
    path = "/".join(names)
    return path if path.isprintable() else json.dumps(path)


def _total(stats: dict[str, Any]) -> int:
    sizes = ("size-immutable-files", "size-literal-files", "size-directories")
    return sum(stats[size] for size in sizes)


def _page(operation: Operation) -> str:
    """Return a page that holds no capability and no name."""
    told = {k: v for k, v in operation.walk.stats.as_json().items() if isinstance(v, int)}
    rows = "\n".join(f"<tr><td>{escape(k)}</td><td>{v}</td></tr>" for k, v in told.items())
    return _PAGE.format(finished=_yes(operation), rows=rows)
