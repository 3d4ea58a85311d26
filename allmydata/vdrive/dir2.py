"""Directories of Tahoe-LAFS: each is a file that holds a table of its children.

    URI:DIR2:  URI:DIR2-MDMF:    in a mutable file; whoever can write that changes them
    URI:DIR2-RO:  …-MDMF-RO:     the same, to read
    URI:DIR2-CHK:  URI:DIR2-LIT: in a file that nobody can change

Every look reads the whole file, and every change writes it anew; many changes at once are
one rewrite.  Nothing is remembered between calls.  Format: docs/formats/dir2.md.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar

from attrs import field, frozen
from zope.interface import implementer

from allmydata.crypto.mutable_keys import MutableKeys
from allmydata.errors import BadNameError, CorruptError, NotMutableError, NotYetError
from allmydata.formats.dir2 import pack_directory
from allmydata.immutable.filenode import FileNode
from allmydata.interfaces import IDirectoryNode
from allmydata.streams.uploadable import Data
from allmydata.uri import (
    SDMF,
    CHKFileURI,
    Dir2URI,
    LiteralFileURI,
    MutableFileURI,
    from_string,
)
from allmydata.util.deferreds import as_deferred
from allmydata.util.names import check_name
from allmydata.vdrive import manifest
from allmydata.vdrive.children import Caps, Children
from allmydata.vdrive.dir2child import Dir2Child, View
from allmydata.vdrive.dir2link import SYSTEM, Facts, Link, Linker, immutable_entry
from allmydata.vdrive.dir2table import Put, Rename, TakeOut, unpack
from allmydata.vdrive.dir2writer import Change
from allmydata.vdrive.means import Means
from allmydata.vdrive.steps import by_checked_name, caps_of, follow, move, no_child, taken

PAGE = 1000  # children that are handed on together
MAX_SIZE = 2**27  # bytes of a file that is read as a directory: all is held in memory

Metadata = Mapping[str, Facts]  # by name


@implementer(IDirectoryNode)
@frozen
class Dir2Node:
    """One directory; two nodes are equal where their capabilities are."""

    kind: ClassVar[str] = "directory"

    cap: Dir2URI
    _means: Means = field(repr=False, eq=False)

    # ---- itself ------------------------------------------------------------------------

    def is_mutable(self) -> bool:
        """Return whether this node may change the directory."""
        return not self.cap.is_readonly()

    def get_uri(self) -> str:
        """Return this node's own capability: read-write where it is, else read-only."""
        return self.cap.to_string()

    def get_immutable_uri(self) -> str:
        """Return the capability that only reads."""
        return self.cap.get_readonly().to_string()

    def get_refresh_capability(self) -> str | None:
        """Return the verify capability; None for one that lies in its capability."""
        cap = self.cap.get_verify_cap()
        return cap.to_string() if cap else None

    @property
    def identity(self) -> tuple[str, str]:
        """What the nodes of this directory, and of no other, have in common."""
        return "dir2", self.get_immutable_uri()

    @as_deferred
    async def sequence(self) -> int:
        """Return a number that grows with each change of the directory."""
        if not self.cap.is_mutable():
            return 0
        newest = await self._means.mutables.newest(self.cap.file)
        seqnum: int = newest.version.seqnum
        return seqnum

    def check_mutable(self) -> None:
        """Return if this node may change the directory.

        :raises NotMutableError: it only reads
        """
        if not self.cap.is_mutable():
            raise NotMutableError("nobody can change this directory: it is immutable")
        if not self.is_mutable():
            raise NotMutableError(
                "this capability reads the directory, and can't change it",
                fix="use the read-write capability",
            )

    @property
    def _keys(self) -> MutableKeys | None:
        file = self.cap.file
        if isinstance(file, MutableFileURI):
            return MutableKeys.from_write_key(file.write_key)
        return None

    @property
    def _file(self) -> Any:
        file = self.cap.file
        if isinstance(file, CHKFileURI | LiteralFileURI):
            return FileNode(file, self._means.downloader)
        return self._means.mutables.node_for(file)

    # ---- looking -----------------------------------------------------------------------

    @as_deferred
    async def list(self) -> dict[str, Any]:
        """Return all children by name: to each its node."""
        return {name: child.node for name, child in (await self._look()).items()}

    @as_deferred
    async def list_children(self) -> dict[str, Dir2Child]:
        """Return all children by name, sorted."""
        return await self._look()

    async def pages(self) -> AsyncIterator[Sequence[Dir2Child]]:
        """Yield the children, up to a thousand at a time, sorted: those of one moment."""
        children = [*(await self._look()).values()]
        for start in range(0, len(children), PAGE):
            yield children[start : start + PAGE]

    @as_deferred
    async def has_child(self, name: str) -> bool:
        """Tell whether there is a child of that name."""
        name = check_name(name)
        return name in await self._look()

    @as_deferred
    async def get(self, name: str) -> Any:
        """Return the node of the child of that name."""
        return (await self._child(name)).node

    @as_deferred
    async def get_child(self, name: str) -> Dir2Child:
        """Return the child of that name.

        :raises NoSuchChildError: there is none
        """
        return await self._child(name)

    @as_deferred
    async def get_children(self, names: Sequence[str]) -> dict[str, Dir2Child]:
        """Return by name those children that are there, of *names*."""
        children = await self._look()
        return {name: children[name] for name in names if name in children}

    @as_deferred
    async def get_child_at_path(self, path: str | Sequence[str]) -> Any:
        """Return the node found by following *path* from here, one question a step."""
        return await follow(self, path)

    async def _child(self, name: str) -> Dir2Child:
        name = check_name(name)
        children = await self._look()
        if name not in children:
            raise no_child(name)
        return children[name]

    async def _look(self) -> dict[str, Dir2Child]:
        file = self.cap.file
        if isinstance(file, CHKFileURI) and file.size > MAX_SIZE:
            raise CorruptError(f"a directory of {file.size:,} bytes; at most {MAX_SIZE:,}")
        entries = unpack(await self._file.download_to_data())
        view = View(self._keys, not self.cap.is_mutable(), self._means.node_of)
        found = [Dir2Child(name, entry, view) for name, entry in entries.items()]
        found.sort(key=lambda one: one.name)
        return {child.name: child for child in found if not child.is_left_out}

    # ---- changing ----------------------------------------------------------------------

    @as_deferred
    async def set_uri(self, name: str, child_uri: Caps, replace: bool = True) -> Any:
        """Put a child in place by its capability; return its node.

        :param replace: False to be refused where there is a child of that name
        :raises ConflictError: it was refused
        """
        name, link = check_name(name), Link(child_uri)
        await self._put({name: link}, replace)
        entry = self._linker().entry(name, link, None)
        view = View(self._keys, False, self._means.node_of)
        return Dir2Child(name, entry, view).node

    @as_deferred
    async def set_node(self, name: str, child: Any, replace: bool = True) -> Any:
        """Put *child* in place; return it."""
        await self._put({check_name(name): Link(caps_of(child))}, replace)
        return child

    @as_deferred
    async def set_children(
        self, children: Children, replace: bool = True, metadata: Metadata | None = None
    ) -> None:
        """Put many children in place by their capabilities: all together, or none.

        :param metadata: what the user says of them; of whom nothing is said, what was
            said before stays
        :raises ConflictError: one is there and *replace* is False
        """
        self.check_mutable()
        await self._put(_links(children, metadata), replace)

    @as_deferred
    async def adopt(self, name: str, child: Any, replace: bool = True) -> None:
        """Put a child of another directory in place, with what is said of it there."""
        facts = {k: v for k, v in child.metadata.items() if k != SYSTEM}
        link = Link(caps_of(child.node), facts, child.created)
        await self._put({check_name(name): link}, replace)

    @as_deferred
    async def let_go(self, child: Any) -> None:
        """Take *child* out, unless something else has its name by now."""
        await self._change(TakeOut(child.name, child.entry))

    @as_deferred
    async def add_file(self, name: str, uploadable: Any, replace: bool = True) -> Any:
        """Upload what *uploadable* offers, put it in place, and return its node."""
        try:
            check_name(name)
            self.check_mutable()
        except (BadNameError, NotMutableError):
            uploadable.close()
            raise
        cap = await self._means.uploader.upload(uploadable)
        return await self.set_uri(name, cap, replace)

    @as_deferred
    async def delete(self, name: str) -> None:
        """Take the child of that name out."""
        await self._change(TakeOut(check_name(name)))

    @as_deferred
    async def create_empty_directory(
        self, name: str, replace: bool = True, format: str | None = None
    ) -> Dir2Node:
        """Make a directory, put it in place, and return it.

        :param replace: False to be refused where there is a child of that name
        :param format: of its file; None: the same as of this one's
        """
        name = check_name(name)
        self.check_mutable()
        if not replace and await self.has_child(name):
            raise taken(name)  # sooner than keys and shares are made for nothing
        made = await self.make_sibling(format)
        await self.set_node(name, made, replace)
        return made

    make_directory = create_empty_directory

    @as_deferred
    async def make_sibling(self, format: str | None = None) -> Dir2Node:
        """Make an empty directory like this one that nothing refers to."""
        own = getattr(self.cap.file, "format", SDMF)
        return await make_mutable(self._means, format or own)

    @as_deferred
    async def move_child_to(
        self,
        current_child_name: str,
        new_parent: Any,
        new_child_name: str | None = None,
        replace: bool = True,
    ) -> Any:
        """Take a child out of here and put it in *new_parent*; return its node.

        Within one directory that is one change; else it is put there first.
        """
        name = check_name(current_child_name)
        new_name = name if new_child_name is None else check_name(new_child_name)
        self.check_mutable()
        is_here = getattr(new_parent, "identity", None) == self.identity
        if not is_here or new_name == name:
            return await move(self, name, new_parent, new_name, replace)
        new_parent.check_mutable()
        child = await self._child(name)
        await self._change(Rename(self._linker(), name, new_name, replace))
        return child.node

    # ---- inside

    async def _put(self, links: Mapping[str, Link], replace: bool) -> None:
        self.check_mutable()
        linker = self._linker()
        for link in links.values():  # what can't be linked is refused before all else
            link.slots()
        if links:
            await self._change(Put(linker, links, replace))

    async def _change(self, change: Change) -> None:
        self.check_mutable()
        await self._means.rewrites.make(self._file, change)

    def _linker(self) -> Linker:
        keys = self._keys
        assert keys is not None, "whoever calls this has checked that"
        return Linker(keys, self._means.now())

    # ---- all below ---------------------------------------------------------------------

    @as_deferred
    async def build_manifest(self) -> set[str]:
        """Return the refresh capabilities of all that can be reached, this included."""
        return await manifest.build_manifest(self)

    def walk(self) -> AsyncIterator[tuple[tuple[str, ...], Any]]:
        """Yield all that can be reached, this first: the names on the way, and the node."""
        return manifest.walk(self)


# ---- made ------------------------------------------------------------------------------


async def make_mutable(means: Means, format_: str) -> Dir2Node:
    """Make an empty directory that nothing refers to.

    :param format_: of its file: ``SDMF`` or ``MDMF``
    """
    if means.mutables is None:
        raise NotYetError("this node makes no mutable files")
    file = await means.mutables.create(format_, b"")
    return Dir2Node(Dir2URI(file.cap), means)


async def make_immutable(
    means: Means, children: Children, metadata: Metadata | None = None
) -> Dir2Node:
    """Make a directory of *children* that nobody can change; equal ones are stored once.

    :raises MutableChildError: somebody could change one of them
    """
    links = _links(children, metadata)
    content = pack_directory(immutable_entry(name, link) for name, link in links.items())
    source = Data(content, means.uploader.convergence)
    file = from_string(await means.uploader.upload(source))
    assert isinstance(file, CHKFileURI | LiteralFileURI)
    return Dir2Node(Dir2URI(file), means)


def _links(children: Children, metadata: Metadata | None) -> dict[str, Link]:
    said = {check_name(name): facts for name, facts in (metadata or {}).items()}
    checked = by_checked_name(children)
    return {name: Link(caps, said.get(name)) for name, caps in checked.items()}
