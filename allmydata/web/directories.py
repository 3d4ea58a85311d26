"""Directories, told: as JSON, as a page, as capabilities.

As JSON, one of up to a thousand children is told in one piece, in the order of their
names.  A larger one is sent in pages as they come from its server, each in that order.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from attrs import evolve, frozen

from allmydata import uri
from allmydata.util import base32
from allmydata.web import children, listing
from allmydata.web.errors import HTTPError
from allmydata.web.paths import Found
from allmydata.web.ranges import has_already
from allmydata.web.reply import PLAIN, Reply
from allmydata.web.request import Request
from allmydata.web.stream import stream

Page = Sequence[Any]  # of children


@frozen
class View:
    """How a directory is told, whatever its size."""

    head: bytes
    of_page: Callable[[Page], bytes]
    between: bytes  # two pages
    tail: bytes


async def get_directory(request: Request, found: Found) -> Reply | None:
    """Answer ``GET`` and ``HEAD`` of a directory."""
    kind = request.argument("t") or ""
    match kind:
        case "":
            return await listing.folder_page(request, found)
        case "json":
            head, etag = Reply(200, b"", PLAIN), _etag(found.cap)
            if etag and request.method != b"HEAD":
                if has_already(request.header("if-none-match"), etag):
                    return Reply(304, headers={"ETag": etag})
                head = evolve(head, headers={"ETag": etag})
            return await _send(request, head, found.node, _as_json(found))
        case "uri":
            return Reply(200, found.node.get_uri().encode(), PLAIN)
        case "readonly-uri":
            return Reply(200, found.node.get_immutable_uri().encode(), PLAIN)
    raise HTTPError(400, f"GET directory: bad t={kind}")


def _etag(cap: uri.Cap | None) -> str | None:
    """Return what the JSON of a directory that nobody can change is known by."""
    if isinstance(cap, uri.Dir2URI) and isinstance(cap.file, uri.CHKFileURI):
        return f"DIR:{base32.b2a(cap.file.storage_index)}-json"
    return None


def _as_json(found: Found) -> View:
    _, facts = children.facts_of(found.cap, found.cap and found.cap.get_readonly())
    head = json.dumps(["dirnode", facts])[: -len("}]")]
    return View(
        f'{head}, "children": {{\n'.encode(),
        lambda page: children.as_members(page).encode(),
        b",\n",
        b"\n}}]\n",
    )


async def _send(request: Request, head: Reply, node: Any, view: View) -> Reply | None:
    pages = aiter(node.pages())
    held = [page async for page in _first(pages, 2)]
    if len(held) < 2:
        rows = view.of_page(_sorted(held[0])) if held else b""
        return evolve(head, body=view.head + rows + view.tail)
    head = evolve(head, is_streamed=True)
    if request.method == b"HEAD":
        return head
    await stream(request, head, _pieces(view, held, pages))
    return None


async def _first(pages: AsyncIterator[Page], num: int) -> AsyncIterator[Page]:
    """Yield that many of *pages* which are not empty, or all there are."""
    while num:
        try:
            page = await anext(pages)
        except StopAsyncIteration:
            return
        if page:
            num -= 1
            yield page


async def _pieces(
    view: View, held: list[Page], pages: AsyncIterator[Page]
) -> AsyncIterator[bytes]:
    yield view.head + view.of_page(_sorted(held[0]))
    for page in held[1:]:
        yield view.between + view.of_page(_sorted(page))
    async for page in pages:
        if page:
            yield view.between + view.of_page(_sorted(page))
    yield view.tail


def _sorted(page: Page) -> Page:
    return sorted(page, key=lambda child: child.name)
