"""Files: bring one back, or tell of one.

Tables of arguments, ranges and replies: docs/webapi.md.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable
from functools import partial
from mimetypes import MimeTypes
from typing import Any

from attrs import evolve, frozen

from allmydata import uri
from allmydata.interfaces import IClient
from allmydata.streams.target import Consumer
from allmydata.util import base32
from allmydata.web import arguments, byteranges, mutables
from allmydata.web.children import facts_of, facts_of_child
from allmydata.web.errors import HTTPError
from allmydata.web.mutables import Readable
from allmydata.web.paths import Found, UnreadableError
from allmydata.web.ranges import BeyondEndError, Part, has_already, parse_ranges
from allmydata.web.reply import PLAIN, Reply, as_json
from allmydata.web.request import Request

File = uri.CHKFileURI | uri.CHKFileVerifierURI | uri.LiteralFileURI | Readable
VERIFIERS = uri.CHKFileVerifierURI | uri.MutableFileVerifierURI
Read = Callable[..., Awaitable[Any]]  # target, offset=, size=

_TYPES = MimeTypes()  # Python's own table, whatever the machine has
# A page may hold a script, and whoever stored it is not who reads it here: in a browser it
# gets an origin of its own, from which nothing of this gateway can be asked.  Nor does it
# load anything from elsewhere, and so tell that it was opened.
_ACTIVE = re.compile(r"html|xml")
SANDBOX = (
    "sandbox; default-src 'none'; img-src 'self' data:; media-src 'self' data:; "
    "style-src 'self' 'unsafe-inline' data:; font-src 'self' data:"
)
# A PDF is shown by the browser's own viewer, which works in no sandbox and runs nothing of
# the file in this origin; a page of the gateway may hold it as a part.
_WITHIN_A_PAGE = {
    "Content-Security-Policy": "frame-ancestors 'self'",
    "X-Frame-Options": "SAMEORIGIN",
    "X-Content-Type-Options": "nosniff",
}


@frozen
class Sending:
    """A file on its way to a client, or some parts of it.

    :param pieces: of the body: bytes to go before, and a part; None for the whole file
    :param tail: what ends the body
    """

    head: Reply
    pieces: tuple[tuple[bytes, Part | None], ...] = ((b"", None),)
    tail: bytes = b""


class Files:
    """Answers for what is no directory."""

    def __init__(self, client: IClient) -> None:
        self._client: Any = client

    async def get(self, request: Request, found: Found, name: str = "") -> Reply | None:
        """Answer ``GET`` and ``HEAD`` of a file; HEAD asks no server for it.

        :param name: of the file, if it is not by a name that it was found
        :raises UnreadableError: it is no file, and something else than JSON is asked for
        """
        kind = request.argument("t") or ""
        if kind == "json":
            return await self._tell(request, found)
        if kind == "uri" and found.child is not None and found.cap is not None:
            return Reply(200, found.cap.to_string().encode(), PLAIN)  # even if unknown
        cap = _check(found, kind)
        etag = _etag(cap, kind)
        if kind:
            sending = Sending(_describe(cap, kind))
        else:
            size, read = await self._open(cap)
            sending = _plan(request, size, name or found.name)
        head = sending.head
        if request.method == b"HEAD":
            return head
        if etag:
            if has_already(request.header("if-none-match"), etag):
                return _unchanged(etag, head)
            head = evolve(head, headers={**head.headers, "ETag": etag})
        if kind or head.status == 416:
            return head
        await _send(request, read, evolve(sending, head=head))
        return None

    async def _open(self, cap: File) -> tuple[int, Read]:
        """Return the bytes of a file, and what reads it: of one that changes a version."""
        if isinstance(cap, Readable):
            snapshot = await mutables.node_of(self._client, cap).snapshot()
            return snapshot.size, snapshot.read
        downloader = self._client.getService("downloader")
        return cap.get_size(), partial(downloader.download, cap.to_string())

    async def _tell(self, request: Request, found: Found) -> Reply:
        """Return what is known of a file; of one that changes, servers know the size."""
        if found.child is None and isinstance(found.cap, Readable):
            kind, facts = facts_of(found.cap, found.cap.get_readonly())
            size = await mutables.size_of(self._client, found.cap)
            facts |= {} if size is None else {"size": size}
            return as_json(200, [kind, facts], PLAIN)
        return _tell(request, found)


async def _send(request: Request, read: Read, sending: Sending) -> None:
    """Let the head go out with the first bytes that are verified, and no sooner."""
    request.begin(sending.head)
    for before, part in sending.pieces:
        target: Any = Consumer(request)
        if before:
            target = byteranges.Headed(before, target)
        where = {"offset": part.offset, "size": part.size} if part else {}
        await read(target, **where)
    if sending.tail:
        request.write(sending.tail)  # type: ignore[no-untyped-call]


def _check(found: Found, kind: str) -> File:
    """Return the capability of a file, which may be read as ``t=`` asks."""
    cap = found.cap
    if cap is None or isinstance(cap, uri.UnknownURI):
        hint = "this version does not know this kind of capability"
        raise UnreadableError(kind, found.fault or hint)
    if isinstance(cap, VERIFIERS) and kind != "uri":
        raise UnreadableError(kind, "a verify capability can't read its file")
    if not isinstance(cap, File):
        raise UnreadableError(kind, "this is no file")
    return cap


def _tell(request: Request, found: Found) -> Reply:
    """Return what is known of a file, or of whatever it is, without asking a server."""
    if found.child is not None:
        return as_json(200, facts_of_child(found.child), PLAIN)
    if not isinstance(found.cap, File | uri.MutableFileVerifierURI):
        return as_json(200, ["unknown", {}], PLAIN)
    reply = as_json(200, facts_of(found.cap, found.cap), PLAIN)
    etag = _etag(found.cap, "json")
    if request.method == b"HEAD" or not etag:
        return reply
    if has_already(request.header("if-none-match"), etag):
        return _unchanged(etag, reply)
    return evolve(reply, headers={"ETag": etag})


def _unchanged(etag: str, head: Reply) -> Reply:
    return Reply(304, headers={"ETag": etag}, size=_length(head))


def _etag(cap: uri.Cap, kind: str) -> str | None:
    if isinstance(cap, uri.CHKFileURI | uri.CHKFileVerifierURI):
        return f"{base32.b2a(cap.storage_index)}-{kind}"
    return None


def _length(head: Reply) -> int:
    return len(head.body) if head.size is None else head.size


def _describe(cap: File, kind: str) -> Reply:
    match kind:
        case "uri":
            return Reply(200, cap.to_string().encode(), PLAIN)
        case "readonly-uri":
            return Reply(200, cap.get_readonly().to_string().encode(), PLAIN)
    raise HTTPError(400, f"GET file: bad t={kind}")


def _plan(request: Request, total: int, name: str) -> Sending:
    """Return what is to be sent of a file.

    :param total: its bytes
    :param name: by which it was found; an argument may tell another
    """
    headers: dict[str, str | bytes] = {"Accept-Ranges": "bytes"}
    try:
        parts = parse_ranges(request.header("range"), total)
    except BeyondEndError:
        return Sending(Reply(416, b"First beyond end of file", headers=headers))
    name = request.argument("filename") or name
    content_type, encoding = _guess_type(name)
    if encoding:
        headers["Content-Encoding"] = encoding
    if _ACTIVE.search(content_type):
        headers["Content-Security-Policy"] = SANDBOX
    if content_type == "application/pdf" and arguments.read_boolean(request, "preview"):
        headers |= _WITHIN_A_PAGE
    if arguments.read_boolean(request, "save"):
        headers["Content-Disposition"] = _attachment(name)
    match parts:
        case ():
            return Sending(Reply(200, b"", content_type, headers, total))
        case (part,):
            headers["Content-Range"] = part.content_range()
            head = Reply(206, b"", content_type, headers, part.size)
            return Sending(head, ((b"", part),))
    framing = byteranges.Framing(secrets.token_hex(16), content_type, parts)
    head = Reply(206, b"", framing.content_type, headers, framing.size)
    return Sending(head, framing.pieces(), framing.tail)


def _guess_type(name: str) -> tuple[str, str | None]:
    """Return type and encoding; what is packed has no type of its own."""
    content_type, encoding = _TYPES.guess_type(name)
    return (PLAIN if encoding else content_type or PLAIN), encoding


def _attachment(name: str) -> bytes:
    if not name:
        return b"attachment"
    escaped = name.replace("\\", r"\\").replace('"', r"\"")
    return f'attachment; filename="{escaped}"'.encode()
