import json

import pytest
from twisted.internet.task import Clock

from allmydata.crypto.keys import LeaseSecrets
from allmydata.grid.broker import StorageBroker
from allmydata.grid.server import ServerVersion, StorageServerProxy
from allmydata.grid.uptime import TICK_S, Uptime

HOUR = 3600


class Bench:
    """Servers that come and go, and somebody who watches them."""

    def __init__(self, path):
        self.path = path
        self.clock = Clock()
        self.clock.advance(1e9)
        self.broker = StorageBroker(lambda *_: None, LeaseSecrets(b"s" * 32))
        self.servers = []
        for i in range(3):
            server = StorageServerProxy(bytes([i]) * 20, LeaseSecrets(b"s" * 32))
            self.broker.add_server(server)
            self.servers.append(server)
        self.set("up", "up", "up")
        self.uptime = self.begin()

    def begin(self):
        uptime = Uptime(self.broker, self.path, self.clock)
        uptime.startService()
        return uptime

    def set(self, *states):
        for server, state in zip(self.servers, states, strict=True):
            if state == "up":
                server.attach(object(), ServerVersion(zone="here"))
            else:
                server.detach()
        self.broker.on_change.notify()
        self.clock.advance(0)

    def wait(self, seconds):
        while seconds > 0:
            self.clock.advance(min(seconds, TICK_S))
            seconds -= TICK_S

    def of(self, i):
        return self.uptime.of(self.servers[i].nodeid)


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path / "uptime.json")
    yield bench
    if bench.uptime.running:
        bench.uptime.stopService()


def test_time_up_and_time_away_are_told_apart(bench):
    bench.wait(10 * HOUR)
    bench.set("up", "away", "up")
    bench.wait(5 * HOUR)
    assert bench.of(0).uptime == 1.0
    assert bench.of(1).uptime == pytest.approx(10 / 15, abs=0.001)
    assert bench.uptime.away_s(bench.servers[1]) == pytest.approx(5 * HOUR, abs=1)
    assert bench.uptime.away_s(bench.servers[0]) == 0.0


def test_each_time_a_server_goes_away_counts_once(bench):
    for _ in range(3):
        bench.set("up", "away", "up")
        bench.wait(HOUR)
        bench.set("up", "up", "up")
        bench.wait(HOUR)
    assert bench.of(1).num_outages == 3
    assert bench.of(1).away_s == 0.0


def test_while_nobody_is_connected_no_server_is_to_blame(bench):
    bench.wait(HOUR)
    bench.set("away", "away", "away")
    bench.wait(24 * HOUR)
    bench.set("up", "up", "up")
    bench.wait(HOUR)
    assert bench.of(0).uptime == pytest.approx(1.0, abs=0.01)
    assert bench.of(0).watched_s == pytest.approx(2 * HOUR, rel=0.05)


def test_what_was_seen_outlasts_a_restart_and_time_off_does_not_count(bench):
    bench.wait(10 * HOUR)
    bench.set("up", "away", "up")
    bench.wait(HOUR)
    bench.uptime.stopService()
    bench.clock.advance(1000 * HOUR)
    bench.uptime = bench.begin()
    bench.wait(HOUR)
    assert bench.of(1).away_s == pytest.approx(2 * HOUR, abs=TICK_S + 1)
    assert bench.of(0).watched_s == pytest.approx(12 * HOUR, abs=1)
    assert bench.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("jump", [10 * 365 * 86400, -10 * 365 * 86400])
def test_a_clock_that_jumps_adds_two_minutes_at_most(bench, jump):
    bench.wait(HOUR)
    bench.clock.rightNow += jump
    bench.uptime.tick()
    bench.wait(HOUR)
    assert bench.of(0).watched_s <= 2 * HOUR + 2 * TICK_S


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"{",
        b"[]",
        b'{"servers": 7}',
        b'{"servers": {"a": {"first": 1}}}',
        b"\xff" * 99,
    ],
)
def test_a_damaged_file_is_as_good_as_none(bench, garbage):
    bench.uptime.stopService()
    bench.path.write_bytes(garbage)
    bench.uptime = bench.begin()
    bench.wait(HOUR)
    assert bench.of(0).uptime == 1.0


def test_times_that_can_not_be_are_not_believed(bench):
    bench.wait(HOUR)
    bench.uptime.stopService()
    said = json.loads(bench.path.read_bytes())
    for words in said["servers"].values():
        words["up_s"] = -1e300
    bench.path.write_text(json.dumps(said))
    bench.uptime = bench.begin()
    assert bench.of(0).watched_s == 0.0


def test_what_is_thought_of_a_server_comes_of_what_was_seen(bench):
    fresh = bench.uptime.odds(bench.servers[0])
    bench.wait(5 * 24 * HOUR)
    seen = bench.uptime.odds(bench.servers[0])
    assert seen.losses < fresh.losses
    assert seen.up > 0.95
    assert (seen.zone, seen.gone) == ("here", 0.0)
    bench.set("away", "up", "up")
    bench.wait(3 * 24 * HOUR)
    assert bench.uptime.odds(bench.servers[0]).gone > 0.2


def test_that_a_node_needs_time_to_connect_is_no_servers_fault(bench):
    bench.wait(HOUR)
    for _ in range(20):
        bench.uptime.stopService()
        bench.set("up", "away", "away")
        bench.uptime = bench.begin()
        bench.wait(20)
        bench.set("up", "up", "up")
        bench.wait(60)
    assert [bench.of(i).uptime for i in range(3)] == [1.0] * 3
    assert [bench.of(i).num_outages for i in range(3)] == [0] * 3


def test_what_passes_before_a_change_counts_as_it_was_then(bench):
    bench.wait(2 * HOUR)
    bench.set("up", "away", "up")
    bench.clock.advance(59)
    bench.set("up", "up", "up")
    assert bench.of(1).watched_s - bench.of(1).up_s == pytest.approx(59)
