import pytest
from pytest_twisted import blockon
from twisted.internet.task import Clock

from allmydata.storage.server import StorageServer
from allmydata.util.workers import Workers

NOW = 1_700_000_000


@pytest.fixture(scope="session")
def workers():
    workers = Workers(2, "test-storage")
    workers.start()
    yield workers
    workers.stop()


@pytest.fixture
def clock():
    clock = Clock()
    clock.advance(NOW)
    return clock


@pytest.fixture
def storedir(tmp_path):
    return tmp_path / "node" / "storage"


@pytest.fixture
def serve(storedir, workers, clock):
    """Start servers on one directory; those that still run at the end are stopped."""
    servers = []

    def start(**options):
        server = StorageServer(
            storedir, b"\2" * 20, workers=workers, clock=clock, **options
        )
        server.startService()
        servers.append(server)
        return server

    yield start
    for server in servers:
        if server.running:
            blockon(server.stopService())
