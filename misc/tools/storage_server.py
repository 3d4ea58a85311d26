"""A storage server in a process of its own, for the benches and shows beside this.

    python misc/tools/storage_server.py DIR

Prints its FURL, then ``counted`` when every file was counted, and serves until its standard
input is closed.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import one_server
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import react

from allmydata.node.tub import NodeTub, load_certificate
from allmydata.storage.server import StorageServer
from allmydata.util import base32
from allmydata.util.workers import Workers


def begin(directory: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start such a process; return it and its FURL."""
    return one_server.begin(__file__, directory)


async def serve(directory: Path) -> None:
    """Serve until standard input ends."""
    directory.mkdir(exist_ok=True)
    tub = NodeTub(load_certificate(directory / "node.pem"), clock=reactor)
    tub.startService()
    await tub.listen(["tcp:0:interface=127.0.0.1"], ["AUTO"])
    workers = Workers(4, "disk")
    workers.start()
    tubid = base32.a2b(tub.tub.getTubID())
    server = StorageServer(directory / "storage", tubid, workers=workers, clock=reactor)
    server.startService()
    print(tub.serve(server, directory / "storage.furl"), flush=True)
    server.holdings().addCallback(lambda _: print("counted", flush=True))
    await one_server.end_of_input()
    await tub.stopService()
    await server.stopService()
    workers.stop()


def main(_: Any) -> Deferred[None]:
    """Serve the directory named on the command line."""
    return Deferred.fromCoroutine(serve(Path(sys.argv[1])))


if __name__ == "__main__":
    react(main)
