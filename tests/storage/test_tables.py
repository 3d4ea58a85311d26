import shutil
import sqlite3
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allmydata.errors import (
    BadWriteEnablerError,
    ConflictError,
    CorruptError,
    GridError,
    NoSpaceError,
    NoSuchChildError,
)
from allmydata.formats.dirtable import Row
from allmydata.storage.tablefile import explain
from allmydata.storage.tables import PAGE, Tables

IX, WE = b"i" * 32, b"w" * 32
IX2, WE2 = b"j" * 32, b"x" * 32
NOW = 1_700_000_000


def key(i):
    return i.to_bytes(32, "big")


def row(i, size=400, letter=b"r"):
    return Row(key(i), b"name", b"", letter * size)


def put(tables, rows, *, replace=True, index=IX, enabler=WE, now=NOW):
    return partial(tables.put, index, enabler, rows, now, replace=replace)


def do(tables, *changes):
    """Make changes in one commit, all of which must succeed."""
    assert tables.together(changes) == [None] * len(changes)


def keys(tables, index=IX):
    return [int.from_bytes(row.key, "big") for row in tables.page(index, b"", 10**6)]


def pragma(tables, name):
    return tables._db.execute(f"PRAGMA {name}").fetchone()[0]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "tables.sqlite3"


@pytest.fixture
def tables(path):
    tables = Tables.open(path)
    do(tables, partial(tables.create_directory, IX, WE))
    do(tables, partial(tables.create_directory, IX2, WE2))
    yield tables
    tables.close()


# ---- durable -----------------------------------------------------------------------------


def test_a_commit_is_synced_and_readers_do_not_wait_for_it(tables):
    for one in (tables, tables.another()):
        assert pragma(one, "journal_mode") == b"wal"
        assert pragma(one, "synchronous") == 2  # FULL
        if one is not tables:
            one.close()


def test_only_their_owner_can_read_the_tables(tables, path):
    do(tables, put(tables, [row(1)]))
    found = {p.name: oct(p.stat().st_mode)[-3:] for p in path.parent.iterdir()}
    wanted = {path.name, f"{path.name}-wal", f"{path.name}-shm"}
    assert found == dict.fromkeys(wanted, "600")


def test_what_was_committed_is_there_after_the_process_is_gone(tables, path, tmp_path):
    do(tables, put(tables, [row(1), row(2)]))
    tables._db.execute("BEGIN IMMEDIATE")
    tables.put(IX, WE, [row(3)], NOW, replace=True)  # not committed
    for suffix in ("", "-wal"):  # what a crash leaves
        shutil.copy(f"{path}{suffix}", tmp_path / f"crashed{suffix}")
    again = Tables.open(tmp_path / "crashed")
    assert keys(again) == [1, 2]
    assert again.sequence(IX) == 1
    again.close()
    tables._db.execute("ROLLBACK")


def test_opening_again_finds_everything(tables, path):
    do(tables, put(tables, [row(1)]))
    tables.close()
    again = Tables.open(path)
    assert again.page(IX, b"", 9) == [
        Row(key(1), b"name", b"", b"r" * 400, created=NOW, changed=NOW)
    ]
    again.close()


def test_another_connection_sees_what_is_committed_and_no_more(tables):
    other = tables.another()
    tables._db.execute("BEGIN IMMEDIATE")
    tables.put(IX, WE, [row(1)], NOW, replace=True)
    assert keys(other) == []
    tables._db.execute("COMMIT")
    assert keys(other) == [1]
    other.close()


# ---- together ----------------------------------------------------------------------------


def test_a_failing_change_leaves_nothing_behind_and_hinders_no_other(tables):
    do(tables, put(tables, [row(3)]))
    outcomes = tables.together(
        [
            put(tables, [row(1)]),
            put(tables, [row(2), row(3)], replace=False),
            put(tables, [row(4)], enabler=WE2),
            partial(tables.delete, IX, WE, key(9)),
            put(tables, [row(5)]),
        ]
    )
    assert [type(one) for one in outcomes] == [
        type(None),
        ConflictError,
        BadWriteEnablerError,
        NoSuchChildError,
        type(None),
    ]
    assert keys(tables) == [1, 3, 5]
    assert tables.sequence(IX) == 3


def test_a_change_that_breaks_unexpectedly_hinders_no_other(tables):
    def broken():
        tables.put(IX, WE, [row(2)], NOW, replace=True)
        raise RuntimeError("our mistake")

    outcomes = tables.together([put(tables, [row(1)]), broken, put(tables, [row(3)])])
    assert [type(one) for one in outcomes] == [type(None), RuntimeError, type(None)]
    assert keys(tables) == [1, 3]


