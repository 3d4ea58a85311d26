"""What a malicious vdrive server can and can't do: docs/vdrive.md tells it in words."""

import pytest
from attrs import evolve
from pytest_twisted import blockon, ensureDeferred

from allmydata.crypto.keys import DirectoryKeys
from allmydata.errors import CorruptError, GridError, NoSuchChildError, NotFoundError
from allmydata.formats.dirtable import Row, pack_rows, seal, unpack_rows
from allmydata.uri import from_string
from allmydata.util import base32
from allmydata.util.deferreds import start
from tests.support.drive import DriveBench

CHK = "URI:CHK:" + "a" * 26 + ":" + "a" * 52 + ":3:10:5000"
LIT = "URI:LIT:nbuq"


class Liar:
    """A server that lets *change* have its way with the rows of every answer."""

    def __init__(self, served):
        self.served = served
        self.seen = []  # rows of honest answers

    def __call__(self, change):
        def answer(name, result):
            if name == "list_page":
                return pack_rows(change(unpack_rows(result[0]))), result[1]
            if name == "get_many":
                return pack_rows(change(unpack_rows(result)))
            return result

        self.served.spoil(answer)

    def honest(self):
        self.served.spoil(None)

    async def rows(self, node):
        """Return the rows of a directory, as the server has them."""
        packed, _ = await self.served.server.remote_list_page(node._keys.index, b"", 1000)
        return unpack_rows(packed)


@pytest.fixture
def bench(tmp_path):
    bench = DriveBench(tmp_path)
    blockon(start(bench.serve()))
    yield bench
    blockon(start(bench.stop()))


@pytest.fixture
def drive(bench):
    return bench.drive(bench.servers[0])


@pytest.fixture
def liar(bench):
    return Liar(bench.servers[0])


@pytest.fixture
def node(drive):
    """Return a directory of a file, a directory, and a small file."""

    async def make():
        node = await drive.create_directory()
        await node.set_children({"file": CHK, "small": LIT})
        await node.create_empty_directory("sub")
        return node

    return blockon(start(make()))


async def is_corrupt(node, name="file"):
    """Check that *node* and its read-only form give no child, and name the directory."""
    weak = node._means.node_of(node.cap.get_readonly(), None)
    for view in (node, weak):
        for work in (view.get(name), view.list(), view.list_children()):
            with pytest.raises(CorruptError) as e:
                await work
            assert base32.b2a(node._keys.index)[:8] in str(e.value)
            assert "URI:" not in str(e.value) and e.value.code == "corrupt"


# ---- what it can't ---------------------------------------------------------------------


@ensureDeferred
async def test_it_can_not_answer_with_the_row_of_another_name(node, liar):
    rows = {row.key: row for row in await liar.rows(node)}
    keys = list(rows)

    def swap(found):
        turned = dict(zip(keys, keys[1:] + keys[:1], strict=True))
        return [evolve(rows[turned[row.key]], key=row.key) for row in found]

    liar(swap)
    await is_corrupt(node)


@ensureDeferred
async def test_it_can_not_answer_with_another_row_under_its_own_key(node, liar):
    rows = await liar.rows(node)
    wanted = node._keys.row_key("file")
    liar(lambda found: [row for row in rows if row.key != wanted][:1])
    with pytest.raises(CorruptError, match="not asked for"):
        await node.get("file")
    with pytest.raises(CorruptError, match="not asked for"):
        await node.has_child("file")


@pytest.mark.parametrize("part", ["name", "write", "read"])
@ensureDeferred
async def test_it_can_not_put_a_part_of_one_row_into_another(node, liar, part):
    rows = await liar.rows(node)
    sub = next(row for row in rows if row.write)
    other = next(row for row in rows if not row.write)
    liar(
        lambda found: [
            evolve(row, **{part: getattr(_not(row, sub, other), part)}) for row in found
        ]
    )
    if part != "write":
        await is_corrupt(node)
        return
    with pytest.raises(CorruptError):
        await node.list()


def _not(row, one, other):
    return other if row.key == one.key else one


