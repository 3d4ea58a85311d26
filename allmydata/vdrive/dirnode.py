"""A directory: names, sealed rows on a server, and the children they lead to.

Nothing is remembered between calls, so nothing is stale: a call asks the server, once
where the number of rows allows.  What comes back is checked against the directory's keys.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import Any, ClassVar

from attrs import field, frozen
from zope.interface import implementer

from allmydata.crypto.hashutil import KEY_SIZE
from allmydata.crypto.keys import DirectoryKeys
from allmydata.errors import BadNameError, NoSuchChildError, NotMutableError
from allmydata.formats.dirtable import Row, seal
from allmydata.grid.vdrive import PAGE, Place, VdriveServer, place_of
from allmydata.interfaces import IDirectoryNode
from allmydata.uri import DirnodeURI, ReadOnlyDirnodeURI
from allmydata.util import base32
from allmydata.util.deferreds import as_deferred
from allmydata.util.names import check_name
from allmydata.vdrive import dir2, manifest
from allmydata.vdrive.children import Caps, Child, Children, open_row, slots
from allmydata.vdrive.means import Means
from allmydata.vdrive.steps import by_checked_name, caps_of, follow, move, no_child, taken


@implementer(IDirectoryNode)
@frozen
class DirectoryNode:
    """One directory; two nodes are equal where their capabilities are."""

    kind: ClassVar[str] = "directory"

    cap: DirnodeURI | ReadOnlyDirnodeURI
    _means: Means = field(repr=False, eq=False)

    # ---- itself ------------------------------------------------------------------------

    def is_mutable(self) -> bool:
        """Tell whether this node may change the directory."""
        return not self.cap.is_readonly()

    def get_uri(self) -> str:
        """Return this node's own capability: read-write where it is, else read-only."""
        return self.cap.to_string()

    def get_immutable_uri(self) -> str:
        """Return the read-only capability."""
        return self.cap.get_readonly().to_string()

    def get_refresh_capability(self) -> str:
        """Return the capability to keep this directory alive, and nothing else."""
        return f"DIR-REFRESH:{base32.b2a(self._keys.index)}"

    @property
    def place(self) -> Place:
        """Which server it is on."""
        return place_of(self.cap.furl)

    @property
    def identity(self) -> tuple[Place, bytes]:
        """What the nodes of this directory, and of no other, have in common."""
        return self.place, self._keys.index

    @as_deferred
    async def sequence(self) -> int:
        """Return a number that grows with each change of the directory."""
        return await self._server.sequence(self._keys.index)

    @cached_property
    def _keys(self) -> DirectoryKeys:
        if isinstance(self.cap, DirnodeURI):
            return DirectoryKeys.from_write_key(self.cap.write_key)
        return DirectoryKeys(self.cap.read_key)

    @property
    def _server(self) -> VdriveServer:
        return self._means.servers.at(self.cap.furl)

    def check_mutable(self) -> None:
        """Return if this node may change the directory.

        :raises NotMutableError: it only reads
        """
        if not self.is_mutable():
            raise NotMutableError(
                "this capability reads the directory, and can't change it",
                fix="use the read-write capability, which begins with URI:DIR:",
            )

    # ---- looking -----------------------------------------------------------------------

    @as_deferred
    async def list(self) -> dict[str, Any]:
        """Return all children by name: to each its node."""
        children = await self.list_children()
        return {name: child.node for name, child in children.items()}

    @as_deferred
    async def list_children(self) -> dict[str, Child]:
        """Return all children by name, sorted."""
        found = [child async for page in self.pages() for child in page]
        return {child.name: child for child in sorted(found, key=lambda one: one.name)}

    async def pages(self) -> AsyncIterator[Sequence[Child]]:
        """Yield the children, up to a thousand at a time, in no order that means anything.

        One that is there all the while comes once, whatever is changed meanwhile.
        """
        after, keys, node_of = b"", self._keys, self._means.node_of
        while True:
            rows, after = await self._server.list_page(keys.index, after)
            yield [open_row(keys, row, node_of) for row in rows]
            if not after:
                return

    @as_deferred
    async def has_child(self, name: str) -> bool:
        """Tell whether there is a child of that name."""
        return await self._find(check_name(name)) is not None

    @as_deferred
    async def get(self, name: str) -> Any:
        """Return the node of the child of that name."""
        return (await self.get_child(name)).node

    @as_deferred
    async def get_child(self, name: str) -> Child:
        """Return the child of that name.

        :raises NoSuchChildError: there is none
        """
        name = check_name(name)
        child = await self._find(name)
        if child is None:
            raise no_child(name)
        return child

    @as_deferred
    async def get_children(self, names: Sequence[str]) -> dict[str, Child]:
        """Return by name those children that are there, of at most PAGE *names*.

        :param names: as :meth:`pages` tells them
        """
        keys, node_of = self._keys, self._means.node_of
        row_keys = [keys.row_key(name) for name in names]
        rows = await self._server.get_many(keys.index, row_keys)
        found = [open_row(keys, row, node_of) for row in rows]
        return {child.name: child for child in found}

    @as_deferred
    async def get_child_at_path(self, path: str | Sequence[str]) -> Any:
        """Return the node found by following *path* from here, one question a step.

        :raises NoSuchChildError: it names the step that failed
        :raises FileInTheWayError: a step before the last is no directory
        """
        return await follow(self, path)

    async def _find(self, name: str) -> Child | None:
        keys = self._keys
        rows = await self._server.get_many(keys.index, [keys.row_key(name)])
        return open_row(keys, rows[0], self._means.node_of) if rows else None

    # ---- changing ----------------------------------------------------------------------

    @as_deferred
    async def set_uri(self, name: str, child_uri: Caps, replace: bool = True) -> Any:
        """Put a child in place by its capability; return its node.

        :param replace: False to be refused where there is a child of that name
        :raises ConflictError: it was refused
        """
        child = self._sealed(name, child_uri)
        await self._put([child], replace)
        return open_row(self._keys, child, self._means.node_of).node

    @as_deferred
    async def set_node(self, name: str, child: Any, replace: bool = True) -> Any:
        """Put *child* in place; return it."""
        await self._put([self._sealed(name, caps_of(child))], replace)
        return child

    @as_deferred
    async def set_children(
        self,
        children: Children,
        replace: bool = True,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Put many children in place by their capabilities.

        Up to a thousand are there together, or none of them; more go in a thousand at a
        time.

        :param metadata: what the user says of them, for which a row has no room
        :raises ConflictError: one is there and *replace* is False
        """
        self.check_mutable()
        for batch in _batches(by_checked_name(children), PAGE):
            await self._put([self._sealed(*child) for child in batch], replace)

    @as_deferred
    async def adopt(self, name: str, child: Any, replace: bool = True) -> None:
        """Put a child of another directory in place."""
        await self._put([self._sealed(name, caps_of(child.node))], replace)

    @as_deferred
    async def let_go(self, child: Any) -> None:
        """Take *child* out."""
        await self.delete(child.name)

    @as_deferred
    async def add_file(self, name: str, uploadable: Any, replace: bool = True) -> Any:
        """Upload what *uploadable* offers, put it in place, and return its node."""
        try:
            check_name(name)
            self.check_mutable()
        except (BadNameError, NotMutableError):
            uploadable.close()
            raise
        return await self.set_uri(
            name, await self._means.uploader.upload(uploadable), replace
        )

    @as_deferred
    async def delete(self, name: str) -> None:
        """Take the child of that name out."""
        name, keys = check_name(name), self._keys
        self.check_mutable()
        try:
            await self._server.delete(keys.index, keys.write_enabler, keys.row_key(name))
        except NoSuchChildError as e:
            raise no_child(name) from e

    @as_deferred
    async def create_empty_directory(
        self, name: str, replace: bool = True, format: str | None = None
    ) -> Any:
        """Make a directory on this one's server, put it in place, and return it.

        :param replace: False to be refused where there is a child of that name
        :param format: make one of Tahoe-LAFS instead, in a file of that kind
        """
        name = check_name(name)
        self.check_mutable()
        if format and not replace and await self._find(name):
            raise taken(name)  # sooner than keys and shares are made for nothing
        made = await self.make_sibling(format)
        await self.set_node(name, made, replace)
        return made

    make_directory = create_empty_directory

    @as_deferred
    async def make_sibling(self, format: str | None = None) -> Any:
        """Make an empty directory on this one's server that nothing refers to.

        :param format: make one of Tahoe-LAFS instead, in a file of that kind
        """
        if format:
            return await dir2.make_mutable(self._means, format)
        return await make_directory(self._means, self.cap.furl)

    @as_deferred
    async def move_child_to(
        self,
        current_child_name: str,
        new_parent: Any,
        new_child_name: str | None = None,
        replace: bool = True,
    ) -> Any:
        """Take a child out of here and put it in *new_parent*; return its node.

        Where one server has both directories, it is always in exactly one of them; where
        not, it is put there before it is taken out here.
        """
        name = check_name(current_child_name)
        new_name = name if new_child_name is None else check_name(new_child_name)
        self.check_mutable()
        if not isinstance(new_parent, DirectoryNode) or (
            (new_parent.identity, new_name) == (self.identity, name)
        ):
            return await move(self, name, new_parent, new_name, replace)
        new_parent.check_mutable()
        child = await self.get_child(name)
        row = new_parent._sealed(new_name, caps_of(child.node))
        await self._move(name, new_parent, row, replace)
        return child.node

    async def _move(self, name: str, there: DirectoryNode, row: Row, replace: bool) -> None:
        if there.place != self.place:
            await there._put([row], replace)
            await self.delete(name)
            return
        keys, to = self._keys, there._keys
        source = keys.index, keys.write_enabler, keys.row_key(name)
        try:
            target = to.index, to.write_enabler
            await self._server.move(source, target, row, replace)
        except NoSuchChildError as e:
            raise no_child(name) from e

    def _sealed(self, name: str, caps: Caps) -> Row:
        name = check_name(name)
        self.check_mutable()
        return seal(self._keys, name, *slots(caps), self._means.random)

    async def _put(self, rows: Sequence[Row], replace: bool) -> None:
        keys = self._keys
        await self._server.set_many(keys.index, keys.write_enabler, rows, replace)

    # ---- all below ---------------------------------------------------------------------

    @as_deferred
    async def build_manifest(self) -> set[str]:
        """Return the refresh capabilities of all that can be reached, this included."""
        return await manifest.build_manifest(self)

    def walk(self) -> AsyncIterator[tuple[tuple[str, ...], Any]]:
        """Yield all that can be reached, this first: the names on the way, and the node."""
        return manifest.walk(self)


async def make_directory(means: Means, furl: str) -> DirectoryNode:
    """Make an empty directory that nothing refers to, on the server at *furl*."""
    cap = DirnodeURI(furl, means.random(KEY_SIZE))
    keys = DirectoryKeys.from_write_key(cap.write_key)
    await means.servers.at(furl).create_directory(keys.index, keys.write_enabler)
    return DirectoryNode(cap, means)


def _batches(children: Children, size: int) -> Iterable[Sequence[tuple[str, Caps]]]:
    left = iter(children.items())
    while batch := [*islice(left, size)]:
        yield batch
