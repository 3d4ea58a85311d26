"""Found at a NURL, seen to be gone, and what the broker makes of that."""

import pytest
from attrs import evolve
from pytest_twisted import blockon, ensureDeferred
from twisted.internet import reactor

from allmydata.crypto.keys import LeaseSecrets
from allmydata.grid.broker import StorageBroker
from allmydata.grid.http import link as links
from allmydata.grid.http.link import Events, HttpsLink, pool_opener
from allmydata.grid.http.tls import Identity
from allmydata.grid.server import OURS
from allmydata.util.base32 import b2a
from allmydata.util.deferreds import sleep, start
from tests.support.https import certificate
from tests.support.local_reference import LocalReference

SI = b"\1" * 16
NOBODY = 1  # a port where nobody listens


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(links, "LEAST_S", 0.01)
    monkeypatch.setattr(links, "FIRST_RETRY_S", 0.02)
    monkeypatch.setattr(links, "RETRY_S", 0.05)


async def until(is_so):
    for _ in range(1000):
        if is_so():
            return
        await sleep(0.01, reactor)
    raise AssertionError("it never comes")


class Told:
    """What a link told."""

    def __init__(self):
        self.found, self.lost, self.num_missed = [], [], 0

    def missed(self):
        self.num_missed += 1

    @property
    def events(self):
        return Events(lambda *one: self.found.append(one), self.lost.append, self.missed)


@pytest.fixture
def look(https):
    """Return a function that looks for the server at NURLs."""
    made = []

    def look(nurls, told):
        opener = pool_opener(Identity(certificate(1)), https.tubid, reactor)
        made.append(HttpsLink(nurls, opener, told.events, reactor))
        return made[-1]

    yield look
    for one in made:
        one.stop()
    blockon(start(sleep(0.02, reactor)))


@ensureDeferred
async def test_the_nurl_that_answers_is_used(look, https):
    told = Told()
    wrong = evolve(https.nurl, port=NOBODY)
    liar = evolve(https.nurl, spki_hash=bytes(32))
    link = look([wrong, liar, https.nurl], told)
    assert link.status() == "Trying to connect"
    await until(lambda: told.found)
    storage, version = told.found[0]
    assert storage.nurl == https.nurl and version.nickname == "attic"
    assert link.status() == f"Connected to 127.0.0.1:{https.number} via HTTPS"
    assert https.nurl.swissnum not in link.status()


@pytest.mark.parametrize(
    "change", [{"port": NOBODY}, {"spki_hash": bytes(32)}, {"swissnum": "other"}]
)
@ensureDeferred
async def test_a_server_that_is_at_no_nurl_is_looked_for_again(look, https, change):
    told = Told()
    look([evolve(https.nurl, **change)], told)
    await until(lambda: told.num_missed >= 3)
    assert not told.found


@ensureDeferred
async def test_a_server_that_goes_is_seen_to_go_and_to_come_back(look, https):
    told = Told()
    look([https.nurl], told)
    await until(lambda: told.found)
    allowed, https.site._allowed = https.site._allowed, b"nobody"
    for one in list(https.factory.protocols):
        one.abortConnection()
    await until(lambda: told.lost)
    assert told.lost == [told.found[0][0]]
    https.site._allowed = allowed
    await until(lambda: len(told.found) > 1)
    assert await told.found[-1][0].callRemote("get_buckets", SI) == {}


@ensureDeferred
async def test_a_server_that_only_lost_a_connection_is_still_there(look, https):
    told = Told()
    look([https.nurl], told)
    await until(lambda: told.found)
    for one in list(https.factory.protocols):
        one.abortConnection()
    await until(lambda: len(told.found) > 1)
    assert not told.lost and told.found[0][0] is told.found[1][0]


@ensureDeferred
async def test_a_silent_server_is_gone(look, https, monkeypatch):
    monkeypatch.setattr(links, "POLL_S", 0.02)
    monkeypatch.setattr(links, "ANSWER_S", 0.1)
    told = Told()
    look([https.nurl], told)
    await until(lambda: told.found)
    for one in list(https.factory.protocols):
        one.transport.pauseProducing()
    https.port.stopReading()
    await until(lambda: told.lost)
    https.port.startReading()


