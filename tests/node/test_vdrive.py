"""Vdrive servers in nodes, and how clients find them."""

import stat

import pytest
from pytest_twisted import ensureDeferred

from allmydata.errors import ConfigError, CorruptError, NotFoundError
from allmydata.grid.vdrive import place_of
from allmydata.interfaces import IVirtualDrive

LIT = "URI:LIT:nbuq"
NO_STORAGE = {"enabled": "false"}
NONE = {"enabled": "false"}


async def client_of(nodes, introducer, name="c", **sections):
    furl = introducer.furl if introducer else ""
    return await nodes.start("client", name, furl, storage=NO_STORAGE, **sections)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@ensureDeferred
async def test_an_introducer_keeps_directories_and_tells_clients_where(nodes):
    introducer = await nodes.start("introducer", "i")
    client = await client_of(nodes, introducer)
    drive = client.getService("vdrive")
    assert IVirtualDrive.providedBy(drive)
    assert not (client.private / "vdrive.furl").exists()
    root = await drive.get_private_root()
    await root.set_uri("x", LIT)
    told = (client.private / "vdrive.furl").read_text()
    assert told == (introducer.private / "vdrive.furl").read_text()
    assert (client.private / "my_vdrive.uri").read_text() == root.get_uri() + "\n"
    public = await drive.get_public_root()
    assert (client.private / "global_root.uri").read_text() == public.get_uri() + "\n"
    for name in ("vdrive.furl", "my_vdrive.uri", "global_root.uri"):
        assert mode(client.private / name) == 0o600
    assert mode(introducer.private / "vdrive-root") == 0o600
    assert mode(introducer.basedir / "vdrive") == 0o700


@ensureDeferred
async def test_everything_is_there_after_both_restart(nodes):
    introducer = await nodes.start("introducer", "i")
    client = await client_of(nodes, introducer)
    drive = client.getService("vdrive")
    private, public = await drive.get_private_root(), await drive.get_public_root()
    await private.set_uri("mine", LIT)
    await public.set_uri("ours", LIT)
    await nodes.again(introducer)
    client = await nodes.again(client)
    drive = client.getService("vdrive")
    assert await drive.get_private_root() == private
    assert await drive.get_public_root() == public
    assert (await drive.get_node_at_path("~/mine")).get_uri() == LIT
    assert (await drive.get_node_at_path("ours")).get_uri() == LIT


@ensureDeferred
async def test_a_server_that_restarts_is_found_again_by_a_running_client(nodes):
    introducer = await nodes.start("introducer", "i")
    client = await client_of(nodes, introducer)
    root = await client.getService("vdrive").get_private_root()
    await nodes.again(introducer)
    await root.set_uri("x", LIT)
    assert list(await root.list()) == ["x"]


@ensureDeferred
async def test_a_server_that_moves_to_another_port_is_found_by_asking(nodes):
    server = await nodes.start("vdrive", "v")
    told = {"vdrive.furl": server.furl}
    introducer = await nodes.start("introducer", "i", introducer=told, vdrive=NONE)
    client = await client_of(nodes, introducer)
    root = await client.getService("vdrive").get_private_root()
    await server.stopService()
    (server.basedir / "vdrive.port").unlink()
    server = await nodes.again(server)
    introducer.introducer.vdrive_furl = server.furl.encode()
    client = await nodes.again(client)
    again = await client.getService("vdrive").get_private_root()
    assert again == root
    await again.set_uri("x", LIT)
    assert (client.private / "vdrive.furl").read_text().strip() == server.furl


@ensureDeferred
async def test_a_vdrive_server_may_be_a_node_of_its_own(nodes):
    server = await nodes.start("vdrive", "v")
    introducer = await nodes.start(
        "introducer", "i", vdrive=NONE, introducer={"vdrive.furl": server.furl}
    )
    assert not (introducer.basedir / "vdrive").exists()
    client = await client_of(nodes, introducer)
    root = await client.getService("vdrive").get_private_root()
    assert root.place == place_of(server.furl)


@ensureDeferred
async def test_what_tahoe_cfg_names_wins(nodes):
    introducer = await nodes.start("introducer", "i")
    server = await nodes.start("vdrive", "v")
    client = await client_of(nodes, introducer, client={"vdrive.furl": server.furl})
    assert (await client.getService("vdrive").get_public_root()).place == place_of(
        server.furl
    )
    assert not (client.private / "vdrive.furl").exists()


@ensureDeferred
async def test_a_grid_without_a_vdrive_server_says_so(nodes):
    introducer = await nodes.start("introducer", "i", vdrive=NONE)
    drive = (await client_of(nodes, introducer)).getService("vdrive")
    for root in (drive.get_private_root, drive.get_public_root, drive.create_directory):
        with pytest.raises(ConfigError, match="no vdrive server"):
            await root()
    assert not drive.have_private_root() and not drive.have_public_root()


@ensureDeferred
async def test_a_client_without_an_introducer_says_so(nodes):
    drive = (await client_of(nodes, None)).getService("vdrive")
    with pytest.raises(ConfigError, match="no vdrive server"):
        await drive.get_private_root()


@ensureDeferred
async def test_a_server_may_offer_no_public_root(nodes):
    introducer = await nodes.start("introducer", "i", vdrive={"public_root": "false"})
    drive = (await client_of(nodes, introducer)).getService("vdrive")
    assert drive.have_public_root()
    with pytest.raises(NotFoundError, match="no public root"):
        await drive.get_public_root()
    assert not drive.have_public_root() and drive.have_private_root()
    await drive.get_private_root()
    assert not (introducer.private / "vdrive-root").exists()


@ensureDeferred
async def test_a_furl_file_with_something_else_stops_the_client(nodes):
    node = nodes.make("client", "c", storage=NO_STORAGE)
    (node.private / "vdrive.furl").write_text("http://example.com/\n")
    node.startService()
    with pytest.raises(ConfigError, match=r"vdrive\.furl does not hold a FURL"):
        await node.when_running()


@ensureDeferred
async def test_damaged_tables_stop_the_server_and_are_left_alone(nodes):
    node = nodes.make("vdrive", "v")
    (node.basedir / "vdrive").mkdir()
    tables = node.basedir / "vdrive" / "tables.sqlite3"
    tables.write_bytes(b"not a database " * 100)
    node.startService()
    with pytest.raises(CorruptError):
        await node.when_running()
    assert tables.read_bytes() == b"not a database " * 100


@pytest.mark.parametrize(
    ("kind", "sections", "why"),
    [
        ("vdrive", {"vdrive": NONE}, "does nothing else"),
        (
            "vdrive",
            {"node": {"tub.port": "disabled", "tub.location": "disabled"}},
            "a vdrive server must listen",
        ),
        ("vdrive", {"storage": NONE}, "not for this kind"),
        ("client", {"vdrive": NONE}, "not for this kind"),
    ],
)
def test_what_can_not_be_configured(nodes, kind, sections, why):
    with pytest.raises(ConfigError, match=why):
        nodes.make(kind, "n", **sections)
