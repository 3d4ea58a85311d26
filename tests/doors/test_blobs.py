"""Byte layouts of blobs; and what happens when the grid does not do as it is asked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_twisted import blockon, ensureDeferred

from allmydata.doors.blobs.pack import lay_out, make_pack, read_table, table_size
from allmydata.doors.blobs.record import (
    TINY,
    Blob,
    caps_of,
    read_record,
    record_in,
    row_of,
)
from allmydata.errors import ConflictError, CorruptError, GridError, NotEnoughServersError
from allmydata.util.deferreds import settle, start
from tests.support.blobs import BlobsBench

digests = st.binary(min_size=32, max_size=32)
numbers = st.integers(0, 2**63)


@given(st.binary(min_size=1, max_size=1024), digests, numbers, st.binary(max_size=128))
def test_a_record_is_read_back(key, digest, number, meta):
    blob = Blob(key, digest, TINY + 1 + number, number, number, meta)
    assert read_record(row_of(key), blob.to_bytes()) == (blob, b"")
    caps = caps_of(blob.to_bytes())
    slots = caps if isinstance(caps, tuple) else (None, caps)
    assert record_in(slots) == blob.to_bytes()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: b"",
        lambda data: b"\2" + data[1:],
        lambda data: data[:40],
        lambda data: data[:-1],
        lambda data: data[:-1] + b"?",
    ],
)
def test_what_is_no_record_is_refused(spoil):
    from hashlib import sha256

    blob = Blob(b"key", sha256(b"tiny").digest(), 4, 1, 1)
    with pytest.raises(CorruptError):
        read_record(blob.row, spoil(blob.to_bytes(b"tiny")))
    with pytest.raises(CorruptError):
        read_record(row_of(b"other"), blob.to_bytes(b"tiny"))


@given(st.lists(st.tuples(digests, st.binary(max_size=50)), max_size=20))
def test_a_pack_tells_what_is_in_it(contents):
    pack = make_pack(contents)
    table = read_table(pack[: table_size(pack)], len(pack))
    assert table == lay_out([(digest, len(data)) for digest, data in contents])
    for one, (digest, data) in zip(table, contents, strict=True):
        assert (one.digest, pack[one.offset :][: one.size]) == (digest, data)


@pytest.mark.parametrize(
    ("head", "total", "why"),
    [
        (b"", 0, "no pack"),
        (b"ABP2\0\0\0\0", 8, "no pack"),
        (b"ABP1\xff\0\0\0", 8, "4278190080 contents"),
        (b"ABP1\0\0\0\1", 48, "has 8 bytes, wanted 48"),
        (b"ABP1\0\0\0\0", 9, "by its table 8"),
    ],
)
def test_what_is_no_pack_is_refused(head, total, why):
    with pytest.raises(CorruptError, match=why):
        read_table(head, total)


# ---- the grid fails ----------------------------------------------------------------------


@pytest.fixture
def bench(tmp_path):
    bench = BlobsBench(tmp_path)
    blockon(start(bench.start()))
    yield bench
    blockon(start(bench.stop()))


@ensureDeferred
async def test_of_a_row_that_may_be_there_the_grid_is_asked_at_the_next_start(bench):
    room = bench.room()
    keys = room.collection("keys")
    await keys.put(b"a", b"one")
    bench.served.spoil(lambda *_: GridError("the answer is lost"))
    with pytest.raises(GridError):
        await keys.put(b"b", b"two")
    bench.served.spoil(None)
    assert await keys.find(b"b") is None
    await keys.put(b"c", b"three")
    await room.stopService()
    again = bench.room().collection("keys")
    assert [one.key for one in await again.page()] == [b"a", b"b", b"c"]
    assert await again.read_bytes(await again.find(b"b")) == b"two"


@ensureDeferred
async def test_too_few_servers_change_nothing(bench):
    room = bench.room()
    keys = room.collection("keys")
    await keys.put(b"a", b"x" * 5000)
    room._uploader.error = NotEnoughServersError("2 of 7")
    for size in (6000, 100_000):
        outcomes = await settle([keys.put(b"a", bytes(size)) for _ in range(3)])
        assert all(one.check(NotEnoughServersError) for one in outcomes)
    room._uploader.error = None
    assert await keys.read_bytes(await keys.find(b"a")) == b"x" * 5000
    assert (await room.status())["contents"] == 1
    await keys.put(b"a", bytes(6000))


@ensureDeferred
async def test_a_pack_that_can_t_be_read_now_is_read_another_time(bench):
    room = bench.room()
    keys = room.collection("keys")
    await settle([keys.put(b"%d" % i, b"%d" % i * 2000) for i in range(20)])
    files = bench.uploader.files
    assert (await room.status())["packs"]
    kept = dict(files)
    files.clear()
    told = await room.recover()
    assert told["dropped"] and told["missing"] and told["collections"] == {"keys": 20}
    files.update(kept)
    await room.stopService()
    again = bench.room()
    told = await again.status()
    assert (told["dropped"], told["missing"]) == (0, 0)
    found = again.collection("keys")
    assert await found.read_bytes(await found.find(b"7")) == b"7" * 2000


@ensureDeferred
async def test_another_thing_of_its_name_is_not_touched(bench):
    room = bench.room()
    root = await bench.drives.drives[0].get_private_root()
    await root.set_uri("blobs", "URI:LIT:nbuq")
    with pytest.raises(ConflictError, match="no directory"):
        await room.collection("keys").put(b"a", b"x")
    assert list(await root.list()) == ["blobs"]


@ensureDeferred
async def test_rows_of_others_are_counted_and_left(bench):
    room = bench.room()
    keys = room.collection("keys")
    await keys.put(b"a", b"x" * 5000)
    root = await bench.drives.drives[0].get_private_root()
    for name in ("content", "keys"):
        directory = await root.get_child_at_path(f"blobs/{name}")
        await directory.set_uri("strange", "URI:LIT:nbuq")
    assert (await room.recover())["dropped"] == 2
    assert [one.key for one in await keys.page()] == [b"a"]
    assert await directory.has_child("strange")
