"""What every IDownloadTarget promises."""

import io

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.interfaces import IConsumer
from twisted.python.failure import Failure
from zope.interface import implementer
from zope.interface.verify import verifyObject

from allmydata.errors import NoSharesError
from allmydata.interfaces import IDownloadTarget
from allmydata.streams.target import Consumer, Data, FileHandle, FileName
from allmydata.util.workers import Workers


@implementer(IConsumer)
class Sink:
    """A consumer that remembers."""

    def __init__(self):
        self.data = b""
        self.producer = None

    def registerProducer(self, producer, streaming):
        assert streaming and self.producer is None
        self.producer = producer

    def unregisterProducer(self):
        assert self.producer is not None
        self.producer = None

    def write(self, data):
        self.data += data


class Bench:
    """Makes targets of each kind, and reads back what they got."""

    def __init__(self, directory, workers):
        self.path = directory / "target"
        self.workers = workers
        self.handle = io.BytesIO()
        self.sink = Sink()

    def data(self):
        return Data(), lambda result: result

    def filename(self):
        return FileName(self.path), lambda result: open(result, "rb").read()

    def filename_threaded(self):
        return FileName(self.path, self.workers), lambda result: open(result, "rb").read()

    def filehandle(self):
        return FileHandle(self.handle), lambda result: result.getvalue()

    def consumer(self):
        return Consumer(self.sink), lambda result: result.data


KINDS = [name for name in vars(Bench) if not name.startswith("_")]


@pytest.fixture
def bench(tmp_path):
    workers = Workers(2, "tests")
    workers.start()
    yield Bench(tmp_path, workers)
    workers.stop()


async def write(target, data):
    waiting = target.write(data)
    if waiting is not None:
        await waiting


@pytest.mark.parametrize("kind", KINDS)
def test_it_provides_the_interface(kind, bench):
    assert verifyObject(IDownloadTarget, getattr(bench, kind)()[0])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pieces", [[], [b"x"], [b"one", b"", b"3"], [bytes(2**20)] * 3])
@ensureDeferred
async def test_what_was_written_is_what_it_finishes_with(kind, pieces, bench):
    target, read = getattr(bench, kind)()
    target.register_canceller(lambda: None)
    target.open(sum(map(len, pieces)))
    for piece in pieces:
        await write(target, piece)
    target.close()
    assert read(target.finish()) == b"".join(pieces)


@pytest.mark.parametrize("kind", KINDS)
def test_it_may_fail_before_it_is_opened(kind, bench):
    target, _ = getattr(bench, kind)()
    target.fail(Failure(NoSharesError("none")))
    assert not bench.path.exists()
    assert bench.sink.producer is None


@pytest.mark.parametrize("kind", KINDS)
@ensureDeferred
async def test_after_a_failure_nothing_is_left_that_looks_whole(kind, bench):
    target, _ = getattr(bench, kind)()
    target.open(10)
    await write(target, b"half")
    target.fail(Failure(NoSharesError("none")))
    assert list(bench.path.parent.iterdir()) == []
    assert bench.sink.producer is None


@pytest.mark.parametrize("kind", KINDS)
def test_its_owner_can_cancel_through_it(kind, bench):
    target, _ = getattr(bench, kind)()
    target.cancel()  # nothing is going on yet
    calls = []
    target.register_canceller(lambda: calls.append("cancelled"))
    target.cancel()
    assert calls == ["cancelled"]
