"""What IVirtualDrive and IDirectoryNode promise, near by and over real Tubs.

And for directories of Tahoe-LAFS, which lie in files on a grid.
"""

import pytest
from pytest_twisted import blockon, ensureDeferred
from zope.interface.verify import verifyObject

from allmydata.errors import (
    BadCapError,
    BadNameError,
    ConflictError,
    FileInTheWayError,
    NoSuchChildError,
    NotCapableError,
    NotMutableError,
)
from allmydata.interfaces import IDirectoryNode, IFileNode, IVirtualDrive
from allmydata.streams.uploadable import Data
from allmydata.uri import from_string
from allmydata.util.deferreds import gather, start
from tests.support.drive import Dir2Drive, DriveBench
from tests.support.grid import LocalGrid

LIT = "URI:LIT:nbuq"
CHK = "URI:CHK:" + "a" * 26 + ":" + "a" * 52 + ":3:10:5000"
FUTURE = "x-tahoe-future:abc"
ODD = [
    "~",
    "...",
    "%2e%2e",
    "a\nb",
    "\u202egpj.exe",
    "caf\xe9",
    "-rf",
    "x" * 255,
    " ",
    "é" * 127,
]
BAD = ["", ".", "..", "a/b", "a\0", "x" * 256, "\udce4"]


@pytest.fixture(params=["near", "far", "SDMF", "MDMF"])
def kind(request):
    return request.param


@pytest.fixture
def bench(kind, tmp_path):
    grid = None
    if kind.endswith("DMF"):
        grid = LocalGrid(tmp_path / "grid", 3, (1, 2, 3))
        blockon(start(grid.start()))
    bench = DriveBench(tmp_path, far=kind == "far", grid=grid)
    blockon(start(bench.serve()))
    yield bench
    blockon(start(bench.stop()))
    if grid is not None:
        blockon(start(grid.stop()))


@pytest.fixture
def drive(bench, kind):
    drive = bench.drive(bench.servers[0])
    return Dir2Drive(drive, kind) if bench.grid else drive


async def read_only(drive, node):
    return await drive.get_node(node.get_immutable_uri())


# ---- the drive -------------------------------------------------------------------------


@ensureDeferred
async def test_the_interfaces_are_kept(drive):
    assert verifyObject(IVirtualDrive, drive)
    root = await drive.get_private_root()
    assert verifyObject(IDirectoryNode, root)
    assert verifyObject(IFileNode, await drive.get_node(CHK))


@ensureDeferred
async def test_the_public_root_is_the_same_for_all(bench, drive):
    other = bench.drive(bench.servers[0])
    assert drive.have_public_root() and other.have_public_root()
    root = await drive.get_public_root()
    assert root.is_mutable()
    await root.set_uri("x", LIT)
    there = await other.get_public_root()
    assert there == root
    assert await there.has_child("x")


@ensureDeferred
async def test_the_private_root_is_each_clients_own_and_stays(bench, drive):
    other = bench.drive(bench.servers[0])
    assert drive.have_private_root() and other.have_private_root()
    mine, again = await gather([drive.get_private_root(), drive.get_private_root()])
    assert mine == again
    assert mine != await other.get_private_root()
    later = bench.drive(bench.servers[0], name="client0")
    assert await later.get_private_root() == mine


@ensureDeferred
async def test_a_path_may_be_written_in_any_way(drive):
    public, private = await drive.get_public_root(), await drive.get_private_root()
    a = await public.create_empty_directory("a")
    b = await a.create_empty_directory("b")
    mine = await private.create_empty_directory("a")
    for path in ("/a/b", "a/b", ["a", "b"], ("a", "b")):
        assert await drive.get_node_at_path(path) == b
    for path in ("~/a", ["~", "a"], "/~/a"):
        assert await drive.get_node_at_path(path) == mine
    for path in ("", "/", []):
        assert await drive.get_node_at_path(path) == public
    assert await drive.get_node_at_path("~") == private
    assert await drive.get_node_at_path(["~"]) == private


@pytest.mark.parametrize("path", ["a//b", "//", "a/", "a/../b", ["a", ""], "./a"])
@ensureDeferred
async def test_a_path_with_what_is_no_name_is_refused(drive, path):
    with pytest.raises(BadNameError):
        await drive.get_node_at_path(path)


