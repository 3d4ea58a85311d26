import json
import os
import stat
from http.client import HTTPConnection

import pytest
import pytest_twisted
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.threads import deferToThread
from zope.interface.verify import verifyObject

from allmydata.errors import (
    ConfigError,
    ConflictError,
    GridError,
    NodeNotRunningError,
    UsageError,
)
from allmydata.grid.remote import call
from allmydata.interfaces.node import IDemo
from allmydata.node.demo import film, plan, record
from allmydata.node.demo.control import open_control
from allmydata.node.demo.damage import damage_all, held, share_files
from allmydata.node.demo.grid import DemoGrid
from allmydata.node.demo.plan import DemoPlan, Shares
from allmydata.node.demo.record import DemoRecord
from allmydata.streams.target import Data as Bytes
from allmydata.streams.uploadable import Data

TWO = DemoPlan(2, Shares(1, 1, 2))


# ---- numbers


def test_shares_are_written_as_three_numbers():
    assert Shares.parse("3/4/5") == Shares(3, 4, 5)
    assert str(Shares(3, 4, 5)) == "3/4/5"


@pytest.mark.parametrize(
    "text", ["", "3", "3/4", "a/b/c", "0/1/1", "3/1/2", "1/3/2", "1/1/257"]
)
def test_shares_that_can_not_be(text):
    with pytest.raises(UsageError):
        Shares.parse(text)


@pytest.mark.parametrize(
    ("num_servers", "text"),
    [(1, "1/1/1"), (2, "1/1/2"), (3, "1/2/3"), (4, "2/3/4"), (5, "3/4/5"), (10, "6/8/10")],
)
def test_shares_suit_the_number_of_servers(num_servers, text):
    assert DemoPlan.settle(num_servers, None) == DemoPlan(num_servers, Shares.parse(text))


def test_a_file_must_fit_the_servers():
    with pytest.raises(UsageError, match="3 servers can't hold files as 3/4/5"):
        DemoPlan.settle(3, Shares(3, 4, 5))


# ---- a directory


def make_directories(root, its_plan=TWO):
    plan.make_introducer(root, its_plan)
    furl = f"pb://{'a' * 32}@tcp:127.0.0.1:1/introducer"
    return plan.make_others(root, its_plan, furl)


def test_a_new_directory_takes_any_numbers(tmp_path):
    assert plan.plan_for(tmp_path, None, None) == DemoPlan(5, Shares(3, 4, 5))
    assert plan.plan_for(tmp_path / "none", 2, None) == TWO


def test_a_kept_directory_has_its_numbers_and_its_ports(tmp_path):
    storage, client = make_directories(tmp_path)
    before = [(path / "tahoe.cfg").read_text() for path in (*storage, client)]
    assert plan.plan_for(tmp_path, None, None) == TWO
    assert plan.plan_for(tmp_path, 2, Shares(1, 1, 2)) == TWO
    assert make_directories(tmp_path) == (storage, client)
    assert before == [(path / "tahoe.cfg").read_text() for path in (*storage, client)]


def test_a_kept_directory_refuses_other_numbers(tmp_path):
    make_directories(tmp_path)
    with pytest.raises(ConflictError, match=r"other numbers than --servers 3$") as caught:
        plan.plan_for(tmp_path, 3, None)
    assert caught.value.why == "it has --servers 2 --shares 1/1/2"
    with pytest.raises(ConflictError, match="other numbers than --shares 2/2/2"):
        plan.plan_for(tmp_path, 2, Shares(2, 2, 2))


def test_a_directory_half_made_is_made_whole(tmp_path):
    (storage, _), client = make_directories(tmp_path)
    before = (storage / "tahoe.cfg").read_text()
    (storage / "tahoe.cfg").unlink()
    (client / "tahoe.cfg").unlink()
    assert plan.plan_for(tmp_path, 2, None) == TWO
    make_directories(tmp_path)
    assert (storage / "tahoe.cfg").read_text() == before


