"""Mutable files, made, replaced, changed in part and looked at.

    PUT /uri?format=SDMF        makes one
    PUT CAP                     replaces its content
    PUT CAP?offset=N            writes from byte N on
    GET CAP                     one version of it, whole or ranges

The whole body is held in memory: a version is written in one go.
"""

from __future__ import annotations

from typing import Any

from allmydata import uri
from allmydata.errors import GridError, NodeNotReadyError
from allmydata.interfaces import IClient
from allmydata.web.errors import HTTPError
from allmydata.web.request import Request

Readable = uri.MutableFileURI | uri.ReadOnlyMutableFileURI
MAX_SIZE = 2**27  # bytes of a body: as much as such a file holds
PIECE = 2**20
MAX_OFFSET_DIGITS = 18


async def create(client: IClient, format_: str, source: Any) -> str:
    """Make a file of what *source*, an IUploadable, holds; return its capability."""
    data = await _read_all(source)
    node = await _service(client).create(format_, data)
    cap: str = node.get_uri()
    return cap


async def replace(client: IClient, cap: Readable, source: Any, offset: int | None) -> None:
    """Put what *source* holds into a file: instead of all there is, or from *offset* on.

    :raises HTTPError: the capability only reads
    """
    if cap.is_readonly():
        raise _ReadOnlyError()
    data = await _read_all(source)
    node = node_of(client, cap)
    await (node.overwrite(data) if offset is None else node.update(data, offset))


def node_of(client: IClient, cap: Readable) -> Any:
    """Return the IMutableFileNode of a capability."""
    return _service(client).node_for(cap)


async def size_of(client: IClient, cap: Readable) -> int | None:
    """Return the bytes of the newest version; None where that can't be told."""
    try:
        size: int = await node_of(client, cap).get_size()
    except GridError:
        return None
    return size


def read_offset(request: Request) -> int | None:
    """Return where a body is to be written; None: in the place of all there is.

    :raises HTTPError: nowhere
    """
    text = request.argument("offset")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_OFFSET_DIGITS):
        raise HTTPError(400, "PUT to a mutable file: Invalid offset")
    return int(text)


def check_size(size: int) -> None:
    """Refuse more than a mutable file holds.

    :raises HTTPError: that is more
    """
    if size > MAX_SIZE:
        raise HTTPError(413, f"a mutable file holds at most {MAX_SIZE} bytes")


class _ReadOnlyError(HTTPError):
    code = "not-permitted"

    def __init__(self) -> None:
        why = "replace or update requested with read-only cap"
        super().__init__(400, f"PUT to a mutable file: {why}")


async def _read_all(source: Any) -> bytes:
    check_size(await source.get_size())
    pieces: list[bytes] = []
    while got := await source.read(PIECE):
        if not any(got):
            break
        pieces += got
    return b"".join(pieces)


def _service(client: IClient) -> Any:
    try:
        return client.getService("mutable")
    except KeyError as e:
        raise NodeNotReadyError("this node has no mutable files") from e
