import os
import re
import sqlite3

import pytest
from pytest_twisted import blockon, ensureDeferred

from allmydata.crypto.keys import DirectoryKeys
from allmydata.errors import ConfigError, CorruptError, NoSpaceError, NotFoundError
from allmydata.formats.dirtable import Row, pack_rows, seal, unpack_rows, unseal
from allmydata.storage.vdrive import VirtualDriveServer
from allmydata.util.deferreds import gather, settle
from tests.storage.peer import refused
from tests.support.local_reference import LocalReference

FURL = f"pb://{'a' * 32}@tcp:127.0.0.1:1/vdrive"
KEYS = DirectoryKeys.from_write_key(b"k" * 16)
IX, WE = KEYS.index, KEYS.write_enabler


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "vdrive"


@pytest.fixture
def root_file(tmp_path):
    return tmp_path / "private" / "vdrive-root"


@pytest.fixture
def serve(directory, root_file, clock):
    """Start servers on one directory; those that still run at the end are stopped."""
    servers = []

    def start(root_file=root_file):
        server = VirtualDriveServer(
            directory, clock=clock, root_file=root_file, furl_of=lambda: FURL
        )
        server.startService()
        servers.append(server)
        return server

    yield start
    for server in servers:
        if server.running:
            blockon(server.stopService())


def sealed(name, write_cap=None, read_cap="URI:LIT:", keys=KEYS):
    return seal(keys, name, write_cap, read_cap, os.urandom)


async def begin(server):
    """Make a directory; return the way to call the server."""
    call = LocalReference(server).callRemote
    await call("create_directory", IX, WE)
    return call


async def put(call, *rows):
    await call("set_many", IX, WE, pack_rows(rows), True)


async def entries(call):
    packed, _ = await call("list_page", IX, b"", 1000)
    return [unseal(KEYS, row) for row in unpack_rows(packed)]


# ---- what the server knows ---------------------------------------------------------------


@ensureDeferred
async def test_no_name_capability_or_key_is_on_the_servers_disk(serve, directory):
    server = serve(root_file=None)
    call = await begin(server)
    name, write_cap, read_cap = "tax-return-2024.pdf", "URI:DIR:write-me", "URI:DIR-RO:read"
    await put(call, sealed(name, write_cap, read_cap))
    secrets = [name, write_cap, read_cap, "URI:"]
    files = list(directory.iterdir())
    assert len(files) == 3
    for stopped in (False, True):
        held = b"".join(path.read_bytes() for path in directory.iterdir())
        assert IX in held and WE in held and KEYS.row_key(name) in held
        for secret in [*map(str.encode, secrets), KEYS.read_key, KEYS.write_key]:
            assert secret not in held
        if not stopped:
            await server.stopService()


def test_only_its_owner_may_enter_its_directory(serve, directory):
    serve()
    assert oct(directory.stat().st_mode)[-3:] == "700"


# ---- the public root ---------------------------------------------------------------------


@ensureDeferred
async def test_the_public_root_is_the_same_after_a_restart(serve, root_file):
    first = serve()
    cap = first.remote_get_public_root_uri()
    assert re.fullmatch(rb"URI:DIR:pb://.*:[a-z2-7]{26}", cap)
    assert oct(root_file.stat().st_mode)[-3:] == "600"
    assert root_file.read_text().strip().encode() in cap
    await first.stopService()
    assert serve().remote_get_public_root_uri() == cap


def test_where_none_is_offered_there_is_no_root_and_no_key(serve, root_file):
    with pytest.raises(NotFoundError):
        serve(root_file=None).remote_get_public_root_uri()
    assert not root_file.exists()


@pytest.mark.parametrize("text", ["", "short", "é" * 26, "A" * 26, "a" * 27, "a" * 52])
def test_a_root_file_that_holds_no_key_is_refused_and_left_alone(serve, root_file, text):
    root_file.parent.mkdir()
    root_file.write_text(text)
    with pytest.raises(ConfigError, match="vdrive-root") as caught:
        serve()
    assert root_file.read_text() == text
    assert not text or text not in str(caught.value.as_json())


# ---- starting and stopping ---------------------------------------------------------------


@ensureDeferred
async def test_changes_in_hand_are_done_and_answered_before_it_stops(serve):
    server = serve()
    call = await begin(server)
    changes = [call("set", IX, WE, *parts(sealed(f"n{i}"))) for i in range(200)]
    reading = call("list_page", IX, b"", 1000)
    await call("sequence", IX)  # by now all have arrived
    await server.stopService()
    assert await gather(changes) == [None] * 200
    await reading
    again = LocalReference(serve()).callRemote
    assert len(await entries(again)) == 200


def parts(row):
    return row.key, row.name, row.write, row.read


@ensureDeferred
async def test_a_stopped_server_says_so(serve):
    server = serve()
    call = await begin(server)
    await server.stopService()
    for waiting in (call("sequence", IX), call("create_directory", IX, WE)):
        assert await refused(waiting) == ("GridError", "the vdrive server is stopped")


def test_damaged_tables_are_refused_and_left_alone(serve, directory):
    directory.mkdir()
    (directory / "tables.sqlite3").write_bytes(b"precious")
    with pytest.raises(CorruptError):
        serve()
    assert (directory / "tables.sqlite3").read_bytes() == b"precious"


# ---- many writers ------------------------------------------------------------------------


