"""The roots, and the way from a path or a capability to a node."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from zope.interface import implementer

from allmydata.errors import ConfigError, GridError, NotFoundError, ServerRefusedError
from allmydata.grid.vdrive import VdriveServers, place_of
from allmydata.immutable.filenode import FileNode
from allmydata.interfaces import IVirtualDrive
from allmydata.uri import (
    Cap,
    CHKFileURI,
    Dir2URI,
    DirnodeURI,
    LiteralFileURI,
    MutableFileURI,
    ReadOnlyDirnodeURI,
    ReadOnlyMutableFileURI,
    from_string,
)
from allmydata.util.deferreds import Shared, as_deferred
from allmydata.util.fileutil import write_atomically
from allmydata.util.names import PRIVATE_ROOT, split_path
from allmydata.vdrive.children import Children
from allmydata.vdrive.dir2 import Dir2Node, Metadata, make_immutable, make_mutable
from allmydata.vdrive.dirnode import DirectoryNode, make_directory
from allmydata.vdrive.home import HomeServer
from allmydata.vdrive.means import Means
from allmydata.vdrive.unknown import UnknownNode

DirCap = DirnodeURI | ReadOnlyDirnodeURI


@implementer(IVirtualDrive)
class VirtualDrive(Service):
    """All directories this client can reach; ``getService("vdrive")``.

    :param uploader, downloader: this client's
    :param private: where the capabilities of the roots are kept
    :param random: returns that many bytes nobody can foresee
    :param mutables: what finds mutable files; None where there are none
    :param now: tells the time, in seconds since the epoch
    """

    name = "vdrive"

    def __init__(
        self,
        servers: VdriveServers,
        home: HomeServer,
        uploader: Any,
        downloader: Any,
        private: Path,
        random: Callable[[int], bytes] = os.urandom,
        mutables: Any = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._mutables = mutables
        self._servers = servers
        self._home = home
        self._downloader = downloader
        self._means = Means(
            servers, uploader, downloader, self.node_of, random, mutables, now
        )
        self._public_file = private / "global_root.uri"
        self._private_file = private / "my_vdrive.uri"
        self._offers_no_public_root = False
        self._making: Shared[DirectoryNode] | None = None  # the private root

    def startService(self) -> None:  # noqa: N802
        """Take up where the vdrive server was last."""
        Service.startService(self)
        Service.startService(self._servers)
        self._servers.home = self._home.known()

    def stopService(self) -> None:  # noqa: N802
        """Make no new connections."""
        Service.stopService(self)
        self._servers.stopService()

    # ---- roots -------------------------------------------------------------------------

    def have_public_root(self) -> bool:
        """Tell whether a public root is known, or may yet be found."""
        if self._public_file.exists():
            return True
        return not self._offers_no_public_root and not self._home.is_missing

    @as_deferred
    async def get_public_root(self) -> DirectoryNode:
        """Return the directory that everybody on this grid shares.

        :raises NotFoundError: the vdrive server offers none
        :raises ConfigError: there is no vdrive server
        """
        furl = await self._find_home()
        cap = _read_root(self._public_file)
        if cap is None or place_of(cap.furl) != place_of(furl):
            cap = await self._ask_public_root(furl)
            _keep_root(self._public_file, cap)
        return DirectoryNode(cap, self._means)

    def have_private_root(self) -> bool:
        """Tell whether there is a private root, or one can be made."""
        return self._private_file.exists() or not self._home.is_missing

    @as_deferred
    async def get_private_root(self) -> DirectoryNode:
        """Return this client's own root, which is made the first time.

        :raises ConfigError: there is no vdrive server to make it on
        """
        cap = _read_root(self._private_file)
        if cap is not None:
            return DirectoryNode(cap, self._means)
        if self._making is None:
            self._making = Shared(self._make_private_root())
        try:
            return await self._making.get()
        finally:
            self._making = None

    @as_deferred
    async def create_directory(self, format: str | None = None) -> Any:
        """Make an empty directory that nothing refers to, on our own vdrive server.

        :param format: ``SDMF`` or ``MDMF``: make one of Tahoe-LAFS, in a file of that kind
        """
        if format:
            return await make_mutable(self._means, format)
        return await self._create()

    @as_deferred
    async def create_immutable_directory(
        self, children: Children, metadata: Metadata | None = None
    ) -> Dir2Node:
        """Make a directory that nobody can change, and that nothing refers to.

        :param metadata: what the user says of the children, by name
        :raises MutableChildError: somebody could change one of the children
        """
        return await make_immutable(self._means, children, metadata)

    async def _create(self) -> DirectoryNode:
        return await make_directory(self._means, await self._find_home())

    async def _find_home(self) -> str:
        furl = self._servers.home = await self._home.furl()
        return furl

    async def _ask_public_root(self, furl: str) -> DirCap:
        try:
            cap = from_string(await self._servers.at(furl).get_public_root_uri())
        except NotFoundError:
            self._offers_no_public_root = True
            raise
        if not isinstance(cap, DirCap):
            raise ServerRefusedError("the public root it names is no directory")
        return cap

    async def _make_private_root(self) -> DirectoryNode:
        made = await self._create()
        _keep_root(self._private_file, made.cap)
        return made

    # ---- nodes -------------------------------------------------------------------------

    @as_deferred
    async def get_node_at_path(self, path: str | Sequence[str]) -> Any:
        """Return the node at *path*, from the private root if it begins with ``~``.

        :raises NoSuchChildError: there is none; the message names the step that failed
        """
        names = split_path(path)
        if names[:1] == [PRIVATE_ROOT]:
            root, names = await self.get_private_root(), names[1:]
        else:
            root = await self.get_public_root()
        return await root.get_child_at_path(names)

    @as_deferred
    async def get_node(self, uri: Any) -> Any:
        """Return the node that a capability names: file, directory, or unknown.

        :raises BadCapError: it is mistyped, or no capability
        """
        cap = from_string(uri if isinstance(uri, str) else uri.to_string())
        return self.node_of(cap, cap.get_readonly())

    def node_of(self, cap: Cap | None, readonly_cap: Cap | None) -> Any:
        """Return the node of a parsed capability; no server is asked.

        :param readonly_cap: heeded for unknown kinds only
        """
        match cap:
            case CHKFileURI() | LiteralFileURI():
                return FileNode(cap, self._downloader)
            case DirnodeURI() | ReadOnlyDirnodeURI():
                return DirectoryNode(cap, self._means)
            case Dir2URI() if self._mutables or not cap.is_mutable():
                return Dir2Node(cap, self._means)
            case MutableFileURI() | ReadOnlyMutableFileURI() if self._mutables:
                return self._mutables.node_for(cap)
        return UnknownNode(cap, readonly_cap)


# ---- the files of the roots ------------------------------------------------------------


def _read_root(path: Path) -> DirCap | None:
    if not path.exists():
        return None
    try:
        cap = from_string(path.read_text("ascii"))
    except (GridError, ValueError):
        cap = None
    if not isinstance(cap, DirCap):
        raise ConfigError(
            f"{path} does not hold the capability of a directory",
            fix="put back the file you saved; without it, what it leads to is lost",
        )
    return cap


def _keep_root(path: Path, cap: DirCap) -> None:
    write_atomically(path, cap.to_string().encode() + b"\n", private=True)
