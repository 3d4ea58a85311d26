"""The page of one thing: a file, a folder, or what nobody knows.

FOLDER/?t=details&name=NAME      a thing in a folder
…?t=details, …?t=info            what the path leads to
…?t=where                        the same, with where it lies: this asks the servers
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import evolve, frozen
from twisted.internet.interfaces import IReactorTime

from allmydata import uri
from allmydata.errors import NoSuchChildError
from allmydata.interfaces import IClient
from allmydata.util import base32
from allmydata.util.names import check_name
from allmydata.web import whereabouts
from allmydata.web.beginning import Beginning, read_beginning
from allmydata.web.listing import Crumb, Entry, Folder, entry_of, preview_of, type_of
from allmydata.web.pages import POLICY, date, page, path_of, quoted, shown
from allmydata.web.paths import Found, Place, no_such_child
from allmydata.web.reply import Reply
from allmydata.web.request import Request

KINDS = ("details", "where", "info", "rename-form")  # values of t=

_FRAMING = f"{POLICY}; frame-src 'self'; object-src 'self'"  # a PDF, within the page
_File = uri.CHKFileURI | uri.LiteralFileURI


@frozen
class Item:
    """One thing, as its page tells of it.

    :param raw: the path that leads to it
    :param cap: the capability that only reads it
    :param folder: which holds it; None for a root
    :param entry: how that folder lists it, in the same case
    """

    label: str
    kind: str
    raw: str
    cap: uri.Cap | None
    crumbs: Sequence[Crumb]
    folder: Folder | None = None
    entry: Entry | None = None
    name: str = ""  # which tells the type

    @property
    def content_type(self) -> str:
        """The type of a file, if its name tells."""
        return type_of(self.name) if self.kind == "file" and self.name else ""

    @property
    def preview(self) -> str:
        """Which element shows it, if any does."""
        return preview_of(self.content_type) if isinstance(self.cap, _File) else ""

    @property
    def is_readable(self) -> bool:
        """Whether it is a file that the capability reads."""
        return isinstance(self.cap, _File)

    @property
    def here(self) -> str:
        """The path of this page, to which ``t=`` is added."""
        if self.folder and self.entry:
            return f"{self.folder.path}/?name={quoted(self.entry.name)}&"
        return f"{self.raw}?filename={quoted(self.name)}&" if self.name else f"{self.raw}?"


class Items:
    """Answers ``t=details`` and its like."""

    def __init__(self, client: IClient, clock: IReactorTime) -> None:
        self._client: Any = client
        self._clock = clock

    async def page(self, request: Request, found: Found) -> Reply:
        """Answer ``GET`` of what was found, or of the child that ``name=`` tells."""
        item, created = await _item(request, found)
        where = begin = None
        if request.argument("t") == "where":
            where = await whereabouts.look(self._client, item.cap)
        elif item.preview == "text":
            begin = await self._begin(item)
        facts = _facts(item, created)
        reply = page("item.html", item=item, facts=facts, where=where, beginning=begin)
        if item.preview != "pdf":
            return reply
        return evolve(reply, headers={**reply.headers, "Content-Security-Policy": _FRAMING})

    async def _begin(self, item: Item) -> Beginning:
        cap: Any = item.cap
        downloader = self._client.getService("downloader")
        return await read_beginning(
            downloader, cap.to_string(), cap.get_size(), self._clock
        )


async def _item(request: Request, found: Found) -> tuple[Item, float | None]:
    """Return what is asked for, and when its name was first used."""
    place, name = Place.parse(request.segments), request.argument("name")
    place = Place(place.root, place.names)
    if name and found.is_directory:
        return await _child(Folder.at(place, found), found.node, name)
    if found.child is not None:
        above = Place(place.root, place.names[:-1])
        folder = Folder.at(above, Found(None, found.parent))
        return _of_child(folder, found.child), found.child.created
    if found.is_directory:
        return _root(Folder.at(place, found), found), None
    return _bare(request, place, found), None


async def _child(folder: Folder, node: Any, name: str) -> tuple[Item, float]:
    try:
        child = await node.get_child(check_name(name))
    except NoSuchChildError as e:
        raise no_such_child(name) from e
    return _of_child(folder, child), child.created


def _of_child(folder: Folder, child: Any) -> Item:
    entry = entry_of(folder, child)
    crumbs = [*folder.crumbs, Crumb(folder.title, f"{folder.path}/")]
    raw = f"{folder.path}/{quoted(entry.name)}"
    return Item(
        entry.label,
        entry.kind,
        raw,
        child.readonly_cap,
        crumbs,
        folder,
        entry,
        entry.name,
    )


def _root(folder: Folder, found: Found) -> Item:
    cap = uri.from_string(found.node.get_immutable_uri())
    crumbs = [Crumb(folder.title, f"{folder.path}/")]
    return Item(folder.title, "folder", f"{folder.path}/", cap, crumbs)


def _bare(request: Request, place: Place, found: Found) -> Item:
    """Return a thing that no folder was asked for; an argument may say its name."""
    name = request.argument("filename") or ""
    is_file = isinstance(found.cap, _File | uri.CHKFileVerifierURI)
    label = shown(name) or ("A file" if is_file else "Something unknown")
    kind = "file" if is_file else "unknown"
    return Item(label, kind, path_of(place), found.cap, (), name=name)


def _facts(item: Item, created: float | None) -> list[tuple[str, str]]:
    facts = [("Kind", item.content_type or item.kind)]
    if isinstance(item.cap, _File | uri.CHKFileVerifierURI):
        facts.append(("Size", f"{item.cap.get_size():,} bytes"))
    if isinstance(item.cap, uri.CHKFileURI | uri.CHKFileVerifierURI):
        facts.append(
            (
                "Shares",
                f"any {item.cap.needed_shares} of {item.cap.total_shares} bring it back",
            )
        )
        facts.append(("Storage index", base32.b2a(item.cap.storage_index)))
    changed = item.entry.changed if item.entry else None
    for label, when in (("Changed", changed), ("Name first used", created)):
        text = "" if when is None else date(when)
        facts += [(label, f"{text} UTC")] if text else []
    return facts
