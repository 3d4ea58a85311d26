"""Vdrive servers that are down, slow, lost, full, or something else."""

import pytest
from foolscap.api import flushEventualQueue
from pytest_twisted import blockon, ensureDeferred

from allmydata.errors import (
    NoSpaceError,
    NotMutableError,
    ServerLostError,
    ServerRefusedError,
)
from allmydata.grid.vdrive import ANSWER_S, CONNECT_S, MAX_SERVERS, place_of
from allmydata.storage.vdrive import VirtualDriveServer
from allmydata.uri import DirnodeURI
from allmydata.util.deferreds import start
from tests.support.drive import DriveBench

LIT = "URI:LIT:nbuq"


@pytest.fixture
def bench(tmp_path):
    bench = DriveBench(tmp_path)
    blockon(start(bench.serve()))
    yield bench
    for served in bench.servers:
        for line in served.lines:
            line.resume()
    blockon(start(bench.stop()))


@pytest.fixture
def served(bench):
    return bench.servers[0]


@pytest.fixture
def node(bench, served):
    return blockon(bench.drive(served).create_directory())


async def turn():
    for _ in range(6):
        await flushEventualQueue()


@pytest.mark.parametrize(
    "furl",
    ["", "http://x", "pb://abc@h/n", f"pb://{'a' * 32}@h/", f"pb://{'a' * 32}@h/a:b"],
)
def test_what_is_no_furl_has_no_place(furl):
    with pytest.raises(ValueError, match="not a FURL"):
        place_of(furl)


def test_a_place_is_tub_and_name_and_not_where_it_is():
    tub = "a" * 32
    assert (
        place_of(f"pb://{tub}@tcp:h:1,tcp:i:2/n")
        == place_of(f"pb://{tub}@/n")
        == (tub, "n")
    )


@ensureDeferred
async def test_a_server_that_is_down_is_waited_for_and_then_named(bench, served, node):
    served.is_up = False
    served.lose()
    waiting = node.list()
    await turn()
    bench.clock.advance(1)
    bench.clock.advance(CONNECT_S - 1.1)
    await turn()
    assert not waiting.called
    bench.clock.advance(0.2)
    with pytest.raises(ServerLostError, match="does not answer") as e:
        await waiting
    assert e.value.why == "no connection within 10 s"


@ensureDeferred
async def test_a_server_that_comes_back_in_time_is_asked(bench, served, node):
    served.is_up = False
    served.lose()
    waiting = node.set_uri("x", LIT)
    await turn()
    served.is_up = True
    bench.clock.advance(1)  # it is tried again
    await waiting
    assert list(await node.list()) == ["x"]


@ensureDeferred
async def test_a_server_that_does_not_answer_is_not_waited_for_without_end(
    bench, served, node
):
    for line in served.lines:
        line.hang()
    reading, writing = node.list(), node.set_uri("x", LIT)
    await turn()
    bench.clock.advance(ANSWER_S - 0.1)
    await turn()
    assert not reading.called and not writing.called
    bench.clock.advance(0.2)
    with pytest.raises(ServerLostError, match="has not answered within 30 s"):
        await reading
    with pytest.raises(ServerLostError, match="has not answered") as e:
        await writing
    assert "not known" in e.value.why


@ensureDeferred
async def test_reading_goes_on_when_the_connection_breaks_in_the_middle(served, node):
    await node.set_uri("x", LIT)
    for line in served.lines:
        line.hang()
    waiting = node.list()
    await turn()
    served.lose()
    assert list(await waiting) == ["x"]


@ensureDeferred
async def test_a_change_cut_off_is_not_made_twice(served, node):
    for line in served.lines:
        line.hang()
    waiting = node.set_uri("x", LIT)
    await turn()
    served.lose()
    with pytest.raises(ServerLostError, match="broke") as e:
        await waiting
    assert e.value.why == "whether the change was made is not known"
    assert served.calls.count("set_many") == 1
    await node.set_uri("x", LIT)


@ensureDeferred
async def test_what_the_address_leads_to_must_be_a_vdrive_server(served, node):
    from allmydata.introducer.server import Introducer

    served.lose()
    served.target = Introducer()
    with pytest.raises(ServerRefusedError, match="something else"):
        await node.list()


@ensureDeferred
async def test_a_wrong_write_enabler_is_refused_by_the_server(bench, served, node):
    drive = bench.drives[0]
    thief = await drive.get_node(DirnodeURI(served.furl, b"k" * 16).to_string())
    await drive._servers.at(served.furl).create_directory(thief._keys.index, b"w" * 32)
    for work in (thief.set_uri("x", LIT), thief.delete("x")):
        with pytest.raises(NotMutableError, match="does not let"):
            await work


class FullServer(VirtualDriveServer):
    """A server whose disk is full."""

    def remote_set_many(self, index, write_enabler, rows, replace):
        raise NoSpaceError("the disk is full")

    def remote_list_page(self, index, after, limit):
        raise ZeroDivisionError("an error of its own, with pb://secrets")


@ensureDeferred
async def test_what_a_server_says_is_passed_on_in_our_words(served, node):
    served.server.__class__ = FullServer
    with pytest.raises(NoSpaceError, match="no room left"):
        await node.set_uri("x", LIT)
    with pytest.raises(ServerRefusedError) as e:
        await node.list()
    assert e.value.why == "ZeroDivisionError"
    assert "pb://" not in str(e.value) + e.value.why


@ensureDeferred
async def test_newer_hints_of_our_own_server_win_over_those_in_a_capability(bench, served):
    drive = bench.drive(served)
    made = await drive.create_directory()
    tub, name = place_of(served.furl)
    old = DirnodeURI(f"pb://{tub}@tcp:gone.example:9/{name}", made.cap.write_key)
    node = await drive.get_node(old.to_string())
    await node.set_uri("x", LIT)
    assert drive._servers.at(old.furl).furl == served.furl
    assert node.get_uri() == old.to_string()
    assert await made.has_child("x")


@ensureDeferred
async def test_links_to_any_number_of_servers_are_not_kept(bench, served):
    drive = bench.drive(served)
    await drive.create_directory()
    for i in range(MAX_SERVERS + 20):
        drive._servers.at(f"pb://{'a' * 32}@tcp:127.0.0.1:1/n{i}")
    assert len(drive._servers._servers) == MAX_SERVERS
    assert place_of(served.furl) not in drive._servers._servers
    await drive.create_directory()


@ensureDeferred
async def test_an_address_that_leads_nowhere_is_an_error(bench, served):
    drive = bench.drive(served)
    with pytest.raises(ServerLostError, match="leads nowhere"):
        drive._servers.at("pb://x@y/z")
