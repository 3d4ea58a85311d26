"""Ten servers without Tubs, in one process: up in milliseconds, lost or frozen at will."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.internet import reactor

from allmydata.crypto.keys import LeaseSecrets
from allmydata.grid.broker import StorageBroker
from allmydata.grid.server import StorageServerProxy, ask_version
from allmydata.immutable.check import Checker
from allmydata.immutable.download import Downloader
from allmydata.immutable.repair import Repairer
from allmydata.immutable.upload import Uploader
from allmydata.mutable.service import Mutables
from allmydata.storage.server import StorageServer
from allmydata.streams import target
from allmydata.util import base32
from allmydata.util.deferreds import gather
from allmydata.util.workers import Workers
from tests.support.local_reference import LocalReference


class LocalGrid:
    """Storage servers, and one client of theirs.

    :param parameters: (k, happy, n) of the client
    """

    def __init__(self, base: Path, num_servers: int = 10, parameters=(3, 7, 10), **options):
        self.workers = Workers(2, "segments")
        self.disk = Workers(4, "disk")
        self.parameters = parameters
        self.broker = StorageBroker(lambda *_: None, LeaseSecrets(b"s" * 32))
        self.base = base
        self.options = options
        self.num_servers = num_servers
        self.servers: list[StorageServer] = []
        self.proxies: list[StorageServerProxy] = []
        self.lines: list[LocalReference] = []

    async def start(self) -> LocalGrid:
        self.workers.start()
        self.disk.start()
        for i in range(self.num_servers):
            await self.add_server(i)
        args = (self.broker, self.workers)
        self.uploader = Uploader(*args, b"convergence", lambda: self.parameters, reactor)
        self.uploader.start_up.until = 0.0  # nobody else will connect
        self.downloader = Downloader(*args, reactor)
        self.downloader.start_up.until = 0.0
        self.checker = Checker(*args, reactor, lambda: self.parameters[1])
        self.repairer = Repairer(self.checker, self.workers, reactor)
        self.mutables = self.client()
        return self

    def client(self) -> Mutables:
        """Return what makes and changes mutable files; each has seen nothing yet."""
        made = Mutables(self.broker, self.workers, lambda: self.parameters, reactor)
        made.start_up.until = 0.0
        return made

    async def add_server(self, i: int, **options) -> StorageServerProxy:
        server = StorageServer(
            self.base / f"server{i}",
            bytes([i]) * 20,
            workers=self.disk,
            clock=reactor,
            nickname=f"s{i}",
            **{**self.options, **options},
        )
        server.startService()
        line = LocalReference(server, tubid=base32.b2a(bytes([i]) * 20))
        proxy = StorageServerProxy(bytes([i]) * 20, LeaseSecrets(b"s" * 32))
        proxy.attach(line, await ask_version(line))
        self.broker.add_server(proxy)
        self.servers.append(server)
        self.lines.append(line)
        self.proxies.append(proxy)
        return proxy

    async def stop(self) -> None:
        self.uploader.stopService()
        for line in self.lines:
            line.resume()
        await gather([server.stopService() for server in self.servers])
        self.workers.stop()
        self.disk.stop()

    # ---- what happens to servers ---------------------------------------------------------

    def kill(self, i: int) -> None:
        """Cut the connection to server *i*; it is not asked any more."""
        self.lines[i].lose()
        self.proxies[i].detach()

    def freeze(self, i: int) -> None:
        """Let server *i* answer nothing until it is thawed."""
        self.lines[i].hang()

    def thaw(self, i: int) -> None:
        """Let server *i* answer everything it was asked."""
        self.lines[i].resume()

    def share_files(self) -> dict[tuple[int, int], Path]:
        """Return every finished share: (server, share number) to its file."""
        found = {}
        for i in range(len(self.servers)):
            for path in (self.base / f"server{i}" / "shares").glob("??/*/*"):
                if "incoming" not in path.parts:
                    found[i, int(path.name)] = path
        return found

    def incoming_files(self) -> list[Path]:
        """Return every share that is being written."""
        places = self.base.glob("server*/shares/incoming")
        # os.walk passes over a directory that is removed while it is looked at
        walks = (walk for place in places for walk in os.walk(place))
        return [Path(top) / name for top, _, names in walks for name in names]

    # ---- what a client does --------------------------------------------------------------

    async def put(self, data: bytes, happy: int | None = None) -> str:
        """Upload *data*; return its capability."""
        from allmydata.streams.uploadable import Data

        return await self.uploader.upload(Data(data, b"convergence"), happy)

    async def get(self, cap: str, offset: int = 0, size: int | None = None) -> bytes:
        """Return what *cap* names."""
        return await self.downloader.download(cap, target.Data(), offset, size)
