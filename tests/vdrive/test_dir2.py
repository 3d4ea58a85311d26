"""Directories of Tahoe-LAFS: what they do beside the contract that all kinds keep."""

import pytest
from pytest_twisted import blockon, ensureDeferred

from allmydata.crypto.mutable_keys import MutableKeys
from allmydata.errors import (
    BadCapError,
    CorruptError,
    MutableChildError,
    NoSuchChildError,
    NotMutableError,
)
from allmydata.formats.dir2 import Dir2Entry, pack_directory, seal_write_cap
from allmydata.uri import Dir2URI, from_string
from allmydata.util.deferreds import gather, settle, start
from tests.support.drive import DriveBench
from tests.support.grid import LocalGrid

LIT = "URI:LIT:nbuq"
CHK = "URI:CHK:" + "a" * 26 + ":" + "a" * 52 + ":3:10:5000"
FUTURE = "x-tahoe-future:abc"


@pytest.fixture
def bench(tmp_path):
    grid = LocalGrid(tmp_path / "grid", 3, (1, 2, 3))
    blockon(start(grid.start()))
    bench = DriveBench(tmp_path, grid=grid)
    blockon(start(bench.serve()))
    yield bench
    blockon(start(bench.stop()))
    blockon(start(grid.stop()))


@pytest.fixture
def drive(bench):
    times = iter(range(1000, 10_000))
    return bench.drive(bench.servers[0], now=lambda: float(next(times)))


async def content(drive, node):
    return await (await drive.get_node(node.cap.file)).download_to_data()


async def rewrite(drive, node, entries):
    """Write what no program of ours would."""
    await (await drive.get_node(node.cap.file)).overwrite(pack_directory(entries))


def entry(node, name, write="", read="", metadata=b"{}"):
    keys = MutableKeys.from_write_key(node.cap.file.write_key)
    return Dir2Entry(name, read.encode(), seal_write_cap(keys, write.encode()), metadata)


# ---- changes ---------------------------------------------------------------------------


@ensureDeferred
async def test_a_thousand_children_are_one_version(drive):
    node = await drive.create_directory("SDMF")
    await node.set_children({f"n{i}": LIT for i in range(1000)})
    assert await node.sequence() == 2
    assert len(await node.list()) == 1000


@ensureDeferred
async def test_changes_at_once_share_rewrites_and_fail_each_alone(drive):
    node = await drive.create_directory("SDMF")
    works = [node.set_uri(f"n{i}", LIT) for i in range(50)]
    works += [node.delete("absent"), node.set_uri("n1", CHK, replace=False)]
    outcomes = await settle(works)
    assert outcomes[50].check(NoSuchChildError) and "'n1'" in str(outcomes[51].value)
    assert len(await node.list()) == 50
    assert await node.sequence() < 10


@ensureDeferred
async def test_what_is_not_changed_is_written_as_it_was_read(drive):
    node = await drive.create_directory("SDMF")
    odd = [
        entry(node, "e\u0301", "", "URI:FUTURE:x", b'{"b":1,  "a": 2}'),
        entry(node, "both", FUTURE, "x-read:1", b"no JSON"),
        Dir2Entry("short", b"", b"not sealed"),
    ]
    await rewrite(drive, node, odd)
    await node.set_uri("new", LIT)
    await node.delete("new")
    assert await content(drive, node) == pack_directory(odd)
    seen = {name: child.get_uri() for name, child in (await node.list()).items()}
    assert seen == {"both": FUTURE, "short": None, "\xe9": "ro.URI:FUTURE:x"}


# ---- what is said of children ----------------------------------------------------------


@ensureDeferred
async def test_dates_and_words_stay_with_a_name(drive):
    node = await drive.create_directory("MDMF")
    await node.set_children({"x": LIT}, metadata={"x": {"mine": 1, "tahoe": "ignored"}})
    first = await node.get_child("x")
    assert first.metadata["mine"] == 1 and first.created == first.changed
    await node.set_uri("x", CHK)
    again = await node.get_child("x")
    assert (again.metadata["mine"], again.created) == (1, first.created)
    assert again.changed > first.changed
    await node.set_children({"x": LIT}, metadata={"x": {"other": 2}})
    words = (await node.get_child("x")).metadata
    assert set(words) == {"other", "tahoe"}
    other = await drive.create_directory("SDMF")
    await node.move_child_to("x", other, "y")
    moved = await other.get_child("y")
    assert (moved.metadata["other"], moved.created) == (2, first.created)