def test_changes_of_one_commit_see_each_other(tables):
    do(
        tables,
        put(tables, [row(1)]),
        partial(tables.move, (IX, WE, key(1)), (IX2, WE2), row(2), NOW, replace=False),
        partial(tables.delete, IX2, WE2, key(2)),
    )
    assert keys(tables) == keys(tables, IX2) == []


def fill(tables):
    """Leave room for a few pages."""
    pages = pragma(tables, "page_count")
    tables._db.execute(f"PRAGMA max_page_count = {pages + 6}")


def test_on_a_full_disk_what_does_not_fit_is_refused_whole_and_the_rest_goes_on(tables):
    do(tables, put(tables, [row(1)]))
    fill(tables)
    large = put(tables, [row(i) for i in range(100, 1100)])
    small, smaller = put(tables, [row(2)]), put(tables, [row(3)])
    outcomes = tables.together([small, large, smaller])
    assert [type(one) for one in outcomes] == [type(None), NoSpaceError, type(None)]
    assert keys(tables) == [1, 2, 3]
    assert tables.sequence(IX) == 3


def test_a_full_disk_still_gives_and_deletes(tables):
    do(tables, put(tables, [row(1)]))
    fill(tables)
    i = 2
    while not isinstance(tables.together([put(tables, [row(i)])])[0], NoSpaceError):
        i += 1
    held = keys(tables)
    assert held == [*range(1, i)]
    do(tables, *(partial(tables.delete, IX, WE, key(n)) for n in held))
    do(tables, put(tables, [row(1)]))
    assert keys(tables) == [1]


operations = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.lists(st.integers(0, 5), max_size=3), st.booleans()),
        st.tuples(st.just("delete"), st.integers(0, 5)),
        st.tuples(st.just("move"), st.integers(0, 5), st.integers(0, 5), st.booleans()),
    ),
    max_size=12,
)


class Model:
    """Two directories, as a few lines of Python have them."""

    def __init__(self):
        self.here, self.there = set(), set()

    def put(self, new, replace):
        if not replace and (len(set(new)) < len(new) or set(new) & self.here):
            return ConflictError
        self.here |= set(new)
        return type(None)

    def delete(self, old):
        if old not in self.here:
            return NoSuchChildError
        self.here.remove(old)
        return type(None)

    def move(self, old, new, replace):
        if old not in self.here:
            return NoSuchChildError
        if new in self.there and not replace:
            return ConflictError
        self.here.remove(old)
        self.there.add(new)
        return type(None)


def change_of(tables, name, args):
    if name == "put":
        return put(tables, [row(i) for i in args[0]], replace=args[1])
    if name == "delete":
        return partial(tables.delete, IX, WE, key(args[0]))
    old, new, replace = args
    return partial(
        tables.move, (IX, WE, key(old)), (IX2, WE2), row(new), NOW, replace=replace
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(operations, max_size=4))
def test_groups_of_changes_come_out_as_one_after_the_other(tmp_path_factory, groups):
    tables = Tables.open(tmp_path_factory.mktemp("model") / "t")
    for index, enabler in ((IX, WE), (IX2, WE2)):
        do(tables, partial(tables.create_directory, index, enabler))
    model = Model()
    for group in groups:
        changes = [change_of(tables, name, args) for name, *args in group]
        wanted = [getattr(model, name)(*args) for name, *args in group]
        assert [type(one) for one in tables.together(changes)] == wanted
        assert keys(tables) == sorted(model.here)
        assert keys(tables, IX2) == sorted(model.there)
    tables.close()


# ---- large directories -------------------------------------------------------------------


def test_adding_to_a_large_directory_writes_a_few_pages(tables, path):
    log = path.with_name(f"{path.name}-wal")
    hashes = [key(i * 2**200) for i in range(20_000)]
    do(tables, put(tables, [Row(h, b"n" * 40, b"", b"r" * 200) for h in hashes]))
    assert pragma(tables, "wal_checkpoint(TRUNCATE)") == 0
    do(tables, put(tables, [Row(key(77 * 2**200 + 5), b"n" * 40, b"", b"r" * 200)]))
    assert 0 < log.stat().st_size <= 32 + 5 * (24 + 4096)


