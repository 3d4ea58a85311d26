import os
import stat

import pytest

from allmydata.util import fileutil
from allmydata.util.fileutil import (
    free_space,
    make_private_directory,
    sync_directory,
    write_atomically,
)


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def umask(request):
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_modes_do_not_depend_on_the_umask(tmp_path, umask):
    write_atomically(tmp_path / "public", b"p")
    write_atomically(tmp_path / "secret", b"s", private=True)
    make_private_directory(tmp_path / "above" / "private")
    assert mode(tmp_path / "public") == 0o644
    assert mode(tmp_path / "secret") == 0o600
    assert mode(tmp_path / "above" / "private") == 0o700


def test_a_file_that_was_open_to_all_becomes_private(tmp_path):
    path = tmp_path / "secret"
    write_atomically(path, b"old")
    write_atomically(path, b"new", private=True)
    assert (path.read_bytes(), mode(path)) == (b"new", 0o600)


def test_a_directory_that_was_open_to_all_becomes_private(tmp_path):
    path = tmp_path / "private"
    path.mkdir(mode=0o755)
    make_private_directory(path)
    assert mode(path) == 0o700


def test_nothing_but_the_file_is_left(tmp_path):
    write_atomically(tmp_path / "a", b"1")
    write_atomically(tmp_path / "a", b"2")
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"2"


def test_when_the_rename_fails_the_old_is_whole_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "taken"
    path.mkdir()
    (path / "inside").write_bytes(b"old")
    with pytest.raises(OSError, match="directory"):
        write_atomically(path, b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["taken"]
    assert (path / "inside").read_bytes() == b"old"


def test_when_the_bytes_cannot_be_made_durable_the_old_file_stays(tmp_path, monkeypatch):
    def full(fd):
        raise OSError("disk full")

    path = tmp_path / "a"
    write_atomically(path, b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, b"new")
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"old"]


def test_file_and_directory_are_both_synced_in_that_order(tmp_path, monkeypatch):
    synced, real = [], os.fsync

    def note(fd):
        synced.append("directory" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file")
        real(fd)

    monkeypatch.setattr(os, "fsync", note)
    write_atomically(tmp_path / "a", b"1")
    assert synced == ["file", "directory"]


def test_only_directories_can_be_synced_as_such(tmp_path):
    sync_directory(tmp_path)
    (tmp_path / "a").touch()
    with pytest.raises(NotADirectoryError):
        sync_directory(tmp_path / "a")


def test_free_space_is_what_the_file_system_leaves_to_everybody(tmp_path, monkeypatch):
    class Stat:
        f_frsize, f_bsize, f_bavail, f_bfree = 4096, 9, 100, 200

    monkeypatch.setattr(fileutil.os, "statvfs", lambda path: Stat)
    assert free_space(tmp_path) == 409_600
