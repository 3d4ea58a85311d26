"""A client node without a grid: what the gateway is handed, kept in memory."""

import os
from contextlib import suppress
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure
from zope.interface import implementer

from allmydata.errors import NoSharesError
from allmydata.immutable.transfers import Transfers
from allmydata.interfaces import IClient
from allmydata.uri import CHKFileURI, LiteralFileURI, from_string
from allmydata.util.deferreds import Gate, as_deferred
from allmydata.util.mathutil import next_multiple
from tests.support.fake_drive import FakeDrive

INDEX = bytes(range(16))
INDEX_WORDS = "aaaqeayeaudaocajbifqydiob4"


@define
class FakeUploader:
    """Takes files as an uploader would, and keeps the plaintext by its cap.

    Shut the gate to stop before each read; set ``error`` to fail after so many bytes.
    """

    convergence: bytes = b"the node's secret"
    max_segment_size: int = 2**20
    coding: tuple[int, int] = (3, 10)
    files: dict[str, bytes] = field(factory=dict)
    gate: Gate = field(factory=Gate)
    error: Exception | None = None
    error_after: int = 0
    num_read: int = 0
    num_closed: int = 0
    num_cancelled: int = 0
    happy: list[int | None] = field(factory=list)
    keys: list[bytes] = field(factory=list)
    read_size: int = 2**17

    def __attrs_post_init__(self) -> None:
        self.gate.open()

    def parameters(self) -> tuple[int, int, int]:
        k, n = self.coding
        return k, k, n

    @as_deferred
    async def upload(self, uploadable: Any, happy: int | None = None) -> str:
        self.happy.append(happy)
        done = False
        try:
            cap = await self._upload(uploadable)
            done = True
        finally:
            self.num_cancelled += not done
            self.num_closed += 1
            uploadable.close()
        return cap

    async def _upload(self, uploadable: Any) -> str:
        size = await uploadable.get_size()
        k, n = self.coding
        segment_size = next_multiple(min(size, self.max_segment_size), k)
        uploadable.set_serialized_encoding_parameters(f"{segment_size}-{k}-{n}")
        key = await uploadable.get_encryption_key()
        self.keys.append(key)
        data = await self._read(uploadable, size)
        if size <= 55:
            cap = LiteralFileURI(data).to_string()
        else:
            cap = CHKFileURI(key, bytes(32), k, n, size).to_string()
        self.files[cap] = data
        return cap

    async def _read(self, uploadable: Any, size: int) -> bytes:
        pieces: list[bytes] = []
        while size:
            await self.gate.wait()
            if self.error is not None and self.num_read >= self.error_after:
                raise self.error
            got = await uploadable.read(min(size, self.read_size))
            pieces += got
            self.num_read += sum(map(len, got))
            size -= sum(map(len, got))
        return b"".join(pieces)


@define
class FakeDownloader:
    """Gives back what the uploader took; counts what it was asked.

    Set ``error`` to fail after so many bytes.
    """

    files: dict[str, bytes]
    calls: list[tuple[int, int | None]] = field(factory=list)
    error: Exception | None = None
    error_after: int = 0
    piece_size: int = 2**17
    num_written: int = 0
    num_cancelled: int = 0

    def download(
        self, uri: str, target: Any, offset: int = 0, size: int | None = None
    ) -> Deferred[Any]:
        self.calls.append((offset, size))
        work = self._download(uri, target, offset, size)
        target.register_canceller(work.cancel)
        return work

    @as_deferred
    async def _download(self, uri: str, target: Any, offset: int, size: int | None) -> Any:
        await succeed(None)
        try:
            data = self._find(uri)[offset:][:size]
            target.open(len(data))
            await self._write(data, target)
            target.close()
        except BaseException as e:
            self.num_cancelled += 1
            target.fail(Failure(e))
            raise
        return target.finish()

    def _find(self, uri: str) -> bytes:
        cap = from_string(uri)
        if isinstance(cap, LiteralFileURI):
            return cap.data
        if uri not in self.files:
            raise NoSharesError("no shares could be found", why="0 of 3 needed")
        return self.files[uri]

    async def _write(self, data: bytes, target: Any) -> None:
        for start in range(0, len(data), self.piece_size):
            if self.error is not None and start >= self.error_after:
                raise self.error
            piece = data[start : start + self.piece_size]
            waiting = target.write(piece)
            self.num_written += len(piece)
            if waiting is not None:
                await waiting
        if self.error is not None:
            raise self.error


