"""Rooms of blobs on a real vdrive server near by; contents in memory, or on a real grid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet import reactor

from allmydata.doors.blobs.service import Blobs
from allmydata.util.workers import Workers
from tests.support.drive import DriveBench
from tests.support.grid import LocalGrid


class BlobsBench:
    """Makes rooms below *base*, and stops them all.

    :param on_grid: contents become shares on ten servers
    """

    def __init__(self, base: Path, *, on_grid: bool = False) -> None:
        self.base = base
        self.drives = DriveBench(base)
        self.grid = LocalGrid(base / "grid") if on_grid else None
        self.workers = Workers(2, "segments")
        self.rooms: list[Blobs] = []
        self.served: Any = None

    async def start(self) -> BlobsBench:
        self.workers.start()
        if self.grid:
            await self.grid.start()
            self.drives.uploader = self.grid.uploader
            self.drives.downloader = self.grid.downloader
        self.served = await self.drives.serve()
        return self

    @property
    def uploader(self) -> Any:
        return self.drives.uploader

    def room(self, name: str = "client") -> Blobs:
        """Return the room of the node *name*, as after a start of it."""
        drive = self.drives.drive(self.served, name)
        uploader = CountingUploader(self.drives.uploader)
        parts = (drive, uploader, self.drives.downloader, self.workers)
        room = Blobs(*parts, self.base / name, reactor)
        room.startService()
        self.rooms.append(room)
        return room

    def index(self, name: str = "client") -> Path:
        """Where the index of a node is."""
        return self.base / name / "blobs.sqlite"

    async def stop(self) -> None:
        for room in self.rooms:
            await room.stopService()
        await self.drives.stop()
        if self.grid:
            await self.grid.stop()
        self.workers.stop()


class CountingUploader:
    """An uploader, and how often it was asked; set ``error`` to fail."""

    def __init__(self, uploader: Any) -> None:
        self._uploader = uploader
        self.num_uploads = 0
        self.error: Exception | None = None

    def upload(self, uploadable: Any) -> Any:
        self._count()
        return self._uploader.upload(uploadable)

    def upload_data(self, data: bytes) -> Any:
        from allmydata.streams.uploadable import Data

        self._count()
        return self._uploader.upload(Data(data, self.convergence))

    def _count(self) -> None:
        self.num_uploads += 1
        if self.error is not None:
            raise self.error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._uploader, name)
