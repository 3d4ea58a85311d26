"""What the forms of the pages do: ``POST /_/do``, which leads on to a page.

    act=open      cap=                        to the page of a capability
    act=mkdir     place= name=                a new folder
    act=rename    place= item= to=
    act=move      place= item= item= … to=    without to=: to the page to choose it
    act=delete    place= item= item= …        into the trash, where there is one
    act=restore   batch=                      out of the trash
    act=empty                                 the trash
    act=demo-kill …  server=                  what the page of a demo can do
    act=logout                                ends the session

``place`` is the path of a folder, and ``item`` a name in it, percent-encoded: a browser
changes line ends in what a form holds.  For the node's own roots, and for the trash, only
its owner may ask.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote, urlencode

from allmydata import uri
from allmydata.errors import (
    BadCapError,
    ConflictError,
    GridError,
    NoSuchChildError,
    UsageError,
)
from allmydata.util.names import check_name
from allmydata.web.errors import HTTPError, SignInError
from allmydata.web.forms import read_form, take_no_file
from allmydata.web.guard import check_own
from allmydata.web.listing import TRASH, batch_name, batch_origin
from allmydata.web.moves import Moves
from allmydata.web.nodepages import NodePages
from allmydata.web.pages import path_of, trouble
from allmydata.web.paths import EXISTS, PRIVATE, Place, Tree, no_such_child
from allmydata.web.reply import Reply
from allmydata.web.request import Request

MAX_ATTEMPTS = 100  # to name what is deleted in one second

Act = Callable[[Request], Awaitable[str | Reply]]


class Acts:
    """Answers ``/_``."""

    def __init__(self, tree: Tree, pages: NodePages, logout: Act) -> None:
        self._tree = tree
        self._pages = pages
        self._moves = Moves(tree)
        self._acts: dict[str, Act] = {
            "open": self._open,
            "mkdir": self._make,
            "rename": self._rename,
            "move": self._move_away,
            "delete": self._delete,
            "restore": self._restore,
            "empty": self._empty,
            "logout": logout,
            **pages.acts,
        }

    async def get(self, request: Request) -> Reply:
        """Answer ``GET``: a page about the node, or a file that pages are made with."""
        return await self._pages.get(request)

    async def post(self, request: Request) -> Reply:
        """Answer ``POST``: do what ``act=`` says, and lead on."""
        if request.segments[-1] != "do":
            raise HTTPError(405, "only /_/do takes a form", {"Allow": "GET, HEAD"})
        (await read_form(request, take_no_file)).close()
        act = self._acts.get(request.argument("act") or "")
        try:
            if act is None:
                raise UsageError("there is no such act=")
            done = await act(request)
        except GridError as e:
            in_json = "application/json" in (request.header("accept") or "")
            if in_json or isinstance(e, SignInError):
                raise
            return trouble(e, self._way_back(request))
        return done if isinstance(done, Reply) else Reply(303, headers={"Location": done})

    def _way_back(self, request: Request) -> str:
        if request.argument("act") in self._pages.acts:
            return "/_/demo"
        try:
            return path_of(_place(request)) + "/"
        except GridError:
            return "/"

    # ---- the acts; each returns where to go on

    async def _open(self, request: Request) -> str:
        text = (request.argument("cap") or "").strip()
        if "/uri/" in text:
            text = unquote(text.partition("/uri/")[2].partition("?")[0])
        place = Place.of_text(text)
        if isinstance(uri.from_string(place.root), uri.UnknownURI):
            raise BadCapError(
                "this is no capability that is known here",
                fix="paste all of it; it begins with URI:",
            )
        is_directory = (await self._tree.find(place)).is_directory
        return path_of(place) + ("/" if is_directory else "?t=info")

    async def _make(self, request: Request) -> str:
        place, name = _place(request), check_name((request.argument("name") or "").strip())
        node = await self._folder(place)
        try:
            await node.make_directory(name, replace=False)
        except ConflictError as e:
            raise ConflictError(EXISTS) from e
        return f"{path_of(place)}/"

    async def _rename(self, request: Request) -> str:
        place, [old, *_] = _place(request), _items(request)
        node, new = await self._folder(place), check_name(request.argument("to") or "")
        if new != old:
            await _move(node, old, node, new)
        return f"{path_of(place)}/"

    async def _move_away(self, request: Request) -> str | Reply:
        return await self._moves.act(request, _place(request), _items(request))

    async def _delete(self, request: Request) -> str:
        place, names = _place(request), _items(request)
        node, here = await self._folder(place), f"{path_of(place)}/"
        if not _is_kept(place, names):
            for name in names:
                await _take_out(node, name)
            return here
        batch, name_of_batch = await self._new_batch(place, names)
        for name in names:
            await _move(node, name, batch, name)
        return f"{here}?{urlencode({'undo': name_of_batch})}"

    async def _restore(self, request: Request) -> str:
        check_own(request)
        name = check_name(unquote(request.argument("batch") or ""))
        place = Place(PRIVATE, [check_name(one) for one in batch_origin(name)])
        trash = (await self._tree.find(Place(PRIVATE, [TRASH]))).node
        batch = await self._tree.find(Place(PRIVATE, [TRASH, name]))
        if not batch.is_directory:
            await _move(trash, name, await self._folder(Place(PRIVATE)), name)
            return f"{PRIVATE}/"
        spot = await self._tree.find_spot(Place(PRIVATE, [*place.names, TRASH]))
        target = await self._tree.make_way(spot)
        for child in await batch.node.list_children():
            await _move(batch.node, child, target, child)
        await _take_out(trash, name)
        return f"{path_of(place)}/"

    async def _empty(self, request: Request) -> str:
        check_own(request)
        await _take_out(await self._folder(Place(PRIVATE)), TRASH)
        return f"{PRIVATE}/"

    # ---- inside

    async def _folder(self, place: Place) -> Any:
        found = await self._tree.find(place)
        if not found.is_directory:
            raise UsageError("place= is no folder")
        return found.node

    async def _new_batch(self, place: Place, names: list[str]) -> tuple[Any, str]:
        root = await self._folder(Place(PRIVATE))
        trash, now = await self._tree.make_directory(root, TRASH), time.time()
        for attempt in range(1, MAX_ATTEMPTS):
            name = batch_name(now, place.names, names, attempt)
            try:
                return await trash.make_directory(name, replace=False), name
            except ConflictError:
                continue  # something else was deleted in this second
        raise ConflictError("too much is deleted at once", fix="try again")


def _place(request: Request) -> Place:
    text = request.argument("place") or ""
    words = [unquote(word) for word in text.split("/")[1:]]
    if words[0:1] == ["vdrive"]:
        check_own(request)
    if len(words) < 2 or words[0] not in ("uri", "vdrive"):
        raise UsageError("place= must be the path of a folder")
    place = Place.parse(words)
    return Place(place.root, place.names)


def _items(request: Request) -> list[str]:
    try:
        names = [unquote(one.decode()) for one in request.args.get(b"item", [])]
    except UnicodeDecodeError:
        raise UsageError("item= is not UTF-8") from None
    if not names:
        raise UsageError("nothing is chosen", fix="tick what is meant, then try again")
    return [check_name(name) for name in names]


def _is_kept(place: Place, names: list[str]) -> bool:
    """Return whether what is deleted there goes into the trash."""
    return place.root == PRIVATE and TRASH not in (*place.names[:1], *names)


async def _move(node: Any, old: str, target: Any, new: str) -> None:
    try:
        await node.move_child_to(old, target, new, False)
    except NoSuchChildError as e:
        raise no_such_child(old) from e
    except ConflictError as e:
        raise ConflictError(EXISTS) from e


async def _take_out(node: Any, name: str) -> None:
    try:
        await node.delete(name)
    except NoSuchChildError as e:
        raise no_such_child(name) from e
