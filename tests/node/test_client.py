import base64
import socket
import stat
import time
from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from allmydata.errors import ConfigError, ConflictError
from allmydata.grid.remote import call
from allmydata.interfaces import IClient
from allmydata.node.client import Client, read_introducers
from allmydata.streams import target
from allmydata.uri import from_string
from allmydata.util import base32
from allmydata.util.deferreds import gather
from allmydata.webapi import NodeHTTP, RemoteNodeError

ANY = "tcp:0:interface=127.0.0.1"
NO_STORAGE = {"enabled": "false"}
SHARES = {"shares.needed": "1", "shares.happy": "1", "shares.total": "1"}
FURL = "pb://" + "a" * 32 + "@tcp:127.0.0.1:1/introducer"


async def reach(client, furl):
    waiting = Deferred()
    client.tub.connect(furl.strip(), waiting.callback)
    return await waiting


# ---- what its gateway asks -------------------------------------------------------------


@ensureDeferred
async def test_reports_of_damage_to_its_own_shares_are_told(nodes):
    client = await nodes.start("client", "c", client=SHARES)
    await client.wait_for_servers(1)
    assert await client.damage_reports() == []
    cap = from_string(await client.getService("uploader").upload_data(bytes(500)))
    (server,) = client.broker.connected()
    await call(
        server._rref, "advise_corrupt_share", b"immutable", cap.storage_index, 0, b"b\xffd"
    )
    (report,) = await client.damage_reports()
    assert (report["share"], report["reason"]) == (0, "b\ufffdd")
    assert report["storage_index"] == base32.b2a(cap.storage_index)[:5]
    assert abs(report["when"] - time.time()) < 60


@ensureDeferred
async def test_a_node_without_storage_has_no_reports_and_knows_its_lag(nodes):
    client = await nodes.start("client", "c", storage=NO_STORAGE)
    assert await client.damage_reports() == []
    last, worst = client.reactor_lag()
    assert 0 <= last <= worst
    assert client.demo is None


# ---- what it is ------------------------------------------------------------------------


@ensureDeferred
async def test_a_lone_client_stores_a_file_on_itself(nodes):
    client = await nodes.start("client", "c", client=SHARES)
    assert IClient.providedBy(client)
    await client.wait_for_servers(1)
    data = bytes(range(256)) * 50
    cap = await client.getService("uploader").upload_data(data)
    assert await client.getService("downloader").download(cap, target.Data()) == data


@ensureDeferred
async def test_a_directory_gives_a_client(nodes):
    basedir = nodes.directory("c", node={"nickname": "Zoe"})
    client = Client.from_basedir(basedir)
    nodes.made.append(client)
    client.startService()
    await client.when_running()
    assert client.nickname == "Zoe" and len(client.nodeid) == 32


@ensureDeferred
async def test_existing_secrets_are_kept(nodes):
    node = nodes.make("client", "c")
    secret = base32.b2a(b"\7" * 32) + "\n"
    (node.private / "convergence").write_text(secret)
    (node.private / "secret").write_text(secret)
    node.startService()
    await node.when_running()
    assert (node.private / "convergence").read_text() == secret
    assert (node.private / "secret").read_text() == secret
    assert node.getService("uploader").convergence == b"\7" * 32


@ensureDeferred
async def test_its_own_storage_keeps_the_tub_id_as_seed(nodes):
    client = await nodes.start("client", "c")
    assert (client.basedir / "permutation-seed").read_text() == client.nodeid + "\n"
    (client.basedir / "permutation-seed").write_text("older\n")
    again = await nodes.again(client)
    assert (again.basedir / "permutation-seed").read_text() == "older\n"


# ---- what peers may ask ----------------------------------------------------------------