@ensureDeferred
async def test_sixteen_clients_add_a_hundred_names_each_and_none_is_lost(serve):
    server = serve()
    await begin(server)
    clients = [LocalReference(server).callRemote for _ in range(16)]

    async def add(client, i):
        for j in range(100):
            await client("set", IX, WE, *parts(sealed(f"{i}-{j}")))

    await gather([add(client, i) for i, client in enumerate(clients)])
    found, after = [], None
    while after != b"":
        packed, after = await clients[0]("list_page", IX, after or b"", 1000)
        found += [unseal(KEYS, row).name for row in unpack_rows(packed)]
    assert sorted(found) == sorted(f"{i}-{j}" for i in range(16) for j in range(100))
    assert await clients[0]("sequence", IX) == 1600


@ensureDeferred
async def test_readers_see_a_change_of_many_rows_whole_or_not_at_all(serve):
    call = await begin(serve())
    versions = [[sealed(f"n{i}", read_cap=f"v{v}") for i in range(50)] for v in range(20)]
    calls = [put(call, *versions[0])]
    for rows in versions[1:]:
        calls += [entries(call), put(call, *rows), entries(call)]
    for found in await gather(calls):
        assert found is None or len({entry.read_cap for entry in found}) <= 1


# ---- damage and full disks ---------------------------------------------------------------


def spoil(directory, sql, *values):
    db = sqlite3.connect(directory / "tables.sqlite3")
    with db:
        db.execute(sql, values)
    db.close()


DAMAGES = {
    "a bit less": "UPDATE children SET read = substr(read, 2) WHERE key = ?",
    "empty": "UPDATE children SET read = x'' WHERE key = ?",
    "too large": "UPDATE children SET read = zeroblob(70000) WHERE key = ?",
    "a number": "UPDATE children SET read = 5 WHERE key = ?",
    "a text": "UPDATE children SET read = 'text' WHERE key = ?",
}


@pytest.mark.parametrize("damage", DAMAGES)
@ensureDeferred
async def test_a_damaged_row_is_served_for_its_reader_to_judge(serve, directory, damage):
    call = await begin(serve())
    await put(call, sealed("good"), sealed("bad"))
    spoil(directory, DAMAGES[damage], KEYS.row_key("bad"))
    packed, _ = await call("list_page", IX, b"", 1000)
    assert len(await call("list", IX)) == 2
    rows = {row.key: row for row in unpack_rows(packed)}
    assert unseal(KEYS, rows[KEYS.row_key("good")]).name == "good"
    with pytest.raises(CorruptError):
        unseal(KEYS, rows[KEYS.row_key("bad")])
    await put(call, sealed("bad"))
    assert {entry.name for entry in await entries(call)} == {"good", "bad"}


@pytest.mark.parametrize("date", [-1, "now", b"now", 1.5])
@ensureDeferred
async def test_a_damaged_date_is_the_beginning_of_time(serve, directory, date):
    call = await begin(serve())
    await put(call, sealed("name"))
    spoil(directory, "UPDATE children SET created = ?", date)
    packed, _ = await call("list_page", IX, b"", 1000)
    (row,) = unpack_rows(packed)
    assert row.created == 0 < row.changed
    assert unseal(KEYS, row).name == "name"


@pytest.mark.parametrize("key", [b"short", b"l" * 33, b"l" * 10_000])
@ensureDeferred
async def test_a_row_whose_key_is_none_is_passed_over(serve, directory, key):
    call = await begin(serve())
    await put(call, sealed("good"), sealed("bad"))
    spoil(directory, "UPDATE children SET key = ? WHERE key = ?", key, KEYS.row_key("bad"))
    assert [entry.name for entry in await entries(call)] == ["good"]
    assert len(await call("list", IX)) == 1


@ensureDeferred
async def test_a_full_disk_refuses_changes_and_goes_on_reading(serve):
    server = serve()
    call = await begin(server)
    await put(call, sealed("first"))
    db = server._tables._db
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    db.execute(f"PRAGMA max_page_count = {pages + 2}")
    large = [Row(bytes([i]) * 32, b"n", b"", b"r" * 2000) for i in range(200)]
    assert await refused(put(call, *large)) == (
        NoSpaceError.__name__,
        "the vdrive server's disk is full",
    )
    assert [entry.name for entry in await entries(call)] == ["first"]
    await call("delete", IX, WE, KEYS.row_key("first"))
    await put(call, sealed("second"))
    assert [entry.name for entry in await entries(call)] == ["second"]


@ensureDeferred
async def test_changes_are_acknowledged_only_when_they_are_durable(
    serve, directory, tmp_path
):
    server = serve()
    call = await begin(server)
    acknowledged = []

    async def change(i):
        await call("set", IX, WE, *parts(sealed(f"n{i}")))
        acknowledged.append(i)
        if i % 10 == 0:  # what a crash at this moment would leave
            crashed = {path.name: path.read_bytes() for path in directory.iterdir()}
            crashes.append((list(acknowledged), crashed))

    crashes = []
    assert await settle(map(change, range(60))) == [None] * 60
    for i, (names, files) in enumerate(crashes):
        left = tmp_path / f"crash{i}"
        left.mkdir()
        for name in ("tables.sqlite3", "tables.sqlite3-wal"):
            (left / name).write_bytes(files[name])
        db = sqlite3.connect(left / "tables.sqlite3")
        held = {key for (key,) in db.execute("SELECT key FROM children")}
        db.close()
        assert {KEYS.row_key(f"n{i}") for i in names} <= held
    assert len(crashes) == 6


def test_starting_fails_cleanly_where_the_root_cannot_be_made(serve, root_file, directory):
    root_file.parent.write_text("a file where a directory should be")
    with pytest.raises(OSError, match="exists"):
        serve()
    root_file.parent.unlink()
    serve()
