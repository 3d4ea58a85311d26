"""A storage server in a process of its own, for the benches and shows beside this.

    python misc/tools/storage_server.py DIR

Prints its FURL, then ``counted`` when every file was counted, and serves until its standard
input is closed.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import react

from allmydata.node.tub import NodeTub, load_certificate
from allmydata.storage.server import StorageServer
from allmydata.util import base32
from allmydata.util.deferreds import Workers


def begin(directory: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start such a process; return it and its FURL."""
    process = subprocess.Popen(
        [sys.executable, __file__, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    furl = process.stdout.readline().decode().strip()
    if not furl:
        raise SystemExit("WRONG: the storage server does not start")
    return process, furl


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
    await _end_of_input()
    await tub.stopService()
    await server.stopService()
    workers.stop()


def _end_of_input() -> Deferred[None]:
    ended: Deferred[None] = Deferred()

    def wait() -> None:
        sys.stdin.buffer.read()
        reactor.callFromThread(ended.callback, None)

    threading.Thread(target=wait, daemon=True).start()
    return ended


def main(_: Any) -> Deferred[None]:
    """Serve the directory named on the command line."""
    return Deferred.fromCoroutine(serve(Path(sys.argv[1])))


if __name__ == "__main__":
    react(main)
