"""Places a download can't go to, and places that hold it back."""

import errno
import io
import os

import pytest
from pytest_twisted import ensureDeferred
from twisted.python.failure import Failure

from allmydata.errors import DownloadTargetError, NoSharesError, NoSpaceError
from allmydata.streams.target import Consumer, FileHandle, FileName

FAILED = Failure(NoSharesError("none"))


def write_file(path, *pieces):
    target = FileName(path)
    target.open(sum(map(len, pieces)))
    for piece in pieces:
        target.write(piece)
    target.close()
    return target.finish()


def test_a_file_appears_when_it_is_whole(tmp_path):
    path = tmp_path / "target"
    target = FileName(path)
    target.open(6)
    target.write(b"abc")
    assert not path.exists()
    target.write(b"def")
    assert not path.exists()
    target.close()
    assert path.read_bytes() == b"abcdef"
    assert list(tmp_path.iterdir()) == [path]


def test_the_result_is_an_absolute_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert write_file("target", b"abc") == str(tmp_path / "target")


def test_a_new_file_has_the_mode_of_new_files_and_an_old_one_keeps_its_own(tmp_path):
    mask = os.umask(0o027)
    try:
        path = tmp_path / "target"
        write_file(path, b"one")
        assert path.stat().st_mode & 0o777 == 0o640
        path.chmod(0o600)
        write_file(path, b"two")
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.read_bytes() == b"two"
    finally:
        os.umask(mask)


def test_an_old_file_survives_a_failure(tmp_path):
    path = tmp_path / "target"
    path.write_bytes(b"old")
    target = FileName(path)
    target.open(10)
    target.write(b"new")
    target.fail(FAILED)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_link_leads_to_is_replaced(tmp_path):
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_bytes(b"old")
    link.symlink_to(real)
    assert write_file(link, b"new") == str(link)
    assert link.is_symlink() and real.read_bytes() == b"new"


def make_file_above(path):
    path.parent.write_bytes(b"")


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: path.mkdir(parents=True), "it is a directory"),
        (lambda path: (path.parent.mkdir(), os.mkfifo(path)), "it is not a regular file"),
        (lambda path: None, "No such file or directory"),
        (make_file_above, "Not a directory"),
    ],
)
def test_places_that_are_refused(make, why, tmp_path):
    path = tmp_path / "above" / "target"
    make(path)
    target = FileName(path)
    with pytest.raises(DownloadTargetError) as e:
        target.open(1)
    assert why in f"{e.value.message} {e.value.why}"
    target.fail(FAILED)
    assert len(list(tmp_path.rglob("*"))) <= 2


def test_devices_are_refused():
    with pytest.raises(DownloadTargetError, match="not a regular file"):
        FileName("/dev/null").open(1)
    assert os.path.exists("/dev/null")


def test_a_file_larger_than_the_free_space_is_refused_at_once(tmp_path):
    with pytest.raises(NoSpaceError, match="no room"):
        FileName(tmp_path / "target").open(2**62)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "error"), [("ENOSPC", NoSpaceError), ("EIO", DownloadTargetError)]
)
@pytest.mark.parametrize("call", ["write", "replace"])
def test_a_file_that_can_not_be_written_is_told_and_removed(
    call, number, error, tmp_path, monkeypatch
):
    def no(*_):
        raise OSError(getattr(errno, number), "no")

    target = FileName(tmp_path / "target")
    target.open(3)
    monkeypatch.setattr(os, call, no)
    with pytest.raises(error):
        target.write(b"abc")
        target.close()
    monkeypatch.undo()
    target.fail(FAILED)
    assert list(tmp_path.iterdir()) == []


@ensureDeferred
async def test_a_failure_waits_for_the_write_in_hand(tmp_path, workers):
    target = FileName(tmp_path / "target", workers)
    target.open(2**24)
    writing = target.write(bytes(2**24))
    target.fail(FAILED)
    try:
        await writing
    except Exception as e:
        assert "closed" in str(e)
    assert list(tmp_path.iterdir()) == []


class Full(io.RawIOBase):
    def write(self, data):
        raise OSError(errno.ENOSPC, "full")


def closed():
    handle = io.BytesIO()
    handle.close()
    return handle


@pytest.mark.parametrize(
    ("handle", "error"),
    [
        (Full(), NoSpaceError),
        (closed(), DownloadTargetError),
        (io.StringIO(), DownloadTargetError),
        (io.BufferedReader(io.BytesIO()), DownloadTargetError),
    ],
)
def test_an_open_file_that_can_not_be_written_is_told(handle, error):
    with pytest.raises(error):
        FileHandle(handle).write(b"abc")


def test_an_open_file_stays_open_and_keeps_what_it_had():
    handle = io.BytesIO(b"before ")
    handle.seek(0, io.SEEK_END)
    target = FileHandle(handle)
    target.open(3)
    target.write(b"abc")
    target.close()
    assert target.finish() is handle
    assert handle.getvalue() == b"before abc"


class Sink:
    """A consumer that never objects."""

    def __init__(self):
        self.data = b""

    def registerProducer(self, producer, streaming):
        pass

    def unregisterProducer(self):
        pass

    def write(self, data):
        self.data += data


@ensureDeferred
async def test_a_consumer_that_pauses_makes_the_next_write_wait():
    sink = Sink()
    target = Consumer(sink)
    target.open(9)
    assert target.write(b"one") is None
    target.pauseProducing()
    waiting = target.write(b"two")
    assert not waiting.called
    target.resumeProducing()
    await waiting
    assert target.write(b"three") is None
    assert sink.data == b"onetwothree"


@ensureDeferred
async def test_a_consumer_that_goes_away_cancels_the_download():
    calls = []
    target = Consumer(Sink())
    target.register_canceller(lambda: calls.append("cancelled"))
    target.open(9)
    target.pauseProducing()
    waiting = target.write(b"one")
    target.stopProducing()
    assert calls == ["cancelled"]
    await waiting
