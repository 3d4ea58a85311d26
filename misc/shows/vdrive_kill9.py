"""A vdrive server is killed (SIGKILL) in a stream of changes, again and again.

    python misc/shows/vdrive_kill9.py [--kills 200] [--clients 8] [--seed N]

Each client has directories of its own and makes one change after another: rows set, fifty
set at once, deleted, moved between two directories, new directories.  The server is killed
at a random moment and started again.  Then every directory must be as the last
acknowledged change left it, or as the one change left it that was not yet answered,
sequence number and all; nothing between is allowed.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from foolscap.api import DeadReferenceError, RemoteException
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.task import react
from twisted.internet.threads import deferToThread

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
import vdrive_server

from allmydata.formats.dirtable import Row, pack_rows, unpack_rows
from allmydata.node.tub import NodeTub, make_certificate
from allmydata.util.deferreds import gather, sleep, start

NUM_KEYS = 100  # in one directory, over and over
NUM_DIRECTORIES = 20  # of one client
LOST = (DeadReferenceError, ConnectionDone, ConnectionLost)
LONGEST_S = 0.4  # of a stream of changes

Rows = dict[bytes, tuple[bytes, bytes, bytes]]
State = dict[bytes, tuple[int, Rows]]  # of each directory: its sequence number and rows


class Client:
    """Changes its own directories, and knows what they should hold."""

    def __init__(self, number: int, rng: random.Random) -> None:
        self.number = number
        self.rng = rng
        self.state: State = {}  # as acknowledged
        self.next: State = {}  # with the change under way
        self.num_acknowledged = 0
        self.num_survived = 0  # changes that were made though nobody heard of it

    async def change_until_killed(self, server: Any) -> None:
        """Make one change after the other."""
        try:
            while True:
                call = self.choose()
                await server.callRemote(*call)
                self.state = self.next
                self.num_acknowledged += 1
        except LOST:
            pass

    def choose(self) -> tuple[Any, ...]:
        """Return a change, and set ``next`` to what will be when it is made."""
        self.next = dict(self.state)
        indexes = list(self.state)
        kind = self.rng.choice(["create", "set", "many", "delete", "move"])
        if not indexes or (kind == "create" and len(indexes) < NUM_DIRECTORIES):
            index = self.rng.randbytes(32)
            self.next[index] = (0, {})
            return "create_directory", index, enabler(index)
        index = self.rng.choice(indexes)
        if kind == "many":
            return self.put(index, 50)
        if kind == "delete" and self.state[index][1]:
            return self.delete(index)
        if kind == "move" and self.state[index][1]:
            return self.move(index, self.rng.choice(indexes))
        return self.put(index, 1)

    def put(self, index: bytes, num_rows: int) -> tuple[Any, ...]:
        """Choose rows to set."""
        numbers = self.rng.sample(range(NUM_KEYS), num_rows)
        rows = {number.to_bytes(32, "big"): self.parts() for number in numbers}
        self.become(index, {**self.state[index][1], **rows})
        if num_rows == 1:
            ((key, parts),) = rows.items()
            return "set", index, enabler(index), key, *parts
        packed = pack_rows(Row(key, *parts) for key, parts in rows.items())
        return "set_many", index, enabler(index), packed, True

    def delete(self, index: bytes) -> tuple[Any, ...]:
        """Choose a row to delete."""
        rows = dict(self.state[index][1])
        key = self.rng.choice(list(rows))
        del rows[key]
        self.become(index, rows)
        return "delete", index, enabler(index), key

    def move(self, index: bytes, to: bytes) -> tuple[Any, ...]:
        """Choose a row to move."""
        rows = dict(self.state[index][1])
        key = self.rng.choice(list(rows))
        del rows[key]
        self.become(index, rows)
        there = rows if to == index else dict(self.state[to][1])
        row = (self.rng.randrange(NUM_KEYS).to_bytes(32, "big"), *self.parts())
        there[row[0]] = row[1:]
        self.become(to, there)
        return "move", index, enabler(index), key, to, enabler(to), row, True

    def become(self, index: bytes, rows: Rows) -> None:
        """Let a directory hold *rows* once the change is made."""
        self.next[index] = (self.state[index][0] + 1, rows)

    def parts(self) -> tuple[bytes, bytes, bytes]:
        """Return a new row's parts."""
        a, b, c = (self.rng.randbytes(self.rng.randrange(1, 700)) for _ in range(3))
        return a, b, c

    async def must_be_right(self, server: Any) -> None:
        """Compare what the server has with what it may have."""
        found = {}
        for index in self.next:
            try:
                found[index] = await read(server, index)
            except RemoteException as e:
                if not e.failure.check("builtins.IndexError"):
                    raise
        if found == self.next != self.state:
            self.num_survived += 1
        elif found != self.state:
            raise SystemExit(f"WRONG: client {self.number}: {difference(self, found)}")
        self.state = self.next = found


