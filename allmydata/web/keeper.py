"""``/keeper``, ``/health`` and ``/servers``: what the node looks after, for its owner.

    GET  /health?t=json
    GET  /keeper?t=json                     GET  /keeper?t=list&after=N
    POST /keeper?t=add        verify capabilities, a line each
    POST /keeper?t=remove     the same, or all=true
    POST /keeper?t=run-now    read=true
    POST /servers?t=drain     server=NAME dry-run=true
    POST /servers?t=undrain   server=NAME
    POST /servers?t=rebalance dry-run=true

Format: docs/keeper.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from allmydata import uri
from allmydata.errors import BadCapError, NotYetError, UsageError
from allmydata.interfaces import IClient
from allmydata.util import base32
from allmydata.web.arguments import read_boolean, require
from allmydata.web.errors import HTTPError
from allmydata.web.reply import Reply, as_json
from allmydata.web.request import Request

MOST_BYTES = 4 * 2**20  # of one list of capabilities
PAGE = 1000
MOST_REFUSED = 100  # lines that are named; the rest is counted


class KeeperCalls:
    """Answers with what the keeper knows, and tells it what to do."""

    def __init__(self, client: IClient) -> None:
        self._client = client

    async def health(self, request: Request) -> Reply:
        """Answer ``GET /health?t=json``."""
        _only(request, "json")
        return as_json(200, await self._service("health").summary())

    async def get(self, request: Request) -> Reply:
        """Answer ``GET /keeper``."""
        kind = request.argument("t")
        if kind == "json":
            keeper, health = self._service("keeper"), self._service("health")
            await keeper.count()
            told = await health.summary()
            words = ("well", "verdict", "files", "spare", "durability", "keeper")
            return as_json(200, {word: told[word] for word in words})
        if kind == "list":
            return await self._list(request)
        raise HTTPError(400, "GET /keeper: t= is json or list")

    async def post(self, request: Request) -> Reply:
        """Answer ``POST /keeper``."""
        body = await request.read_body(MOST_BYTES)
        keeper = self._service("keeper")
        match request.argument("t"):
            case "add":
                caps, told = _read_caps(body)
                new = await keeper.add(caps)
                return as_json(200, {"added": new, "known": len(caps) - new, **told})
            case "remove" if read_boolean(request, "all"):
                return as_json(200, {"removed": await keeper.remove(None)})
            case "remove":
                caps, told = _read_caps(body)
                return as_json(200, {"removed": await keeper.remove(caps), **told})
            case "run-now":
                await keeper.run_now(read=read_boolean(request, "read"))
                return as_json(200, {"begun": True})
        raise HTTPError(400, "POST /keeper: t= is add, remove or run-now")

    async def servers(self, request: Request) -> Reply:
        """Answer ``POST /servers``."""
        await request.read_body(0)
        drains, dry_run = self._service("drains"), read_boolean(request, "dry-run")
        kind = request.argument("t")
        if kind == "rebalance":
            return as_json(200, await drains.rebalance(dry_run=dry_run))
        if kind not in ("drain", "undrain"):
            raise HTTPError(400, "POST /servers: t= is drain, undrain or rebalance")
        name = require(request, "server", "server= must name one")
        if kind == "undrain":
            return as_json(200, await drains.undrain(name))
        return as_json(200, await drains.drain(name, dry_run=dry_run))

    # ---- inside --------------------------------------------------------------------------

    def _service(self, name: str) -> Any:
        try:
            return self._client.getService(name)
        except KeyError:
            raise NotYetError(
                f"this node has no {name}",
                fix="set enabled = true in the section [keeper] of tahoe.cfg",
            ) from None

    async def _list(self, request: Request) -> Reply:
        after = request.argument("after") or "0"
        if not (after.isascii() and after.isdigit() and len(after) < 16):
            raise UsageError("after= must be a number")
        entries = await self._service("keeper").entries(int(after), PAGE)
        last = entries[-1].file.number if len(entries) == PAGE else None
        return as_json(200, {"files": [_told(one) for one in entries], "next": last})


def _only(request: Request, kind: str) -> None:
    if request.argument("t") != kind:
        raise HTTPError(400, f"the only t= known here is {kind}")


def _told(entry: Any) -> dict[str, Any]:
    file = entry.file
    return {
        "verifycap": file.cap.to_string(),
        "storage-index": base32.b2a(file.cap.storage_index),
        "size": file.cap.size,
        "state": file.state.name.lower(),
        "good": entry.num_good,
        "spare": file.spare,
        "lost_in_a_year": entry.loss,
        "checked": file.checked,
        "verified": entry.verified,
        "repaired": entry.repaired,
        "repaired_from": entry.repaired_from,
        "due": entry.due,
        "error": entry.error,
    }


# ---- lists of capabilities ---------------------------------------------------------------


def _read_caps(body: bytes) -> tuple[list[uri.CHKFileVerifierURI], dict[str, Any]]:
    """Return the capabilities in *body*, and what is to be said of other lines."""
    caps: list[uri.CHKFileVerifierURI] = []
    refused = []
    num_literals = 0
    for number, text in _lines(body):
        try:
            cap = uri.from_string(text)
            if isinstance(cap, uri.LiteralFileURI):
                num_literals += 1
            else:
                caps.append(_verifier(cap))
        except BadCapError as e:
            refused.append({"line": number, "why": e.message})
    told = {"literal": num_literals, "refused": len(refused)}
    return caps, told | {"lines": refused[:MOST_REFUSED]}


def _verifier(cap: uri.Cap) -> uri.CHKFileVerifierURI:
    if isinstance(cap, uri.CHKFileVerifierURI):
        return cap
    if isinstance(cap, uri.CHKFileURI):
        raise BadCapError("this capability can read: the keeper takes those that can't")
    raise BadCapError("only files can be kept, by capabilities like URI:CHK-Verifier:…")


def _lines(body: bytes) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(body.split(b"\n"), 1):
        if line.strip():
            yield number, line.decode("utf-8", "replace").strip()
