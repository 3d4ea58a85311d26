"""Files by capability: store one, bring one back, tell of one.

Tables of arguments, ranges and replies: docs/webapi.md.
"""

from __future__ import annotations

from mimetypes import MimeTypes
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from attrs import evolve

from allmydata import uri
from allmydata.errors import BadCapError, NotYetError
from allmydata.interfaces import IClient
from allmydata.streams.incoming import Incoming
from allmydata.streams.spool import Spool
from allmydata.streams.target import Consumer
from allmydata.util import base32
from allmydata.util.deferreds import Workers
from allmydata.web import arguments
from allmydata.web.errors import HTTPError
from allmydata.web.ranges import BeyondEndError, Part, has_already, parse_range
from allmydata.web.reply import Reply, as_json
from allmydata.web.request import Request

PLAIN = "text/plain"

File = uri.CHKFileURI | uri.CHKFileVerifierURI | uri.LiteralFileURI

_TYPES = MimeTypes()  # Python's own table, whatever the machine has


class Files:
    """Answers everything below ``/uri``.

    :param private_dir: where uploads wait, encrypted, in files without a name
    """

    def __init__(self, client: IClient, workers: Workers, private_dir: Path) -> None:
        self._client: Any = client
        self._workers = workers
        self._private_dir = private_dir

    # ---- in

    async def put(self, request: Request) -> Reply:
        """Answer ``PUT /uri``: store the body, and reply with its capability alone."""
        options = arguments.read_upload(request)
        uploader = self._client.getService("uploader")
        source = self._source(request, uploader, options.is_convergent)
        request.pour_into(source)
        try:
            if isinstance(source, Spool):
                await source.fill()
            cap: str = await uploader.upload(source, happy=options.happy)
        finally:
            source.close()
        return Reply(200, cap.encode(), "text/html")

    def _source(
        self, request: Request, uploader: Any, is_convergent: bool
    ) -> Spool | Incoming:
        if not is_convergent and request.body_size is not None:
            return Incoming(request.body_size)
        k, _, n = uploader.parameters()
        return Spool(
            self._private_dir,
            uploader.convergence if is_convergent else None,
            self._workers,
            parameters=(k, n),
            max_segment_size=uploader.max_segment_size,
            size=request.body_size,
        )

    # ---- out

    async def get(self, request: Request) -> Reply | None:
        """Answer ``GET`` and ``HEAD /uri/CAP``; HEAD asks no server."""
        kind = request.argument("t") or ""
        cap = _parse(request.segments[1], kind)
        if cap is None:
            return as_json(200, ["unknown", {}], PLAIN)
        etag = _etag(cap, kind)
        head = _describe(cap, kind) if kind else _head(request, cap)
        if request.method == b"HEAD":
            return head
        if etag:
            if has_already(request.header("if-none-match"), etag):
                return Reply(304, headers={"ETag": etag}, size=_length(head))
            head = evolve(head, headers={**head.headers, "ETag": etag})
        if kind or head.status == 416:
            return head
        await self._send(request, cap, head)
        return None

    async def _send(self, request: Request, cap: File, head: Reply) -> None:
        """Let *head* go out with the first bytes that are verified, and no sooner."""
        request.begin(head)
        downloader = self._client.getService("downloader")
        part = _part(request, cap)
        where = {"offset": part.offset, "size": part.size} if part else {}
        await downloader.download(cap.to_string(), Consumer(request), **where)

    # ---- neither

    async def redirect(self, request: Request) -> Reply:
        """Answer ``GET /uri?uri=CAP``: say where the capability's own page is."""
        text = request.argument("uri")
        if text is None:
            raise HTTPError(400, "GET /uri requires uri=")
        try:
            is_known = not isinstance(uri.from_string(text), uri.UnknownURI)
        except BadCapError:
            is_known = False
        if not is_known:
            raise HTTPError(400, "Invalid capability")
        place = "/uri/" + quote(text.strip(), safe="")
        kind = request.argument("t")
        if kind:
            place += "?" + urlencode({"t": kind})
        return Reply(302, headers={"Location": place})

    async def refuse_post(self, request: Request) -> Reply:
        """Answer ``POST /uri``, which nothing is offered under so far."""
        arguments.check_unlinked_kind(request)
        raise NotYetError("this version takes files by PUT /uri only")

    async def refuse_change(self, request: Request) -> Reply:
        """Answer whatever would change a file: none can be changed."""
        raise HTTPError(400, "this file is immutable: it can be read, and nothing else")

    async def refuse_child(self, request: Request) -> Reply:
        """Answer for paths that go on below a file."""
        _parse(request.segments[1], "")
        raise HTTPError(400, "Files have no children")


