"""What changes directories: children made, put in place, moved and taken out.

Whatever a path names between its root and its last name is made where it is missing.
A file is stored before anything is made for it.  Table of requests: docs/webapi.md.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from attrs import evolve

from allmydata import uri
from allmydata.errors import (
    ConflictError,
    NoSuchChildError,
    UsageError,
)
from allmydata.util.names import check_name
from allmydata.web import arguments, manifest, mutables
from allmydata.web.arguments import Replace
from allmydata.web.children import check_link, read_children
from allmydata.web.errors import HTTPError
from allmydata.web.forms import Form, read_form
from allmydata.web.mutables import Readable
from allmydata.web.paths import (
    EXISTS,
    Found,
    NoChildrenError,
    Place,
    Spot,
    Tree,
    check_mutable,
    check_replaceable,
    no_such_child,
)
from allmydata.web.reply import HTML, PLAIN, Reply, text
from allmydata.web.request import Request
from allmydata.web.uploads import Uploads

MAX_CAP_BODY = 4096  # bytes of a body that is one capability
MAKES = ("mkdir", "mkdir-with-children", "mkdir-immutable")  # values of t=

Act = Callable[[Request, Found, Form], Awaitable[Reply | None]]


class Changes:
    """Answers ``PUT``, ``POST`` and ``DELETE`` below ``/uri/CAP``.

    :param more: what else can be done with a directory, by the value of ``t=``
    :param more_with_files: and what with a file
    """

    def __init__(
        self,
        tree: Tree,
        uploads: Uploads,
        more: Mapping[str, Act],
        more_with_files: Mapping[str, Act],
    ) -> None:
        self._file_acts = more_with_files
        self._tree = tree
        self._uploads = uploads
        self._acts: dict[str, Act] = {
            "mkdir": self._post_directory,
            "mkdir-with-children": self._post_directory,
            "mkdir-immutable": self._post_directory,
            "upload": self._post_file,
            "uri": self._post_link,
            "unlink": self._unlink,
            "delete": self._unlink,
            "rename": self._rename,
            "relink": self._relink,
            "set_children": self._set_children,
            "set-children": self._set_children,
            "stream-manifest": manifest.send_manifest,
            **more,
        }

    # ---- PUT

    async def put(self, request: Request) -> Reply:
        """Answer ``PUT``: of a file, or with ``t=`` of a link or a directory."""
        place, kind = Place.parse(request.segments), request.argument("t") or ""
        if not place.names and kind == "" and (root := self._tree.mutable_root(place)):
            return await self._put_content(request, root)
        if place.names and kind == "" and not place.means_directory:
            return await self._put_file(request, place)
        if place.names and kind == "uri":
            return await self._put_link(request, place)
        if place.names and kind == "mkdir":
            return await self._make(request, place)
        return _refuse_put(request, await self._tree.find(place), kind)

    async def _put_file(self, request: Request, place: Place) -> Reply:
        options = arguments.read_upload(request)
        replace = arguments.read_replace(request)
        source = self._uploads.receive(request, options)
        try:
            spot = await self._tree.find_spot(place)
            before = await self._tree.look(spot)
            if before is not None and before.is_directory:
                raise HTTPError(400, "PUT to a directory")
            check_replaceable(before, replace)
            if before is not None and isinstance(before.cap, uri.MutableFileURI):
                offset = mutables.read_offset(request)
                await self._uploads.replace(source, before.cap, offset)
                return Reply(200, before.cap.to_string().encode(), "text/html")
            cap = await self._uploads.store(source, options)
        finally:
            source.close()
        await self._tree.link(spot, cap, replace)
        return Reply(200 if before else 201, cap.encode(), "text/html")

    async def _put_content(self, request: Request, cap: Readable) -> Reply:
        """Put the body into a mutable file."""
        offset = mutables.read_offset(request)
        mutables.check_size(request.body_size or 0)
        source = self._uploads.receive(request, arguments.read_upload(request))
        try:
            await self._uploads.replace(source, cap, offset)
        finally:
            source.close()
        return Reply(200, cap.to_string().encode(), "text/html")

    async def _put_link(self, request: Request, place: Place) -> Reply:
        replace = arguments.read_replace(request)
        body = await request.read_body(MAX_CAP_BODY)
        cap = check_link(body.decode("utf-8", "replace"))
        await self._tree.link(await self._tree.find_spot(place), cap, replace)
        return Reply(200, cap.encode(), "text/html")

    async def _make(self, request: Request, place: Place) -> Reply:
        """Make a directory if there is none."""
        format_ = arguments.read_directory_format(request)
        spot = await self._tree.find_spot(place)
        before = await self._tree.look(spot)
        if before is not None and not before.is_directory:
            raise HTTPError(400, "PUT to a file: bad t=mkdir")
        if before is not None:
            node = before.node
        else:
            parent = await self._tree.make_way(spot)
            node = await self._tree.make_directory(parent, spot.name, format_)
        return Reply(200, node.get_uri().encode(), PLAIN)

    # ---- DELETE

    async def delete(self, request: Request) -> Reply:
        """Answer ``DELETE``: take a child out, and reply with its capability."""
        place = Place.parse(request.segments)
        if not place.names:
            raise HTTPError(400, "only a name in a directory can be deleted: add a path")
        found = await self._tree.find(place)
        await _take_out(found.parent, found.name)
        return Reply(200, found.cap.to_string().encode() if found.cap else b"", "text/html")

    # ---- POST

    async def post(self, request: Request) -> Reply | None:
        """Answer ``POST``: do what ``t=`` says."""
        form = await read_form(
            request, lambda: self._uploads.open(arguments.read_upload(request))
        )
        try:
            when_done = arguments.read_when_done(request)
            reply = await self._post(request, Place.parse(request.segments), form)
        finally:
            form.close()
        return reply and redirect(reply, when_done)

    async def _post(self, request: Request, place: Place, form: Form) -> Reply | None:
        kind = request.argument("t") or ""
        try:
            found = await self._tree.find(place)
        except (NoSuchChildError, NoChildrenError):
            if kind not in MAKES:
                raise
            return await self._post_at(request, place, form)
        if found.is_directory and kind in self._acts:
            return await self._acts[kind](request, found, form)
        if found.is_directory:
            raise HTTPError(400, f"POST to a directory with bad t={kind}")
        if kind in self._file_acts:
            return await self._file_acts[kind](request, found, form)
        if kind == "upload" and isinstance(found.cap, Readable) and form.file is not None:
            await self._uploads.replace(form.file, found.cap, mutables.read_offset(request))
            return Reply(200, found.cap.to_string().encode(), "text/html")
        if kind == "upload" and found.parent is not None:
            name = found.name
            return await self._store(request, Spot(found.parent, (), name), form)
        raise HTTPError(400, f"POST to file: bad t={kind}")

    async def _post_at(self, request: Request, place: Place, form: Form) -> Reply:
        """Make a directory where there is nothing."""
        name = request.argument("name")
        if name:
            place = evolve(place, names=[*place.names, check_name(name)])
        if request.argument("t") == "mkdir":
            made = await self._make(request, place)
            return evolve(made, content_type="text/html")
        spot = await self._tree.find_spot(place)
        return await self._make_filled(request, spot, form)

    async def _post_directory(self, request: Request, found: Found, form: Form) -> Reply:
        name, kind = request.argument("name"), request.argument("t")
        if kind == "mkdir" and not name:
            return Reply(200, found.node.get_uri().encode(), "text/html")
        if not name:
            raise HTTPError(400, f"{kind} requires a name")
        spot = Spot(found.node, (), check_name(name))
        if kind != "mkdir":
            return await self._make_filled(request, spot, form)
        replace = arguments.read_boolean(request, "replace", default=True)
        format_ = arguments.read_directory_format(request)
        try:
            make = spot.parent.make_directory
            made = await make(spot.name, replace=replace, format=format_)
        except ConflictError as e:
            raise ConflictError(EXISTS) from e
        return Reply(200, made.get_uri().encode(), "text/html")

    async def _make_filled(self, request: Request, spot: Spot, form: Form) -> Reply:
        """Make a directory that is whole when it gets its name."""
        children = read_children(form.body)
        format_ = arguments.read_directory_format(request)
        replace = arguments.read_replace(request)
        check_mutable(spot.parent)
        if replace is not Replace.ANYTHING:
            check_replaceable(await self._tree.look(spot), replace)
        if request.argument("t") == "mkdir-immutable":
            made = await self._tree.make_immutable(children)
        else:
            made = await self._tree.make_unlinked(format_, like=spot.parent)
            await children.put_into(made)
        await self._tree.link(spot, made.get_uri(), replace)
        return Reply(200, made.get_uri().encode(), "text/html")

    async def _post_file(self, request: Request, found: Found, form: Form) -> Reply:
        name = (request.argument("name") or form.file_name).strip()
        if not name:
            raise UsageError("upload requires a name, or a file with one")
        return await self._store(request, Spot(found.node, (), check_name(name)), form)

    async def _store(self, request: Request, spot: Spot, form: Form) -> Reply:
        options = arguments.read_upload(request)
        replace = arguments.read_replace(request)
        check_mutable(spot.parent)
        if replace is not Replace.ANYTHING:
            check_replaceable(await self._tree.look(spot), replace)
        cap = await self._uploads.store_form(form, options)
        await self._tree.link(spot, cap, replace)
        return Reply(200, cap.encode(), "text/html")

    async def _post_link(self, request: Request, found: Found, form: Form) -> Reply:
        asked = arguments.require(request, "uri", "set-uri requires a uri")
        name = arguments.require(request, "name", "set-uri requires a name")
        cap, replace = check_link(asked), arguments.read_replace(request)
        await self._tree.link(Spot(found.node, (), check_name(name)), cap, replace)
        return Reply(200, cap.encode(), "text/html")

    async def _set_children(self, request: Request, found: Found, form: Form) -> Reply:
        overwrite = arguments.read_boolean(request, "overwrite", default=True)
        replace = arguments.read_boolean(request, "replace", default=overwrite)
        children = read_children(form.body)
        try:
            await found.node.set_children(children.caps, replace, children.metadata)
        except ConflictError as e:
            raise ConflictError(EXISTS) from e
        return text(200, "Okay so I did it.")

    async def _unlink(self, request: Request, found: Found, form: Form) -> Reply:
        name = arguments.require(
            request, "name", f"{request.argument('t')} requires a name"
        )
        await _take_out(found.node, check_name(name))
        return text(200, "thing unlinked")

    async def _rename(self, request: Request, found: Found, form: Form) -> Reply:
        old = arguments.require(request, "from_name", "from_name= is required")
        new = arguments.require(request, "to_name", "to_name= is required for rename")
        return await self._move(request, found.node, old, found.node, new)

    async def _relink(self, request: Request, found: Found, form: Form) -> Reply:
        old = arguments.require(request, "from_name", "from_name= is required")
        to_dir = request.argument("to_dir")
        target = await self._tree.find(Place.of_text(to_dir)) if to_dir else found
        if not target.is_directory:
            raise HTTPError(400, "to_dir is not a directory")
        new = request.argument("to_name") or old
        return await self._move(request, found.node, old, target.node, new)

    async def _move(
        self, request: Request, node: Any, old: str, target: Any, new: str
    ) -> Reply:
        if "/" in new:
            raise HTTPError(400, "to_name= may not contain a slash")
        old, new = check_name(old), check_name(new)
        replace = arguments.read_replace(request)
        if replace is Replace.FILES:
            check_replaceable(await self._tree.look(Spot(target, (), new)), replace)
        try:
            await node.move_child_to(old, target, new, replace is not Replace.NOTHING)
        except NoSuchChildError as e:
            raise no_such_child(old) from e
        except ConflictError as e:
            raise ConflictError(EXISTS) from e
        return text(200, "thing moved")


async def _take_out(node: Any, name: str) -> None:
    try:
        await node.delete(name)
    except NoSuchChildError as e:
        raise no_such_child(name) from e


def redirect(reply: Reply, when_done: str | None) -> Reply:
    """Return *reply*, or what sends a client on that wants to be sent on."""
    if not when_done:
        return reply
    return Reply(302, b"<p>Done.</p>\n", HTML, {"Location": when_done.encode()})


def _refuse_put(request: Request, found: Found, kind: str) -> Reply:
    """Answer what can't be put; a directory that is made already is there."""
    if found.is_directory and kind == "mkdir":
        return Reply(200, found.node.get_uri().encode(), PLAIN)
    if not found.is_directory and not kind and request.argument("offset") is not None:
        why = "append operation invoked on an immutable cap"
        raise HTTPError(400, f"PUT to a file: {why}")
    what = "a directory" if found.is_directory else "a file"
    raise HTTPError(400, f"PUT to {what}" + (f": bad t={kind}" if kind else ""))
