"""Where the things of a folder may be moved to, by the path of another.

That is: anywhere below the same root, or from one of the node's own roots to the other.
So whoever may use the folder may use the target too, and nobody else has to be asked.
"""

from __future__ import annotations

from attrs import frozen

from allmydata.errors import GridError, UsageError
from allmydata.web.pages import path_of, shown
from allmydata.web.paths import PRIVATE, PUBLIC, Place

OWN = (PRIVATE, PUBLIC)
ROOTS = {PRIVATE: "My files", PUBLIC: "Shared by everybody"}


@frozen
class Moved:
    """What a page tells after things were moved."""

    label: str
    href: str


def target_of(path: str, place: Place) -> Place:
    """Return the folder at *path*, if what is in *place* may be moved there.

    :raises UsageError: it is no path, or leads somewhere else
    """
    target = Place.of_path(path)
    if target.root == place.root or (target.root in OWN and place.root in OWN):
        return target
    raise UsageError(
        "things can't be moved there",
        why="the folder is below another root",
        fix="open it there, and put the capability in",
    )


def moved_to(path: str | None, place: Place) -> Moved | None:
    """Return what to tell of a move, if *path* is one that there can have been."""
    if not path:
        return None
    try:
        target = target_of(path, place)
    except GridError:
        return None
    label = target.names[-1] if target.names else ROOTS.get(target.root, "the first folder")
    return Moved(shown(label), f"{path_of(target)}/")
