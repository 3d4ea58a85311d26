"""From one folder to another: the page to choose where, and the move.

    GET  FOLDER/?t=move&item=A&item=B&at=PATH                 the page; links lead on
    POST /_/do  act=move place=FOLDER item=A item=B at=PATH   the same, by buttons
    POST /_/do  act=move place=FOLDER item=A item=B to=PATH   the move

The names of many things make an address too long to be one: then buttons lead from folder
to folder, and the names go along in the form.  Nothing is moved before all of it can be.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from attrs import frozen

from allmydata.errors import ConflictError, NoSuchChildError, UsageError
from allmydata.util.names import check_name
from allmydata.web.excerpt import is_folder
from allmydata.web.listing import HIDDEN, Folder
from allmydata.web.pages import count, page, path_of, quoted, shown
from allmydata.web.paths import Found, Place, Spot, Tree, check_mutable
from allmydata.web.reply import Reply
from allmydata.web.request import Request
from allmydata.web.targets import OWN, ROOTS, target_of

MAX_QUERY = 4000  # bytes; a browser sends it twice, in its request and as Referer
MAX_FOLDERS = 1000  # to choose from
MAX_NAMED = 5  # things told by name


@frozen
class Choice:
    """A folder that the page shows.

    :param path: of the folder
    :param is_open: False for one that is to be moved itself: it can't go into itself
    """

    label: str
    path: str
    is_open: bool


@frozen
class Selection:
    """What is to be moved.

    :param node: of the folder it is in
    """

    place: Place
    names: Sequence[str]
    node: Any

    @property
    def is_long(self) -> bool:
        """Whether it does not fit into an address."""
        return len(self.query("")) > MAX_QUERY

    @property
    def words(self) -> str:
        """What it is, in words."""
        if len(self.names) > MAX_NAMED:
            return count(len(self.names), "thing")
        return ", ".join(f"“{shown(name)}”" for name in self.names)

    def query(self, at: str) -> str:
        """Return what follows the path of the page that has the folder *at* open."""
        items = [("item", name) for name in self.names]
        return urlencode([("t", "move"), *items, ("at", at)])


@frozen
class Target:
    """A folder, and all the folders on the way to it."""

    place: Place
    way: Sequence[Found]

    @property
    def node(self) -> Any:
        """The node of the folder."""
        return self.way[-1].node

    def is_below(self, cap: str) -> bool:
        """Return whether the way to it leads through a folder, or ends there.

        :param cap: which reads that folder
        """
        return cap in [found.node.get_immutable_uri() for found in self.way]


class Moves:
    """Moves things, and asks where to."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    async def page(self, request: Request, found: Found) -> Reply:
        """Answer ``GET FOLDER/?t=move``: the page to choose where to move things."""
        place = Place.parse(request.segments)
        names = _read_items(request)
        selection = Selection(Place(place.root, place.names), names, found.node)
        return await self._choose(selection, request.argument("at"))

    async def act(self, request: Request, place: Place, names: list[str]) -> str | Reply:
        """Do what the form says: move, or ask where to; return where to go on."""
        found = await self._tree.find(place)
        if not found.is_directory:
            raise UsageError("place= is no folder")
        selection = Selection(place, names, found.node)
        to, at = request.argument("to"), request.argument("at")
        if to is None and selection.is_long:
            return await self._choose(selection, at)
        if to is None:
            at = path_of(target_of(at, place) if at else place)
            return f"{path_of(place)}/?{selection.query(at)}"
        target = await self._target(target_of(to, place))
        await self._move(selection, target)
        return f"{path_of(place)}/?{urlencode({'moved_to': path_of(target.place)})}"

    # ---- choosing

    async def _choose(self, selection: Selection, at: str | None) -> Reply:
        check_mutable(selection.node)
        place = target_of(at, selection.place) if at else selection.place
        target = await self._target(place)
        choices = await self._choices(selection, place, target.node)
        return page(
            "move.html",
            selection=selection,
            source=Folder.at(selection.place, Found(None, selection.node)),
            folder=Folder.at(place, target.way[-1]),
            is_here=_is_same(target.node, selection.node),
            choices=choices[:MAX_FOLDERS],
            num_left_out=max(0, len(choices) - MAX_FOLDERS),
            roots=ROOTS if place.root in OWN else {},
        )

    async def _choices(
        self, selection: Selection, place: Place, node: Any
    ) -> Sequence[Choice]:
        path = path_of(place)
        names = [
            child.name async for some in node.pages() for child in some if is_folder(child)
        ]
        moved = set(selection.names if place == selection.place else ())
        return [
            Choice(shown(name), f"{path}/{quoted(name)}", name not in moved)
            for name in sorted(names, key=lambda name: (name.casefold(), name))
            if (path, name) != HIDDEN
        ]

    async def _target(self, place: Place) -> Target:
        way = [await self._tree.find(Place(place.root))]
        for name in place.names:
            way.append(await self._tree.step(way[-1], name))
        if not way[-1].is_directory:
            raise UsageError("things can only be moved into a folder")
        return Target(place, way)

    # ---- moving

    async def _move(self, selection: Selection, target: Target) -> None:
        check_mutable(selection.node)
        check_mutable(target.node)
        if _is_same(target.node, selection.node):
            raise UsageError("they are in this folder already", fix="choose another one")
        for name in selection.names:
            await self._check(selection, name, target)
        for num_moved, name in enumerate(selection.names):
            try:
                await selection.node.move_child_to(name, target.node, name, False)
            except (ConflictError, NoSuchChildError) as e:
                raise _half_way(name, num_moved, len(selection.names)) from e

    async def _check(self, selection: Selection, name: str, target: Target) -> None:
        """Refuse what can't be moved to *target*."""
        found = await self._tree.step(Found(None, selection.node), name)
        if found.is_directory and target.is_below(found.node.get_immutable_uri()):
            raise ConflictError(
                f"the folder “{shown(name)}” can't be moved into itself",
                why="what is chosen is that folder, or one below it",
                fix="choose a folder outside of it",
            )
        if await self._tree.look(Spot(target.node, (), name)) is not None:
            raise ConflictError(
                f"there is something named “{shown(name)}” in that folder already",
                why="moving replaces nothing, so nothing was moved",
                fix="rename one of the two, or choose another folder",
            )


def _is_same(one: Any, other: Any) -> bool:
    same: bool = one.get_immutable_uri() == other.get_immutable_uri()
    return same


def _read_items(request: Request) -> list[str]:
    try:
        names = [one.decode() for one in request.args.get(b"item", [])]
    except UnicodeDecodeError:
        raise UsageError("item= is not UTF-8") from None
    if not names:
        raise UsageError("nothing is chosen", fix="tick what is meant, then try again")
    return [check_name(name) for name in names]


def _half_way(name: str, num_moved: int, num_all: int) -> ConflictError:
    return ConflictError(
        f"“{shown(name)}” could not be moved: somebody changed one of the folders",
        why=f"{num_moved} of {num_all} were moved before",
        fix="look at both folders, and move what is left",
    )
