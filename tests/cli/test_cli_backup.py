import json
import os
import re
import sqlite3
import time

import pytest

from allmydata.cli.copying import snapshot
from allmydata.cli.copying.exclude import Exclusions, patterns_in
from tests.support.copying import grid_tree, local_tree, teach, write_tree

BIG = bytes(range(256)) * 2000
README = b"read me, it is more than fifty-five bytes of text in a file"
TREE = {
    "readme": README,
    "empty": b"",
    "sub": {"a": b"a" * 100, "deep": {"big": BIG}, "nothing": {}},
}
NUM_FILES, NUM_DIRECTORIES = 4, 4
SUMMARY = re.compile(
    r"(\d+) files uploaded \((\d+) reused\), (\d+) files skipped, "
    r"(\d+) directories created \((\d+) reused\), (\d+) directories skipped\n"
    r"backup done, elapsed time: 0:00:\d\d(\.\d+)?\n"
)


@pytest.fixture
def taught(gateway, node):
    return teach(gateway, node)


@pytest.fixture
def work(taught, drive, node):
    """The directory that work: stands for."""
    cap = drive.make()
    (node / "private" / "aliases").write_text(f"work: {cap}\n")
    return cap


@pytest.fixture(autouse=True)
def settled(monkeypatch):
    """Let what was written just now count as written long ago."""
    monkeypatch.setattr(snapshot.time, "time_ns", lambda: 2**62)


@pytest.fixture
def tree(tmp_path):
    write_tree(tmp_path / "tree", TREE)
    return tmp_path / "tree"


@pytest.fixture
def database(node):
    return node / "private" / "backupdb.sqlite"


@pytest.fixture
def backup(tahoe, node, work, tree):
    """Run it; give the six numbers that it tells."""

    def run(*words, code=0):
        done = tahoe("-d", node, "backup", *words, tree, "work:b")
        assert done.code == code, done.err
        found = SUMMARY.fullmatch(done.out)
        assert found, done.out
        return tuple(map(int, found.groups()[:6]))

    return run


@pytest.fixture
def kept(drive, work):
    """Give what is in the directory of backups."""

    def look():
        found = grid_tree(drive, drive.children(work)["b"])
        return found["Latest"], found["Archives"]

    return look


def test_a_snapshot_has_its_time_and_is_the_latest(backup, kept):
    assert backup() == (NUM_FILES, 0, 0, NUM_DIRECTORIES, 0, 0)
    latest, archives = kept()
    assert latest == TREE
    (name,) = archives
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d:\d\d:\d\dZ", name)
    assert archives[name] == TREE


def test_an_unchanged_directory_is_only_given_its_names(backup, taught, kept):
    backup()
    taught.asked.clear()
    assert backup() == (0, NUM_FILES, 0, 0, NUM_DIRECTORIES, 0)
    assert all(method == "PUT" and "?t=uri" in path for method, path in taught.asked)
    assert len(kept()[1]) == 2


def test_only_what_changed_is_stored(backup, taught, tree, kept):
    backup()
    taught.stored.clear()
    (tree / "sub" / "a").write_bytes(b"b" * 100)
    assert backup() == (1, NUM_FILES - 1, 0, 2, NUM_DIRECTORIES - 2, 0)
    assert taught.stored == [b"b" * 100]
    latest, archives = kept()
    assert latest["sub"]["a"] == b"b" * 100
    assert archives[min(archives)] == TREE


def test_a_snapshot_can_be_read_only(backup, drive, work):
    backup()
    places = drive.children(drive.children(work)["b"])
    found = [places["Latest"], *drive.children(places["Archives"]).values()]
    found += [c for c in drive.children(found[0]).values() if c.startswith("URI:DIR")]
    assert [cap.split(":")[1] for cap in found] == ["DIR-RO"] * 3


def test_a_file_that_was_moved_or_touched_is_not_stored_again(backup, taught, tree):
    backup()
    taught.stored.clear()
    (tree / "sub/deep/big").rename(tree / "large")
    os.utime(tree / "readme", (1, 1))
    assert backup()[:2] == (0, NUM_FILES)
    assert taught.stored == []


