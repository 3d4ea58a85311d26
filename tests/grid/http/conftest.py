import pytest
from pytest_twisted import blockon
from twisted.internet import reactor

from allmydata.grid.http.link import pool_opener
from allmydata.grid.http.storage import HttpStorage
from allmydata.grid.http.tls import Identity
from allmydata.storage.server import StorageServer
from allmydata.util.deferreds import sleep, start
from allmydata.util.workers import Workers
from tests.support.https import HttpsServer, certificate


@pytest.fixture(scope="session")
def workers():
    workers = Workers(2, "test-https")
    workers.start()
    yield workers
    workers.stop()


@pytest.fixture
def storage(tmp_path, workers):
    server = StorageServer(
        tmp_path / "storage", b"\2" * 20, workers=workers, clock=reactor, nickname="attic"
    )
    server.startService()
    yield server
    blockon(server.stopService())


@pytest.fixture
def https(storage):
    server = HttpsServer(storage)
    yield server
    blockon(start(server.stop()))


@pytest.fixture
def reach(https):
    """Return a function that makes the client's side of a server."""
    made = []

    def reach(nurl=None, tubid=None):
        opener = pool_opener(Identity(certificate(1)), tubid or https.tubid, reactor)
        made.append(HttpStorage(nurl or https.nurl, opener(nurl or https.nurl)))
        return made[-1]

    yield reach
    for one in made:
        one.pool.close()
    blockon(start(_closed(made)))


async def _closed(made):
    while any(one.pool._every for one in made):
        await sleep(0, reactor)
