"""Whatever a path leads to is read here: a file, a directory, or neither."""

from __future__ import annotations

from allmydata.web import item
from allmydata.web.directories import get_directory
from allmydata.web.files import Files
from allmydata.web.item import Items
from allmydata.web.moves import Moves
from allmydata.web.paths import Place, Tree
from allmydata.web.reply import Reply
from allmydata.web.request import Request


class Objects:
    """Answers ``GET`` and ``HEAD`` below ``/uri/CAP``."""

    def __init__(self, tree: Tree, files: Files, items: Items) -> None:
        self._tree = tree
        self._files = files
        self._items = items
        self._moves = Moves(tree)

    async def get(self, request: Request) -> Reply | None:
        """Answer with what is there."""
        found = await self._tree.find(Place.parse(request.segments))
        kind = request.argument("t") or ""
        if kind in item.KINDS:
            return await self._items.page(request, found)
        if kind == "move" and found.is_directory:
            return await self._moves.page(request, found)
        if found.is_directory:
            return await get_directory(request, found)
        return await self._files.get(request, found)
