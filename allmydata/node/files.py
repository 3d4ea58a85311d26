"""What a client node does with files, loaded when somebody first asks for it.

These are the rooms ``immutable``, ``mutable``, ``vdrive`` and the blobs of ``doors``: 4 MB,
and 0.1 s of a start.  A storage server may do without them as long as it lives.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import frozen
from twisted.application.service import MultiService, Service

from allmydata.grid.broker import StorageBroker
from allmydata.grid.vdrive import VdriveServers
from allmydata.immutable.transfers import Transfers
from allmydata.util.workers import Workers
from allmydata.vdrive.home import HomeServer

NAMES = frozenset(
    {
        "uploader",
        "downloader",
        "mutable",
        "mutable-checker",
        "checker",
        "repairer",
        "vdrive",
        "blobs",
    }
)


@frozen
class Means:
    """What they are made with; they are a client's, and so is this."""

    broker: StorageBroker
    workers: Workers
    clock: Any
    transfers: Transfers
    convergence: bytes
    parameters: Callable[[], tuple[int, int, int]]
    connect: Any  # of a Tub
    home: HomeServer
    private: Path
    begun_at: float  # seconds, of the clock


class Files(MultiService):
    """The services of :data:`NAMES`, made together when one of them is first wanted."""

    name = "files"

    def __init__(self, means: Means) -> None:
        MultiService.__init__(self)
        self._means = means
        self._is_made = False

    def part(self, name: str) -> Any:
        """Return the service *name*.

        :raises KeyError: there is none
        """
        if not self._is_made:
            self._is_made = True
            for service in _make(self._means):
                Service.setServiceParent(service, self)
        return MultiService.getServiceNamed(self, name)

    def later(self, name: str) -> Any:
        """Return what stands for the service *name*, and finds it when it is used."""
        return _Later(lambda: self.part(name))


@frozen
class _Later:
    _find: Callable[[], Any]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._find(), name)


def _make(means: Means) -> list[Service]:
    from allmydata.doors.blobs.service import Blobs
    from allmydata.immutable.check import Checker
    from allmydata.immutable.download import Downloader
    from allmydata.immutable.repair import Repairer
    from allmydata.immutable.upload import Uploader
    from allmydata.mutable.check import MutableChecker
    from allmydata.mutable.service import Mutables
    from allmydata.vdrive.drive import VirtualDrive

    broker, threads, clock = means.broker, means.workers, means.clock
    params, transfers = means.parameters, means.transfers
    mutables = Mutables(broker, threads, params, clock)
    uploader = Uploader(
        broker,
        threads,
        means.convergence,
        params,
        clock,
        transfers=transfers,
        replace_ssk=mutables.replace_ssk,
    )
    downloader = Downloader(broker, threads, clock, transfers)
    for part in (uploader, downloader, mutables):
        part.start_up.begin(means.begun_at)
    checker = Checker(broker, threads, clock, lambda: params()[1])
    repairer = Repairer(checker, threads, clock)
    servers = VdriveServers(means.connect, means.home.find_again, clock)
    drive = VirtualDrive(
        servers, means.home, uploader, downloader, means.private, mutables=mutables
    )
    blobs = Blobs(drive, uploader, downloader, threads, means.private, clock)
    mutable_checker = MutableChecker(mutables)
    return [
        uploader, downloader, mutables, mutable_checker, checker, repairer, drive, blobs
    ]  # fmt: skip