@ensureDeferred
async def test_the_step_of_a_path_that_fails_is_named(drive):
    root = await drive.get_public_root()
    a = await root.create_empty_directory("a")
    await a.set_uri("file", LIT)
    for path, name in (("a/no/x", "no"), ("nope", "nope"), ("a/no", "no")):
        with pytest.raises(NoSuchChildError, match=f"'{name}'") as e:
            await drive.get_node_at_path(path)
        assert isinstance(e.value, IndexError)
    with pytest.raises(FileInTheWayError, match="'file' is a file"):
        await drive.get_node_at_path("a/file/x")


@ensureDeferred
async def test_every_capability_has_a_node(drive):
    root = await drive.get_private_root()
    assert await drive.get_node(root.get_uri()) == root
    assert await drive.get_node(from_string(root.get_uri())) == root
    weak = await drive.get_node(root.get_immutable_uri())
    assert (weak.kind, weak.is_mutable()) == ("directory", False)
    for cap in (LIT, CHK):
        node = await drive.get_node(cap)
        assert (node.kind, node.get_uri(), node.is_mutable()) == ("file", cap, False)
    node = await drive.get_node(FUTURE)
    assert (node.kind, node.get_uri(), node.get_immutable_uri()) == (
        "unknown",
        FUTURE,
        None,
    )
    for text in ("URI:CHK:abc", "two words", "", "URI:DIR:x"):
        with pytest.raises(BadCapError):
            await drive.get_node(text)


@ensureDeferred
async def test_a_directory_without_a_name_can_be_made(drive):
    made = await drive.create_directory()
    assert await made.list() == {}
    assert await (await drive.get_node(made.get_uri())).list() == {}


# ---- a directory -----------------------------------------------------------------------


@ensureDeferred
async def test_a_node_tells_what_it_may_do(bench, drive, kind):
    node = await drive.create_directory()
    weak = await read_only(drive, node)
    assert node.is_mutable() and not weak.is_mutable()
    prefix = {"SDMF": "URI:DIR2", "MDMF": "URI:DIR2-MDMF"}.get(kind, "URI:DIR")
    assert node.get_uri().startswith(f"{prefix}:")
    assert node.get_immutable_uri().startswith(f"{prefix}-RO:")
    assert weak.get_uri() == weak.get_immutable_uri() == node.get_immutable_uri()
    assert node.get_refresh_capability() == weak.get_refresh_capability()
    refresh = prefix + "-Verifier:" if bench.grid else "DIR-REFRESH:"
    assert node.get_refresh_capability().startswith(refresh)


@ensureDeferred
async def test_children_are_put_found_and_taken_out(drive):
    node = await drive.create_directory()
    sub = await drive.create_directory()
    assert not await node.has_child("f")
    assert (await node.set_uri("f", CHK)).get_uri() == CHK
    assert await node.set_node("d", sub) is sub
    assert await node.has_child("f")
    assert (await node.get("f")).get_uri() == CHK
    assert await node.get("d") == sub
    assert await node.list() == {"d": sub, "f": await drive.get_node(CHK)}
    assert list(await node.list()) == ["d", "f"]
    await node.delete("f")
    assert not await node.has_child("f")
    assert list(await node.list()) == ["d"]


@ensureDeferred
async def test_what_is_absent_is_an_index_error_that_names_it(drive):
    node = await drive.create_directory()
    for work in (
        node.get("x"),
        node.get_child("x"),
        node.delete("x"),
        node.move_child_to("x", node, "y"),
        node.get_child_at_path("x/y"),
    ):
        with pytest.raises(IndexError, match="'x'"):
            await work


@ensureDeferred
async def test_a_child_is_replaced_unless_that_is_forbidden(drive):
    node = await drive.create_directory()
    await node.set_uri("x", LIT)
    with pytest.raises(ConflictError):
        await node.set_uri("x", CHK, replace=False)
    with pytest.raises(ConflictError):
        await node.set_children({"new": CHK, "x": CHK}, replace=False)
    with pytest.raises(ConflictError):
        await node.create_empty_directory("x", replace=False)
    with pytest.raises(ConflictError):
        await node.add_file("x", Data(b"other"), replace=False)
    assert list(await node.list()) == ["x"]
    assert (await node.get("x")).get_uri() == LIT
    await node.set_uri("x", CHK)
    assert (await node.get("x")).get_uri() == CHK


