"""A drive without a server: directories in memory, in pages as small as a test likes."""

from __future__ import annotations

import os
from typing import Any, ClassVar

from attrs import define, evolve, field, frozen
from twisted.internet.defer import succeed
from zope.interface import implementer

from allmydata.errors import (
    BadCapError,
    ConflictError,
    NoSuchChildError,
    NotFoundError,
    NotMutableError,
    NotYetError,
)
from allmydata.interfaces import IVirtualDrive
from allmydata.uri import (
    DirnodeURI,
    ReadOnlyDirnodeURI,
    UnknownURI,
    from_string,
)
from allmydata.util.deferreds import as_deferred
from allmydata.util.names import check_name, split_path

FURL = f"pb://{'a' * 32}@tcp:127.0.0.1:1/vdrive"
KINDS = {DirnodeURI: "directory", ReadOnlyDirnodeURI: "directory", UnknownURI: "unknown"}


@frozen
class FakeNode:
    """A file, or something unknown."""

    cap: Any
    kind: str

    def get_uri(self) -> str:
        return self.cap.to_string()


@frozen
class FakeChild:
    """A name, and the texts in its two slots."""

    name: str
    created: float
    changed: float
    texts: tuple[str | None, str]
    drive: Any = field(repr=False)

    @property
    def cap(self) -> Any:
        text = self.texts[0] or self.texts[1]
        return from_string(text) if text else None

    @property
    def readonly_cap(self) -> Any:
        return from_string(self.texts[1]) if self.texts[1] else None

    @property
    def metadata(self) -> Any:
        return {"tahoe": {"linkcrtime": self.created, "linkmotime": self.changed}}

    @property
    def node(self) -> Any:
        if isinstance(self.cap, DirnodeURI | ReadOnlyDirnodeURI):
            return FakeDirectory(self.drive, self.cap)
        return FakeNode(self.cap, KINDS.get(type(self.cap), "file"))


@frozen
class FakeDirectory:
    """A directory seen through one capability; its children are the drive's."""

    kind: ClassVar[str] = "directory"
    drive: FakeDrive = field(repr=False)
    cap: Any

    # ---- itself

    def is_mutable(self) -> bool:
        return not self.cap.is_readonly()

    def get_uri(self) -> str:
        return self.cap.to_string()

    def get_immutable_uri(self) -> str:
        return self.cap.get_readonly().to_string()

    @property
    def _rows(self) -> dict[str, FakeChild]:
        rows = self.drive.tables.get(self.get_immutable_uri())
        if rows is None:
            raise NotFoundError("the vdrive server has no such directory")
        return rows

    def _see(self, child: FakeChild) -> FakeChild:
        if self.is_mutable():
            return child
        return evolve(child, texts=(None, child.texts[1]))

    # ---- looking

    @as_deferred
    async def get_child(self, name: str) -> FakeChild:
        name = check_name(name)
        await self.drive.ask("get")
        if name not in self._rows:
            raise NoSuchChildError(f"no child named {name!r}")
        return self._see(self._rows[name])

    @as_deferred
    async def get_children(self, names: Any) -> dict[str, FakeChild]:
        await self.drive.ask("get many")
        return {name: self._see(self._rows[name]) for name in names if name in self._rows}

    async def pages(self) -> Any:
        rows = sorted(self._rows.values(), key=lambda one: hash(one.name))
        size = self.drive.page_size
        for start in range(0, max(1, len(rows)), size):
            await self.drive.ask("page")
            yield [self._see(row) for row in rows[start : start + size]]

    @as_deferred
    async def list_children(self) -> dict[str, FakeChild]:
        return {one.name: one async for page in self.pages() for one in page}

    # ---- changing

    def _check(self) -> None:
        if not self.is_mutable():
            raise NotMutableError("this capability reads the directory only")

    def _put(self, name: str, texts: tuple[str | None, str]) -> None:
        now = self.drive.now
        created = self._rows[name].created if name in self._rows else now
        self._rows[name] = FakeChild(name, created, now, texts, self.drive)

    @as_deferred
    async def set_children(
        self, children: Any, replace: bool = True, metadata: Any = None
    ) -> None:
        found = {check_name(name): slots(caps) for name, caps in children.items()}
        self._check()
        await self.drive.ask("set")
        if not replace and found.keys() & self._rows.keys():
            raise ConflictError("there is a child of that name already")
        for name, texts in found.items():
            self._put(name, texts)

    @as_deferred
    async def set_uri(self, name: str, caps: Any, replace: bool = True) -> Any:
        await self.set_children({name: caps}, replace)
        return self._rows[check_name(name)].node

    @as_deferred
    async def delete(self, name: str) -> None:
        name = check_name(name)
        self._check()
        await self.drive.ask("delete")
        if self._rows.pop(name, None) is None:
            raise NoSuchChildError(f"no child named {name!r}")

    @as_deferred
    async def make_sibling(self, format: str | None = None) -> FakeDirectory:
        return await self.drive.create_directory(format)

    @as_deferred
    async def make_directory(
        self, name: str, replace: bool = True, format: str | None = None
    ) -> FakeDirectory:
        check_name(name)
        self._check()
        made = await self.drive.create_directory(format)
        await self.set_uri(name, made.get_uri(), replace)
        return made

    @as_deferred
    async def move_child_to(
        self, name: str, parent: Any, new_name: str | None = None, replace: bool = True
    ) -> Any:
        name = check_name(name)
        new_name = name if new_name is None else check_name(new_name)
        self._check()
        parent._check()
        child = await self.get_child(name)
        if (parent.cap, new_name) == (self.cap, name):
            if not replace:
                raise ConflictError("there is a child of that name already")
            return child.node
        await parent.set_children({new_name: child.texts}, replace)
        await self.delete(name)
        return child.node


