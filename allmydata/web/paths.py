"""From the path of a request to what it leads to, one question to a server a step.

    /uri/<cap>/a/b       from a capability, percent-encoded or as it is
    /vdrive/private/a    from this node's own root
    /vdrive/public/a     from the root that everybody shares

A slash at the end is allowed: then a directory is meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import unquote

from attrs import field, frozen

from allmydata import uri
from allmydata.errors import (
    BadCapError,
    ConflictError,
    GridError,
    NodeNotReadyError,
    NoSuchChildError,
    NotMutableError,
    UsageError,
)
from allmydata.interfaces import IClient
from allmydata.util.names import check_name, shown
from allmydata.web.arguments import Replace
from allmydata.web.children import Children
from allmydata.web.errors import HTTPError

Mutable = uri.MutableFileURI | uri.ReadOnlyMutableFileURI
FILES = uri.CHKFileURI | uri.LiteralFileURI | Mutable
PRIVATE, PUBLIC = "/vdrive/private", "/vdrive/public"
EXISTS = "There was already a child by that name, and you asked me to not replace it."

_UNQUOTED = re.compile(r"(?:ro\.|imm\.)?URI:DIR(?:-RO)?:pb:")
_WITH_PATH = re.compile(
    r"((?:ro\.)?URI:DIR(?:-RO)?:pb://[^/]+/[^/:]+:[a-z2-7]{26})(?:/(.*))?", re.S
)


def _as_tuple(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(names)


@frozen
class Place:
    """What a request is about, by name; nobody was asked whether it is there.

    :param root: a capability, PRIVATE or PUBLIC
    :param names: from there on, checked
    :param means_directory: there is a slash at the end
    """

    root: str
    names: tuple[str, ...] = field(default=(), converter=_as_tuple)
    means_directory: bool = False

    @classmethod
    def parse(cls, segments: Sequence[str]) -> Place:
        """Return what the words of a path mean, of which there are two at least.

        :raises BadNameError: one of them can't be a name
        :raises BadCapError: what should be a capability is the path of a root
        """
        first, root, *rest = segments
        if first != "vdrive" and root in (PRIVATE, PUBLIC):
            raise BadCapError("this is no capability, but the path of a root")
        if first == "vdrive":
            root = f"/vdrive/{root}"
        elif _UNQUOTED.fullmatch(root) and len(rest) > 2 and not rest[0]:
            # the capability of a directory has slashes of its own, here as they are
            root = f"{root}//{rest[1]}/{rest[2]}"
            rest = rest[3:]
        means_directory = rest[-1:] == [""]
        names = rest[:-1] if means_directory else rest
        return cls(root, [check_name(name) for name in names], means_directory)

    @classmethod
    def of_path(cls, path: str) -> Place:
        """Return what the quoted path of a folder means, as the pages write it.

        :raises UsageError: it is the path of something else
        """
        first, *words = [unquote(word) for word in path.split("/")]
        if first or len(words) < 2 or words[0] not in ("uri", "vdrive"):
            raise UsageError("this is not the path of a folder")
        place = cls.parse(words)
        return cls(place.root, place.names)

    @classmethod
    def of_text(cls, text: str) -> Place:
        """Return what a capability means that a path may follow, none of it quoted.

        :raises BadNameError: one of the words can't be a name
        """
        bare = text.strip()
        found = _WITH_PATH.fullmatch(text.lstrip()) or _WITH_PATH.fullmatch(bare)
        root, path = found.groups() if found else bare.partition("/")[::2]
        path = (path or "").removesuffix("/")
        return cls(root, [check_name(name) for name in path.split("/")] if path else [])


@frozen
class Found:
    """What a place leads to.

    :param cap: None for something unknown that this view has no capability of
    :param node: of a directory; None for anything else
    :param parent: the node it was found in; None for a root
    :param child: the link that led to it, in the same case
    :param fault: what is wrong with a capability that can't be read
    """

    cap: uri.Cap | None
    node: Any = None
    parent: Any = None
    child: Any = None
    fault: str = ""

    @property
    def is_directory(self) -> bool:
        """Whether it is one of the kind we know."""
        return self.node is not None

    @property
    def is_file(self) -> bool:
        """Whether it is one; what is unknown may be something else."""
        return isinstance(self.cap, FILES)

    @property
    def name(self) -> str:
        """The last name on the way; empty for a root."""
        return self.child.name if self.child else ""


@frozen
class Spot:
    """Where a child is to be put.

    :param parent: node of the last directory on the way that is there; it may be changed
    :param missing: names of the directories between, to be made
    :param name: the child's own
    """

    parent: Any
    missing: Sequence[str]
    name: str


class Tree:
    """All files and directories that capabilities lead to."""

    def __init__(self, client: IClient) -> None:
        self._client: Any = client

    # ---- what is there

    async def find(self, place: Place) -> Found:
        """Return what is at *place*.

        :raises NoSuchChildError: nothing is
        :raises NoChildrenError: the path goes on below a file
        """
        found = await self._root(place.root)
        for name in place.names:
            found = await self.step(found, name)
        if place.means_directory and not found.is_directory:
            raise NoChildrenError("")
        return found

    async def step(self, found: Found, name: str) -> Found:
        """Return the child *name* of *found*."""
        if not found.is_directory:
            raise NoChildrenError(name)
        try:
            child = await found.node.get_child(name)
        except NoSuchChildError as e:
            raise no_such_child(name) from e
        is_directory = isinstance(child.cap, uri.Directory)
        node = child.node if is_directory else None
        return Found(child.cap, node, found.node, child)

    def mutable_root(self, place: Place) -> Mutable | None:
        """Return the capability that *place* begins with, if it is a mutable file's."""
        try:
            cap = uri.from_string(place.root)
        except BadCapError:
            return None
        return cap if isinstance(cap, Mutable) else None

    async def make_unlinked(self, format_: str | None = None, like: Any = None) -> Any:
        """Return the node of a new directory that has no name yet.

        :param format_: ``SDMF`` or ``MDMF``: one of Tahoe-LAFS, in a file of that kind
        :param like: node of a directory of the kind that is made else; None: our own
        """
        if like is not None:
            return await like.make_sibling(format_)
        return await self._drive().create_directory(format_)

    async def make_immutable(self, children: Children) -> Any:
        """Return the node of a new directory that nobody can change."""
        make = self._drive().create_immutable_directory
        return await make(children.caps, children.metadata)

    async def _root(self, text: str) -> Found:
        if text == PRIVATE:
            node = await self._drive().get_private_root()
            return Found(uri.from_string(node.get_uri()), node)
        if text == PUBLIC:
            node = await self._drive().get_public_root()
            return Found(uri.from_string(node.get_uri()), node)
        try:
            cap = uri.from_string(text)
        except BadCapError as e:
            return Found(uri.UnknownURI(text), fault=e.message)
        if isinstance(cap, uri.Directory):
            return Found(cap, await self._drive().get_node(text))
        return Found(cap)

    def _drive(self) -> Any:
        try:
            return self._client.getService("vdrive")
        except KeyError as e:
            raise NodeNotReadyError("this node has no directories") from e

    # ---- what is to be there

    async def find_spot(self, place: Place) -> Spot:
        """Return where a new child at *place*, which has a name, will be put.

        Nothing is made, and nobody was asked whether there is such a child now.

        :raises ConflictError: a file is in the way
        :raises NotMutableError: nothing can be put there
        """
        found = await self._root(place.root)
        *way, name = place.names
        missing: list[str] = []
        for num_steps, step in enumerate(way):
            try:
                found = await self._go_on(found, step)
            except NoSuchChildError:
                missing = way[num_steps:]
                break
        if not found.is_directory:
            raise _in_the_way(found, name)
        check_mutable(found.node)
        return Spot(found.node, missing, name)

    async def _go_on(self, found: Found, name: str) -> Found:
        if not found.is_directory:
            raise _in_the_way(found, name)
        return await self.step(found, name)

    async def look(self, spot: Spot) -> Found | None:
        """Return what is at *spot* now, if anything is."""
        if spot.missing:
            return None
        try:
            return await self.step(Found(None, spot.parent), spot.name)
        except NoSuchChildError:
            return None

    async def link(self, spot: Spot, caps: Any, replace: Replace) -> None:
        """Put a child in place by its capability, and what is missing on the way.

        :param caps: as a directory node takes them
        :raises ConflictError: there is one that may not be replaced
        """
        if replace is Replace.FILES:
            check_replaceable(await self.look(spot), replace)
        parent = await self.make_way(spot)
        try:
            await parent.set_uri(spot.name, caps, replace is not Replace.NOTHING)
        except ConflictError as e:
            raise ConflictError(EXISTS) from e

    async def make_way(self, spot: Spot) -> Any:
        """Make the directories that are missing; return the node of the last."""
        node = spot.parent
        for name in spot.missing:
            node = await self.make_directory(node, name)
        return node

    async def make_directory(
        self, parent: Any, name: str, format_: str | None = None
    ) -> Any:
        """Return the directory *name* in *parent*, made if it is not there.

        :param format_: as of :meth:`make_unlinked`; None: of the kind that *parent* is
        :raises ConflictError: something else is there
        """
        try:
            return await parent.make_directory(name, replace=False, format=format_)
        except ConflictError:
            # somebody else may have made it meanwhile
            found = await self.look(Spot(parent, (), name))
            if found is None or not found.is_directory:
                raise _no_directory(name) from None
            return found.node