@ensureDeferred
async def test_a_file_is_added(drive):
    node = await drive.create_directory()
    for data in (b"short", b"long enough to be stored as shares " * 9):
        added = await node.add_file("f", Data(data))
        assert IFileNode.providedBy(added)
        assert await node.get("f") == added
        assert added.get_size() == len(data)
        assert await added.download_to_data() == data


@ensureDeferred
async def test_many_children_go_in_together(drive):
    node = await drive.create_directory()
    before = await node.sequence()
    sub = await drive.create_directory()
    await node.set_children({"a": LIT, "b": CHK, "c": sub.get_uri()})
    assert await node.sequence() == before + 1
    children = await node.list_children()
    assert list(children) == ["a", "b", "c"]
    assert children["c"].cap == sub.cap
    assert children["c"].readonly_cap == sub.cap.get_readonly()
    assert children["b"].cap == children["b"].readonly_cap == from_string(CHK)
    assert abs(children["a"].created - children["a"].changed) <= 1
    await node.set_children({})
    assert await node.sequence() == before + 1


@ensureDeferred
async def test_names_that_are_one_are_not_set_at_once(drive):
    node = await drive.create_directory()
    with pytest.raises(BadNameError, match="are one"):
        await node.set_children({"caf\xe9": LIT, "cafe\u0301": CHK})
    assert await node.list() == {}


@ensureDeferred
async def test_odd_names_are_stored_and_read_back(drive):
    node = await drive.create_directory()
    for i, name in enumerate(ODD):
        if i % 2:
            await node.set_uri(name, LIT)
        else:
            await node.create_empty_directory(name)
    assert set(await node.list()) == set(ODD)
    for name in ODD:
        assert await node.has_child(name)
        assert await node.get_child_at_path([name]) == await node.get(name)
    assert (await node.get("cafe\u0301")).get_uri() == LIT
    for name in ODD:
        await node.delete(name)
    assert await node.list() == {}


@pytest.mark.parametrize("name", BAD)
@ensureDeferred
async def test_bad_names_are_refused_everywhere(drive, name):
    node = await drive.create_directory()
    await node.set_uri("x", LIT)
    source = Data(b"never read")
    for work in (
        node.has_child(name),
        node.get(name),
        node.get_child(name),
        node.set_uri(name, LIT),
        node.set_node(name, node),
        node.set_children({"ok": LIT, name: LIT}),
        node.add_file(name, source),
        node.delete(name),
        node.create_empty_directory(name),
        node.move_child_to(name, node),
        node.move_child_to("x", node, name),
        node.get_child_at_path([name]),
    ):
        with pytest.raises(BadNameError):
            await work
    assert list(await node.list()) == ["x"]


@ensureDeferred
async def test_what_is_no_capability_is_refused(drive):
    node = await drive.create_directory()
    for cap in ("URI:CHK:abc", "", "two words", "URI:DIR:pb://x"):
        with pytest.raises(BadCapError):
            await node.set_uri("x", cap)
    assert await node.list() == {}


# ---- only reading ----------------------------------------------------------------------


@ensureDeferred
async def test_a_read_only_node_changes_nothing(drive):
    node = await drive.create_directory()
    await node.set_uri("x", LIT)
    weak, other = await read_only(drive, node), await drive.create_directory()
    for work in (
        weak.set_uri("y", LIT),
        weak.set_node("y", other),
        weak.set_children({"y": LIT}),
        weak.add_file("y", Data(b"data")),
        weak.delete("x"),
        weak.create_empty_directory("y"),
        weak.move_child_to("x", other),
        other.move_child_to("x", weak),
        node.move_child_to("x", weak),
    ):
        with pytest.raises(NotMutableError):
            await work
    assert list(await node.list()) == ["x"]
    assert await other.list() == {}


@ensureDeferred
async def test_a_read_only_node_gives_read_only_children(drive):
    node = await drive.create_directory()
    sub = await node.create_empty_directory("sub")
    deep = await sub.create_empty_directory("deep")
    await node.set_uri("f", CHK)
    weak = await read_only(drive, node)
    for found in (await weak.get("sub"), (await weak.list())["sub"]):
        assert found.get_uri() == sub.get_immutable_uri()
    found = await weak.get_child_at_path("sub/deep")
    assert found.get_uri() == deep.get_immutable_uri()
    assert (await weak.get("f")).get_uri() == CHK
    child = await weak.get_child("sub")
    assert child.cap == child.readonly_cap == sub.cap.get_readonly()


