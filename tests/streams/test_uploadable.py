"""Sources that are not what they should be."""

import io
import os

import pytest
from pytest_twisted import ensureDeferred

from allmydata.crypto.hashutil import convergence_hasher
from allmydata.errors import CancelledError, UploadSourceError, UsageError
from allmydata.streams.uploadable import Data, EncodingParameters, FileHandle, FileName

PARAMETERS = "131073-3-10"


@pytest.fixture(params=["here", "in a thread"])
def some_workers(request):
    return request.getfixturevalue("workers") if request.param == "in a thread" else None


def test_parameters_are_read():
    assert EncodingParameters.parse(PARAMETERS) == EncodingParameters(131073, 3, 10)


@pytest.mark.parametrize("text", ["", "1-2", "1-2-3-4", "a-3-10", "-1-3-10", "1-3-10 "])
def test_parameters_are_refused(text):
    with pytest.raises(UsageError):
        EncodingParameters.parse(text)


def missing(path):
    pass


def unreadable(path):
    # whoever runs as root reads everything: a link to itself nobody follows
    path.symlink_to(path)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (missing, "can't read"),
        (unreadable, "can't read"),
        (lambda path: path.mkdir(), "it is a directory"),
        (lambda path: os.mkfifo(path), "it is not a regular file"),
    ],
)
@ensureDeferred
async def test_what_is_no_readable_file_is_refused(make, why, tmp_path, some_workers):
    path = tmp_path / "source"
    make(path)
    before = os.listdir("/proc/self/fd")
    source = FileName(path, b"", some_workers)
    with pytest.raises(UploadSourceError, match=why):
        await source.get_size()
    with pytest.raises(UploadSourceError, match=why):
        await source.read(1)
    source.close()
    assert len(os.listdir("/proc/self/fd")) == len(before)


@ensureDeferred
async def test_devices_are_refused():
    with pytest.raises(UploadSourceError, match="not a regular file"):
        await FileName("/dev/zero").get_size()


@ensureDeferred
async def test_a_file_removed_after_it_was_opened_is_still_read(tmp_path, some_workers):
    path = tmp_path / "source"
    path.write_bytes(b"content")
    source = FileName(path, None, some_workers)
    await source.get_size()
    path.unlink()
    assert b"".join(await source.read(100)) == b"content"
    source.close()


def shrink(path):
    os.truncate(path, 500_000)


def vanish(path):
    os.truncate(path, 0)


def grow(path):
    with open(path, "ab") as f:
        f.write(b"more")


def rewrite(path):
    with open(path, "r+b") as f:
        f.write(b"other")
    os.utime(path, ns=(1, 1))


@pytest.mark.parametrize("change", [shrink, vanish, grow, rewrite])
@pytest.mark.parametrize("while_hashing", [True, False])
@ensureDeferred
async def test_a_file_that_changes_is_refused(
    change, while_hashing, tmp_path, some_workers
):
    path = tmp_path / "source"
    path.write_bytes(bytes(1_000_000))
    source = FileName(path, b"", some_workers)
    await source.get_size()
    source.set_serialized_encoding_parameters(PARAMETERS)
    if not while_hashing:
        await source.get_encryption_key()
        await source.read(10)
    change(path)
    with pytest.raises(UploadSourceError, match=r"the file (became shorter|changed)"):
        if while_hashing:
            await source.get_encryption_key()
        await source.read(1_000_000)
    source.close()


@pytest.mark.parametrize("change", [lambda f: f.truncate(5), lambda f: f.write(b"more")])
@ensureDeferred
async def test_an_open_file_that_changes_is_refused(change, some_workers):
    handle = io.BytesIO(bytes(100))
    source = FileHandle(handle, None, some_workers)
    assert await source.get_size() == 100
    handle.seek(0, io.SEEK_END)
    change(handle)
    with pytest.raises(UploadSourceError, match=r"the file (became shorter|grew)"):
        await source.read(100)


class Unseekable(io.RawIOBase):
    def seek(self, offset, whence=0):
        raise io.UnsupportedOperation("seek")


@pytest.mark.parametrize(
    ("handle", "why"), [(Unseekable(), "can't seek"), (io.StringIO("text"), "as text")]
)
@ensureDeferred
async def test_an_open_file_must_seek_and_give_bytes(handle, why):
    source = FileHandle(handle)
    with pytest.raises(UploadSourceError, match=why):
        await source.get_size()
        await source.read(1)


@ensureDeferred
async def test_an_open_file_is_read_from_its_start_and_stays_open():
    handle = io.BytesIO(b"content")
    handle.seek(3)
    source = FileHandle(handle, b"")
    assert b"".join(await source.read(100)) == b"content"
    source.close()
    assert not handle.closed


@ensureDeferred
async def test_a_convergent_key_needs_parameters():
    with pytest.raises(UsageError):
        await Data(b"content", b"").get_encryption_key()


@ensureDeferred
async def test_an_empty_secret_is_a_secret():
    source = Data(b"content", b"")
    source.set_serialized_encoding_parameters(PARAMETERS)
    hasher = convergence_hasher(3, 10, 131073, b"")
    hasher.update(b"content")
    assert await source.get_encryption_key() == hasher.digest()[:16]


@ensureDeferred
async def test_a_close_that_overtakes_a_read_is_told(tmp_path, workers):
    path = tmp_path / "source"
    path.write_bytes(bytes(1000))
    source = FileName(path, None, workers)
    await source.get_size()
    file = source._file
    source.close()
    with pytest.raises(CancelledError):
        file.read_at(0, 1)
