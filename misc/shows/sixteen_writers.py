"""Show: many clients add names to one directory at once, and none is lost.

    python misc/shows/sixteen_writers.py [--clients 16] [--names 100]

Starts a grid with ``tahoe demo``, whose introducer is the vdrive server too, and beside it
that many clients, each a node with a connection of its own.  All add their names to one
directory at once, as fast as the server answers; every second client also replaces one
name that all of them use.  Then another client lists it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred

from allmydata.node.client import Client
from allmydata.node.create import Answers, create
from allmydata.util.deferreds import gather

LIT = "URI:LIT:nbuq"
results: list[bool] = []


def main() -> int:
    """Start a grid, or do the show on the one that runs."""
    options = parse_options()
    if not options.inside:
        words = ["demo", "--servers", "1", "--", sys.executable, __file__, "--inside"]
        tahoe = [sys.executable, "-m", "allmydata.cli.main"]
        os.execv(sys.executable, [*tahoe, *words, *sys.argv[1:]])
    with tempfile.TemporaryDirectory(prefix="tahoe-show-") as place:
        clients = [make_client(Path(place, f"c{i}")) for i in range(options.clients + 1)]
        waiting = Deferred.fromCoroutine(show(clients, options.names))
        waiting.addErrback(lambda failure: print(f"WRONG: {failure.getErrorMessage()}"))
        waiting.addBoth(lambda _: stop(clients))
        reactor.run()
    return 0 if results == [True] else 1


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--names", type=int, default=100, help="each client adds")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def make_client(basedir: Path) -> Client:
    """Make a client of the demo's grid, to be started with the reactor."""
    introducer = Path(os.environ["TAHOE_NODE_DIRECTORY"]).parent / "introducer"
    furl = (introducer / "private" / "introducer.furl").read_text().strip()
    create(basedir, Answers("client", introducer=furl, webport="none", listen=False))
    client = Client.from_basedir(basedir)
    reactor.callWhenRunning(client.startService)
    return client


def stop(clients: list[Client]) -> None:
    """Stop all, then the reactor."""
    stopping = Deferred.fromCoroutine(gather([one.stopService() for one in clients]))
    stopping.addBoth(lambda _: reactor.stop())


async def show(clients: list[Client], num_names: int) -> None:
    """Let all but the first write, and the first list."""
    for client in clients:
        await client.when_running()
    reader, *writers = [client.getService("vdrive") for client in clients]
    shared = await reader.create_directory()
    nodes = [await writer.get_node(shared.get_uri()) for writer in writers]
    await gather([node.list() for node in nodes])  # all are connected
    began = time.monotonic()
    await gather([write(node, i, num_names) for i, node in enumerate(nodes)])
    took = time.monotonic() - began
    wanted = {f"{i}-{j}" for i in range(len(nodes)) for j in range(num_names)} | {"all"}
    found = set(await shared.list_children())
    changes = await shared.sequence()
    made = len(nodes) * num_names + len(nodes[::2]) * num_names
    print(f"{len(nodes)} clients added {num_names} names each at once, in {took:.1f} s")
    print(f"  names there: {len(found)} of {len(wanted)}; lost: {len(wanted - found)}")
    print(f"  changes counted by the server: {changes}, made: {made}")
    results.append(found == wanted and changes == made)


async def write(node: Any, number: int, num_names: int) -> None:
    """Add names, one call each, all of them under way at once."""
    works = [node.set_uri(f"{number}-{j}", LIT) for j in range(num_names)]
    if number % 2 == 0:
        works += [node.set_uri("all", LIT) for _ in range(num_names)]
    await gather(works)


if __name__ == "__main__":
    sys.exit(main())
