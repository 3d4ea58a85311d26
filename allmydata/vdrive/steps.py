"""From one directory to another, of whatever kinds: a path followed, a child moved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from allmydata.errors import (
    BadCapError,
    BadNameError,
    ConflictError,
    FileInTheWayError,
    NoSuchChildError,
    NotCapableError,
)
from allmydata.util.names import check_name, shown, split_path
from allmydata.vdrive.children import Caps, Children


async def follow(root: Any, path: str | Sequence[str]) -> Any:
    """Return the node found by following *path* from *root*, one question a step.

    :raises NoSuchChildError: it names the step that failed
    :raises FileInTheWayError: a step before the last is no directory
    """
    node, names = root, split_path(path)
    for step, name in enumerate(names):
        if node.kind != "directory":
            raise _in_the_way(names[step - 1], node)
        node = await node.get(name)
    return node


async def move(here: Any, name: str, there: Any, new_name: str, replace: bool) -> Any:
    """Put a child of *here* into *there*, then take it out here; return its node.

    Cut off between the two, it is in both.

    :param name, new_name: checked
    :raises ConflictError: there is one of that name, and *replace* is False
    """
    if getattr(there, "kind", None) != "directory":
        raise BadCapError("a child can only be moved into a directory")
    there.check_mutable()
    child = await here.get_child(name)
    if (there.identity, new_name) == (here.identity, name):
        if not replace:
            raise taken(name)
        return child.node
    await there.adopt(new_name, child, replace)
    await here.let_go(child)
    return child.node


def caps_of(node: Any) -> Caps:
    """Return what to keep of *node*.

    :raises NotCapableError: nothing is held of it
    """
    strong, weak = node.get_uri(), None
    if node.kind == "unknown":
        weak = node.get_immutable_uri()
    if strong is None and weak is None:
        raise NotCapableError(
            "this child can't be put elsewhere: no capability of it is held",
            why="it is of an unknown kind, seen through a read-only directory",
        )
    return strong, weak


def by_checked_name(children: Children) -> dict[str, Caps]:
    """Return *children* by their names as they are stored.

    :raises BadNameError: one can't be a name, or two are the same
    """
    checked = {check_name(name): caps for name, caps in children.items()}
    if len(checked) < len(children):
        raise BadNameError(
            "two of the names are one",
            why="they differ in how accents are written, which is not told apart",
        )
    return checked


def no_child(name: str) -> NoSuchChildError:
    """Return the error of a name that is not there."""
    return NoSuchChildError(f"no child named {shown(name)}")


def taken(name: str) -> ConflictError:
    """Return the error of a name that may not be used again."""
    return ConflictError(f"there is a child named {shown(name)} already")


def _in_the_way(name: str, node: Any) -> FileInTheWayError:
    what = "a file" if node.kind == "file" else "no directory we know"
    return FileInTheWayError(f"{shown(name)} is {what}: no path leads through it")