@ensureDeferred
async def test_peers_may_ask_for_versions_nodeid_and_storage(nodes):
    server = await nodes.start("client", "s", node={"nickname": "attic", "zone": "home"})
    client = await nodes.start("client", "c", storage=NO_STORAGE)
    rref = await reach(client, (server.private / "client.furl").read_text())
    assert await rref.callRemote("get_nodeid") == base32.a2b(server.nodeid)
    mine, oldest = await rref.callRemote("get_versions")
    assert mine >= oldest == "0.1.0"
    storage = await rref.callRemote("get_service", "storageserver")
    version = await storage.callRemote("get_version")
    assert version[b"allmydata-grid-v1"][b"zone"] == "home"


@pytest.mark.parametrize("name", ["storageserver", "uploader", "", "x" * 1000])
@ensureDeferred
async def test_peers_get_nothing_else(nodes, name):
    server = await nodes.start("client", "s", storage=NO_STORAGE)
    client = await nodes.start("client", "c", storage=NO_STORAGE)
    rref = await reach(client, (server.private / "client.furl").read_text())
    with pytest.raises(Exception, match="RemoteException") as caught:
        await rref.callRemote("get_service", name)
    assert caught.value.failure.check("allmydata.errors.NotFoundError")


@ensureDeferred
async def test_the_furls_are_random_and_private(nodes):
    client = await nodes.start("client", "c")
    furls = [
        (client.private / f"{name}.furl").read_text()
        for name in ("client", "storage", "control")
    ]
    assert len({furl.rpartition("/")[2] for furl in furls}) == 3
    assert furls[2].startswith("pb://") and "@tcp:127.0.0.1:" in furls[2]
    again = await nodes.again(client)
    assert (again.private / "client.furl").read_text() == furls[0]
    control = (again.private / "control.furl").read_text()
    assert control.rpartition("/")[2] == furls[2].rpartition("/")[2]


# ---- readiness -------------------------------------------------------------------------


@ensureDeferred
async def test_readiness_says_what_is_missing(nodes):
    client = nodes.make("client", "c", FURL, client={"shares.happy": "2"})
    assert client.readiness() == (False, "the node is starting")
    client.startService()
    await client.when_running()
    await client.wait_for_servers(1)
    ready, why = client.readiness()
    assert not ready and why.startswith("1 of 2 storage servers are connected; introducer:")


@ensureDeferred
async def test_a_readonly_server_makes_nobody_ready(nodes):
    introducer = await nodes.start("introducer", "i")
    server = await nodes.start("client", "s", introducer.furl, storage={"readonly": "true"})
    client = await nodes.start(
        "client", "c", introducer.furl, storage=NO_STORAGE, client=SHARES
    )
    await client.wait_for_servers(1)
    assert client.readiness()[0] is False
    assert client.server_statuses()[0]["readonly"] is True
    await server.stopService()


@ensureDeferred
async def test_enough_servers_make_it_ready(nodes):
    client = await nodes.start("client", "c", client=SHARES)
    await client.wait_for_servers(1)
    assert client.readiness() == (True, "")


# ---- the gateway -----------------------------------------------------------------------


@ensureDeferred
async def test_the_gateways_real_port_is_written_down(nodes):
    client = await nodes.start("client", "c", node={"web.port": ANY})
    url = (client.basedir / "node.url").read_text()
    assert url.startswith("http://127.0.0.1:") and url.endswith("/\n")
    assert stat.S_IMODE((client.basedir / "node.url").stat().st_mode) == 0o644
    port = int(url.strip().rstrip("/").rpartition(":")[2])
    socket.create_connection(("127.0.0.1", port)).close()
    await client.stopService()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


@ensureDeferred
async def test_without_a_gateway_no_url_is_left(nodes):
    node = nodes.make("client", "c")
    (node.basedir / "node.url").write_text("http://127.0.0.1:1/\n")
    node.startService()
    await node.when_running()
    assert not (node.basedir / "node.url").exists()