@ensureDeferred
async def test_a_read_only_child_stays_so_whoever_looks(drive):
    node, sub = await drive.create_directory(), await drive.create_directory()
    await node.set_uri("sub", sub.get_immutable_uri())
    assert (await node.get("sub")).get_uri() == sub.get_immutable_uri()


# ---- what is not known -----------------------------------------------------------------


@ensureDeferred
async def test_unknown_capabilities_are_carried_through(drive, bench):
    node = await drive.create_directory()
    caps = {"w": FUTURE, "r": f"ro.{FUTURE}", "i": f"imm.{FUTURE}"}
    given = {"w": (FUTURE, "x-read:abc")} if bench.grid else {}
    await node.set_children(caps | given)
    found = await node.list()
    assert {name: child.get_uri() for name, child in found.items()} == caps
    assert {child.kind for child in found.values()} == {"unknown"}
    other = await drive.create_directory()
    for name, child in found.items():
        await other.set_node(name, child)
        await node.move_child_to(name, other, name + "2")
    assert await node.list() == {}
    found = {name: child.get_uri() for name, child in (await other.list()).items()}
    assert found == caps | {name + "2": cap for name, cap in caps.items()}


@ensureDeferred
async def test_a_reader_never_gets_an_unknown_write_capability(drive, bench):
    node = await drive.create_directory()
    await node.set_children(
        {"r": f"ro.{FUTURE}", "both": (FUTURE, "x-read:abc"), "ro": (None, "x:y")}
    )
    weak = await read_only(drive, node)
    seen = {name: child.get_uri() for name, child in (await weak.list()).items()}
    assert seen == {"r": f"ro.{FUTURE}", "both": "ro.x-read:abc", "ro": "ro.x:y"}
    both = await node.get("both")
    assert (both.get_uri(), both.get_immutable_uri()) == (FUTURE, "ro.x-read:abc")
    if bench.grid:  # programs of Tahoe-LAFS would drop the child
        with pytest.raises(BadCapError, match="unknown kind"):
            await node.set_uri("w", FUTURE)
        return
    await node.set_uri("w", FUTURE)
    nothing = await weak.get("w")
    assert nothing.get_refresh_capability() is None and nothing.is_mutable()
    with pytest.raises(NotCapableError, match="no capability"):
        await node.set_node("w2", nothing)


@ensureDeferred
async def test_a_verify_capability_is_kept_like_the_unknown(drive, bench):
    verify = from_string(CHK).get_verify_cap().to_string()
    node = await drive.create_directory()
    if bench.grid:  # programs of Tahoe-LAFS could not list it
        with pytest.raises(BadCapError, match="verify"):
            await node.set_uri("v", verify)
        assert await node.list() == {}
        return
    child = await node.set_uri("v", verify)
    assert (child.kind, child.get_uri()) == ("unknown", verify)
    assert (await (await read_only(drive, node)).get("v")).get_uri() == verify


@ensureDeferred
async def test_no_path_leads_through_what_is_unknown(drive):
    node = await drive.create_directory()
    await node.set_uri("u", f"ro.{FUTURE}")
    with pytest.raises(FileInTheWayError, match="'u'"):
        await node.get_child_at_path("u/x")


# ---- moving ----------------------------------------------------------------------------


@ensureDeferred
async def test_a_child_is_moved_and_keeps_all_its_rights(drive):
    here, there = await drive.create_directory(), await drive.create_directory()
    sub = await here.create_empty_directory("sub")
    created = (await here.get_child("sub")).created
    assert await here.move_child_to("sub", there) == sub
    assert await here.list() == {}
    assert await there.get("sub") == sub
    assert (await there.get_child("sub")).created == created
    assert await there.move_child_to("sub", there, "other") == sub
    assert await there.list() == {"other": sub}
    weak = await read_only(drive, there)
    assert (await weak.get("other")).get_uri() == sub.get_immutable_uri()


@ensureDeferred
async def test_a_move_replaces_unless_that_is_forbidden(drive):
    node = await drive.create_directory()
    await node.set_children({"a": LIT, "b": CHK})
    with pytest.raises(ConflictError):
        await node.move_child_to("a", node, "b", replace=False)
    assert list(await node.list()) == ["a", "b"]
    await node.move_child_to("a", node, "b")
    assert {n: c.get_uri() for n, c in (await node.list()).items()} == {"b": LIT}


