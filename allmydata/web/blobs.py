"""``/blobs``: contents by name, for the node's owner, and for doors of other processes.

    GET  /blobs?t=json                  counts
    POST /blobs?t=recover               the index made again from the grid
    GET  /blobs/COLLECTION?t=list       keys; after=KEY
    PUT, GET, HEAD, DELETE /blobs/COLLECTION/KEY

A key is any 1 to 1,024 bytes, percent-encoded in one segment.  Format: docs/doors/blobs.md.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote_to_bytes

from allmydata.errors import ConflictError, NotFoundError, UsageError
from allmydata.interfaces import IClient
from allmydata.web.errors import HTTPError
from allmydata.web.reply import Reply, as_json
from allmydata.web.request import Request


class TakenError(HTTPError):
    """A key that is there, and was to be new."""

    code = "conflict"


class BlobCalls:
    """Answers for all collections of a node."""

    def __init__(self, client: IClient) -> None:
        self._client: Any = client

    async def get(self, request: Request) -> Reply | None:
        """Answer GET and HEAD of whatever there is below /blobs."""
        match _words(request):
            case []:
                if request.argument("t") != "json":
                    raise HTTPError(400, "GET /blobs: t= is json")
                return as_json(200, await self._blobs.status())
            case [name]:
                if request.argument("t") != "list":
                    raise HTTPError(400, "GET /blobs/COLLECTION: t= is list")
                after = request.args.get(b"after", [b""])[0]
                face = self._blobs.face(name.decode("ascii", "replace"))
                return as_json(200, await face.list(after))
        face, key = self._find(request)
        found: Reply | None = await face.get(request, key)
        return found

    async def post(self, request: Request) -> Reply:
        """Answer POST /blobs?t=recover."""
        await request.read_body(0)
        if _words(request) or request.argument("t") != "recover":
            raise HTTPError(400, "POST /blobs: t= is recover")
        return as_json(200, await self._blobs.recover())

    async def put(self, request: Request) -> Reply:
        """Answer PUT of a key."""
        face, key = self._find(request)
        try:
            made: Reply = await face.put(request, key)
        except ConflictError as e:
            raise TakenError(412, e.message) from e
        return made

    async def delete(self, request: Request) -> Reply:
        """Answer DELETE of a key."""
        face, key = self._find(request)
        gone: Reply = await face.delete(request, key)
        return gone

    @property
    def _blobs(self) -> Any:
        try:
            return self._client.getService("blobs")
        except KeyError:
            raise NotFoundError("this node keeps no blobs") from None

    def _find(self, request: Request) -> tuple[Any, bytes]:
        words = _words(request)
        if len(words) != 2:
            raise UsageError("name a collection and a key: /blobs/COLLECTION/KEY")
        return self._blobs.face(words[0].decode("ascii", "replace")), words[1]


def _words(request: Request) -> list[bytes]:
    """Return what stands behind /blobs, decoded; a slash at the end is nothing."""
    words = [unquote_to_bytes(word) for word in request.path.split(b"/")[2:]]
    return words[:-1] if words[-1:] == [b""] else words
