"""``mode=dir``: contents under names, in one directory of the grid and those below it.

Whether a name is there is answered from a listing of its directory where that is just
being read, or where it was read in the last FRESH_S seconds and did not hold the name.  A
name that such a listing did hold is looked up once more: another clone may have removed
it, and to say that it is there may make git-annex drop the last other copy.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

from attrs import define, field

from allmydata.doors.annex.contents import Tell, fetch, send
from allmydata.doors.annex.names import Place, path_of
from allmydata.doors.annex.nodes import can_be_read
from allmydata.errors import ConfigError, GridError, NoSuchChildError
from allmydata.webapi import NodeHTTP, RemoteNodeError, checked_cap

FRESH_S = 5.0
TRIES = 5  # of a change that somebody else's came between
_AGAIN = ("conflict", "server-lost", "not-ready")

T = TypeVar("T")


@define
class _Listing:
    names: set[str]
    read_at: float


@define
class Tree:
    """Files below the directory *cap*.

    :param node: what finds the gateway
    :param asks_servers: to be there, a file's shares must be too
    """

    _node: Callable[[], NodeHTTP]
    _cap: str = field(repr=False)
    _asks_servers: bool = False
    _clock: Callable[[], float] = time.monotonic
    _sleep: Callable[[float], None] = time.sleep
    _listings: dict[Place, _Listing] = field(init=False, factory=dict)
    _is_found: bool = field(init=False, default=False)

    def store(self, place: Place, path: str, tell: Tell) -> None:
        """Store the file *path*; it has its name when all of it is on the grid."""
        node = self._node()
        cap = send(node, path, tell)
        path_there = f"{self._path(place)}?t=uri&replace=only-files"
        self._again(lambda: node.ask("PUT", path_there, cap.encode()))
        self._note(place, is_there=True)

    def retrieve(self, place: Place, path: str, tell: Tell) -> None:
        """Bring the file to *path*, or the rest of it.

        :raises NoSuchChildError: it is not there
        """
        cap = self._cap_of(place)
        if cap is None:
            raise NoSuchChildError("it is not in the remote's directory")
        fetch(self._node(), cap, path, tell)

    def is_there(self, place: Place) -> bool:
        """Tell whether the file is there.

        :raises GridError: that can't be known now
        """
        self._forget_old()
        *above, name = place
        listing = self._listings.get(tuple(above))
        if listing is None:
            there = name in self._list(tuple(above))
        else:
            there = name in listing.names and self._cap_of(place) is not None
        if not there:
            self._note(place, is_there=False)
        if not there or not self._asks_servers:
            return there
        cap = self._cap_of(place)
        return cap is not None and can_be_read(self._node(), cap)

    def remove(self, place: Place) -> None:
        """Take the name away, if it is there; shares live on for their time."""
        if self._cap_of(place) is not None:
            self._unlink(place)
        self._note(place, is_there=False)

    def remove_directory(self, place: Place) -> bool:
        """Take an empty directory away; tell whether it is gone."""
        children = self._unless_missing(lambda: self._children(place))
        if children:
            return False
        if children is not None and place:
            self._unlink(place)
        self._listings.pop(place, None)
        return True

    def rename(self, place: Place, to: Place) -> None:
        """Give the file another name, in one step; a file that has it gives way.

        :raises RemoteNodeError: it is not there
        """
        node = self._node()
        to_dir = self._again(lambda: self._directory(to[:-1]))
        node.move(self._path(place[:-1]), place[-1], to_dir, to[-1])
        self._note(place, is_there=False)
        self._note(to, is_there=True)

    # ---- asking

    def _path(self, place: Place) -> str:
        return path_of(self._cap, place)

    def _cap_of(self, place: Place) -> str | None:
        """Return the capability of the file; None where there is none, or a directory."""
        path = self._path(place)
        cap = self._unless_missing(lambda: checked_cap(self._node().cap(path)))
        return None if cap is None or cap.startswith("URI:DIR") else cap

    def _directory(self, place: Place) -> str:
        return self._node().mkdir(self._path(place)) if place else self._cap

    def _unlink(self, place: Place) -> None:
        path = self._path(place)
        self._again(lambda: self._unless_missing(lambda: self._node().unlink(path)))

    def _children(self, place: Place) -> dict[str, Any]:
        try:
            _, words = self._node().json(self._path(place) + "?t=json")
            children: dict[str, Any] = words["children"]
        except (ValueError, KeyError, TypeError) as e:
            raise RemoteNodeError("failed", "the node lists no directory") from e
        return children

    def _unless_missing(self, ask: Callable[[], T]) -> T | None:
        try:
            return ask()
        except RemoteNodeError as e:
            if e.code != "not-found":
                raise
        self._find_directory()
        return None

    def _find_directory(self) -> None:
        """See once that the remote's own directory is there: else nothing is known.

        :raises ConfigError: it is not
        """
        if self._is_found:
            return
        try:
            self._children(())
        except RemoteNodeError as e:
            if e.code != "not-found":
                raise
            fix = "see whether node= or node-url= leads to a node of the remote's grid"
            raise ConfigError("the remote's directory is not found", fix=fix) from e
        self._is_found = True

    def _again(self, change: Callable[[], T]) -> T:
        """Make a change that is harmless twice; again, if another came between."""
        for wait_s in (0.1 * 2**i for i in range(TRIES - 1)):
            try:
                return change()
            except GridError as e:
                if e.code not in _AGAIN:
                    raise
            self._sleep(wait_s * random.uniform(0.5, 1.5))  # noqa: S311
        return change()

    # ---- listings

    def _list(self, above: Place) -> set[str]:
        now = self._clock()
        children = self._unless_missing(lambda: self._children(above)) or {}
        names = {name for name, (kind, *_) in children.items() if kind == "filenode"}
        self._listings[above] = _Listing(names, now)
        return names

    def _forget_old(self) -> None:
        oldest = self._clock() - FRESH_S
        old = [at for at, listing in self._listings.items() if listing.read_at < oldest]
        for at in old:
            del self._listings[at]

    def _note(self, place: Place, *, is_there: bool) -> None:
        """Keep in mind what we changed, or found changed."""
        *above, name = place
        listing = self._listings.get(tuple(above))
        if listing is None:
            return
        if is_there:
            listing.names.add(name)
        else:
            listing.names.discard(name)