def test_a_directory_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConflictError, match="no demo"):
        plan.plan_for(tmp_path, None, None)
    with pytest.raises(ConflictError, match="no directory"):
        plan.plan_for(tmp_path / "file", None, None)


def test_a_demo_without_its_answers_is_not_guessed_at(tmp_path):
    _, client = make_directories(tmp_path)
    (client / "private" / "created.json").unlink()
    with pytest.raises(ConfigError, match="lost a part"):
        plan.plan_for(tmp_path, None, None)


# ---- finding a demo


@pytest.fixture
def runtime(tmp_path, monkeypatch):
    place = tmp_path / "runtime"
    place.mkdir()
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(place))
    monkeypatch.setattr(record.tempfile, "tempdir", str(tmp_path / "tmp"))
    return place / "tahoe-demos"


def published(root, pid=None):
    root.mkdir(exist_ok=True)
    found = DemoRecord.of_this_process(root, "127.0.0.1:1", "secret")
    if pid:
        found = DemoRecord(root, pid, found.created, found.control, found.token)
    found.publish()
    return found


def test_a_published_demo_is_found_until_it_is_withdrawn(tmp_path, runtime):
    found = published(tmp_path / "a")
    assert record.find(None, None) == found
    assert "secret" not in repr(found)
    assert stat.S_IMODE((tmp_path / "a" / "demo.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(runtime.stat().st_mode) == 0o700
    found.withdraw()
    assert not (tmp_path / "a" / "demo.json").exists()
    assert not list(runtime.iterdir())
    with pytest.raises(NodeNotRunningError, match="no demo runs"):
        record.find(None, None)


def test_without_a_runtime_directory_the_temporary_one_serves(
    tmp_path, runtime, monkeypatch
):
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    found = published(tmp_path / "a")
    assert record.find(None, None) == found
    listed = tmp_path / "tmp" / f"tahoe-demos-{os.getuid()}" / str(os.getpid())
    assert listed.readlink() == tmp_path / "a"


def test_a_place_that_others_may_enter_is_not_used(tmp_path, runtime, monkeypatch):
    runtime.mkdir()
    runtime.chmod(0o755)
    elsewhere = tmp_path / "tmp" / f"tahoe-demos-{os.getuid()}"
    published(tmp_path / "a")
    assert list(elsewhere.iterdir()) and not list(runtime.iterdir())
    elsewhere.chmod(0o777)
    with pytest.raises(ConfigError, match="can't be used"):
        published(tmp_path / "a")


def test_of_several_demos_one_must_be_named(tmp_path, runtime):
    a, b = published(tmp_path / "a"), tmp_path / "b"
    make_directories(b)
    parent = DemoRecord.of_this_process(b, "127.0.0.1:1", "secret")
    parent = DemoRecord(
        b, os.getppid(), record.pidfile.create_time(os.getppid()), "x:1", "t"
    )
    parent.publish()
    with pytest.raises(UsageError, match="2 demos run") as caught:
        record.find(None, None)
    assert str(tmp_path / "a") in caught.value.why and str(b) in caught.value.why
    assert record.find(a.root, b / "client") == a
    assert record.find(None, b / "client") == parent
    assert record.find(None, b) == parent


def test_a_demo_that_was_killed_is_forgotten(tmp_path, runtime):
    dead = published(tmp_path / "a", pid=2**22 + 1)
    with pytest.raises(NodeNotRunningError, match="no demo runs in") as caught:
        record.find(tmp_path / "a", None)
    assert "process 4194305, which ran it, is gone" in caught.value.why
    with pytest.raises(NodeNotRunningError, match=r"no demo runs$"):
        record.find(None, None)
    assert not list(runtime.iterdir())
    reused = DemoRecord(dead.root, os.getpid(), dead.created - 1000, dead.control, "t")
    assert not reused.is_running


def test_a_damaged_record_is_no_demo(tmp_path, runtime):
    (tmp_path / "demo.json").write_text("{}")
    assert DemoRecord.read(tmp_path) is None
    with pytest.raises(NodeNotRunningError):
        record.find(tmp_path, None)


def test_a_demo_that_does_not_answer(tmp_path, runtime):
    with pytest.raises(NodeNotRunningError, match="does not answer"):
        published(tmp_path / "a").ask("GET", "/status")


# ---- a grid


@pytest.fixture
def grid(tmp_path):
    """Two servers, real Tubs, real ports."""
    grid = DemoGrid(tmp_path / "demo", TWO, reactor)
    pytest_twisted.blockon(Deferred.fromCoroutine(grid.start()))
    yield grid
    pytest_twisted.blockon(Deferred.fromCoroutine(grid.stop()))


def proxies(grid):
    """What the client holds of each server, in their order."""
    by_id = {proxy.nodeid: proxy for proxy in grid.client.broker.servers()}
    return [by_id[server.nodeid] for server in grid.servers]


async def store(grid, data=b"x" * 10_000):
    return await grid.client.getService("uploader").upload(Data(data, None))


@ensureDeferred
async def test_a_grid_is_connected_when_it_has_started(grid):
    said = await grid.status()
    assert said["connected"] == 2
    assert said["shares"] == {"needed": 1, "happy": 1, "total": 2}
    assert [(one["name"], one["state"]) for one in said["servers"]] == [
        ("storage1", "up"),
        ("storage2", "up"),
    ]
    assert said["web"].startswith("http://127.0.0.1:")
    assert "login" not in said
    assert grid.login.startswith(f"{said['web']}_/login?code=")
    assert grid.client.encoding_parameters() == (1, 1, 2)
    assert grid.servers[0].node.encoding_parameters() == (1, 1, 2)


@ensureDeferred
async def test_a_killed_server_is_gone_and_comes_back_as_the_same(grid):
    before = [(s.nodeid, s.node.tub.location) for s in grid.servers]
    said = await grid.kill([2, 2])
    assert said["connected"] == 1
    assert [(one["number"], one["state"]) for one in said["servers"]] == [(2, "killed")]
    assert [proxy.connected for proxy in proxies(grid)] == [True, False]
    assert (await grid.kill([2]))["connected"] == 1
    with pytest.raises(ConflictError, match="server 2 was killed"):
        await grid.freeze([1, 2])
    assert grid.servers[0].state == "up"
    assert (await grid.revive([2]))["connected"] == 2
    assert [(s.node.nodeid, s.node.tub.location) for s in grid.servers] == before
    assert proxies(grid)[1].connected


@ensureDeferred
async def test_a_frozen_server_answers_when_it_is_revived(grid):
    rref = proxies(grid)[0]._rref
    await grid.freeze([1])
    asked = Deferred.fromCoroutine(call(rref, "get_version"))
    await call(proxies(grid)[1]._rref, "get_version")
    assert not asked.called
    assert (await grid.status())["servers"][0] == {
        "number": 1,
        "name": "storage1",
        "state": "frozen",
        "connected": True,
        "shares": 0,
        "bytes": 0,
    }
    await grid.revive([1])
    await asked


@ensureDeferred
async def test_a_frozen_server_can_be_killed(grid):
    await grid.freeze([1])
    assert (await grid.kill([1]))["connected"] == 1
    assert (await grid.revive([1]))["servers"][0]["state"] == "up"


@ensureDeferred
async def test_a_server_can_be_killed_while_another_is_frozen(grid):
    await grid.freeze([1])
    assert (await grid.kill([2]))["connected"] == 1
    assert (await grid.revive([1, 2]))["connected"] == 2


@ensureDeferred
async def test_the_client_has_the_demo_and_its_film(grid):
    assert grid.client.demo is grid and verifyObject(IDemo, grid)
    assert grid.servers[0].node.demo is None
    assert grid.film_name() == ""
    name = await grid.put_film()
    assert grid.film_name() == name
    node = await grid.client.getService("vdrive").get_node_at_path(["~", name])
    made = film.film()
    assert node.get_size() == len(made)
    assert await node.download(Bytes()) == made


@ensureDeferred
async def test_a_port_that_is_taken_is_an_error_and_the_server_stays_dead(grid):
    await grid.kill([1])
    other = reactor.listenTCP(
        int(grid.servers[0].node.config.tub_ports[0].split(":")[1]),
        Factory.forProtocol(Protocol),
        interface="127.0.0.1",
    )
    with pytest.raises(ConflictError, match="in use"):
        await grid.revive([1])
    assert (await grid.status())["servers"][0]["state"] == "killed"
    await other.stopListening()
    assert (await grid.revive([1]))["connected"] == 2


@ensureDeferred
async def test_corrupt_damages_every_share_of_one_server(grid):
    await store(grid)
    storages = [server.storage for server in grid.servers]
    before = [[path.read_bytes() for path in share_files(one)] for one in storages]
    said = await grid.corrupt([1])
    assert said["servers"][0]["damaged"] == said["servers"][0]["shares"] == len(before[0])
    after = [[path.read_bytes() for path in share_files(one)] for one in storages]
    assert after[1] == before[1]
    assert all(new != old for new, old in zip(after[0], before[0], strict=True))
    assert len(b"".join(after[0])) == len(b"".join(before[0]))


@ensureDeferred
async def test_servers_that_are_not_there_are_refused_before_anything_is_done(grid):
    for number in (0, 3):
        with pytest.raises(UsageError, match=f"no server {number}"):
            await grid.kill([1, number])
    assert grid.num_connected == 2


# ---- damage


def test_what_is_no_share_is_left_alone(tmp_path):
    bucket = tmp_path / "shares" / "aa" / ("a" * 26)
    bucket.mkdir(parents=True)
    (bucket / "0").write_bytes(b"junk")
    (bucket / "README").write_bytes(b"junk")
    assert damage_all(tmp_path) == 0
    assert held(tmp_path).num_shares == 1
    assert (bucket / "0").read_bytes() == b"junk"
    assert damage_all(tmp_path / "none") == 0


# ---- the control port


@pytest.fixture
def control(grid):
    port, address, token = pytest_twisted.blockon(
        Deferred.fromCoroutine(open_control(grid, reactor))
    )
    yield DemoRecord(grid.root, os.getpid(), 0.0, address, token)
    pytest_twisted.blockon(port.stopListening())


@ensureDeferred
async def test_the_control_port_does_what_it_is_asked(control, grid):
    assert (await deferToThread(control.ask, "GET", "/status"))["connected"] == 2
    said = await deferToThread(control.ask, "POST", "/freeze?servers=2")
    assert said["servers"][0]["name"] == "storage2"
    assert grid.servers[1].state == "frozen"


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/kill?servers=1", "usage"),
        ("POST", "/status", "usage"),
        ("POST", "/explode", "usage"),
        ("POST", "/kill", "usage"),
        ("POST", "/kill?servers=a", "usage"),
        ("POST", "/kill?servers=9", "usage"),
    ],
)
@ensureDeferred
async def test_the_control_port_refuses(control, grid, method, path, code):
    with pytest.raises(GridError) as caught:
        await deferToThread(control.ask, method, path)
    assert caught.value.code == code
    assert grid.num_connected == 2


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer "}, {"Authorization": "é"}]
)
@ensureDeferred
async def test_without_its_token_the_control_port_does_nothing(control, grid, headers):
    def ask():
        connection = HTTPConnection(control.control, timeout=20)
        connection.request("POST", "/kill?servers=1", headers=headers)
        response = connection.getresponse()
        said = response.status, json.loads(response.read())
        connection.close()
        return said

    status, said = await deferToThread(ask)
    assert status == 401
    assert "token" in said["error"]["message"]
    assert grid.num_connected == 2
