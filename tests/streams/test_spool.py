"""Uploads that wait: in memory, or on disk where nobody can read them."""

import errno
import os

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.defer import CancelledError as Cancelled

from allmydata.crypto.hashutil import convergence_hasher
from allmydata.errors import CancelledError, GridError, NoSpaceError, UploadSourceError
from allmydata.streams.spool import MEMORY, ROOM, Spool
from allmydata.util.mathutil import next_multiple

SEGMENT = 2**17


@pytest.fixture
def make(tmp_path, workers):
    made = []

    def make(secret=b"secret", directory=tmp_path, **options):
        options = {"parameters": (3, 10), "max_segment_size": SEGMENT} | options
        made.append(Spool(directory, secret, workers, **options))
        return made[-1]

    yield make
    for spool in made:
        spool.close()


async def fill(spool, content, piece=2**16):
    filling = spool.fill()
    for start in range(0, len(content), piece):
        waiting = spool.write(content[start : start + piece])
        if waiting is not None:
            await waiting
    spool.finish()
    await filling


def key_of(content, k, n, segment_size):
    hasher = convergence_hasher(k, n, segment_size, b"secret")
    hasher.update(content)
    return hasher.digest()[:16]


def spool_files(tmp_path):
    links = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
    return [link for link in links if os.path.lexists(link) and is_below(link, tmp_path)]


def is_below(link, tmp_path):
    try:
        return os.readlink(link).startswith(str(tmp_path))
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("size", [1, SEGMENT, MEMORY, MEMORY + 1, 3 * MEMORY + 7])
@ensureDeferred
async def test_the_key_is_made_on_the_way_from_the_parameters_foreseen(size, make, workers):
    content = os.urandom(size)
    spool = make()
    await fill(spool, content)
    segment_size = next_multiple(min(size, SEGMENT), 3)
    spool.set_serialized_encoding_parameters(f"{segment_size}-3-10")
    getting = spool.get_encryption_key()
    assert getting.called  # nothing had to be hashed again
    assert await getting == key_of(content, 3, 10, segment_size)


@pytest.mark.parametrize("size", [1, MEMORY, 3 * MEMORY + 7])
@ensureDeferred
async def test_other_parameters_than_foreseen_give_their_own_key(size, make):
    content = os.urandom(size)
    spool = make()
    await fill(spool, content)
    for k, n, segment_size in ((3, 11, 131073), (4, 10, 131072), (3, 10, 99)):
        spool.set_serialized_encoding_parameters(f"{segment_size}-{k}-{n}")
        key = key_of(content, k, n, segment_size)
        assert await spool.get_encryption_key() == key


@ensureDeferred
async def test_what_is_small_stays_in_memory(make, tmp_path):
    spool = make()
    await fill(spool, bytes(MEMORY))
    assert spool_files(tmp_path) == []


@pytest.mark.parametrize("has_unnamed", [True, False])
@ensureDeferred
async def test_what_is_large_lies_in_a_file_without_a_name_nobody_can_read(
    has_unnamed, make, tmp_path, monkeypatch
):
    if not has_unnamed:
        monkeypatch.setattr(os, "O_TMPFILE", os.O_DIRECTORY)
    content = b"plaintext " * 300_000
    spool = make()
    await fill(spool, content)
    assert list(tmp_path.iterdir()) == []
    (link,) = spool_files(tmp_path)
    status = os.stat(link)
    assert (status.st_mode & 0o777, status.st_nlink) == (0o600, 0)
    with open(link, "rb") as f:
        sealed = f.read()
    assert len(sealed) == len(content)
    assert b"plain" not in sealed
    assert b"".join(await spool.read(len(content))) == content
    spool.close()
    assert spool_files(tmp_path) == []


@ensureDeferred
async def test_two_spools_of_one_content_look_different(make, tmp_path):
    sealed = set()
    for _ in range(2):
        spool = make()
        await fill(spool, bytes(2 * MEMORY))
        (link,) = spool_files(tmp_path)
        with open(link, "rb") as f:
            sealed.add(f.read())
        spool.close()
    assert len(sealed) == 2


@ensureDeferred
async def test_a_writer_that_does_not_wait_is_told_to(make):
    spool = make()
    written = 0
    while spool.write(bytes(2**16)) is None:
        written += 2**16
        assert written <= MEMORY + ROOM
    waiting = spool.write(b"more")
    assert not waiting.called
    filling = spool.fill()
    await waiting
    spool.finish()
    await filling
    assert await spool.get_size() == written + 2**16 + 4


@pytest.mark.parametrize("size", [99, 101])
@ensureDeferred
async def test_more_or_less_than_promised_is_refused(size, make):
    spool = make(size=100)
    with pytest.raises(UploadSourceError, match="100 were promised"):
        await fill(spool, bytes(size))


@pytest.mark.parametrize(
    ("number", "error"), [("ENOSPC", NoSpaceError), ("EIO", GridError)]
)
@ensureDeferred
async def test_a_full_disk_is_told(number, error, make, monkeypatch):
    real = os.write

    def no(fd, data):
        if len(data) < 1000:  # the reactor waking itself up
            return real(fd, data)
        raise OSError(getattr(errno, number), "no")

    spool = make()
    monkeypatch.setattr(os, "write", no)
    with pytest.raises(error):
        await fill(spool, bytes(3 * MEMORY))
    spool.close()
    assert spool.write(bytes(10 * MEMORY)) is None  # and what still comes is dropped


@ensureDeferred
async def test_a_missing_directory_is_told(make, tmp_path):
    spool = make(directory=tmp_path / "nowhere")
    with pytest.raises(GridError, match="can't hold the upload"):
        await fill(spool, bytes(3 * MEMORY))


@ensureDeferred
async def test_close_ends_the_filling_and_lets_the_writer_go(make, tmp_path):
    spool = make()
    filling = spool.fill()
    waiting = None
    while waiting is None:
        waiting = spool.write(bytes(2**16))
    spool.close()
    await waiting
    with pytest.raises(CancelledError):
        await filling
    with pytest.raises(CancelledError):
        await spool.read(1)
    assert spool_files(tmp_path) == []


@ensureDeferred
async def test_filling_can_be_cancelled(make, tmp_path):
    spool = make()
    filling = spool.fill()
    spool.write(bytes(3 * MEMORY))
    filling.cancel()
    with pytest.raises(Cancelled):
        await filling
    spool.close()
    assert spool_files(tmp_path) == []