@implementer(IClient)
@define
class FakeClient:
    """A node with an uploader, a downloader, a drive, and statuses to be set.

    Its transfers are begun and ended by the test; ``now`` is their clock.
    """

    uploader: FakeUploader = field(factory=FakeUploader)
    downloader: FakeDownloader = field()
    nickname: str = "fake"
    nodeid: str = "n" * 32
    vdrive: Any = field(factory=FakeDrive)
    ready: tuple[bool, str] = (True, "")
    servers: list[dict[str, Any]] = field(factory=list)
    introducers: list[str] = field(factory=list)
    now: float = 1000.0
    transfers: Transfers = field(init=False)
    figures: dict[str, int | None] | None = None
    reports: list[dict[str, Any]] = field(factory=list)
    lag: tuple[float, float] = (0.001, 0.02)
    demo: Any = None
    health: Any = None
    checker: Any = None
    repairer: Any = None
    mutables: Any = None
    mutable_checker: Any = None
    drains: Any = None

    @downloader.default
    def _(self) -> FakeDownloader:
        return FakeDownloader(self.uploader.files)

    @transfers.default
    def _(self) -> Transfers:
        return Transfers(lambda: self.now)

    def move(self, kind: Any = "upload", size: int = 300) -> None:
        """Move a file of three segments to or from two servers, and end."""
        with self.transfers.running(kind, size, INDEX) as transfer:
            transfer.num_segments = 3
            for shnum in range(2):
                transfer.asked(f"s{shnum}", shnum)
                transfer.got(f"s{shnum}", range(3), size // 2)
            transfer.advance(size)

    def fail(self, kind: Any = "download") -> None:
        """Begin a transfer, and let it fail."""
        with suppress(NoSharesError), self.transfers.running(kind, 100, INDEX):
            raise NoSharesError("none")

    def storage_figures(self) -> Deferred[dict[str, int | None] | None]:
        return succeed(self.figures)

    def damage_reports(self) -> Deferred[list[dict[str, Any]]]:
        return succeed(self.reports)

    def reactor_lag(self) -> tuple[float, float]:
        return self.lag

    def getService(self, name: str) -> Any:
        parts = {"uploader": self.uploader, "downloader": self.downloader}
        more = {"vdrive": self.vdrive, "health": self.health, "checker": self.checker}
        more |= {"repairer": self.repairer, "mutable": self.mutables}
        more |= {"mutable-checker": self.mutable_checker, "drains": self.drains}
        return (parts | {key: part for key, part in more.items() if part})[name]

    def encoding_parameters(self) -> tuple[int, int, int]:
        return 3, 7, 10

    def introducer_statuses(self) -> list[str]:
        return self.introducers

    def server_statuses(self) -> list[dict[str, Any]]:
        return self.servers

    def readiness(self) -> tuple[bool, str]:
        return self.ready

    def wait_for_servers(self, num: int) -> Deferred[None]:
        return succeed(None)


def fake_server(name: str, *, connected: bool = True) -> dict[str, Any]:
    """Return what a client says of one storage server."""
    status = "Connected to tcp:127.0.0.1:1 via tcp" if connected else "Trying to connect"
    return {
        "nodeid": f"v0-{os.urandom(4).hex()}",
        "connection_status": status,
        "available_space": 10**9,
        "nickname": name,
        "version": "allmydata/0.1.0",
        "last_received_data": 1.5,
        "shares_held": None,
        "readonly": False,
        "zone": "",
    }
