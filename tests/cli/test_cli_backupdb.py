import os

import pytest

from allmydata import uri
from allmydata.cli.backupdb import BackupDB, Stamp, directory_hash
from allmydata.cli.copying.content import literal_key
from allmydata.errors import CorruptError

STAMP = Stamp(100, 2, 3, 4)
CHILDREN = {"b": ("filenode", "URI:LIT:"), "a": ("dirnode", "URI:DIR-RO:x")}


@pytest.fixture
def db(tmp_path):
    db = BackupDB.opened(tmp_path / "private" / "db")
    yield db
    db.close()


def test_a_new_database_knows_nothing(db):
    assert db.is_new
    assert db.file("/f", STAMP) is None
    assert db.directory(CHILDREN) is None
    assert db.content(b"k" * 16) is None
    assert db.encodings(100) == []


def test_a_file_is_known_as_long_as_nothing_about_it_changes(db):
    db.learn_file("/a/\udcff", STAMP, "URI:LIT:")
    assert db.file("/a/\udcff", STAMP) == "URI:LIT:"
    assert db.file("/a", STAMP) is None
    for other in (
        Stamp(101, 2, 3, 4),
        Stamp(100, 9, 3, 4),
        Stamp(100, 2, 9, 4),
        Stamp(100, 2, 3, 9),
    ):
        assert db.file("/a/\udcff", other) is None


def test_a_file_learnt_again_is_what_it_is_now(db):
    db.learn_file("/f", STAMP, "URI:LIT:aa")
    db.learn_file("/f", STAMP, "URI:LIT:ae")
    assert db.file("/f", STAMP) == "URI:LIT:ae"


def test_content_is_known_by_its_key_and_size(db):
    seal = bytes(32)
    caps = [uri.CHKFileURI(bytes([k]) * 16, seal, k, 10, 100) for k in (3, 4, 4)]
    for cap in caps:
        db.learn_content(cap.to_string())
    db.learn_content("nonsense")
    assert sorted(db.encodings(100)) == [(3, 10), (4, 10)]
    assert db.encodings(99) == []
    assert db.content(bytes([3]) * 16) == caps[0].to_string()


def test_content_that_is_in_its_capability_is_known_too(db):
    cap = uri.LiteralFileURI(b"few").to_string()
    db.learn_content(cap)
    assert db.encodings(3) == [(0, 0)]
    assert db.content(literal_key(b"few")) == cap


def test_a_directory_is_known_by_what_is_in_it_in_any_order(db):
    db.learn_directory(CHILDREN, "URI:DIR-RO:y")
    assert db.directory(dict(reversed(CHILDREN.items()))) == "URI:DIR-RO:y"
    assert db.directory({"b": CHILDREN["b"]}) is None
    assert db.directory({}) is None


def test_no_two_directories_have_one_hash():
    twins = [
        {},
        {"a": ("filenode", "b")},
        {"a": ("dirnode", "b")},
        {"a:": ("filenode", "b")},
        {"a": ("filenode", "b"), "c": ("filenode", "d")},
        {"a": ("filenode", "d"), "c": ("filenode", "b")},
        {"\ud800": ("filenode", "b")},
    ]
    assert len({directory_hash(children) for children in twins}) == len(twins)


def test_what_was_committed_is_there_when_opened_again(tmp_path):
    path = tmp_path / "db"
    db = BackupDB.opened(path)
    db.learn_file("/f", STAMP, "URI:LIT:")
    db.close()
    again = BackupDB.opened(path)
    assert not again.is_new
    assert again.file("/f", STAMP) == "URI:LIT:"
    again.close()


def test_a_database_of_another_version_is_moved_aside(tmp_path):
    path = tmp_path / "db"
    db = BackupDB.opened(path)
    db._sql.execute("PRAGMA user_version = 99")
    db.close()
    again = BackupDB.opened(path)
    assert again.is_new
    assert again.damaged in list(tmp_path.iterdir())
    again.close()


def test_a_database_that_breaks_in_use_says_what_to_do(tmp_path):
    db = BackupDB.opened(tmp_path / "db")
    db._sql.execute("DROP TABLE files")
    with pytest.raises(CorruptError) as caught:
        db.file("/f", STAMP)
    assert "backupdb.sqlite" in caught.value.fix
    db.close()


def test_a_stamp_is_settled_when_the_clock_has_ticked_since(tmp_path):
    (tmp_path / "f").touch()
    stamp = Stamp.of(os.stat(tmp_path / "f"))
    assert not stamp.is_settled(stamp.ctime_ns)
    assert stamp.is_settled(stamp.ctime_ns + 10**10)
