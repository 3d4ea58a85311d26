import shutil

import pytest
import pytest_twisted
from foolscap.api import flushEventualQueue
from twisted.internet import reactor

from allmydata.grid.uptime import Uptime
from allmydata.immutable.repair import Repairer
from allmydata.keeper.care import Care
from allmydata.keeper.health import Health
from allmydata.keeper.schedule import Rules, State
from allmydata.keeper.service import Keeper
from allmydata.keeper.store import KeeperStore
from allmydata.uri import from_string
from allmydata.util.deferreds import gather, sleep, start
from tests.support.grid import LocalGrid

FAST = Rules(bandwidth=0, check_every_s=3600, verify_every_s=10**9, patience_s=3600)


class Bench:
    """Ten servers in this process, and a keeper of files on them."""

    def __init__(self, base):
        self.base = base
        self.keeper = None

    async def start(self, num_servers=10, parameters=(3, 7, 10)):
        self.grid = await LocalGrid(self.base, num_servers, parameters).start()
        self.store = KeeperStore(self.base / "keeper.sqlite")
        return self

    async def run(self, rules=FAST):
        """Begin to keep; a keeper that runs is stopped first."""
        await self.halt()
        grid = self.grid
        self.uptime = Uptime(grid.broker, self.base / "uptime.json", reactor)
        self.uptime.startService()
        repairer = Repairer(grid.checker, grid.workers, reactor)
        care = Care(
            *(self.store, grid.broker, self.uptime, grid.checker, repairer),
            *(rules, grid.disk, reactor),
        )
        self.keeper = Keeper(care)
        self.keeper.startService()
        self.health = Health(grid.broker, self.uptime, self.keeper, lambda: (True, ""))
        return self.keeper

    async def halt(self):
        if self.keeper and self.keeper.running:
            await self.keeper.stopService()
            self.uptime.stopService()

    async def stop(self):
        await self.halt()
        await self.grid.stop()

    async def put(self, num, size=300, first=0):
        """Store files; return their verify capabilities."""
        data = [(b"%06d" % i) * (size // 6) for i in range(first, first + num)]
        caps = await gather(self.grid.put(one) for one in data)
        return [from_string(cap).get_verify_cap() for cap in caps]

    def files(self):
        """Return what is known of every file, in the order they were added."""
        return self.store.entries(0, 10**6)

    def states(self):
        return [entry.file.state for entry in self.files()]

    def shares(self):
        """Return the share numbers of each file, by storage index, with their servers."""
        found = {}
        for (server, shnum), paths in self.paths().items():
            for path in paths:
                found.setdefault(path.parent.name, []).append((server, shnum))
        return found

    def paths(self):
        found = {}
        for i in range(len(self.grid.servers)):
            for path in (self.base / f"server{i}" / "shares").glob("??/*/*"):
                if "incoming" not in path.parts:
                    found.setdefault((i, int(path.name)), []).append(path)
        return found

    def delete_server(self, i):
        """Delete all that server *i* holds."""
        for path in (self.base / f"server{i}" / "shares").glob("??/*"):
            if "incoming" not in path.parts:
                shutil.rmtree(path)

    async def until(self, condition, limit_s=60):
        end = reactor.seconds() + limit_s
        while not condition():
            assert reactor.seconds() < end, (
                f"it never happened: {self.states()[:20]}, {self.keeper.figures()}"
            )
            await sleep(0.01, reactor)

    async def until_well(self):
        await self.until(lambda: set(self.states()) == {State.WELL})


@pytest.fixture
def nobody_is_late(monkeypatch):
    """Have a busy machine make no server late: a late share is placed, and not counted."""
    monkeypatch.setattr("allmydata.grid.pace.FLOOR_S", 30.0)
    monkeypatch.setattr("allmydata.immutable.encode.SILENCE_S", 30.0)


@pytest.fixture
def bench(tmp_path, nobody_is_late):
    yield from benches(tmp_path)


@pytest.fixture
def small_bench(tmp_path, nobody_is_late):
    yield from benches(tmp_path, 4, (3, 4, 10))


def benches(place, *options):
    bench = Bench(place)
    pytest_twisted.blockon(start(bench.start(*options)))
    yield bench
    pytest_twisted.blockon(start(bench.stop()))
    pytest_twisted.blockon(flushEventualQueue())
