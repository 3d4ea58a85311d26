"""A hive on a real port, over a room of blobs near by; its clients run in threads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import wrpme
from twisted.internet import reactor
from twisted.internet.threads import deferToThread

from allmydata.doors.hive.service import Hive
from allmydata.web.site import GatewaySite
from tests.support.blobs import BlobsBench
from tests.support.checks import until

HOST = "127.0.0.1"


class HiveBench(BlobsBench):
    """One hive, started by :meth:`listen`."""

    def __init__(self, base: Path, **options: Any) -> None:
        super().__init__(base, **options)
        self.port = 0
        self._ports: list[Any] = []
        self._sites: list[GatewaySite] = []

    def listen(self, token: bytes | None = None, max_size: int | None = None) -> Any:
        """Serve a room as a node does when it starts; return the room."""
        room = self.room()
        site = GatewaySite(Hive.over(room.collection("hive"), token, max_size))
        port = reactor.listenTCP(self.port, site, interface=HOST)
        self.port = port.getHost().port
        self._ports.append(port)
        self._sites.append(site)
        return room

    async def hang_up(self) -> None:
        """Stop serving, as a node that stops."""
        for port in self._ports:
            await port.stopListening()
        self._ports.clear()
        for room in self.rooms:
            await room.stopService()
        self.rooms.clear()

    async def stop(self) -> None:
        for port in self._ports:
            await port.stopListening()
        # the clients are gone, but that may not have been heard yet
        await until(lambda: not any(len(site.crowd) for site in self._sites))
        await super().stop()

    def with_raw(self, act: Callable[[wrpme.RawClient], Any], **options: Any) -> Any:
        """Do something with a client, in a thread."""

        def work() -> Any:
            with wrpme.RawClient(HOST, self.port, **options) as client:
                return act(client)

        return deferToThread(work)

    def with_objects(self, act: Callable[[wrpme.Client], Any], **options: Any) -> Any:
        """The same, with one for objects."""

        def work() -> Any:
            with wrpme.Client(HOST, self.port, **options) as client:
                return act(client)

        return deferToThread(work)