def check_mutable(node: Any) -> None:
    """Refuse to change what can't be changed, before anything else is done.

    :raises NotMutableError: *node* only reads its directory
    """
    if not node.is_mutable():
        raise NotMutableError("this directory is read-only here")


def check_replaceable(before: Found | None, replace: Replace) -> None:
    """Refuse to put a child where there is one that may not be replaced.

    :param before: what is there now, or None
    :raises ConflictError: it may not
    """
    if before is None or replace is Replace.ANYTHING:
        return
    if replace is Replace.NOTHING or not before.is_file:
        raise ConflictError(EXISTS)


class UnreadableError(HTTPError):
    """A capability that can't be read under the ``t=`` asked for."""

    code = "bad-cap"

    def __init__(self, kind: str, hint: str) -> None:
        what = f"can only do t=info and t=json, not t={kind}."
        super().__init__(400, f"GET unknown URI type: {what}\n{hint}")


def no_such_child(name: str) -> NoSuchChildError:
    """Return the error of a name that is not there, in the words that programs know."""
    return NoSuchChildError(f"No such child: {_on_one_line(name)}")


class NoChildrenError(HTTPError):
    """A path that goes on below something that is no directory."""

    def __init__(self, name: str) -> None:
        super().__init__(400, f"Files have no children named '{_on_one_line(name)}'")


def _in_the_way(found: Found, below: str) -> GridError:
    return _no_directory(found.name) if found.name else NoChildrenError(below)


def _no_directory(name: str) -> ConflictError:
    where = f"Unable to create directory '{_on_one_line(name)}'"
    return ConflictError(f"{where}: a file was in the way")


def _on_one_line(name: str) -> str:
    return name if name.isprintable() else shown(name)