def test_a_page_is_read_in_the_order_it_lies_in(tables):
    plan = tables._db.execute(f"EXPLAIN QUERY PLAN {PAGE}", (IX, b"", 10)).fetchall()
    assert [step[-1] for step in plan] == [
        b"SEARCH children USING PRIMARY KEY (directory=? AND key>?)"
    ]


# ---- damaged files -----------------------------------------------------------------------


def damaged(how):
    def damage(path):
        data = how(path.read_bytes())
        path.write_bytes(data)
        return data

    return damage


def execute(sql):
    def damage(path):
        db = sqlite3.connect(path, isolation_level=None)
        db.execute(sql)
        db.close()
        return path.read_bytes()

    return damage


DAMAGES = {
    "empty": damaged(lambda data: b""),
    "text": damaged(lambda data: b"hello\n" * 1000),
    "a page short": damaged(lambda data: data[:-4096]),
    "half": damaged(lambda data: data[: len(data) // 2]),
    "head": damaged(lambda data: b"\0" * 100 + data[100:]),
    "a page of zeros": damaged(lambda data: data[:-4096] + bytes(4096)),
    "a page of noise": damaged(lambda data: data[:-4096] + b"\xa5" * 4096),
    "another program's": execute("PRAGMA application_id = 7"),
    "a later version": execute("PRAGMA user_version = 2"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_file_is_refused_and_left_alone(name, tables, path):
    do(tables, put(tables, [row(i) for i in range(100)]))
    tables.close()
    left = DAMAGES[name](path)
    with pytest.raises(CorruptError, match=r"tables\.sqlite3") as caught:
        Tables.open(path)
    assert caught.value.why and "restore" in caught.value.fix
    assert path.read_bytes() == left


def test_a_log_without_its_tables_is_refused(path):
    log = path.with_name(f"{path.name}-wal")
    log.write_bytes(b"perhaps all there is")
    with pytest.raises(CorruptError, match="can't use"):
        Tables.open(path)
    assert log.read_bytes() == b"perhaps all there is"
    assert not path.exists()


def test_what_a_crash_left_of_making_the_file_is_no_hindrance(path):
    path.with_name(f"{path.name}.new").write_bytes(b"half")
    Tables.open(path).close()
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_damage_found_while_reading_is_told(tables, path):
    do(tables, put(tables, [row(i) for i in range(100)]))
    pragma(tables, "wal_checkpoint(TRUNCATE)")
    size = path.stat().st_size
    with path.open("r+b") as f:
        f.seek(2 * 4096)
        f.write(b"\xa5" * (size - 2 * 4096))
    fresh = tables.another()
    with pytest.raises(CorruptError, match="damaged"):
        fresh.page(IX, b"", 1000)
    (outcome,) = fresh.together([put(fresh, [row(1)])])
    assert isinstance(outcome, CorruptError)
    fresh.close()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (sqlite3.SQLITE_FULL, NoSpaceError),
        (sqlite3.SQLITE_IOERR_SHMSIZE, NoSpaceError),
        (sqlite3.SQLITE_NOTADB, CorruptError),
        (sqlite3.SQLITE_CORRUPT_INDEX, CorruptError),
        (sqlite3.SQLITE_IOERR_FSYNC, GridError),
        (None, GridError),
    ],
)
def test_what_sqlite_says_is_said_in_our_words(code, kind):
    error = sqlite3.OperationalError("in /home/me/vdrive/tables.sqlite3")
    if code is not None:
        error.sqlite_errorcode = code
    assert type(explain(error)) is kind
    assert "/" not in str(explain(error))


# ---- backup ------------------------------------------------------------------------------


def test_a_backup_holds_what_is_committed_and_opens_like_the_tables(tables, tmp_path):
    do(tables, put(tables, [row(i) for i in range(1000)]))
    tables._db.execute("BEGIN IMMEDIATE")
    tables.put(IX, WE, [row(5000)], NOW, replace=True)
    copy = tmp_path / "copy"
    tables.backup_to(copy)
    tables._db.execute("COMMIT")
    assert oct(copy.stat().st_mode)[-3:] == "600"
    assert not copy.with_name("copy-wal").exists()
    restored = Tables.open(copy)
    assert keys(restored) == list(range(1000))
    do(restored, put(restored, [row(7000)]))
    restored.close()


def test_a_backup_replaces_no_file(tables, tmp_path):
    copy = tmp_path / "copy"
    copy.write_text("precious")
    with pytest.raises(ConflictError):
        tables.backup_to(copy)
    assert copy.read_text() == "precious"
