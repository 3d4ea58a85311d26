"""Four servers frozen, four that lie, two honest: nobody gets a wrong byte, or hangs.

    python misc/shows/hostile_servers.py [--rounds 5] [--size 400000] [--seed N]

Ten storage servers and a client in this process, each with a Tub of its own, over TCP.
While all are honest, two files are stored: one that two servers suffice for, and one that
needs three.  Then four freeze, and four each tell their own lie:

    wrong   wrong bytes, in every answer
    claims  shares they lack: every number, of which they then give nothing
    other   another file's shares
    stops   falls silent in the middle of an answer
    flaps   hangs up at every third call

In each role, upload, download, check, verify and repair, the outcome must be right or a
clean error, and come within a limit.  At the end of a round no descriptor, delayed call,
pending Deferred or temporary file may be left.  A round leaves one lie out in turn.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from foolscap.api import Referenceable, flushEventualQueue
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import react

from allmydata.crypto.keys import LeaseSecrets
from allmydata.errors import GridError
from allmydata.grid.broker import StorageBroker
from allmydata.immutable.check import Checker
from allmydata.immutable.download import Downloader
from allmydata.immutable.repair import Repairer
from allmydata.immutable.upload import Uploader
from allmydata.interfaces import RIBucketReader
from allmydata.node.tub import NodeTub, make_certificate
from allmydata.storage.server import StorageServer
from allmydata.streams import target
from allmydata.streams.uploadable import Data
from allmydata.uri import from_string
from allmydata.util import base32
from allmydata.util.deferreds import as_deferred, gather, sleep, timeout
from allmydata.util.wire import serves
from allmydata.util.workers import Workers

LIES = ("wrong", "claims", "other", "stops", "flaps")
NUM_SERVERS, NUM_FROZEN = 10, 4
LIMITS_S = {"upload": 30, "download": 30, "check": 30, "verify": 60, "repair": 120}
HANG_S = 180  # a role that takes this long has hung
SENT = 5000  # bytes of an answer that get out before silence


# ---- servers that lie ------------------------------------------------------------------


@serves(RIBucketReader)
class FalseReader(Referenceable):
    """A share that is not what it should be, or is not there."""

    def __init__(self, server: Liar, real: Any) -> None:
        self.server, self.real = server, real

    @as_deferred
    async def remote_read(self, offset: int, length: int) -> bytes:
        """Answer in the manner of the server."""
        self.server.was_asked()
        if self.real is None:
            return b""
        data = await self.real.remote_read(offset, length)
        if self.server.lie == "stops":
            self.server.choke()
        if self.server.lie != "wrong" or not data:
            return data
        at = self.server.rng.randrange(len(data))
        return data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]

    def remote_advise_corrupt_share(self, reason: bytes) -> None:
        """Hear of it."""


class Liar(StorageServer):
    """A server that is honest until *lie* is set."""

    lie = ""
    tub: NodeTub
    rng: random.Random
    decoy = b""  # the storage index of another file
    num_calls = 0

    @as_deferred
    async def remote_get_buckets(self, storage_index: bytes) -> dict[int, Any]:
        """Return readers, of whatever there is or not."""
        self.was_asked()
        asked = self.decoy if self.lie == "other" else storage_index
        real = await super().remote_get_buckets(asked)
        if not self.lie:
            return real
        if self.lie == "claims":
            return {shnum: FalseReader(self, None) for shnum in range(10)}
        return {shnum: FalseReader(self, one) for shnum, one in real.items()}

    @as_deferred
    async def remote_allocate_buckets(
        self,
        storage_index: bytes,
        renew_secret: bytes,
        cancel_secret: bytes,
        sharenums: set[int],
        allocated_size: int,
        canary: Any,
    ) -> tuple[set[int], dict[int, Any]]:
        """Give room, or say that all is there."""
        self.was_asked()
        if self.lie == "claims":
            return set(sharenums), {}
        secrets = renew_secret, cancel_secret
        args = (storage_index, *secrets, sharenums, allocated_size, canary)
        return await super().remote_allocate_buckets(*args)

    def was_asked(self) -> None:
        """Hang up, if that is the manner."""
        self.num_calls += 1
        if self.lie == "flaps" and self.num_calls % 3 == 0:
            for broker in list(self.tub.tub.brokers.values()):
                broker.transport.abortConnection()

    def choke(self) -> None:
        """Let a few more bytes out on every connection, and then nothing, nor in."""
        for broker in self.tub.tub.brokers.values():
            choke(broker.transport)
        self.tub.freeze()


def choke(transport: Any) -> None:
    """Let a transport send a few bytes more, and swallow the rest."""
    real, left = transport.write, [SENT]

    def write(data: bytes) -> None:
        part = data[: left[0]]
        left[0] -= len(part)
        if part:
            real(part)

    transport.write = write
    transport.writeSequence = lambda parts: write(b"".join(parts))


# ---- a grid of them --------------------------------------------------------------------


class HostileGrid:
    """Ten servers and a client."""

    def __init__(self, base: Path, rng: random.Random) -> None:
        self.base, self.rng = base, rng
        self.disk, self.workers = Workers(4, "disk"), Workers(2, "segments")
        self.servers: list[Liar] = []
        self.tub = NodeTub(make_certificate(), clock=reactor)
        self.broker = StorageBroker(self.tub.connect, LeaseSecrets(b"s" * 32))
        self.parameters = (2, 2, NUM_SERVERS)
        common = (self.broker, self.workers)
        self.uploader = Uploader(*common, b"secret", lambda: self.parameters, reactor)
        self.downloader = Downloader(*common, reactor)
        self.checker = Checker(*common, reactor, lambda: self.parameters[1])
        self.repairer = Repairer(self.checker, self.workers, reactor)

    async def start(self) -> None:
        """Start every node, and connect."""
        self.disk.start()
        self.workers.start()
        for service in (self.tub, self.broker, self.uploader, self.downloader):
            service.startService()
        for number in range(NUM_SERVERS):
            furl = await self.start_server(number)
            self.broker.add_peer(furl.encode())
        await timeout(self.broker.when_connected(NUM_SERVERS), 30, reactor)

    async def start_server(self, number: int) -> str:
        """Start one; return its FURL."""
        place = self.base / f"server{number}"
        place.mkdir(parents=True)
        tub = NodeTub(make_certificate(), clock=reactor)
        tub.startService()
        await tub.listen(["tcp:0:interface=127.0.0.1"], ["AUTO"])
        server = Liar(
            place / "storage",
            base32.a2b(tub.tubid),
            workers=self.disk,
            clock=reactor,
            nickname=f"s{number}",
        )
        server.tub, server.rng = tub, self.rng
        server.startService()
        self.servers.append(server)
        return tub.serve(server, place / "storage.furl")

    def turn_hostile(self, lies: list[str], decoy: str) -> None:
        """Freeze four, and let four others lie."""
        order = self.rng.sample(self.servers, NUM_SERVERS)
        for server in order[:NUM_FROZEN]:
            server.tub.freeze()
        for server, lie in zip(order[NUM_FROZEN:], lies, strict=False):
            server.lie, server.decoy = lie, from_string(decoy).storage_index

    async def stop(self) -> None:
        """Stop all, the client first."""
        self.uploader.stopService()
        self.broker.stopService()
        await self.tub.stopService()
        await gather([server.tub.stopService() for server in self.servers])
        await gather([server.stopService() for server in self.servers])
        self.workers.stop()
        self.disk.stop()

    def being_written(self) -> list[Path]:
        """Return files of shares that are not whole."""
        found = self.base.glob("server*/storage/shares/incoming/**/*")
        return [path for path in found if path.is_file()]

    # ---- what a client does --------------------------------------------------------------

    async def put(self, data: bytes, parameters: tuple[int, int, int]) -> str:
        """Store *data*."""
        self.parameters = parameters
        return await self.uploader.upload(Data(data, b"secret"))

    async def get(self, cap: str) -> bytes:
        """Return what *cap* names."""
        return await self.downloader.download(cap, target.Data())


# ---- the roles -------------------------------------------------------------------------


class Round:
    """One grid, good at first."""

    def __init__(self, grid: HostileGrid, size: int) -> None:
        self.grid = grid
        self.files = {k: grid.rng.randbytes(size + k) for k in (2, 3)}
        self.caps: dict[int, str] = {}

    async def run(self, lies: list[str]) -> None:
        """Do everything."""
        for k, data in self.files.items():
            self.caps[k] = await self.grid.put(data, (k, 7, NUM_SERVERS))
        decoy = await self.grid.put(self.grid.rng.randbytes(5000), (2, 7, NUM_SERVERS))
        self.grid.turn_hostile(lies, decoy)
        for k in self.files:
            await self.download(k)
        for happy in (2, 7):
            await self.upload(happy)
        for verify in (False, True):
            await self.check(verify)
        await self.repair()
        await self.download(2)

    async def download(self, k: int) -> None:
        """Fetch a file; the two honest servers suffice for the first."""
        outcome = await told("download", f"{k} of 10 needed", self.grid.get(self.caps[k]))
        if isinstance(outcome, GridError) and k == 2:
            raise SystemExit("WRONG: two good shares are there, and were not found")
        if not isinstance(outcome, GridError) and outcome != self.files[k]:
            raise SystemExit("WRONG: other bytes came back")

    async def upload(self, happy: int) -> None:
        """Store a new file; if it is said to be stored, what comes back must be right."""
        data = self.grid.rng.randbytes(len(self.files[2]))
        storing = self.grid.put(data, (2, happy, NUM_SERVERS))
        cap = await told("upload", f"on {happy} servers", storing)
        if isinstance(cap, GridError):
            return
        back = await told("download", "what was stored", self.grid.get(cap))
        if not isinstance(back, GridError) and back != data:
            raise SystemExit("WRONG: other bytes came back")

    async def check(self, verify: bool) -> None:
        """Look at a file; who was verified must not be a liar about it."""
        role = "verify" if verify else "check"
        report = await told(role, "", self.grid.checker.check(self.caps[2], verify))
        if isinstance(report, GridError) or report.num_good < 2:
            raise SystemExit("WRONG: the shares of the honest servers are not seen")
        bad = {"wrong", "claims", "other"} if verify else set()
        for server in self.grid.servers:
            nodeid = server.tub.tubid
            if server.lie in bad and report.holdings.get(nodeid):
                raise SystemExit(f"WRONG: shares of a server that lies ({server.lie})")
            if not server.lie and any(one.nodeid == nodeid for one in report.damages):
                raise SystemExit("WRONG: an honest server is blamed")

    async def repair(self) -> None:
        """Make again what is missing; some of it has nowhere to go."""
        mending = self.grid.repairer.repair(self.caps[2], verify=True)
        report = await told("repair", "", mending)
        if not isinstance(report, GridError):
            print(f"            {report.error or 'whole again'}")


async def told(role: str, what: str, work: Awaitable[Any]) -> Any:
    """Wait for *work*, print how it went, and return its outcome or its clean error."""
    began = time.monotonic()
    try:
        outcome = await timeout(work, HANG_S, reactor)
        words = "right" if role == "download" else "done"
    except GridError as e:
        outcome, words = e, f"error: {e.message}"
    took = time.monotonic() - began
    print(f"  {took:5.1f} s  {role:9} {what:20} {words}", flush=True)
    if took > LIMITS_S[role]:
        raise SystemExit(f"WRONG: {role} took {took:.0f} s, at most {LIMITS_S[role]}")
    return outcome


# ---- what is left ----------------------------------------------------------------------


def num_pending() -> int:
    """Return how many Deferreds wait for something."""
    gc.collect()
    found = (one for one in gc.get_objects() if isinstance(one, Deferred))
    return sum(not one.called for one in found)


def things(temporary: Path) -> dict[str, int]:
    """Count what could be left behind."""
    return {
        "descriptors": len(os.listdir("/proc/self/fd")),
        "delayed calls": len(reactor.getDelayedCalls()),
        "pending Deferreds": num_pending(),
        "temporary files": sum(path.is_file() for path in temporary.rglob("*")),
    }


@contextmanager
def own_temporary_files() -> Iterator[Path]:
    """Have all temporary files made in one directory."""
    with tempfile.TemporaryDirectory(prefix="show-hostile-") as place:
        before, tempfile.tempdir = tempfile.tempdir, place
        try:
            yield Path(place)
        finally:
            tempfile.tempdir = before


async def one_round(base: Path, rng: random.Random, size: int, lies: list[str]) -> None:
    """Start, do everything, stop, and look for shares that are not whole."""
    grid = HostileGrid(base, rng)
    try:
        await grid.start()
        await Round(grid, size).run(lies)
    finally:
        await grid.stop()
    if grid.being_written():
        raise SystemExit(f"WRONG: {len(grid.being_written())} files under incoming/")


async def show(options: argparse.Namespace) -> None:
    """Do all rounds."""
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as base, own_temporary_files() as temporary:
        for number in range(options.rounds):
            lies = [lie for lie in LIES if lie != LIES[number % len(LIES)]]
            print(f"round {number + 1}: four frozen, two honest, {', '.join(lies)}")
            before = things(temporary)
            await one_round(Path(base) / str(number), rng, options.size, lies)
            await flushEventualQueue()
            await sleep(0.2, reactor)
            left = things(temporary)
            more = {name: num for name, num in left.items() if num > before[name]}
            if more and number:  # the first round starts what stays, such as log files
                raise SystemExit(f"WRONG: more than before: {more}, before: {before}")
            print(f"  left: {left}")
    print("right or a clean error each time, and nothing is left")


def main(*_: Any) -> Deferred[None]:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=400_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    options = parser.parse_args()
    print(f"seed {options.seed}")
    return Deferred.fromCoroutine(show(options))


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    react(main)