@ensureDeferred
async def test_a_web_port_in_use_is_one_clear_error(nodes):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        port = s.getsockname()[1]
        web = {"web.port": f"tcp:{port}:interface=127.0.0.1"}
        node = nodes.make("client", "c", node=web)
        node.startService()
        with pytest.raises(ConflictError, match=str(port)) as caught:
            await node.when_running()
        assert "web.port" in caught.value.fix
        await node.stopService()


@ensureDeferred
async def test_the_api_token_is_made_once(nodes):
    client = await nodes.start("client", "c")
    text = (client.private / "api_auth_token").read_text()
    assert len(text) == 45 and len(base64.urlsafe_b64decode(text)) == 32
    again = await nodes.again(client)
    assert (again.private / "api_auth_token").read_text() == text


@pytest.mark.parametrize(
    "text", ["", "\n", "short", "a" * 300, "two lines of\ntext of a token", "\xff" * 40]
)
@ensureDeferred
async def test_a_token_that_could_be_guessed_is_none(nodes, text):
    node = nodes.make("client", "c")
    (node.private).mkdir(exist_ok=True)
    (node.private / "api_auth_token").write_bytes(text.encode("latin-1"))
    node.startService()
    with pytest.raises(ConfigError, match="holds no token"):
        await node.when_running()
    await node.stopService()


@ensureDeferred
async def test_its_own_token_opens_the_gateway_and_its_names_are_those_of_the_config(nodes):
    client = await nodes.start(
        "client", "c", node={"web.port": ANY, "web.hosts": "nas.lan"}
    )
    own = NodeHTTP.of_directory(client.basedir)
    assert (await deferToThread(own.json, "/live?t=json")) == {"active": [], "recent": []}
    with pytest.raises(RemoteNodeError, match="only the owner") as caught:
        await deferToThread(NodeHTTP(own.url).json, "/live?t=json")
    assert caught.value.code == "not-permitted"
    assert own.token not in str(caught.value) + caught.value.fix

    def status(host):
        line = HTTPConnection(urlsplit(own.url).netloc)
        line.request("GET", "/healthz", headers={"Host": host})
        with closing(line):
            return line.getresponse().status

    for host, wanted in (("nas.lan:1", 200), ("NAS.lan", 200), ("nas.example", 403)):
        assert (await deferToThread(status, host)) == wanted


# ---- introducers.yaml ------------------------------------------------------------------


def test_introducers_come_from_both_places(tmp_path):
    assert read_introducers(tmp_path, None) == {}
    assert read_introducers(tmp_path, FURL) == {"default": FURL}
    other = f"introducers:\n  x:\n    furl: {FURL}2\n"
    (tmp_path / "introducers.yaml").write_text(other)
    assert read_introducers(tmp_path, FURL) == {"default": FURL, "x": FURL + "2"}
    (tmp_path / "introducers.yaml").write_text("introducers: {}\n")
    assert read_introducers(tmp_path, None) == {}


def test_there_is_one_default(tmp_path):
    text = f"introducers:\n  default:\n    furl: {FURL}2\n"
    (tmp_path / "introducers.yaml").write_text(text)
    with pytest.raises(ConfigError, match="two introducers"):
        read_introducers(tmp_path, FURL)


@pytest.mark.parametrize(
    "text",
    [
        "introducers: [1]",
        "introducers: {a: 5}",
        "introducers: {a: {}}",
        "{",
        "5",
        "introducers: {a: {furl: pb:secret}}",
        "introducers: {a: {furl: 7}}",
        "introducers: !!python/object:os.system {}",
        "\x00",
    ],
)
def test_introducers_that_can_not_be_understood(tmp_path, text):
    (tmp_path / "introducers.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"introducers\.yaml") as caught:
        read_introducers(tmp_path, None)
    assert "secret" not in str(caught.value.as_json())


@ensureDeferred
async def test_many_starts_and_stops_leave_nothing(nodes):
    client = await nodes.start("client", "c", node={"web.port": ANY})
    for _ in range(3):
        client = await nodes.again(client)
    await gather([client.wait_for_servers(1)])