@pytest.mark.parametrize(
    ("source", "target"),
    [("write", "read"), ("read", "write"), ("read", "name"), ("name", "read")],
)
@ensureDeferred
async def test_it_can_not_put_a_part_into_another_slot(node, liar, source, target):
    liar(
        lambda found: [
            evolve(row, **{target: getattr(row, source) or row.read}) for row in found
        ]
    )
    with pytest.raises(CorruptError):
        await node.list()
    with pytest.raises(CorruptError):
        await node.get("sub")


@ensureDeferred
async def test_it_can_not_answer_with_rows_of_another_directory(drive, node, liar):
    other = await drive.create_directory()
    await other.set_children({"file": LIT, "more": LIT})
    rows = await liar.rows(other)
    liar(lambda found: rows)
    with pytest.raises(CorruptError):
        await node.list()
    by_name = {"file": rows[0]}
    key = node._keys.row_key("file")
    liar(lambda found: [evolve(by_name["file"], key=key)])
    with pytest.raises(CorruptError):
        await node.get("file")


@ensureDeferred
async def test_a_reader_of_the_cap_can_not_make_rows_that_a_writer_takes(node, liar):
    """A read key alone, in league with the server, seals no write capability."""
    thief = DirectoryKeys.from_write_key(b"k" * 16)
    evil = from_string(f"URI:DIR:{node.cap.furl}:{base32.b2a(b'e' * 16)}").to_string()
    forged = seal(thief, "sub", evil, LIT, lambda n: b"n" * n)
    key = node._keys.row_key("sub")
    liar(lambda found: [evolve(row, write=forged.write) for row in found if row.key == key])
    with pytest.raises(CorruptError):
        await node.get("sub")


@pytest.mark.parametrize("part", ["name", "write", "read"])
@pytest.mark.parametrize("at", [0, 11, 12, 20, -1])
@ensureDeferred
async def test_it_can_not_change_a_bit(node, liar, part, at):
    def flip(row):
        data = bytearray(getattr(row, part))
        if data:
            data[at] ^= 1
        return evolve(row, **{part: bytes(data)})

    liar(lambda found: [flip(row) for row in found])
    with pytest.raises(CorruptError):
        await node.get("sub")
    with pytest.raises(CorruptError):
        await node.list()


@pytest.mark.parametrize("size", [0, 1, 27, 28])
@ensureDeferred
async def test_it_can_not_make_up_rows(node, liar, size):
    junk = b"j" * size
    liar(lambda found: [Row(row.key, junk, junk, junk) for row in found])
    await is_corrupt(node)


@ensureDeferred
async def test_rows_that_are_none_are_refused(node, liar):
    for junk in (b"x", b"x" * 53, b"\xff" * 54, b"x" * 5000):

        def answer(name, result, junk=junk):
            return {"list_page": (junk, b""), "get_many": junk}.get(name, result)

        liar.served.spoil(answer)
        await is_corrupt(node)


@pytest.mark.parametrize(
    "page",
    [
        lambda rows, there: (rows, rows[-1].key),  # for ever the same
        lambda rows, there: (rows[::-1], there),
        lambda rows, there: (rows[:1] * 2, there),
        lambda rows, there: ([], b"k" * 32),
        lambda rows, there: (rows, b"\0" * 32),
    ],
)
@ensureDeferred
async def test_it_can_not_keep_a_reader_turning_pages(node, liar, page):
    rows = await liar.rows(node)
    liar.served.forget_calls()

    def answer(name, result):
        found, there = page(rows, b"")
        return (pack_rows(found), there) if name == "list_page" else result

    liar.served.spoil(answer)
    with pytest.raises(CorruptError):
        await node.list()
    assert len(liar.served.calls) <= 2


@ensureDeferred
async def test_it_can_not_make_another_directory_than_was_asked_for(drive, liar):
    liar.served.spoil(
        lambda name, result: b"x" * 32 if name == "create_directory" else result
    )
    with pytest.raises(CorruptError):
        await drive.create_directory()


