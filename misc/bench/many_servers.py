"""Many storage servers in one process, each with a Tub, ports, and a store of its own.

    python misc/bench/many_servers.py DIR INTRODUCER_FURL NUM

They serve foolscap and HTTPS as nodes do, and are announced to the introducer, each under
a key of its own; what they lack of a node is a client.  Prints ``ready`` when all are
announced, and serves until its standard input is closed.
"""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path
from typing import Any

from foolscap.api import Referenceable
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import react

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
from one_server import end_of_input

from allmydata.crypto.signing import SEED_SIZE, NodeKey
from allmydata.formats.announcement import NONCE_SIZE, Announcement, storage_facts
from allmydata.node.https import offer_storage
from allmydata.node.tub import NodeTub, make_certificate
from allmydata.storage.server import StorageServer
from allmydata.util import base32
from allmydata.util.deferreds import gather
from allmydata.util.workers import Workers


async def serve(place: Path, introducer: str, num: int) -> None:
    """Serve until standard input ends."""
    workers = Workers(4, "disk")
    workers.start()
    servers = [await Server(place / f"server{i}", workers).start() for i in range(num)]
    tub = NodeTub(make_certificate(), clock=reactor)
    tub.startService()
    rref = await tub.tub.getReference(introducer)
    for server in servers:
        await rref.callRemote("publish_v2", server.announcement().signed, Canary())
    print("ready", flush=True)
    await end_of_input()
    await tub.stopService()
    await gather([server.stop() for server in servers])
    workers.stop()


class Canary(Referenceable):
    """What a publisher hands along."""


class Server:
    """One of them."""

    def __init__(self, place: Path, workers: Workers) -> None:
        place.mkdir(parents=True)
        self._tub = NodeTub(make_certificate(), clock=reactor)
        self._place = place
        self._tubid = base32.a2b(self._tub.tubid)
        self._storage = StorageServer(
            place / "storage", self._tubid, workers=workers, clock=reactor
        )

    async def start(self) -> Server:
        """Open its port."""
        self._tub.startService()
        await self._tub.listen(["tcp:0:interface=127.0.0.1"], ["AUTO"])
        self._storage.startService()
        self._furl = self._tub.serve(self._storage, self._place / "storage.furl")
        self._nurls = offer_storage(self._tub, self._storage, self._furl, reactor)
        return self

    def announcement(self) -> Announcement:
        """Return what it says of itself."""
        facts = storage_facts(
            nickname=self._place.name,
            version="allmydata/bench",
            furl=self._furl,
            nurls=list(self._nurls),
            seed=self._tubid,
            seqnum=1,
            nonce=os.urandom(NONCE_SIZE),
        )
        return Announcement.sign(facts, NodeKey(os.urandom(SEED_SIZE)))

    async def stop(self) -> None:
        """Close everything."""
        await self._tub.stopService()
        await self._storage.stopService()


def main(_: Any) -> Deferred[None]:
    """Serve as the command line says."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    place, introducer, num = sys.argv[1:]
    return Deferred.fromCoroutine(serve(Path(place), introducer, int(num)))


if __name__ == "__main__":
    react(main)