def enabler(index: bytes) -> bytes:
    """Return a directory's write enabler."""
    return index[::-1]


async def read(server: Any, index: bytes) -> tuple[int, Rows]:
    """Return a directory as it is."""
    packed, after = await server.callRemote("list_page", index, b"", 1000)
    if after:
        raise SystemExit("WRONG: there are rows nobody made")
    rows = {row.key: (row.name, row.write, row.read) for row in unpack_rows(packed)}
    return await server.callRemote("sequence", index), rows


def difference(client: Client, found: State) -> str:
    """Say where what was found is neither before nor after."""
    for index, (sequence, rows) in client.state.items():
        if index not in found:
            return f"a directory with {len(rows)} rows is gone"
        if found[index] not in ((sequence, rows), client.next[index]):
            num_rows = f"{len(rows)} rows or {len(client.next[index][1])}"
            return f"{num_rows} wanted, {len(found[index][1])} found, or others"
    return "half a change was made"


async def run_rounds(options: argparse.Namespace, base: Path) -> str:
    """Kill as often as asked; return a summary."""
    rng = random.Random(options.seed)
    clients = [Client(i, random.Random(rng.randbytes(8))) for i in range(options.clients)]
    began = time.monotonic()
    for i in range(options.kills + 1):
        process, furl = await deferToThread(vdrive_server.begin, base)
        tub = NodeTub(make_certificate(), clock=reactor)
        tub.startService()
        try:
            server = await tub.tub.getReference(furl)
            await gather([client.must_be_right(server) for client in clients])
            if i < options.kills:
                killer = start(kill_later(process, rng.uniform(0, LONGEST_S)))
                await gather([client.change_until_killed(server) for client in clients])
                await killer
        finally:
            process.kill()
            process.communicate()
            await tub.stopService()
        if (i + 1) % 20 == 0:
            print(f"  {i + 1} kills, {acknowledged(clients)} changes", flush=True)
    survived = sum(client.num_survived for client in clients)
    return (
        f"{options.kills} kills in {time.monotonic() - began:.0f} s: all of"
        f" {acknowledged(clients)} acknowledged changes are there, none is half there"
        f" ({survived} were made but not yet answered)"
    )


def acknowledged(clients: list[Client]) -> int:
    """Return how many changes were acknowledged."""
    return sum(client.num_acknowledged for client in clients)


async def kill_later(process: Any, delay_s: float) -> None:
    """Kill the server after a while."""
    await sleep(delay_s, reactor)
    process.kill()


def main() -> int:
    """Run the campaign."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)

    def run(_: Any) -> Deferred[None]:
        return Deferred.fromCoroutine(show())

    async def show() -> None:
        with tempfile.TemporaryDirectory(prefix="show-vdrive-kill9-") as base:
            print(await run_rounds(options, Path(base)))

    react(run, ())
    return 0


if __name__ == "__main__":
    sys.exit(main())