@pytest.mark.parametrize("root", [b"", b"nonsense", LIT.encode(), b"URI:DIR:x", b"\xff"])
@ensureDeferred
async def test_a_public_root_that_is_no_directory_is_refused(drive, liar, root):
    liar.served.spoil(
        lambda name, result: root if name == "get_public_root_uri" else result
    )
    with pytest.raises(GridError):
        await drive.get_public_root()


# ---- what it can: withhold, and roll back ----------------------------------------------


@ensureDeferred
async def test_it_can_withhold_a_row(node, liar):
    gone = node._keys.row_key("file")
    liar(lambda found: [row for row in found if row.key != gone])
    with pytest.raises(NoSuchChildError):
        await node.get("file")
    assert list(await node.list()) == ["small", "sub"]


@ensureDeferred
async def test_it_can_give_an_older_row_again(node, liar):
    old = await liar.rows(node)
    await node.set_uri("file", LIT)
    assert (await node.get("file")).get_uri() == LIT
    liar(lambda found: [row for row in old if row.key in {one.key for one in found}])
    assert (await node.get("file")).get_uri() == CHK


@ensureDeferred
async def test_it_can_give_back_what_was_deleted(node, liar):
    old = await liar.rows(node)
    await node.delete("file")
    liar(lambda found: old)
    assert "file" in await node.list()


@ensureDeferred
async def test_it_can_withhold_the_right_to_write_and_lie_about_dates(node, liar):
    liar(lambda found: [evolve(row, write=b"", created=7) for row in found])
    child = await node.get_child("sub")
    assert not child.node.is_mutable()
    assert child.created == 7


@ensureDeferred
async def test_with_a_reader_it_can_put_a_child_in_place_that_nobody_can_write_through(
    drive, node, liar
):
    reader = DirectoryKeys(node.cap.read_key)
    theirs = await drive.create_directory()
    # a reader can't seal a write slot; one sealed with another write key does not open
    forger = DirectoryKeys(node.cap.read_key, b"k" * 16)
    row = seal(forger, "new", None, theirs.get_uri(), lambda n: b"n" * n)
    assert row.key == reader.row_key("new")
    liar(lambda found: [row])
    child = await node.get("new")
    assert child.get_uri() == theirs.get_immutable_uri()
    evil = seal(forger, "new", theirs.get_uri(), LIT, lambda n: b"n" * n)
    liar(lambda found: [evil])
    with pytest.raises(CorruptError):
        await node.get("new")


@ensureDeferred
async def test_it_can_deny_a_directory(node, liar):
    liar.served.server._tables.together(
        [lambda: liar.served.server._tables._db.execute("DELETE FROM directories")]
    )
    for work in (node.list(), node.get("file"), node.set_uri("x", LIT)):
        with pytest.raises(NotFoundError, match="no such directory") as e:
            await work
        assert not isinstance(e.value, NoSuchChildError)


# ---- whoever may write -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("write", "read"),
    [
        (None, "nonsense"),
        (None, "two words"),
        (None, "URI:CHK:mistyped"),
        ("URI:DIR:mistyped", LIT),
        ("", ""),
        (None, "é"),
    ],
)
@ensureDeferred
async def test_a_writer_who_seals_nonsense_spoils_no_other_child(node, write, read):
    bad = seal(node._keys, "bad", write, read, lambda n: b"n" * n)
    await node._put([bad], replace=True)
    weak = node._means.node_of(node.cap.get_readonly(), None)
    for view in (node, weak):
        found = await view.list()
        assert list(found) == ["bad", "file", "small", "sub"]
        assert found["file"].get_uri() == CHK
        assert found["bad"].kind in ("unknown", "file")
        assert (await view.get_child_at_path("file")).get_uri() == CHK
    await node.delete("bad")


@ensureDeferred
async def test_a_write_capability_in_a_read_slot_gives_no_reader_the_right_to_write(node):
    sub = await node.get("sub")
    await node._put(
        [seal(node._keys, "leak", None, sub.get_uri(), lambda n: b"n" * n)], replace=True
    )
    weak = node._means.node_of(node.cap.get_readonly(), None)
    for view in (node, weak):
        assert (await view.get("leak")).get_uri() == sub.get_immutable_uri()
