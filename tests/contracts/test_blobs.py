"""What IBlobs and IBlobCollection promise, with contents in memory and on a real grid."""

import pytest
from pytest_twisted import blockon, ensureDeferred
from zope.interface.verify import verifyObject

from allmydata.errors import (
    CancelledError,
    ConflictError,
    NotFoundError,
    UploadSourceError,
    UsageError,
)
from allmydata.interfaces import IBlob, IBlobCollection, IBlobs, IIntake
from allmydata.streams.target import Data
from allmydata.util.deferreds import settle, start
from tests.support.blobs import BlobsBench
from tests.support.checks import until

SIZES = [0, 1, 55, 56, 500, 1024, 1025, 5000, 2**16, 2**16 + 1, 300_000, 3_000_000]
KEYS = [b"a", bytes(range(256)), b"\0", b"/", b"..", "é😀".encode(), b"k" * 1024]


def content(size: int, seed: int = 1) -> bytes:
    return bytes((i * seed) % 251 for i in range(min(size, 4096))) * (size // 4096 + 1)


def some(size: int, seed: int = 1) -> bytes:
    return content(size, seed)[:size]


@pytest.fixture(params=["memory", "grid"])
def bench(request, tmp_path):
    bench = BlobsBench(tmp_path, on_grid=request.param == "grid")
    blockon(start(bench.start()))
    yield bench
    blockon(start(bench.stop()))


@pytest.fixture
def room(bench):
    return bench.room()


@pytest.fixture
def keys(room):
    return room.collection("keys")


@ensureDeferred
async def test_they_keep_their_interfaces(room, keys):
    assert verifyObject(IBlobs, room)
    assert verifyObject(IBlobCollection, keys)
    assert verifyObject(IIntake, keys.receive())
    assert verifyObject(IBlob, await keys.put(b"k", b"content"))


@pytest.mark.parametrize("size", SIZES)
@ensureDeferred
async def test_what_is_put_comes_back_whole_and_in_parts(keys, size):
    data = some(size)
    blob = await keys.put(b"k", data)
    assert (blob.key, blob.size) == (b"k", size)
    assert await keys.find(b"k") == blob
    assert await keys.read_bytes(blob) == data
    for offset, length in ((0, 10), (size // 2, 1000), (max(size - 3, 0), None), (size, 5)):
        part = await keys.read(blob, Data(), offset, length)
        assert part == data[offset:][:length]


@pytest.mark.parametrize("size", SIZES)
@ensureDeferred
async def test_what_comes_in_pieces_is_the_same(keys, size):
    data = some(size)
    intake = keys.receive(size)
    waiting = start(keys.put(b"k", intake))
    for at in range(0, size, 70_000):
        held = intake.write(data[at : at + 70_000])
        if held is not None:
            await held
    intake.finish()
    blob = await waiting
    assert await keys.read_bytes(blob) == data
    assert blob.digest == (await keys.put(b"other", data)).digest


@pytest.mark.parametrize("key", KEYS)
@ensureDeferred
async def test_a_key_is_any_bytes(keys, key):
    await keys.put(key, b"content", meta=b"m" * 128)
    blob = await keys.find(key)
    assert (blob.key, blob.meta) == (key, b"m" * 128)
    assert await keys.find(key + b"x") is None


@ensureDeferred
async def test_what_is_no_key_is_refused(keys):
    for key, meta in ((b"", b""), (b"k" * 1025, b""), (b"k", b"m" * 129)):
        with pytest.raises(UsageError):
            await keys.put(key, b"content", meta=meta)
    assert await keys.totals() == (0, 0)


@pytest.mark.parametrize("name", ["", "A", "a b", "../x", "1a", "content", "a" * 33])
def test_what_is_no_collection_is_refused(room, name):
    with pytest.raises(UsageError):
        room.collection(name)


@ensureDeferred
async def test_a_key_is_replaced_or_not_as_one_likes(keys):
    first = await keys.put(b"k", b"one", replace=False)
    with pytest.raises(ConflictError):
        await keys.put(b"k", b"two", replace=False)
    assert await keys.find(b"k") == first
    second = await keys.put(b"k", b"two")
    assert second.version > first.version
    assert await keys.read_bytes(await keys.find(b"k")) == b"two"


@ensureDeferred
async def test_a_key_is_deleted_once(keys):
    blob = await keys.put(b"k", b"one")
    assert await keys.delete(b"k") == blob
    assert await keys.delete(b"k") is None
    assert await keys.find(b"k") is None
    assert (await keys.put(b"k", b"one", replace=False)).version > blob.version


@pytest.mark.parametrize("size", [3, 5000, 100_000])
@ensureDeferred
async def test_of_those_who_race_for_a_key_one_wins(keys, size):
    tries = [keys.put(b"k", some(size, n), replace=False) for n in range(1, 17)]
    outcomes = await settle(tries)
    won = [one for one in outcomes if verifies(one)]
    lost = [one for one in outcomes if not verifies(one)]
    assert len(won) == 1 and all(one.check(ConflictError) for one in lost)
    assert await keys.find(b"k") == won[0]
    assert await keys.read_bytes(won[0]) == some(size, 1 + outcomes.index(won[0]))


def verifies(outcome) -> bool:
    return IBlob.providedBy(outcome)


@ensureDeferred
async def test_equal_contents_are_stored_once(bench, room, keys):
    data, other = some(100_000), room.collection("other")
    await settle([keys.put(b"%d" % i, data) for i in range(5)])
    await other.put(b"k", data)
    assert room._uploader.num_uploads == 1
    await keys.delete(b"0")
    await other.delete(b"k")
    assert await keys.read_bytes(await keys.find(b"1")) == data
    assert room._uploader.num_uploads == 1


@ensureDeferred
async def test_a_content_that_is_held_gets_another_key(room, keys):
    blob, other = await keys.put(b"k", some(5000)), room.collection("other")
    linked = await other.link(b"l", blob.digest)
    assert (linked.key, linked.digest, linked.size) == (b"l", blob.digest, 5000)
    await keys.delete(b"k")
    assert await other.read_bytes(linked) == some(5000)
    assert await other.link(b"m", bytes(32)) is None
    with pytest.raises(ConflictError):
        await other.link(b"l", blob.digest, replace=False)


@ensureDeferred
async def test_a_content_goes_with_its_last_key(room, keys):
    for data in (b"tiny", some(5000), some(100_000)):
        blob = await keys.put(b"k", data)
        await keys.put(b"l", data)
        await keys.delete(b"k")
        assert (await room.status())["contents"] == 1
        await keys.put(b"l", b"")
        await keys.delete(b"l")
        await until(lambda: not room._store.counts()["contents"])
        with pytest.raises(NotFoundError):
            await keys.read_bytes(blob)


@ensureDeferred
async def test_small_contents_that_come_at_once_share_a_file(bench, room, keys):
    many = {b"%d" % i: some(2000, i + 1) for i in range(40)}
    await settle([keys.put(key, data) for key, data in many.items()])
    assert room._uploader.num_uploads < 10
    for key, data in many.items():
        assert await keys.read_bytes(await keys.find(key)) == data
    for key in many:
        await keys.delete(key)
    await until(lambda: not room._store.counts()["packs"])


@ensureDeferred
async def test_keys_are_told_in_order(keys):
    for key in (b"b", b"a", b"\xff", b"c"):
        await keys.put(key, key)
    await keys.put(b"b", b"again")
    assert [one.key for one in await keys.page()] == [b"a", b"b", b"c", b"\xff"]
    assert [one.key for one in await keys.page(b"a", 2)] == [b"b", b"c"]
    changes = await keys.changes()
    assert [one.key for one in changes] == [b"a", b"\xff", b"c", b"b"]
    assert await keys.changes(changes[1].version) == changes[2:]
    assert await keys.totals() == (4, 8)
    found = await keys.find_many([b"c", b"x", b"a"])
    assert [one and one.key for one in found] == [b"c", None, b"a"]


@ensureDeferred
async def test_asking_makes_nothing(bench, room, keys):
    assert await keys.find(b"k") is None and await keys.page() == []
    assert await keys.totals() == (0, 0) and await keys.delete(b"k") is None
    root = await bench.drives.drives[0].get_private_root()
    assert await root.list() == {}


@pytest.mark.parametrize("size", [100, 100_000])
@ensureDeferred
async def test_a_content_that_is_not_as_long_as_promised_is_refused(keys, size):
    for promised in (size - 1, size + 1):
        intake = keys.receive(promised)
        intake.write(some(size))
        intake.finish()
        with pytest.raises(UploadSourceError):
            await keys.put(b"k", intake)
    assert await keys.find(b"k") is None


@pytest.mark.parametrize("size", [100, 100_000])
@ensureDeferred
async def test_a_content_that_is_given_up_leaves_nothing(room, keys, size):
    intake = keys.receive()
    waiting = start(keys.put(b"k", intake))
    intake.write(some(size))
    intake.close()
    with pytest.raises(CancelledError):
        await waiting
    assert await keys.find(b"k") is None
    assert room._store.counts()["contents"] == 0


@ensureDeferred
async def test_an_intake_is_closed_whatever_happens(keys):
    await keys.put(b"k", b"there")
    intake = keys.receive()
    intake.write(some(100_000))
    with pytest.raises(ConflictError):
        await keys.put(b"k", intake, replace=False)
    assert intake.write(b"more") is None  # and nobody waits for room


@ensureDeferred
async def test_a_node_that_starts_again_knows_all(bench, room, keys):
    blobs = [await keys.put(b"%d" % size, some(size)) for size in SIZES]
    await room.stopService()
    again = bench.room().collection("keys")
    assert sorted(await again.page(), key=lambda one: one.version) == blobs
    assert await again.read_bytes(blobs[-1]) == some(SIZES[-1])


async def fill(room) -> dict[str, list]:
    """Put all kinds of things in two collections; return what is there."""
    keys, other = room.collection("keys"), room.collection("other")
    for size in SIZES:
        await keys.put(b"s%d" % size, some(size), meta=b"meta")
    for key in KEYS:
        await other.put(key, key)
    await settle([keys.put(b"p%d" % i, some(2000, i + 2)) for i in range(30)])
    for i in range(0, 30, 3):
        await keys.delete(b"p%d" % i)
    await keys.put(b"s55", b"other than before")
    return {"keys": await keys.page(), "other": await other.page()}


@ensureDeferred
async def test_an_index_that_is_lost_is_made_again_entry_for_entry(bench, room):
    before = await fill(room)
    counts = await room.status()
    await room.stopService()
    bench.index().unlink()
    again = bench.room()
    for name, blobs in before.items():
        found = again.collection(name)
        assert await found.page() == blobs
        for blob in blobs:
            assert len(await found.read_bytes(blob)) == blob.size
    after = await again.status()
    assert after["collections"] == counts["collections"]
    assert (after["missing"], after["dropped"]) == (0, 0)


@ensureDeferred
async def test_recover_makes_it_again_while_the_node_runs(room):
    before = await fill(room)
    told = await room.recover()
    assert told["collections"] == {name: len(blobs) for name, blobs in before.items()}
    assert await room.collection("keys").page() == before["keys"]
    assert await room.collection("keys").put(b"new", b"x", replace=False)


@ensureDeferred
async def test_another_node_with_the_same_root_recovers_all(bench, room):
    before = await fill(room)
    await room.stopService()
    twin = bench.base / "twin"
    twin.mkdir()
    (twin / "my_vdrive.uri").write_bytes((bench.base / "client/my_vdrive.uri").read_bytes())
    assert await bench.room("twin").collection("keys").page() == before["keys"]


@ensureDeferred
async def test_an_index_that_is_old_catches_up(bench, room, keys):
    await keys.put(b"a", some(5000))
    await room.stopService()
    old = bench.index().read_bytes()
    second = bench.room()
    await second.collection("keys").put(b"b", some(6000, 2))
    await second.collection("keys").delete(b"a")
    await second.stopService()
    bench.index().write_bytes(old)
    third = bench.room().collection("keys")
    assert [one.key for one in await third.page()] == [b"b"]
    assert await third.read_bytes(await third.find(b"b")) == some(6000, 2)


@ensureDeferred
async def test_an_index_that_is_damaged_is_made_again(bench, room, keys):
    blob = await keys.put(b"a", some(5000))
    await room.stopService()
    bench.index().write_bytes(b"no database at all" * 1000)
    again = bench.room().collection("keys")
    assert await again.find(b"a") == blob
    assert bench.index().with_name("blobs.sqlite.damaged").exists()