def test_a_file_changed_behind_its_times_is_found_when_asked_for(
    backup, taught, tree, monkeypatch
):
    same = snapshot.Stamp(100, 1, 1, 1)
    monkeypatch.setattr(snapshot.Stamp, "of", lambda found: same)
    write_tree(tree / "only", {"f": b"f" * 100})
    words = "--exclude", "sub", "--exclude", "readme", "--exclude", "empty"
    backup(*words)
    taught.stored.clear()
    (tree / "only" / "f").write_bytes(b"g" * 100)
    assert backup(*words)[:2] == (0, 1)
    assert backup(*words, "--ignore-timestamps")[:2] == (1, 0)
    assert taught.stored == [b"g" * 100]


def test_a_file_written_just_now_is_looked_into_again(
    backup, taught, monkeypatch, tree, database
):
    monkeypatch.setattr(snapshot.time, "time_ns", lambda: os.stat(tree).st_ctime_ns)
    backup()
    taught.stored.clear()
    assert backup()[:2] == (0, NUM_FILES)
    assert taught.stored == []
    assert count_files(database) == 0


# ---- the database


def count_files(database):
    sql = sqlite3.connect(database)
    (number,) = sql.execute("SELECT count(*) FROM files").fetchone()
    sql.close()
    return number


def test_a_lost_database_is_learnt_again_from_the_last_snapshot(
    backup, taught, database, kept
):
    backup()
    database.unlink()
    taught.stored.clear()
    taught.directories_made = 0
    assert backup() == (0, NUM_FILES, 0, 0, NUM_DIRECTORIES, 0)
    assert taught.stored == []
    assert taught.directories_made == 0
    assert len(kept()[1]) == 2


@pytest.mark.parametrize("damage", [b"no database at all" * 100, b"SQLite format 3\0" * 9])
def test_a_damaged_database_is_moved_aside(tahoe, node, work, tree, database, damage):
    words = ("-d", node, "backup", tree, "work:b")
    tahoe(*words)
    for path in database.parent.glob("backupdb.sqlite-*"):
        path.unlink()
    database.write_bytes(damage)
    done = tahoe(*words)
    assert done.code == 0
    assert "the backup database was damaged" in done.err
    assert [path.read_bytes() for path in database.parent.glob("*damaged-*")] == [damage]
    assert sqlite3.connect(database).execute("SELECT count(*) FROM files").fetchone() == (
        4,
    )


def test_only_its_owner_reads_the_database(backup, database):
    backup()
    assert database.stat().st_mode & 0o777 == 0o600


def test_an_interrupted_backup_does_not_begin_anew(
    tahoe, node, work, tree, gateway, taught, drive
):
    answer = drive.answer
    refused = []

    def refuse(method, names, words, body):
        if words.get("t") == "mkdir-with-children" and not refused:
            refused.append(names)
            return 503, json.dumps({"error": {"code": "server-lost", "message": "gone"}})
        return answer(method, names, words, body)

    drive.answer = refuse
    done = tahoe("-d", node, "backup", tree, "work:b")
    assert done.code == 1
    assert "gone" in done.err
    assert "b" not in drive.children(work)
    assert tahoe("-d", node, "backup", tree, "work:b").code == 0
    assert grid_tree(drive, work)["b"]["Latest"] == TREE
    assert sorted(data for data in taught.stored if data != BIG) == [b"a" * 100, README]


# ---- what is left out


def test_names_are_excluded(backup, kept, tree, tmp_path):
    (tree / ".git").mkdir()
    (tree / "sub" / "x.o").write_bytes(b"o")
    (tree / "sub" / "keep").mkdir()
    (tree / "sub" / "keep" / "y").write_bytes(b"y")
    (tmp_path / "patterns").write_text("# comment\n\nsub/keep\n  empty\n")
    words = "--exclude", "*.o", "--exclude-from", tmp_path / "patterns", "--exclude-vcs"
    assert backup(*words)[0] == NUM_FILES - 1
    latest = kept()[0]
    assert latest == {name: child for name, child in TREE.items() if name != "empty"}


@pytest.mark.parametrize(
    ("pattern", "path", "out"),
    [
        ("*.o", "a/b.o", True),
        ("*.o", "a/b.os", False),
        ("b", "a/b", True),
        ("b/", "a/b", True),
        ("a/b", "a/b", True),
        ("a/b", "c/a/b", False),
        ("/a", "a", True),
        ("*/b", "c/a/b", True),
        ("[ab]", "b", True),
        ("a\nb", "a\nb", True),
    ],
)
def test_a_pattern_is_of_a_name_or_of_a_path(pattern, path, out):
    name = path.rpartition("/")[2]
    assert Exclusions((pattern,)).leave_out(path, name) is out
    assert not Exclusions().leave_out(path, name)


