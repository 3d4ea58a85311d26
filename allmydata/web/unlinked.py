"""What has no name: ``/uri`` makes files and directories known by capability only."""

from __future__ import annotations

from html import escape
from typing import Any
from urllib.parse import quote, urlencode, urljoin

from attrs import evolve

from allmydata import uri
from allmydata.errors import BadCapError
from allmydata.web import arguments
from allmydata.web.changes import redirect
from allmydata.web.children import read_children
from allmydata.web.errors import HTTPError
from allmydata.web.forms import Form, read_form
from allmydata.web.paths import Tree
from allmydata.web.reply import HTML, Reply
from allmydata.web.request import Request
from allmydata.web.uploads import Uploads

_STORED = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>File stored</title></head>
<body>
<h1>File stored</h1>
<p>Its capability: <tt><span>{cap}</span></tt></p>
<p><a href="/uri/{quoted}">The file</a></p>
</body>
</html>
"""
_MAKES = "/uri accepts only PUT, PUT?t=mkdir, POST?t=upload, and POST?t=mkdir"


class Unlinked:
    """Answers ``/uri``."""

    def __init__(self, tree: Tree, uploads: Uploads) -> None:
        self._tree = tree
        self._uploads = uploads

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

    async def put(self, request: Request) -> Reply:
        """Answer ``PUT``: store the body, and reply with its capability alone."""
        kind = request.argument("t") or ""
        if kind == "mkdir":
            return await self._make(request, Form())
        if kind:
            raise HTTPError(400, _MAKES)
        options = arguments.read_upload(request)
        source = self._uploads.receive(request, options)
        try:
            cap = await self._uploads.store(source, options)
        finally:
            source.close()
        return Reply(200, cap.encode(), "text/html")

    async def post(self, request: Request) -> Reply:
        """Answer ``POST``: store the file of a form, or make a directory."""
        form = await read_form(
            request, lambda: self._uploads.open(arguments.read_upload(request))
        )
        try:
            match request.argument("t") or "":
                case "mkdir" | "mkdir-with-children" | "mkdir-immutable":
                    return await self._make(request, form)
                case "" | "upload":
                    return await self._store(request, form)
            raise HTTPError(400, _MAKES)
        finally:
            form.close()

    async def _make(self, request: Request, form: Form) -> Reply:
        format_, kind = arguments.read_directory_format(request), request.argument("t")
        when_done = arguments.read_when_done(request)
        children = read_children(b"" if kind == "mkdir" else form.body)
        if kind == "mkdir-immutable":
            node: Any = await self._tree.make_immutable(children)
        else:
            node = await self._tree.make_unlinked(format_)
            await children.put_into(node)
        cap: str = node.get_uri()
        reply = Reply(200, cap.encode(), "text/html")
        if arguments.read_boolean(request, "redirect_to_result"):
            place = "uri/" + quote(cap, safe="")
            return evolve(reply, status=303, headers={"Location": place})
        return redirect(reply, when_done)

    async def _store(self, request: Request, form: Form) -> Reply:
        options = arguments.read_upload(request)
        when_done = arguments.read_when_done(request)
        cap = await self._uploads.store_form(form, options)
        if options.mutable and not when_done:
            return Reply(200, cap.encode(), "text/html")
        quoted = quote(cap, safe="")
        page = _STORED.format(cap=escape(cap), quoted=quoted)
        if when_done:
            here = f"http://{request.header('host') or ''}/uri"
            when_done = urljoin(here, when_done.replace("%(uri)s", quoted))
        return redirect(Reply(200, page.encode(), HTML), when_done)
