"""Vdrive servers and drives on them, near by or over real Tubs; files are in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from foolscap.eventual import eventually
from twisted.internet import reactor
from twisted.internet.task import Clock

from allmydata.grid.vdrive import VdriveServers, place_of
from allmydata.node.tub import AUTO, NodeTub, make_certificate
from allmydata.storage.vdrive import VirtualDriveServer
from allmydata.util import base32
from allmydata.vdrive.drive import VirtualDrive
from allmydata.vdrive.home import HomeServer
from tests.support.fake_client import FakeDownloader, FakeUploader
from tests.support.grid import LocalGrid
from tests.support.local_reference import Line, LocalReference

ANY = "tcp:0:interface=127.0.0.1"


class LocalLink:
    """A connection to *served* that is made anew when it breaks and somebody asks."""

    def __init__(self, served: Served, connected) -> None:
        self._served = served
        self._connected = connected
        self._is_wanted = True
        self._line: Line | None = None
        self._try()

    def status(self) -> str:
        return "Connected" if self._line and self._line.is_up else "Trying to connect"

    def reset(self) -> None:
        self._try()

    def stop(self) -> None:
        self._is_wanted = False

    def _try(self) -> None:
        up = self._line is not None and self._line.is_up
        if self._is_wanted and not up and self._served.is_up:
            self._line = Line(self._served.tubid)
            self._line.answer_filter = self._served.answer_filter
            self._served.lines.append(self._line)
            eventually(
                self._connected, LocalReference(self._served.target, line=self._line)
            )


class Served:
    """One vdrive server and what happens to it.

    :ivar target: what answers in its place
    :ivar answer_filter: what becomes of its answers, on lines made from then on
    """

    def __init__(self, server: VirtualDriveServer, tubid: str) -> None:
        self.server = server
        self.target: Any = server
        self.tubid = tubid
        self.furl = f"pb://{tubid}@tcp:127.0.0.1:1/vdrive"
        self.is_up = True
        self.answer_filter: Any = None
        self.lines: list[Line] = []
        self.tub: NodeTub | None = None

    @property
    def calls(self) -> list[str]:
        """The names of all calls made near by, in order."""
        return [name for line in self.lines for name in line.calls]

    def forget_calls(self) -> None:
        for line in self.lines:
            line.calls.clear()

    def spoil(self, answer_filter) -> None:
        """Let *answer_filter* have its way with every answer from now on."""
        self.answer_filter = answer_filter
        for line in self.lines:
            line.answer_filter = answer_filter

    def lose(self) -> None:
        """Break the connections; the server is there to be connected to again."""
        for line in self.lines:
            line.lose()


class DriveBench:
    """Makes servers and drives below *base*, and stops them all.

    :param far: over real Tubs
    :param grid: where files lie, in which directories of Tahoe-LAFS are
    """

    def __init__(
        self, base: Path, *, far: bool = False, grid: LocalGrid | None = None
    ) -> None:
        self.grid = grid
        self.base = base
        self.is_far = far
        self.clock = Clock()  # of the drives near by: time passes when a test says so
        self.servers: list[Served] = []
        self.drives: list[VirtualDrive] = []
        self.uploader = FakeUploader()
        self.downloader = FakeDownloader(self.uploader.files)
        self._tubs: list[NodeTub] = []

    async def serve(self, *, public_root: bool = True) -> Served:
        """Start a server."""
        number = len(self.servers)
        base = self.base / f"server{number}"
        served: Served
        server = VirtualDriveServer(
            base / "vdrive",
            clock=reactor,
            root_file=base / "private" / "vdrive-root" if public_root else None,
            furl_of=lambda: served.furl,
        )
        base.mkdir(parents=True)
        server.startService()
        served = Served(server, base32.b2a(bytes([number]) * 20))
        self.servers.append(served)
        if self.is_far:
            served.tub = self._make_tub()
            await served.tub.listen([ANY], [AUTO])
            served.furl = served.tub.serve(server, base / "vdrive.furl")
        return served

    def drive(
        self, served: Served | None = None, name: str = "", **options
    ) -> VirtualDrive:
        """Return the drive of a client whose own server is *served*."""
        private = self.base / (name or f"client{len(self.drives)}")
        private.mkdir(parents=True, exist_ok=True)
        furl = served.furl if served else None

        async def nobody() -> str:
            return ""

        home = HomeServer(private, furl, options.pop("ask", nobody))
        connect, clock = self._connect, self.clock
        if self.is_far:
            connect, clock = self._make_tub().connect, reactor
        servers = VdriveServers(connect, home.find_again, clock)
        files = self.uploader, self.downloader
        if self.grid is not None:
            files = self.grid.uploader, self.grid.downloader
            options.setdefault("mutables", self.grid.client())
        drive = VirtualDrive(servers, home, *files, private, **options)
        drive.startService()
        self.drives.append(drive)
        return drive

    def _connect(self, furl: str, connected) -> LocalLink:
        found = [one for one in self.servers if place_of(one.furl) == place_of(furl)]
        served = found[0] if found else _Nowhere()
        return LocalLink(served, connected)

    def _make_tub(self) -> NodeTub:
        tub = NodeTub(make_certificate(), clock=reactor)
        tub.startService()
        self._tubs.append(tub)
        return tub

    async def stop(self) -> None:
        for drive in self.drives:
            drive.stopService()
        for tub in reversed(self._tubs):
            await tub.stopService()
        for served in self.servers:
            if served.server.running:
                await served.server.stopService()


class Dir2Drive:
    """A drive whose new directories are those of Tahoe-LAFS; else it is that drive."""

    def __init__(self, drive: VirtualDrive, format_: str) -> None:
        self._drive = drive
        self._format = format_

    def __getattr__(self, name: str) -> Any:
        return getattr(self._drive, name)

    def create_directory(self) -> Any:
        return self._drive.create_directory(self._format)


class _Nowhere:
    is_up = False
