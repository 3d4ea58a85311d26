import pytest
from foolscap.api import flushEventualQueue
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred

from allmydata.util.deferreds import gather

ADVICE = {"shares.needed": "2", "shares.happy": "2", "shares.total": "3"}
NO_STORAGE = {"enabled": "false"}
DISABLED = {"tub.port": "disabled", "tub.location": "disabled"}


async def until(client, condition):
    """Wait until *condition* holds; it is asked each time the servers change."""
    waiting = Deferred()

    def look():
        if condition() and not waiting.called:
            waiting.callback(None)

    client.broker.on_change.add(look)
    look()
    waiting.addTimeout(20, client.clock)
    await waiting


@ensureDeferred
async def test_three_clients_find_each_other_and_themselves(nodes):
    introducer = await nodes.start("introducer", "i")
    names = ("one", "two", "three")
    clients = [await nodes.start("client", name, introducer.furl) for name in names]
    await gather([client.wait_for_servers(3) for client in clients])
    ids = {client.nodeid for client in clients}
    for client in clients:
        assert {entry["nodeid"] for entry in client.server_statuses()} == ids
        statuses = [entry["connection_status"] for entry in client.server_statuses()]
        assert all(text.startswith("Connected") for text in statuses)
        (status,) = client.introducer_statuses()
        assert status.startswith("Connected to tcp:")


@ensureDeferred
async def test_a_client_that_only_stores_elsewhere_is_no_server(nodes):
    introducer = await nodes.start("introducer", "i")
    server = await nodes.start("client", "s", introducer.furl)
    hidden = await nodes.start(
        "client", "h", introducer.furl, node=DISABLED, storage=NO_STORAGE
    )
    plain = await nodes.start("client", "p", introducer.furl, storage=NO_STORAGE)
    for client in (server, hidden, plain):
        await client.wait_for_servers(1)
        await until(client, lambda client=client: len(client.server_statuses()) == 1)
        assert client.server_statuses()[0]["nodeid"] == server.nodeid
    assert not (hidden.private / "client.furl").exists()


@ensureDeferred
async def test_advice_is_used_where_nothing_is_set(nodes):
    introducer = await nodes.start("introducer", "i", introducer=ADVICE)
    plain = await nodes.start("client", "a", introducer.furl)
    own = await nodes.start("client", "b", introducer.furl, client={"shares.needed": "1"})
    await gather([plain.wait_for_servers(2), own.wait_for_servers(2)])
    assert plain.encoding_parameters() == (2, 2, 3)
    assert own.encoding_parameters() == (1, 2, 3)


@ensureDeferred
async def test_an_introducer_that_comes_back_is_found_and_tells_of_all(nodes):
    introducer = await nodes.start("introducer", "i")
    one = await nodes.start("client", "one", introducer.furl)
    await one.wait_for_servers(1)
    again = await nodes.again(introducer)
    assert again.furl == introducer.furl
    two = await nodes.start("client", "two", again.furl)
    await gather([client.wait_for_servers(2) for client in (one, two)])
    assert again.introducer.num_clients == 2


@ensureDeferred
async def test_a_client_starts_from_what_it_knew_while_the_introducer_is_down(nodes):
    introducer = await nodes.start("introducer", "i", introducer=ADVICE)
    one = await nodes.start("client", "one", introducer.furl)
    two = await nodes.start("client", "two", introducer.furl, storage=NO_STORAGE)
    await gather([one.wait_for_servers(1), two.wait_for_servers(1)])
    await introducer.stopService()
    two = await nodes.again(two)
    await two.wait_for_servers(1)
    assert two.encoding_parameters() == (2, 2, 3)
    assert not two.introducer_statuses()[0].startswith("Connected")


@ensureDeferred
async def test_a_server_that_restarts_on_another_port_is_found(nodes):
    introducer = await nodes.start("introducer", "i")
    server = await nodes.start("client", "s", introducer.furl)
    client = await nodes.start("client", "c", introducer.furl, storage=NO_STORAGE)
    await client.wait_for_servers(1)
    await server.stopService()
    await until(client, lambda: not client.broker.connected())
    (server.basedir / "client.port").unlink()
    await nodes.again(server)
    await client.wait_for_servers(1)


@pytest.mark.parametrize("wrong", ["client.furl", "storage.furl"])
@ensureDeferred
async def test_a_furl_that_is_no_introducers_is_said_and_survived(nodes, wrong):
    other = await nodes.start("client", "other")
    client = await nodes.start("client", "c", (other.private / wrong).read_text().strip())
    await client.wait_for_servers(1)
    await client.tub.tub.getReference((other.private / wrong).read_text().strip())
    await flushEventualQueue()
    (status,) = client.introducer_statuses()
    assert status == "Refused: its FURL is not that of an introducer"


@ensureDeferred
async def test_two_introducers_make_one_grid(nodes):
    first, second = [await nodes.start("introducer", name) for name in ("i", "j")]
    both = nodes.make("client", "both")
    text = f"introducers: {{a: {{furl: '{first.furl}'}}, b: {{furl: '{second.furl}'}}}}\n"
    (both.private / "introducers.yaml").write_text(text)
    both.startService()
    await both.when_running()
    others = [await nodes.start("client", n.furl[5:9], n.furl) for n in (first, second)]
    await both.wait_for_servers(3)
    assert len(both.introducer_statuses()) == 2
    for other in others:
        assert len(other.server_statuses()) == 2