@ensureDeferred
async def test_no_write_stores_a_child_that_only_reads(drive):
    node, sub = [await drive.create_directory("SDMF") for _ in range(2)]
    await node.set_children({"s": sub.get_uri()}, metadata={"s": {"no-write": True}})
    assert (await node.get("s")).get_uri() == sub.get_immutable_uri()
    await node.set_uri("s", sub.get_uri())
    assert (await node.get("s")).get_uri() == sub.get_immutable_uri()


@pytest.mark.parametrize(
    "text", [b"", b"[]", b'{"tahoe": 1}', b'{"tahoe": {"linkmotime": "x"}}', b"[" * 9999]
)
@ensureDeferred
async def test_what_is_no_metadata_is_none(drive, text):
    node = await drive.create_directory("SDMF")
    await rewrite(drive, node, [entry(node, "x", "", LIT, text)])
    child = await node.get_child("x")
    assert (child.changed, child.created) == (None, None)
    await node.set_uri("x", CHK)
    assert (await node.get_child("x")).changed is not None


# ---- whoever wrote it may have written anything ----------------------------------------


@ensureDeferred
async def test_a_write_capability_where_readers_look_gives_nobody_the_right_to_write(drive):
    node, sub = [await drive.create_directory("SDMF") for _ in range(2)]
    await rewrite(drive, node, [entry(node, "x", "", sub.get_uri())])
    weak = await drive.get_node(node.get_immutable_uri())
    for one in (node, weak):
        assert (await one.get("x")).get_uri() == sub.get_immutable_uri()


@ensureDeferred
async def test_what_makes_no_sense_spoils_no_other_child(drive):
    node = await drive.create_directory("SDMF")
    mistyped = entry(node, "m", "URI:SSK:abc", "URI:CHK:abc")
    await rewrite(drive, node, [mistyped, entry(node, "x", "", LIT)])
    found = await node.list()
    assert found["x"].get_uri() == LIT and found["m"].kind == "unknown"


@ensureDeferred
async def test_a_file_that_is_no_directory_is_told_so(drive):
    node = await drive.create_directory("SDMF")
    await (await drive.get_node(node.cap.file)).overwrite(b"hello")
    for work in (node.list(), node.set_uri("x", LIT)):
        with pytest.raises(CorruptError):
            await work
    assert await content(drive, node) == b"hello"
    huge = from_string(f"URI:DIR2-CHK:{CHK[8:].replace('5000', '9' * 12)}")
    with pytest.raises(CorruptError, match="at most"):
        await (await drive.get_node(huge)).list()


# ---- immutable ones --------------------------------------------------------------------


@ensureDeferred
async def test_an_immutable_directory_is_the_same_for_the_same_children(drive):
    children = {"f": CHK, "l": LIT, "u": f"imm.{FUTURE}"}
    node, again = [
        await drive.create_immutable_directory(children, {"f": {"k": "v"}})
        for _ in range(2)
    ]
    assert node == again and node.get_uri().startswith("URI:DIR2-CHK:")
    assert not node.is_mutable() and await node.sequence() == 0
    seen = {name: child.get_uri() for name, child in (await node.list()).items()}
    assert seen == children
    assert (await node.get_child("f")).metadata == {"k": "v"}
    outer = await drive.create_immutable_directory({"in": node.get_uri()})
    assert (await outer.get_child_at_path("in/l")).get_uri() == LIT
    for work in (node.set_uri("x", LIT), node.delete("f"), node.make_directory("d")):
        with pytest.raises(NotMutableError, match="nobody"):
            await work


