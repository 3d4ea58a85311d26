"""What every IUploadable promises."""

import io
import os

import pytest
from pytest_twisted import ensureDeferred
from zope.interface.verify import verifyObject

from allmydata.crypto.hashutil import convergence_hasher
from allmydata.interfaces import IUploadable
from allmydata.streams.incoming import Incoming
from allmydata.streams.spool import Spool
from allmydata.streams.uploadable import Data, FileHandle, FileName
from allmydata.util.workers import Workers

CONTENTS = [b"", b"x", os.urandom(1000), os.urandom(3 * 2**20 + 17)]
PARAMETERS = "1048578-3-10"


class Bench:
    """Makes uploadables of each kind that hold some content."""

    def __init__(self, directory, workers):
        self.directory = directory
        self.workers = workers

    async def data(self, content, convergence):
        return Data(content, convergence)

    async def data_threaded(self, content, convergence):
        return Data(content, convergence, self.workers)

    def _file(self, content):
        path = self.directory / "content"
        path.write_bytes(content)
        return path

    async def filename(self, content, convergence):
        return FileName(self._file(content), convergence)

    async def filename_threaded(self, content, convergence):
        return FileName(str(self._file(content)), convergence, self.workers)

    async def filehandle(self, content, convergence):
        return FileHandle(io.BytesIO(content), convergence)

    async def filehandle_threaded(self, content, convergence):
        return FileHandle(io.BytesIO(content), convergence, self.workers)

    async def spool(self, content, convergence):
        spool = Spool(
            self.directory,
            convergence,
            self.workers,
            parameters=(3, 10),
            max_segment_size=2**20,
        )
        filling = spool.fill()
        for start in range(0, len(content), 2**16):
            waiting = spool.write(content[start : start + 2**16])
            if waiting is not None:
                await waiting
        spool.finish()
        await filling
        return spool

    async def incoming(self, content, convergence):
        incoming = Incoming(len(content))
        incoming.write(content)
        incoming.finish()
        return incoming


KINDS = [name for name in vars(Bench) if not name.startswith("_")]
CONVERGENT = [name for name in KINDS if name != "incoming"]


@pytest.fixture
def bench(tmp_path):
    workers = Workers(2, "tests")
    workers.start()
    yield Bench(tmp_path, workers)
    workers.stop()


async def read_all(uploadable, length):
    pieces = []
    while True:
        got = await uploadable.read(length)
        assert all(isinstance(piece, bytes) for piece in got)
        if not b"".join(got):
            return pieces
        pieces.append(b"".join(got))


@pytest.mark.parametrize("kind", KINDS)
@ensureDeferred
async def test_it_provides_the_interface(kind, bench):
    uploadable = await getattr(bench, kind)(b"content", None)
    assert verifyObject(IUploadable, uploadable)
    uploadable.close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("content", CONTENTS, ids=len)
@ensureDeferred
async def test_reads_give_the_content_in_lengths_asked_for(kind, content, bench):
    uploadable = await getattr(bench, kind)(content, b"secret")
    assert await uploadable.get_size() == len(content)
    uploadable.set_serialized_encoding_parameters(PARAMETERS)
    await uploadable.get_encryption_key()
    pieces = await read_all(uploadable, 300_001)
    assert b"".join(pieces) == content
    assert all(len(piece) == 300_001 for piece in pieces[:-1])
    uploadable.close()


@pytest.mark.parametrize("kind", KINDS)
@ensureDeferred
async def test_without_convergence_the_key_is_random_and_stays(kind, bench):
    first = await getattr(bench, kind)(b"content" * 1000, None)
    second = await getattr(bench, kind)(b"content" * 1000, None)
    for uploadable in first, second:
        uploadable.set_serialized_encoding_parameters(PARAMETERS)
    key = await first.get_encryption_key()
    assert len(key) == 16
    assert await first.get_encryption_key() == key
    assert await second.get_encryption_key() != key
    first.close()
    second.close()


@pytest.mark.parametrize("kind", CONVERGENT)
@pytest.mark.parametrize("content", CONTENTS[1:], ids=len)
@pytest.mark.parametrize("secret", [b"", b"secret"])
@ensureDeferred
async def test_the_convergent_key_is_the_hash_of_content_parameters_and_secret(
    kind, content, secret, bench
):
    uploadable = await getattr(bench, kind)(content, secret)
    uploadable.set_serialized_encoding_parameters("131074-7-20")
    hasher = convergence_hasher(7, 20, 131074, secret)
    hasher.update(content)
    assert await uploadable.get_encryption_key() == hasher.digest()[:16]
    assert await uploadable.get_encryption_key() == hasher.digest()[:16]
    assert b"".join(await uploadable.read(len(content))) == content
    uploadable.close()


@pytest.mark.parametrize("kind", KINDS)
@ensureDeferred
async def test_it_may_be_closed_early_and_twice(kind, bench):
    uploadable = await getattr(bench, kind)(b"content", b"secret")
    await uploadable.get_size()
    uploadable.close()
    uploadable.close()
