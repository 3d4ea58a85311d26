"""Whatever a path leads to is read here: a file, a directory, or neither."""

from __future__ import annotations

from allmydata.web.directories import get_directory
from allmydata.web.files import Files
from allmydata.web.paths import Place, Tree
from allmydata.web.reply import Reply
from allmydata.web.request import Request


class Objects:
    """Answers ``GET`` and ``HEAD`` below ``/uri/CAP``."""

    def __init__(self, tree: Tree, files: Files) -> None:
        self._tree = tree
        self._files = files

    async def get(self, request: Request) -> Reply | None:
        """Answer with what is there."""
        found = await self._tree.find(Place.parse(request.segments))
        if found.is_directory:
            return await get_directory(request, found)
        return await self._files.get(request, found)