@ensureDeferred
async def test_a_move_to_where_it_is_changes_nothing(drive):
    node = await drive.create_directory()
    await node.set_uri("a", LIT)
    assert (await node.move_child_to("a", node)).get_uri() == LIT
    assert (await node.move_child_to("a", node, "a")).get_uri() == LIT
    with pytest.raises(ConflictError):
        await node.move_child_to("a", node, "a", replace=False)
    assert list(await node.list()) == ["a"]


@ensureDeferred
async def test_a_move_goes_from_one_server_to_another(bench, drive):
    other = bench.drive(await bench.serve())
    here, there = await drive.get_private_root(), await other.get_private_root()
    sub = await here.create_empty_directory("sub")
    await there.set_uri("taken", LIT)
    theirs = await drive.get_node(there.get_uri())
    with pytest.raises(ConflictError):
        await here.move_child_to("sub", theirs, "taken", replace=False)
    assert await here.list() == {"sub": sub}
    assert await here.move_child_to("sub", theirs, "came") == sub
    assert await here.list() == {}
    assert (await there.get("came")).get_uri() == sub.get_uri()
    assert await (await there.get("came")).list() == {}


@ensureDeferred
async def test_only_a_directory_takes_a_child(drive):
    node = await drive.create_directory()
    file = await node.set_uri("f", LIT)
    with pytest.raises(BadCapError):
        await node.move_child_to("f", file)
    assert list(await node.list()) == ["f"]


# ---- all below -------------------------------------------------------------------------


@ensureDeferred
async def test_the_manifest_is_of_all_that_can_be_reached(drive):
    root = await drive.create_directory()
    sub = await root.create_empty_directory("sub")
    await sub.set_children({"back": root.get_uri(), "self": sub.get_immutable_uri()})
    await sub.set_children({"f": CHK, "l": LIT, "u": f"ro.{FUTURE}"})
    wanted = {
        root.get_refresh_capability(),
        sub.get_refresh_capability(),
        from_string(CHK).get_verify_cap().to_string(),
    }
    assert await root.build_manifest() == wanted
    assert await sub.build_manifest() == wanted
    assert await (await read_only(drive, root)).build_manifest() == wanted


@ensureDeferred
async def test_a_walk_passes_every_name_once(drive):
    root = await drive.create_directory()
    sub = await root.create_empty_directory("sub")
    await sub.set_children({"back": root.get_uri(), "f": CHK})
    await root.set_uri("again", sub.get_uri())
    seen = [(path, node.kind) async for path, node in root.walk()]
    assert seen[0] == ((), "directory")
    first = next(path[0] for path, _ in seen if len(path) == 2)
    assert sorted(seen) == sorted(
        [
            ((), "directory"),
            (("again",), "directory"),
            (("sub",), "directory"),
            ((first, "back"), "directory"),
            ((first, "f"), "file"),
        ]
    )


@ensureDeferred
async def test_large_directories_are_listed_in_pages(drive):
    node = await drive.create_directory()
    names = [f"n{i}" for i in range(2345)]
    await node.set_children(dict.fromkeys(names, LIT))
    pages = [page async for page in node.pages()]
    assert [len(page) for page in pages] == [1000, 1000, 345]
    assert {child.name for page in pages for child in page} == set(names)
    assert len(await node.list_children()) == 2345
    assert (await node.get("n2344")).get_uri() == LIT


@ensureDeferred
async def test_some_children_are_found_by_their_names(drive):
    node = await drive.create_directory()
    await node.set_children({"é": LIT, "b": CHK, "sub": (await node.make_sibling()).cap})
    found = await node.get_children(["b", "nope", "é"])
    assert {name: child.cap.to_string() for name, child in found.items()} == {
        "é": LIT,
        "b": CHK,
    }
    assert await node.get_children([]) == {}


@ensureDeferred
async def test_writers_at_once_lose_nothing(bench, drive):
    node = await drive.create_directory()
    others = [
        await bench.drive(bench.servers[0]).get_node(node.get_uri()) for _ in range(4)
    ]
    await gather(
        [
            other.set_uri(f"{i}-{j}", LIT)
            for j in range(25)
            for i, other in enumerate(others)
        ]
    )
    assert len(await node.list()) == 100