@implementer(IVirtualDrive)
@define
class FakeDrive:
    """All directories of one client.

    :ivar calls: what a server would have been asked, in order
    :ivar hold: tells of a call what it waits for: a Deferred
    :ivar error: raised by the calls from the *error_after*\\ th on
    """

    page_size: int = 1000
    tables: dict[str, dict[str, FakeChild]] = field(factory=dict)
    calls: list[str] = field(factory=list)
    hold: Any = succeed
    error: Exception | None = None
    error_after: int = 0
    now: float = 1000.0
    has_public_root: bool = True
    _roots: dict[str, FakeDirectory] = field(factory=dict)

    @as_deferred
    async def ask(self, what: str) -> None:
        self.calls.append(what)
        await self.hold(what)
        if self.error is not None and len(self.calls) > self.error_after:
            raise self.error

    @as_deferred
    async def create_directory(self, format: str | None = None) -> FakeDirectory:
        if format is not None:
            raise NotYetError("only directories of our own kind are made here")
        await self.ask("create")
        cap = DirnodeURI(FURL, os.urandom(16))
        self.tables[cap.get_readonly().to_string()] = {}
        return FakeDirectory(self, cap)

    @as_deferred
    async def get_node(self, uri: Any) -> Any:
        cap = from_string(uri)
        if isinstance(cap, DirnodeURI | ReadOnlyDirnodeURI):
            return FakeDirectory(self, cap)
        return FakeNode(cap, KINDS.get(type(cap), "file"))

    def have_public_root(self) -> bool:
        return self.has_public_root

    def have_private_root(self) -> bool:
        return True

    @as_deferred
    async def get_public_root(self) -> FakeDirectory:
        if not self.has_public_root:
            raise NotFoundError("the vdrive server offers no public root")
        return await self._root("public")

    @as_deferred
    async def get_private_root(self) -> FakeDirectory:
        return await self._root("private")

    async def _root(self, name: str) -> FakeDirectory:
        if name not in self._roots:
            self._roots[name] = await self.create_directory()
        return self._roots[name]

    @as_deferred
    async def get_node_at_path(self, path: Any) -> Any:
        names = split_path(path)
        root = self.get_private_root if names[:1] == ["~"] else self.get_public_root
        node: Any = await root()
        for name in names[names[:1] == ["~"] :]:
            node = (await node.get_child(name)).node
        return node


def slots(caps: Any) -> tuple[str | None, str]:
    """Return what a row holds of a child: to write, and to read."""
    strong, weak = caps if isinstance(caps, tuple) else (caps, None)
    if strong is None and weak is None:
        raise BadCapError("no capability at all")
    if strong is None:
        cap = from_string(weak)
        read = cap.get_readonly() or UnknownURI(f"ro.{weak}")
        return None, read.to_string()
    cap = from_string(strong)
    readonly = cap.get_readonly()
    if readonly is None:
        return strong, slots((None, weak))[1] if weak else ""
    return (None if cap.is_readonly() else cap.to_string()), readonly.to_string()
