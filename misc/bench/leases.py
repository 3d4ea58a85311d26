"""How fast leases are renewed, and how soon a server with many shares serves.

    python misc/bench/leases.py [--files 10000] [--servers 10] [--shares 100000] [--json]

First, one client renews its leases on a file's shares, one on each of the servers, for all
files; every server is a process of its own, reached by TCP.  Then one server starts on a
directory of many small shares: without its index, and with it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import react

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
import storage_server

from allmydata.crypto.keys import LeaseSecrets
from allmydata.formats.container import Container, Lease
from allmydata.formats.renewals import Renewal
from allmydata.grid.broker import StorageBroker, tubid_of
from allmydata.grid.server import StorageServerProxy, ask_version
from allmydata.node.tub import NodeTub, make_certificate
from allmydata.util import base32

SECRETS = LeaseSecrets(b"a bench")
SHARE = bytes(40)
OLD = 1_700_000_000


def make_shares(storedir: Path, indexes: list[bytes], secrets: bool, tubid: bytes) -> None:
    """Write a small share of each file past the server; its lease is OLD."""
    container = Container.plan(len(SHARE))
    lease = Lease.grant(2, 0, b"r" * 32, b"c" * 32, OLD)
    for one in indexes:
        if secrets:
            both = SECRETS.renewal(one, tubid), SECRETS.cancel(one, tubid)
            lease = Lease.grant(2, 0, *both, OLD)
        name = base32.b2a(one)
        directory = storedir / "shares" / name[:2] / name
        os.makedirs(directory, exist_ok=True)
        with open(directory / "0", "wb") as f:
            f.write(container.pack() + SHARE + lease.pack())


async def renew(num_servers: int, num_files: int, base: Path) -> dict[str, Any]:
    """Measure renewals; return seconds."""
    indexes = [os.urandom(16) for _ in range(num_files)]
    tub = NodeTub(make_certificate(), clock=reactor)
    tub.startService()
    broker = StorageBroker(lambda *_: None, SECRETS)
    processes = []
    try:
        for i in range(num_servers):
            process, furl = storage_server.begin(base / f"server{i}")
            processes.append(process)
            tubid = tubid_of(furl)
            make_shares(base / f"server{i}" / "storage", indexes, True, tubid)
            rref = await tub.tub.getReference(furl)
            proxy = StorageServerProxy(tubid, SECRETS)
            proxy.attach(rref, await ask_version(rref))
            broker.add_server(proxy)
        began = time.perf_counter()
        told = await broker.renew(indexes)
        took = time.perf_counter() - began
        if any(set(one) != {Renewal.RENEWED} for one in told.values()):
            raise SystemExit("WRONG: not all were renewed")
        if len(told) != num_servers:
            raise SystemExit("WRONG: not all servers answered")
        again = time.perf_counter()
        await broker.renew(indexes)
        again = time.perf_counter() - again
    finally:
        for process in processes:
            process.kill()
            process.communicate()
        await tub.stopService()
    return {"renew_s": round(took, 2), "renew_again_s": round(again, 2)}


def start(num_shares: int, base: Path) -> dict[str, Any]:
    """Measure starts; return seconds."""
    rng = random.Random(1)
    directory = base / "many"
    indexes = [rng.randbytes(16) for _ in range(num_shares)]
    make_shares(directory / "storage", indexes, False, b"")
    result = {}
    for how in ("new", "clean", "killed"):
        began = time.perf_counter()
        process, _ = storage_server.begin(directory)
        result[f"start_{how}_s"] = round(time.perf_counter() - began, 2)
        if process.stdout.readline() != b"counted\n":
            raise SystemExit("WRONG: the server does not count its shares")
        result[f"counted_{how}_s"] = round(time.perf_counter() - began, 2)
        if how == "clean":
            process.kill()
        process.communicate()
    return result


async def run(options: argparse.Namespace) -> None:
    """Measure and print."""
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="bench-leases-") as base:
        if options.files:
            results |= await renew(options.servers, options.files, Path(base))
        for num_shares in options.shares:
            place = Path(base) / str(num_shares)
            place.mkdir()
            results[str(num_shares)] = start(num_shares, place)
    if options.json:
        print(json.dumps(results))
        return
    if options.files:
        first, again = results["renew_s"], results["renew_again_s"]
        print(f"{options.files:,} files renewed on {options.servers} servers: {first} s")
        print(f"  and once more: {again} s")
    for num_shares in options.shares:
        told = results[str(num_shares)]
        print(f"{num_shares:,} shares, from the start of the process")
        for how, words in {
            "new": "without an index",
            "clean": "with one",
            "killed": "with one, after a kill -9",
        }.items():
            serves, counted = told[f"start_{how}_s"], told[f"counted_{how}_s"]
            print(f"  {words}: serves after {serves} s, all counted after {counted} s")


def main(_: Any) -> Deferred[None]:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=10_000, help="0: leave that out")
    parser.add_argument("--servers", type=int, default=10)
    parser.add_argument("--shares", type=int, nargs="*", default=[100_000])
    parser.add_argument("--json", action="store_true")
    return Deferred.fromCoroutine(run(parser.parse_args()))


if __name__ == "__main__":
    react(main)