def _parse(text: str, kind: str) -> File | None:
    """Return the capability of a file, or None for one unknown whose JSON is asked for.

    :raises HTTPError: it can't be read
    :raises NotYetError: it is that of a directory
    """
    hint = "this version does not know this kind of capability"
    try:
        cap = uri.from_string(text)
    except BadCapError as e:
        cap, hint = uri.UnknownURI(text), e.message
    if isinstance(cap, uri.DirnodeURI | uri.ReadOnlyDirnodeURI):
        raise NotYetError("this version does not have directories")
    if isinstance(cap, uri.UnknownURI):
        if kind == "json":
            return None
        raise _UnreadableError(kind, hint)
    if isinstance(cap, uri.CHKFileVerifierURI) and kind not in ("json", "uri"):
        raise _UnreadableError(kind, "a verify capability can't read its file")
    return cap


class _UnreadableError(HTTPError):
    """A capability that can't be read under the ``t=`` asked for."""

    code = "bad-cap"

    def __init__(self, kind: str, hint: str) -> None:
        what = f"can only do t=info and t=json, not t={kind}."
        super().__init__(400, f"GET unknown URI type: {what}\n{hint}")


def _etag(cap: File, kind: str) -> str | None:
    if isinstance(cap, uri.CHKFileURI | uri.CHKFileVerifierURI):
        return f"{base32.b2a(cap.storage_index)}-{kind}"
    return None


def _length(head: Reply) -> int:
    return len(head.body) if head.size is None else head.size


def _describe(cap: File, kind: str) -> Reply:
    match kind:
        case "json":
            return as_json(200, _facts(cap), PLAIN)
        case "uri":
            return Reply(200, cap.to_string().encode(), PLAIN)
        case "readonly-uri":
            return Reply(200, cap.get_readonly().to_string().encode(), PLAIN)
    raise HTTPError(400, f"GET file: bad t={kind}")


def _facts(cap: File) -> list[Any]:
    facts: dict[str, Any] = {"mutable": False, "format": "CHK", "size": cap.get_size()}
    verifier = cap.get_verify_cap()
    if cap != verifier:
        facts["ro_uri"] = cap.to_string()
    if verifier is not None:
        facts["verify_uri"] = verifier.to_string()
    return ["filenode", facts]


def _head(request: Request, cap: File) -> Reply:
    """Return what goes before the file's bytes."""
    headers: dict[str, str | bytes] = {"Accept-Ranges": "bytes"}
    try:
        part = _part(request, cap)
    except BeyondEndError:
        return Reply(416, b"First beyond end of file", headers=headers)
    name = request.argument("filename")
    content_type, encoding = _guess_type(name or "")
    if encoding:
        headers["Content-Encoding"] = encoding
    if arguments.read_boolean(request, "save"):
        headers["Content-Disposition"] = _attachment(name)
    if part is None:
        return Reply(200, b"", content_type, headers, cap.get_size())
    headers["Content-Range"] = part.content_range()
    return Reply(206, b"", content_type, headers, part.size)


def _part(request: Request, cap: File) -> Part | None:
    return parse_range(request.header("range"), cap.get_size())


def _guess_type(name: str) -> tuple[str, str | None]:
    """Return type and encoding; what is packed has no type of its own."""
    content_type, encoding = _TYPES.guess_type(name)
    return (PLAIN if encoding else content_type or PLAIN), encoding


def _attachment(name: str | None) -> bytes:
    if not name:
        return b"attachment"
    escaped = name.replace("\\", r"\\").replace('"', r"\"")
    return f'attachment; filename="{escaped}"'.encode()