# ---- the broker ------------------------------------------------------------------------


class Foolscap:
    """Connections over foolscap, which a test makes."""

    def __init__(self):
        self.links = []

    def connect(self, furl, connected):
        self.links.append(FoolscapLink(connected))
        return self.links[-1]

    @property
    def open_links(self):
        return [one for one in self.links if not one.is_stopped]


class FoolscapLink:
    def __init__(self, connected):
        self.connected = connected
        self.is_stopped = False

    def status(self):
        return "Connected to tcp:127.0.0.1:1 via tcp"

    def reset(self):
        pass

    def stop(self):
        self.is_stopped = True


@pytest.fixture
def foolscap():
    return Foolscap()


@pytest.fixture
def broker(foolscap, https):
    def connect(tubid, nurls, events):
        opener = pool_opener(Identity(certificate(1)), tubid, reactor)
        return HttpsLink(nurls, opener, events, reactor)

    broker = StorageBroker(foolscap.connect, LeaseSecrets(b"s" * 32), connect)
    broker.startService()
    yield broker
    broker.stopService()
    blockon(start(sleep(0.02, reactor)))


def furl_of(https):
    return f"pb://{b2a(https.tubid)}@tcp:127.0.0.1:1/name".encode()


def protocols(broker):
    return [one["protocol"] for one in broker.statuses()]


@ensureDeferred
async def test_https_is_preferred_and_foolscap_not_tried(broker, foolscap, https):
    broker.add_peer(furl_of(https), [https.nurl])
    assert foolscap.open_links == []
    await broker.when_connected(1)
    assert protocols(broker) == ["https"] and foolscap.links == []
    [server] = broker.connected()
    assert server.name == "attic" and await server.get_buckets(SI) == {}
    [status] = broker.statuses()
    assert status["connection_status"].endswith("via HTTPS")


@ensureDeferred
async def test_where_no_nurl_answers_there_is_foolscap(broker, foolscap, https, storage):
    broker.add_peer(furl_of(https), [evolve(https.nurl, port=NOBODY)])
    await until(lambda: foolscap.open_links)
    foolscap.links[-1].connected(LocalReference(storage))
    await broker.when_connected(1)
    assert protocols(broker) == ["foolscap"]
    assert "via tcp" in broker.statuses()[0]["connection_status"]


@ensureDeferred
async def test_a_server_over_foolscap_moves_to_https_when_it_offers_that(
    broker, foolscap, https, storage
):
    broker.add_peer(furl_of(https))
    foolscap.links[0].connected(LocalReference(storage))
    await broker.when_connected(1)
    broker.add_peer(furl_of(https), [https.nurl])
    assert protocols(broker) == ["foolscap"]
    await until(lambda: protocols(broker) == ["https"])
    assert foolscap.open_links == []


@ensureDeferred
async def test_a_server_that_is_lost_is_looked_for_both_ways(broker, foolscap, https):
    broker.add_peer(furl_of(https), [https.nurl])
    await broker.when_connected(1)
    https.site._allowed = b"nobody"
    for one in list(https.factory.protocols):
        one.abortConnection()
    await until(lambda: not broker.connected())
    assert len(foolscap.open_links) == 1 and protocols(broker) == [None]


@ensureDeferred
async def test_a_server_that_offers_https_no_more_is_left_there(broker, foolscap, https):
    broker.add_peer(furl_of(https), [https.nurl])
    await broker.when_connected(1)
    broker.add_peer(furl_of(https), [])
    await until(lambda: not broker.connected())
    assert len(foolscap.open_links) == 1


@ensureDeferred
async def test_what_this_make_adds_is_known_over_https_too(broker, https, storage):
    broker.add_peer(furl_of(https), [https.nurl])
    await broker.when_connected(1)
    [server] = broker.connected()
    assert server.version.batched_leases
    assert OURS in await storage.remote_get_version()
    assert [int(one) for one in await server.renew_leases([SI])] == [0]
