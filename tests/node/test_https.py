"""Two protocols on one port of real nodes, and which of them is chosen."""

import socket

import pytest
from pytest_twisted import blockon, ensureDeferred
from twisted.internet import reactor
from twisted.internet.threads import deferToThread

from allmydata.crypto.keys import account_number
from allmydata.node import fork
from allmydata.streams import target
from allmydata.streams.uploadable import Data
from allmydata.util import base32
from allmydata.util.deferreds import sleep, start

SHARES = {"shares.needed": "1", "shares.happy": "1", "shares.total": "1"}


@pytest.fixture
def grid(nodes):
    """Return a function that starts an introducer, a server and a client of both."""

    async def begin(server=None, client=None):
        introducer = await nodes.start("introducer", "introducer")
        furl = introducer.furl
        storage = {"enabled": "true", **(server or {})}
        one = await nodes.start("client", "server", furl, storage=storage)
        sections = {"storage": {"enabled": "false"}, "client": SHARES | (client or {})}
        other = await nodes.start("client", "client", furl, **sections)
        await other.wait_for_servers(1)
        return one, other

    return begin


def requests_of(node):
    return node.tub.https.wrappedFactory.num_requests if node.tub.https else 0


def protocol(client):
    [server] = client.server_statuses()
    return server["protocol"]


async def settled(client, wanted):
    """Wait a moment for a better protocol: announcements may come one after another."""
    for _ in range(200):
        if protocol(client) == wanted:
            return True
        await sleep(0.02, reactor)
    return False


async def round_trip(client):
    data = bytes(range(256)) * 10_000
    cap = await client.getService("uploader").upload(Data(data, b"convergence"))
    assert await client.getService("downloader").download(cap, target.Data()) == data


@ensureDeferred
async def test_a_server_that_announces_https_is_spoken_to_over_it(grid):
    server, client = await grid()
    assert await settled(client, "https")
    before = requests_of(server)
    await round_trip(client)
    assert requests_of(server) >= before + 4
    [status] = client.server_statuses()
    assert status["connection_status"].endswith("via HTTPS")


@pytest.mark.parametrize("side", ["server", "client"])
@ensureDeferred
async def test_either_side_may_force_foolscap(grid, side):
    server, client = await grid(**{side: {"force_foolscap": "true"}})
    await round_trip(client)
    assert protocol(client) == "foolscap" and requests_of(server) == 0
    assert bool(server.tub.https) is (side == "client")


@ensureDeferred
async def test_leases_over_https_are_the_client_s_account_s(grid):
    server, client = await grid()
    assert await settled(client, "https")
    await round_trip(client)
    account = account_number(base32.a2b(client.nodeid))
    assert (await server._storage.holdings()).num_shares == 1
    assert server._storage._ledger.held(account).num_shares == 1


@ensureDeferred
async def test_a_server_that_restarts_is_found_over_https_again(grid, nodes):
    server, client = await grid()
    assert await settled(client, "https")
    await nodes.again(server)
    await client.wait_for_servers(1)
    assert await settled(client, "https")
    await round_trip(client)


@ensureDeferred
async def test_a_frozen_node_answers_nothing_over_https(grid):
    server, client = await grid()
    assert await settled(client, "https")
    [proxy] = client.broker.connected()
    server.tub.freeze()
    asking = proxy.get_buckets(b"\1" * 16)
    await sleep(0.3, reactor)
    assert not asking.called
    server.tub.thaw()
    assert await asking == {}


# ---- the first bytes -------------------------------------------------------------------


@pytest.fixture
def port(grid):
    server, _ = blockon(start(grid()))
    return server.tub.https and int(server.tub.location[0].rpartition(":")[2]), server


def say(port, *parts):
    """Say *parts* one after another; return what comes back."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        for part in parts:
            line.sendall(part)
        try:
            return line.recv(1000)
        except (TimeoutError, ConnectionError):
            return b""


@pytest.mark.parametrize(
    "parts", [[b"GET /id/x HTTP/1.1\r\n\r\n"], [b"GET", b" /i", b"d/x HTTP/1.1\r\n\r\n"]]
)
@ensureDeferred
async def test_foolscap_is_known_by_its_first_bytes(port, parts):
    answer = await deferToThread(say, port[0], *parts)
    assert answer.startswith(b"HTTP/1.1 500 ") or b"Unknown TubID" in answer


@pytest.mark.parametrize("begun", [b"GET /storage/v1/version HTTP/1.1\r\n\r\n", b"\0" * 20])
@ensureDeferred
async def test_what_is_neither_gets_no_answer_that_tells_anything(port, begun):
    answer = await deferToThread(say, port[0], begun)
    assert len(answer) < 20 and b"HTTP" not in answer  # an alert of TLS


@ensureDeferred
async def test_who_says_nothing_is_hung_up_on(port, monkeypatch):
    monkeypatch.setattr(fork, "PATIENCE_S", 0.05)
    assert await deferToThread(say, port[0], b"GET /") == b""
    assert port[1].tub._forks[0].transports == set()