@ensureDeferred
async def test_a_few_children_lie_in_the_capability(drive):
    empty = await drive.create_immutable_directory({})
    assert empty.get_uri() == "URI:DIR2-LIT:" and await empty.list() == {}
    one = await drive.create_immutable_directory({"a": LIT})
    assert one.get_uri().startswith("URI:DIR2-LIT:")
    assert one.get_refresh_capability() is None
    node = await drive.create_directory("SDMF")
    await node.set_children({"one": one.get_uri(), "empty": empty.get_uri()})
    paths = [path async for path, _ in node.walk()]
    assert sorted(paths) == [(), ("empty",), ("one",), ("one", "a")]


@ensureDeferred
async def test_an_immutable_directory_holds_nothing_that_changes(drive):
    sub = await drive.create_directory("SDMF")
    file = (sub.cap.file.get_readonly()).to_string()
    for cap in (sub.get_uri(), sub.get_immutable_uri(), file, f"ro.{FUTURE}"):
        with pytest.raises(MutableChildError, match="'x'"):
            await drive.create_immutable_directory({"ok": LIT, "x": cap})
    with pytest.raises(BadCapError):
        await drive.create_immutable_directory({"x": "two words"})


@ensureDeferred
async def test_what_could_be_changed_is_left_out_of_what_can_not(bench, drive):
    sub = await drive.create_directory("SDMF")
    entries = [Dir2Entry("bad", sub.get_immutable_uri().encode(), b"")]
    entries += [Dir2Entry("ok", LIT.encode(), b""), Dir2Entry("u", FUTURE.encode(), b"")]
    cap = await bench.grid.put(pack_directory(entries))
    node = await drive.get_node(Dir2URI(from_string(cap)))
    assert {n: c.get_uri() for n, c in (await node.list()).items()} == {
        "ok": LIT,
        "u": f"imm.{FUTURE}",
    }


# ---- of both kinds ---------------------------------------------------------------------


@ensureDeferred
async def test_children_move_between_kinds_and_keep_their_rights(drive):
    ours, theirs = await drive.create_directory(), await drive.create_directory("SDMF")
    sub = await ours.make_directory("sub")
    deep = await ours.make_directory("theirs", format="MDMF")
    assert deep.get_uri().startswith("URI:DIR2-MDMF:")
    assert await ours.move_child_to("sub", theirs, "s") == sub
    assert await ours.move_child_to("theirs", theirs) == deep
    assert await ours.list() == {}
    assert await theirs.list() == {"s": sub, "theirs": deep}
    await theirs.move_child_to("s", ours)
    assert (await ours.list(), await theirs.list()) == ({"s": sub}, {"theirs": deep})
    weak = await drive.get_node(theirs.get_immutable_uri())
    with pytest.raises(NotMutableError):
        await ours.move_child_to("s", weak)


@ensureDeferred
async def test_a_child_that_is_replaced_while_it_moves_is_not_taken_out(drive):
    here, there = [await drive.create_directory("SDMF") for _ in range(2)]
    await here.set_uri("x", LIT)
    child = await here.get_child("x")
    await here.set_uri("x", CHK)
    await there.adopt("x", child)
    await here.let_go(child)
    assert (await here.get("x")).get_uri() == CHK


@ensureDeferred
async def test_directories_below_are_of_the_kind_of_the_one_they_are_in(drive):
    for kind, prefix in (("SDMF", "URI:DIR2:"), ("MDMF", "URI:DIR2-MDMF:")):
        node = await drive.create_directory(kind)
        made, bare = await gather([node.make_directory("d"), node.make_sibling()])
        assert made.get_uri().startswith(prefix) and bare.get_uri().startswith(prefix)


@ensureDeferred
async def test_without_mutable_files_only_what_nobody_changes_can_be_read(bench, drive):
    theirs = await drive.create_directory("SDMF")
    lit = await drive.create_immutable_directory({"a": LIT})
    other = bench.drive(bench.servers[0], mutables=None)
    assert (await other.get_node(theirs.get_uri())).kind == "unknown"
    assert list(await (await other.get_node(lit.get_uri())).list()) == ["a"]


@ensureDeferred
async def test_a_verify_capability_of_a_directory_is_known_and_opens_nothing(drive):
    node = await drive.create_directory("SDMF")
    verify = await drive.get_node(node.get_refresh_capability())
    assert (verify.kind, verify.get_uri()) == ("unknown", node.get_refresh_capability())
