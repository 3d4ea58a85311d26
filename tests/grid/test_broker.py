import hashlib

import pytest
from foolscap.api import Referenceable, flushEventualQueue
from pytest_twisted import ensureDeferred
from zope.interface import implementer

from allmydata.crypto.keys import LeaseSecrets
from allmydata.crypto.signing import NodeKey
from allmydata.formats.announcement import Announcement
from allmydata.grid.broker import MAX_FURLS, StorageBroker, tubid_of
from allmydata.grid.server import OURS, ServerVersion, StorageServerProxy
from allmydata.interfaces import RIClient, RIStorageServer
from allmydata.util import base32
from tests.support.local_reference import LocalReference

SECRETS = LeaseSecrets(b"s" * 32)
SI = b"\x01" * 16


@implementer(RIStorageServer)
class Storage(Referenceable):
    def __init__(self, nickname=""):
        self.nickname = nickname

    def remote_get_version(self):
        return {OURS: {b"nickname": self.nickname}}


@implementer(RIClient)
class Peer(Referenceable):
    def __init__(self, storage):
        self.storage = storage

    def remote_get_service(self, name):
        if name != "storageserver" or self.storage is None:
            raise KeyError(name)
        return self.storage


class FakeLink:
    def __init__(self, connected):
        self.connected = connected
        self.is_stopped = False
        self.num_resets = 0

    def status(self):
        return "Connected to tcp:127.0.0.1:1 via tcp"

    def reset(self):
        self.num_resets += 1

    def stop(self):
        self.is_stopped = True


class Network:
    """Links by FURL; a test makes the connections."""

    def __init__(self):
        self.links = {}
        self.num_made = 0

    def connect(self, furl, connected):
        self.num_made += 1
        link = self.links[furl.encode()] = FakeLink(connected)
        return link

    async def make(self, furl, peer):
        rref = LocalReference(peer)
        self.links[furl].connected(rref)
        await settled()
        return rref


async def settled():
    for _ in range(5):
        await flushEventualQueue()


def furl(number, hint="tcp:127.0.0.1:1", name="n"):
    tubid = base32.b2a(bytes([number]) * 20)
    return f"pb://{tubid}@{hint}/{name}".encode()


@pytest.fixture
def network():
    return Network()


@pytest.fixture
def broker(network):
    broker = StorageBroker(network.connect, SECRETS)
    broker.startService()
    yield broker
    broker.stopService()


@ensureDeferred
async def test_a_peer_is_listed_before_it_is_connected(network, broker):
    broker.add_peer(furl(1))
    assert [server.connected for server in broker.servers()] == [False]
    assert broker.connected() == []
    await network.make(furl(1), Peer(Storage("attic")))
    (server,) = broker.connected()
    assert (server.name, server.tubid) == ("attic", b"\1" * 20)


@ensureDeferred
async def test_a_peer_without_storage_is_no_server(network, broker):
    broker.add_peer(furl(1))
    await network.make(furl(1), Peer(None))
    assert broker.servers() == [] and broker.statuses() == []


@ensureDeferred
async def test_a_peer_that_got_storage_since_is_a_server(network, broker):
    broker.add_peer(furl(1))
    await network.make(furl(1), Peer(None))
    await network.make(furl(1), Peer(Storage()))
    assert len(broker.connected()) == 1


@ensureDeferred
async def test_a_furl_of_another_kind_of_thing_is_no_server(network, broker):
    broker.add_peer(furl(1))
    await network.make(furl(1), Referenceable())
    assert broker.servers() == []


@ensureDeferred
async def test_storage_that_is_none_is_no_server(network, broker):
    broker.add_peer(furl(1))
    await network.make(furl(1), Peer(Peer(None)))
    assert broker.servers() == []


@ensureDeferred
async def test_waiting_for_servers_ends_when_enough_are_connected(network, broker):
    waiting = broker.when_connected(2)
    for number in (1, 2):
        broker.add_peer(furl(number))
        assert not waiting.called
        await network.make(furl(number), Peer(Storage()))
    assert waiting.called


@ensureDeferred
async def test_a_lost_server_stays_known_and_is_looked_for_again(network, broker):
    broker.add_peer(furl(1))
    rref = await network.make(furl(1), Peer(Storage()))
    rref.lose()
    await settled()
    assert [server.connected for server in broker.servers()] == [False]
    assert network.links[furl(1)].num_resets == 1
    await network.make(furl(1), Peer(Storage()))
    assert [server.connected for server in broker.servers()] == [True]


