import pytest
from pytest_twisted import blockon

from allmydata.util.deferreds import start
from tests.support.https import HttpsServer, connect


@pytest.fixture
def open_https(clock):
    """Open the HTTPS port of a storage server; all are closed at the end."""
    servers = []

    def open_port(storage, **options):
        servers.append(HttpsServer(storage, clock, **options))
        return servers[-1]

    yield open_port
    for server in servers:
        blockon(start(server.stop()))


@pytest.fixture
def storage(serve):
    return serve()


@pytest.fixture
def https(open_https, storage):
    return open_https(storage)


@pytest.fixture
def dial(https):
    """Return a function that connects; what it connected is closed at the end."""
    wires = []

    async def dial(pem=None, server=None):
        wires.append(await connect(server or https, pem))
        return wires[-1]

    yield dial
    for wire in wires:
        if not wire.lost.called:
            wire.transport.abortConnection()
            blockon(wire.lost)
