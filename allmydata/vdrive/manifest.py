"""Everything that can be reached from a directory, which may lead back to itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

Path = tuple[str, ...]


async def walk(root: Any) -> AsyncIterator[tuple[Path, Any]]:
    """Yield each name below *root*, an IDirectoryNode, with its path and its node.

    The root comes first, with no names.  A directory comes before what it holds, and what
    it holds comes once, by the first path that led there; other names of it come alone.
    What is held meanwhile is the directories still to be looked into.
    """
    yield (), root
    todo: list[tuple[Path, Any]] = [((), root)]
    seen = {root.identity}
    while todo:
        path, directory = todo.pop()
        async for page in directory.pages():
            for child in page:
                node, place = child.node, (*path, child.name)
                yield place, node
                if node.kind == "directory" and node.identity not in seen:
                    seen.add(node.identity)
                    todo.append((place, node))


async def build_manifest(root: Any) -> set[str]:
    """Return the refresh capabilities of *root* and all that can be reached from it."""
    found = {node.get_refresh_capability() async for _, node in walk(root)}
    return {cap for cap in found if cap is not None}