@ensureDeferred
async def test_a_server_lost_while_it_is_greeted_is_not_connected(network, broker):
    broker.add_peer(furl(1))
    rref = LocalReference(Peer(Storage()))
    rref.hang()
    network.links[furl(1)].connected(rref)
    await settled()
    rref.lose()
    await settled()
    assert [server.connected for server in broker.servers()] == [False]


@ensureDeferred
async def test_changes_are_told(network, broker):
    seen = []
    broker.on_change.add(lambda: seen.append(len(broker.connected())))
    broker.add_peer(furl(1))
    rref = await network.make(furl(1), Peer(Storage()))
    rref.lose()
    await settled()
    assert seen == [1, 0]


@ensureDeferred
async def test_one_peer_announced_twice_is_one_server(network, broker):
    broker.add_peer(furl(1))
    broker.add_peer(furl(1))
    assert network.num_made == 1 and len(broker.servers()) == 1
    assert network.links[furl(1)].num_resets == 1


@ensureDeferred
async def test_a_peer_that_moved_is_found_at_its_new_address(network, broker):
    old, new = furl(1), furl(1, hint="tcp:127.0.0.1:2")
    broker.add_peer(old)
    broker.add_peer(new)
    assert len(broker.servers()) == 1
    await network.make(new, Peer(Storage()))
    assert len(broker.connected()) == 1
    assert network.links[old].is_stopped and not network.links[new].is_stopped


@ensureDeferred
async def test_a_false_address_does_not_hide_a_connected_server(network, broker):
    broker.add_peer(furl(1))
    rref = await network.make(furl(1), Peer(Storage()))
    broker.add_peer(furl(1, name="lie"))
    assert network.num_made == 1 and len(broker.connected()) == 1
    rref.lose()
    await settled()
    assert network.num_made == 2
    await network.make(furl(1), Peer(Storage()))
    assert len(broker.connected()) == 1


def test_only_a_few_addresses_of_a_peer_are_kept(network, broker):
    for port in range(1, 10):
        broker.add_peer(furl(1, hint=f"tcp:127.0.0.1:{port}"))
    live = [link for link in network.links.values() if not link.is_stopped]
    assert len(live) == MAX_FURLS


@ensureDeferred
async def test_servers_stand_in_the_ring_of_the_storage_index(network, broker):
    for number in range(1, 8):
        broker.add_peer(furl(number))
        if number != 3:
            await network.make(furl(number), Peer(Storage()))
    ring = sorted(
        (bytes([number]) * 20 for number in (1, 2, 4, 5, 6, 7)),
        key=lambda tubid: hashlib.sha1(SI + tubid).digest(),
    )
    assert [server.tubid for server in broker.for_index(SI)] == ring


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"http://example.org/",
        b"pb://short@tcp:127.0.0.1:1/name",
        b"pb://" + b"a" * 32 + b"@tcp:127.0.0.1:1/",
        b"pb://" + b"1" * 32 + b"@tcp:127.0.0.1:1/name",
        b"pb://" + b"a" * 32 + b"@tcp:127.0.0.1:1/na\nme",
        b"pb://" + b"a" * 32 + b"@" + b"h" * 1000 + b"/name",
        b"pb://\xff" + b"a" * 31 + b"@tcp:127.0.0.1:1/name",
    ],
)
def test_what_is_no_furl_is_left_out(network, broker, bad):
    broker.add_peer(bad)
    assert broker.servers() == [] and network.num_made == 0


def test_an_error_about_a_furl_does_not_quote_it():
    with pytest.raises(ValueError, match="9 characters") as caught:
        tubid_of("pb://oops")
    assert "oops" not in str(caught.value)


@ensureDeferred
async def test_statuses_are_what_the_gateway_shows(network, broker):
    broker.add_peer(furl(1))
    before = broker.statuses()[0]
    assert before["connection_status"] == "Trying to connect"
    await network.make(furl(1), Peer(Storage("attic")))
    assert broker.statuses() == [
        {
            "nodeid": base32.b2a(b"\1" * 20),
            "nickname": "attic",
            "connection_status": "Connected to tcp:127.0.0.1:1 via tcp",
            "protocol": "foolscap",
            "available_space": None,
            "version": None,
            "last_received_data": None,
            "shares_held": None,
            "readonly": False,
            "zone": "",
            "advisories": 0,
            "drained": False,
        }
    ]