def test_a_file_of_patterns_has_one_a_line():
    assert patterns_in("a\n\n# b\n c \r\n") == ["a", "c"]


def test_links_and_special_files_are_left_out_and_named(tahoe, node, work, tree, drive):
    (tree / "link").symlink_to("readme")
    os.mkfifo(tree / "pipe")
    done = tahoe("-d", node, "backup", tree, "work:b")
    assert done.code == 0
    assert f"skipped: {tree}/link is a link" in done.err
    assert f"skipped: {tree}/pipe is a FIFO" in done.err
    assert " 2 files skipped" in done.out
    assert grid_tree(drive, work)["b"]["Latest"] == TREE


def test_what_cannot_be_read_is_named_and_the_rest_goes_on(
    tahoe, node, work, tree, drive, monkeypatch
):
    with open(os.fsencode(tree) + b"/\xff", "wb"):
        pass
    done = tahoe("-d", node, "backup", tree, "work:b")
    assert done.code == 1
    assert "\\udcff" in done.err
    assert "1 could not be kept" in done.err
    assert "backup done" in done.out
    assert grid_tree(drive, work)["b"]["Latest"] == TREE


def test_an_unreadable_file_is_left_out_and_named(tahoe, node, work, tree, drive):
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    (tree / "readme").chmod(0)
    (tree / "sub").chmod(0)
    done = tahoe("-d", node, "backup", tree, "work:b")
    assert done.code == 1
    assert f"{tree}/readme can't be read" in done.err
    assert grid_tree(drive, work)["b"]["Latest"] == {"empty": b""}


# ---- words


def test_json_tells_the_same(tahoe, node, work, tree):
    said = json.loads(tahoe("-d", node, "backup", "--json", tree, "work:b").out)
    assert said["files_uploaded"] == NUM_FILES
    assert said["directories_created"] == NUM_DIRECTORIES
    assert said["snapshot"].endswith("Z")
    assert said["errors"] == []


def test_a_dry_run_stores_nothing(tahoe, node, work, tree, drive, taught, backup):
    done = tahoe("-d", node, "backup", "--dry-run", tree, "work:b")
    assert (done.code, drive.children(work), taught.stored) == (0, {}, [])
    assert done.out.startswith(
        "4 files uploaded (0 reused), 0 files skipped, 4 directories"
    )
    assert "dry run done" in done.out
    assert backup() == (NUM_FILES, 0, 0, NUM_DIRECTORIES, 0, 0)
    done = tahoe("-d", node, "backup", "--dry-run", tree, "work:b")
    assert done.out.startswith(
        "0 files uploaded (4 reused), 0 files skipped, 0 directories"
    )


def test_two_snapshots_in_one_second_are_two(backup, kept, monkeypatch):
    monkeypatch.setattr(
        time, "gmtime", lambda: time.struct_time((2026, 1, 2, 3, 4, 5, 4, 2, 0))
    )
    backup()
    backup()
    assert sorted(kept()[1]) == ["2026-01-02_03:04:05Z", "2026-01-02_03:04:05Z_2"]


def test_a_file_is_no_directory_to_keep(tahoe, node, work, tree):
    done = tahoe("-d", node, "backup", tree / "readme", "work:b")
    assert done.code == 3
    assert "readme is a file" in done.err


def test_a_snapshot_comes_back_with_cp(tahoe, node, backup, tree, tmp_path):
    backup()
    (tree / "readme").unlink()
    backup()
    words = ("-d", node, "cp", "-r")
    assert tahoe(*words, "work:b/Latest/", tmp_path / "new").code == 0
    assert local_tree(tmp_path / "new") == {n: c for n, c in TREE.items() if n != "readme"}
    listing = tahoe("-d", node, "ls", "work:b/Archives").out.split()
    assert tahoe(*words, f"work:b/Archives/{min(listing)}/", tmp_path / "old").code == 0
    assert local_tree(tmp_path / "old") == TREE
