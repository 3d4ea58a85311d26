"""Files, for people: the page of a folder.

It shows five hundred children, folders first; ``?page=2`` the next.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from mimetypes import MimeTypes
from typing import Any
from urllib.parse import unquote

from attrs import frozen

from allmydata.util.names import MAX_NAME_SIZE
from allmydata.web.children import facts_of_child
from allmydata.web.errors import HTTPError
from allmydata.web.excerpt import Excerpt
from allmydata.web.pages import ago, count, date, page, path_of, quoted, shown
from allmydata.web.paths import PRIVATE, Found, Place
from allmydata.web.reply import Reply
from allmydata.web.request import Request
from allmydata.web.targets import ROOTS, moved_to

TRASH = ".Trash"  # in the private root; it holds one folder for each time of deleting
HIDDEN = (PRIVATE, TRASH)  # there is a link to it

PDF = "application/pdf"

_BATCH = re.compile(
    r"\d{4}-\d\d-\d\d \d\d\.\d\d\.\d\d(?:~\d+)?(?:\+(\d+))?(?: (.*))?", re.S
)
_TYPES = MimeTypes()  # Python's own table, whatever the machine has
_TEXTS = re.compile(r"text/|.*(?:json|javascript|xml|yaml|toml|x-sh)")
_WORDS = {"filenode": "file", "dirnode": "folder", "unknown": "unknown"}


@frozen
class Entry:
    """A child, as a row of the table or a page of its own tells of it.

    :param label: the name as it is to be read
    :param href: what a click on the name leads to, on the page of its folder
    :param size: bytes, of a file
    """

    name: str
    label: str
    kind: str
    icon: str
    href: str
    size: int | None
    changed: float | None  # seconds since the epoch, where the folder says
    age: str


@frozen
class Crumb:
    """A step on the way to a folder."""

    label: str
    href: str


@frozen
class Folder:
    """A directory, and where it stands."""

    place: Place
    path: str
    can_change: bool
    is_trash: bool
    is_kept: bool  # whether what is deleted here can be brought back

    @classmethod
    def at(cls, place: Place, found: Found) -> Folder:
        """Describe what was found at *place*."""
        place = Place(place.root, place.names)
        in_trash = place.names[:1] == (TRASH,)
        is_private = place.root == PRIVATE
        return cls(
            place,
            path_of(place),
            found.node.is_mutable(),
            is_private and place.names == (TRASH,),
            is_private and not in_trash,
        )

    @property
    def title(self) -> str:
        """What it is called."""
        return _title(self.place)

    @property
    def crumbs(self) -> list[Crumb]:
        """The way to it, itself left out."""
        root, names = self.place.root, self.place.names
        way = [Place(root, names[:i]) for i in range(len(names))]
        return [Crumb(_title(one), path_of(one) + "/") for one in way]


def _title(place: Place) -> str:
    if place.root == PRIVATE and place.names[:1] == (TRASH,):
        if len(place.names) == 1:
            return "Trash"
        if len(place.names) == 2:
            return batch_label(place.names[1])
    return shown(place.names[-1]) if place.names else ROOTS.get(place.root, "Folder")


async def folder_page(request: Request, found: Found) -> Reply:
    """Answer ``GET`` of a directory, to a browser."""
    folder = Folder.at(Place.parse(request.segments), found)
    is_home = folder.place == Place(PRIVATE)
    excerpt = Excerpt(_page_number(request), folder.is_trash, TRASH if is_home else None)
    async for children in found.node.pages():
        excerpt.add(children)
    return page(
        "folder.html",
        folder=folder,
        entries=[entry_of(folder, one) for one in await excerpt.children(found.node)],
        summary=_summary(excerpt.num_folders, excerpt.num_files),
        has_trash=excerpt.has_hidden,
        number=excerpt.number,
        last=excerpt.last,
        undo=request.argument("undo") if folder.is_kept else None,
        moved=moved_to(request.argument("moved_to"), folder.place),
    )


def type_of(name: str) -> str:
    """Return the type of a file of that name; nothing where it does not tell."""
    content_type, encoding = _TYPES.guess_type(f"/{quoted(name)}")
    return "" if encoding else content_type or ""


def preview_of(content_type: str) -> str:
    """Return ``image``, ``audio``, ``video``, ``pdf``, ``text``, or nothing."""
    if content_type == PDF:
        return "pdf"
    kind = content_type.partition("/")[0]
    if kind in ("image", "audio", "video"):
        return kind
    return "text" if _TEXTS.match(content_type) else ""


def entry_of(folder: Folder, child: Any) -> Entry:
    """Return what is told of a child of *folder*."""
    word, facts = facts_of_child(child)
    kind, where, changed = _WORDS[word], quoted(child.name), child.changed
    age = None if changed is None else time.time() - changed
    return Entry(
        child.name,
        batch_label(child.name) if folder.is_trash else shown(child.name),
        kind,
        _icon(kind, child.name),
        f"{folder.path}/{where}/" if kind == "folder" else f"?t=details&name={where}",
        facts.get("size"),
        changed,
        "" if age is None else ago(age) if age < 86400 else date(changed),
    )


def _icon(kind: str, name: str) -> str:
    return preview_of(type_of(name)) or kind if kind == "file" else kind


def _summary(num_folders: int, num_files: int) -> str:
    words = [count(num_folders, "folder")] * bool(num_folders)
    return ", ".join(words + [count(num_files, "file")] * bool(num_files or not words))


def _page_number(request: Request) -> int:
    text = request.argument("page") or "1"
    if not (text.isascii() and text.isdigit() and 0 < int(text[:9])):
        raise HTTPError(400, "page= must be a number, from 1")
    return int(text[:9])


# ---- the trash -------------------------------------------------------------------------


def batch_label(name: str) -> str:
    """Return what a folder in the trash is called: what was deleted, and whence."""
    found = _BATCH.fullmatch(name)
    if not found:
        return shown(name)
    more, path = found.groups()
    *way, first = unquote(path).split("/") if path else [""]
    what = f"“{first}”" if first else "Something"
    what += f" and {more} more" if more else ""
    whence = " / ".join([ROOTS[PRIVATE], *way])
    return shown(f"{what} from {whence}")


def batch_origin(name: str) -> list[str]:
    """Return the names on the way to where its children were."""
    found = _BATCH.fullmatch(name)
    return unquote(found[2]).split("/")[:-1] if found and found[2] else []


def batch_name(now: float, way: Sequence[str], names: Sequence[str], attempt: int) -> str:
    """Return a name for what is deleted together.

    :param way: names that lead to where it was; left out where they are too long
    :param attempt: from 1 on, for those of the same second
    """
    when = time.strftime("%Y-%m-%d %H.%M.%S", time.gmtime(now))
    when += f"~{attempt}" if attempt > 1 else ""
    when += f"+{len(names) - 1}" if len(names) > 1 else ""
    whence = quoted("/".join([*way, names[0]]))
    return f"{when} {whence}" if len(when) + len(whence) < MAX_NAME_SIZE else when
