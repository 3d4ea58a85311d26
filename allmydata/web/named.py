"""Files under a name that a client chooses, so that it saves or shows them under that.

    /named/FILECAP/any/thing/NAME
    /file/FILECAP/@@name=/NAME

Only the last word counts: it tells the type, as ``filename=`` does under ``/uri``.
"""

from __future__ import annotations

from allmydata import uri
from allmydata.errors import BadCapError
from allmydata.web.errors import HTTPError
from allmydata.web.files import Files
from allmydata.web.paths import FILES, Found
from allmydata.web.reply import Reply
from allmydata.web.request import Request


class Named:
    """Answers below ``/named`` and ``/file``."""

    def __init__(self, files: Files) -> None:
        self._files = files

    async def get(self, request: Request) -> Reply | None:
        """Answer ``GET`` and ``HEAD``.

        :raises HTTPError: the capability is not that of a file
        """
        _, text, *rest = request.segments
        try:
            cap = uri.from_string(text)
        except BadCapError as e:
            raise _no_file_cap(e.message) from e
        if not isinstance(cap, FILES):
            raise _no_file_cap("it is of another kind")
        return await self._files.get(request, Found(cap), rest[-1] if rest else "")

    async def refuse(self, request: Request) -> Reply:
        """Answer what would change something."""
        raise HTTPError(
            400, "/file can only be used with GET or HEAD", {"Allow": "GET, HEAD"}
        )


def _no_file_cap(why: str) -> HTTPError:
    return HTTPError(400, f"this is not a file-cap: {why}")