def test_a_server_of_this_process_needs_no_link(network, broker):
    proxy = StorageServerProxy(b"\5" * 20, SECRETS)
    proxy.attach(LocalReference(Storage()), ServerVersion())
    broker.add_server(proxy)
    assert broker.connected() == [proxy] and network.num_made == 0


def test_stopping_ends_the_search(network):
    broker = StorageBroker(network.connect, SECRETS)
    broker.startService()
    broker.add_peer(furl(1))
    broker.stopService()
    assert network.links[furl(1)].is_stopped


# ---- servers that announce themselves ----------------------------------------------------


def announced(number, nickname="bob", **more):
    facts = {
        "service-name": "storage",
        "nickname": nickname,
        "anonymous-storage-FURL": furl(number, name="storage").decode(),
        "permutation-seed-base32": base32.b2a(b"another seed"),
    }
    return Announcement.sign(facts | more, NodeKey(bytes([number]) * 32))


@ensureDeferred
async def test_a_server_is_met_at_the_furl_that_it_announced():
    network = Network()
    broker = StorageBroker(network.connect, SECRETS)
    broker.startService()
    broker.add_announced(announced(1))
    await network.make(furl(1, name="storage"), Storage())
    [server] = broker.connected()
    assert server.name == "bob"
    assert server.seed == b"another seed"


@ensureDeferred
async def test_a_server_seen_both_ways_is_one_server():
    network = Network()
    broker = StorageBroker(network.connect, SECRETS)
    broker.startService()
    broker.add_peer(furl(1))
    broker.add_announced(announced(1))
    await network.make(furl(1), Peer(Storage("alice")))
    await network.make(furl(1, name="storage"), Storage("alice"))
    [server] = broker.servers()
    assert server.connected and server.name == "alice"


def retold(number, key, nickname="eve", **more):
    """Return what somebody else says of a server."""
    facts = announced(number, nickname, **more).facts
    return Announcement.sign(facts, NodeKey(bytes([key]) * 32))


@ensureDeferred
async def test_whoever_was_first_to_announce_a_server_describes_it():
    broker = StorageBroker(Network().connect, SECRETS)
    broker.add_announced(announced(1))
    seed = {"permutation-seed-base32": base32.b2a(b"elsewhere")}
    for key in range(10, 20):
        broker.add_announced(retold(1, key, **seed))
    [server] = broker.servers()
    assert (server.name, server.seed) == ("bob", b"another seed")
    broker.add_announced(announced(1, "robert"))  # who has changed its name
    assert server.name == "robert"


@ensureDeferred
async def test_others_can_add_addresses_and_take_none_away():
    offered = []

    def connect_https(_, nurls, __):
        offered.append(nurls)
        return FakeLink(None)

    broker = StorageBroker(Network().connect, SECRETS, connect_https)

    def nurls(host):
        return {"anonymous-storage-NURLs": [f"pb://{'a' * 43}@{host}:1/swissnum#v=1"]}

    genuine = announced(1, **nurls("true"))
    broker.add_announced(genuine)
    for key in range(10, 20):
        told = {"anonymous-storage-FURL": furl(1, name=f"false{key}").decode()}
        broker.add_announced(retold(1, key, **told))
        assert offered[-1] == genuine.nurls  # no word of HTTPS is no downgrade
    broker.add_announced(retold(1, 21, **nurls("false")))
    assert {one.split("@")[1][:4] for one in offered[-1]} == {"true", "fals"}
    [peer] = broker._peers.values()
    assert genuine.furl in peer.furls and len(peer.furls) <= 4


@ensureDeferred
async def test_an_announcement_without_a_furl_is_left_out():
    broker = StorageBroker(Network().connect, SECRETS)
    broker.startService()
    broker.add_announced(announced(1, **{"anonymous-storage-FURL": "http://elsewhere"}))
    assert broker.servers() == []


@ensureDeferred
async def test_a_drained_server_gets_nothing_new_whenever_it_comes(broker, network):
    nodeids = [base32.b2a(bytes([i]) * 20) for i in (1, 2)]
    broker.add_peer(furl(1))
    broker.drain(nodeids)
    broker.add_peer(furl(2))
    for i in (1, 2):
        await network.make(furl(i), Peer(Storage("attic")))
    assert [server.readonly for server in broker.servers()] == [True, True]
    broker.drain(nodeids[1:])
    assert [server.readonly for server in broker.servers()] == [False, True]
