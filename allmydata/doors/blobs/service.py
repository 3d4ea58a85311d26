"""All collections of a node: the directories on the grid, the index beside them.

    blobs             in the private root
      content         rows of contents, and of packs
      <collection>    rows of keys, of one collection each

The grid is what counts.  The index is opened when it is first needed; where it has not seen
every change of a directory, it is made again before anything else is done.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from allmydata.doors.blobs.collection import Collection
from allmydata.doors.blobs.contents import Contents
from allmydata.doors.blobs.face import Face
from allmydata.doors.blobs.recovery import CONTENT, Recovery, names_of
from allmydata.doors.blobs.rows import Rows
from allmydata.doors.blobs.store import Directory, Store
from allmydata.errors import ConflictError, NoSuchChildError, UsageError
from allmydata.interfaces import IBlobs
from allmydata.streams.spool import Spool
from allmydata.util.deferreds import Shared, as_deferred
from allmydata.util.workers import Workers

log = Logger()

ROOT = "blobs"  # its name in the private root
_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")


@implementer(IBlobs)
class Blobs(Service):
    """``getService("blobs")`` of a client.

    :param drive: an IVirtualDrive
    :param uploader, downloader: this client's
    :param private: where the index is, and where contents wait, encrypted
    """

    name = "blobs"

    def __init__(
        self,
        drive: Any,
        uploader: Any,
        downloader: Any,
        workers: Workers,
        private: Path,
        clock: IReactorTime,
    ) -> None:
        self._drive = drive
        self._uploader = uploader
        self._downloader = downloader
        self._workers = workers
        self._private = private
        self._clock = clock
        self._store = Store(private / "blobs.sqlite")
        self._contents = Contents(self._store, uploader, lambda: self._rows_of(CONTENT))
        self._collections: dict[str, Collection] = {}
        self._root: Any = None  # the directory that holds the others
        self._rows: dict[str, Rows] = {}
        self._making: dict[str, Shared[Rows]] = {}
        self._opening: Shared[None] | None = None
        self._is_ready = False
        self._dropped = 0

    @as_deferred
    async def stop(self) -> None:
        """Finish what was begun, and let go of the index."""
        for rows in list(self._rows.values()):
            await rows.stop()
        self._is_ready = False
        self._store.close()

    def stopService(self) -> Any:  # noqa: N802
        """Begin to stop; the Deferred fires when all is put away."""
        Service.stopService(self)
        return self.stop()

    # ---- what doors ask ------------------------------------------------------------------

    def collection(self, name: str) -> Collection:
        """Return the collection of that name.

        :raises UsageError: that can't be one
        """
        if name == CONTENT or not _NAME.fullmatch(name):
            raise UsageError(
                "this can't be the name of a collection",
                why="it has lower-case letters, digits and -, at most 32, a letter first, "
                f"and is not {CONTENT}",
            )
        if name not in self._collections:
            self._collections[name] = self._make_collection(name)
        return self._collections[name]

    def face(self, name: str) -> Face:
        """Return what answers HTTP requests for a collection."""
        return Face(self.collection(name))

    @as_deferred
    async def recover(self) -> dict[str, Any]:
        """Make the index again from the grid; return counts."""
        if self._opening is not None:
            await self._opening.get()
        await self._open(anew=True)
        return await self.status()

    @as_deferred
    async def status(self) -> dict[str, Any]:
        """Return counts."""
        await self._ready()
        names = names_of(sorted(self._store.directories()))
        return {
            "ready": self._is_ready,
            **self._store.counts(),
            "collections": {name: self._store.totals(name)[0] for name in names},
            "dropped": self._dropped,
        }

    # ---- the index -----------------------------------------------------------------------

    async def _ready(self) -> None:
        """Wait until the index has seen all there is on the grid."""
        if not self._is_ready:
            await self._open(anew=False)

    async def _open(self, *, anew: bool) -> None:
        if self._opening is None:
            self._is_ready = False
            self._opening = Shared(self._catch_up(anew=anew))
        try:
            await self._opening.get()
        finally:
            self._opening = None

    async def _catch_up(self, *, anew: bool) -> None:
        writers = list(self._rows.values())
        for rows in writers:
            await rows.pause()
        try:
            if anew:
                self._root = None
            directories = await self._find_directories()
            if anew or not await self._is_in_step(directories):
                await self._make_index(directories)
        finally:
            for rows in writers:
                rows.resume()
        self._is_ready = True
        if not self._dropped:  # else it may be wanted by a key that could not be read
            await self._contents.tidy()

    async def _find_directories(self) -> dict[str, Any]:
        """Return those on the grid by name; none where nothing was ever kept."""
        if self._root is None:
            private_root = await self._drive.get_private_root()
            try:
                self._root = _checked(await private_root.get(ROOT))
            except NoSuchChildError:
                return {}
        children = await self._root.list()
        return {name: _checked(child) for name, child in children.items()}

    async def _is_in_step(self, directories: dict[str, Any]) -> bool:
        known = self._store.directories()
        if set(known) != set(directories):
            return False
        for name, directory in directories.items():
            one = known[name]
            if one.cap != directory.get_uri() or one.sequence is None:
                return False
            if one.sequence != await directory.sequence():
                return False
        return True

    async def _make_index(self, directories: dict[str, Any]) -> None:
        log.info("the index of blobs is made from the grid")
        made = self._store.begin_anew()
        try:
            recovery = Recovery(made, self._downloader)
            await recovery.run(directories)
            self._store.become(made)
        finally:
            made.close()
        self._dropped = recovery.dropped

    # ---- directories ---------------------------------------------------------------------

    async def _rows_of(self, name: str) -> Rows:
        """Return what writes a directory, which is made the first time."""
        if name not in self._rows:
            if name not in self._making:
                self._making[name] = Shared(self._make_rows(name))
            try:
                self._rows[name] = await self._making[name].get()
            finally:
                self._making.pop(name, None)
        return self._rows[name]

    async def _make_rows(self, name: str) -> Rows:
        root = await self._find_root()
        known = self._store.directories().get(name)
        if known is None:
            directory = await _child_of(root, name)
            kept = Directory(name, directory.get_uri(), await directory.sequence())
            self._store.keep_directory(kept)
        else:
            directory = await self._drive.get_node(known.cap)
        return Rows(name, directory, self._store)

    async def _find_root(self) -> Any:
        if self._root is None:
            private_root = await self._drive.get_private_root()
            self._root = await _child_of(private_root, ROOT)
        return self._root

    # ---- making --------------------------------------------------------------------------

    def _make_collection(self, name: str) -> Collection:
        return Collection(
            name,
            self._store,
            self._contents,
            self._uploader,
            self._downloader,
            self._clock,
            self._make_spool,
            self._ready,
            self._rows_of,
        )

    def _make_spool(self, size: int | None) -> Spool:
        uploader = self._uploader
        k, _, n = uploader.parameters()
        return Spool(
            self._private,
            uploader.convergence,
            self._workers,
            parameters=(k, n),
            max_segment_size=uploader.max_segment_size,
            size=size,
        )


async def _child_of(parent: Any, name: str) -> Any:
    """Return a directory in *parent*, made if it is not there."""
    try:
        return _checked(await parent.get(name))
    except NoSuchChildError:
        pass
    try:
        return await parent.create_empty_directory(name, replace=False)
    except ConflictError:  # somebody was faster
        return _checked(await parent.get(name))


def _checked(node: Any) -> Any:
    if node.kind != "directory" or not node.is_mutable():
        raise ConflictError(
            "the directory of blobs is no directory that can be changed",
            why=f"what goes by the name {ROOT} in the private root, or a child of it, is a "
            f"{node.kind}",
            fix=f"give it another name:  tahoe mv tahoe:{ROOT} tahoe:{ROOT}-old",
        )
    return node
