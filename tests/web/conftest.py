import http.client
import socket

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.threads import deferToThread

from allmydata.util.deferreds import Workers, sleep, start
from allmydata.web.site import make_site
from tests.support.fake_client import FakeClient


class Gateway:
    """A gateway on a free port, and clients that block, each call in a thread."""

    def __init__(self, client, port, directory):
        self.client = client
        self.uploader = client.uploader
        self.downloader = client.downloader
        self.directory = directory
        self._port = port
        self._open = []

    @property
    def port(self):
        return self._port.getHost().port

    def connect(self):
        """Return a connection to be used in one thread at a time."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        self._open.append(connection)
        return connection

    def socket(self):
        """Return a connected socket."""
        one = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        self._open.append(one)
        return one

    def close(self):
        for one in self._open:
            one.close()

    def ask(self, method, path, body=None, headers=(), connection=None):
        """Return a Deferred of (status, headers, body)."""
        return deferToThread(self.ask_now, method, path, body, headers, connection)

    def ask_now(self, method, path, body=None, headers=(), connection=None):
        connection = connection or self.connect()
        connection.request(method, path, body=body, headers=dict(headers))
        response = connection.getresponse()
        return response.status, response.headers, response.read()


@pytest.fixture
def gateway(tmp_path):
    workers = Workers(2, "tests")
    workers.start()
    client = FakeClient()
    site = make_site(client, workers, tmp_path)
    port = reactor.listenTCP(0, site, interface="127.0.0.1")
    gateway = Gateway(client, port, tmp_path)
    gateway.site = site
    yield gateway
    gateway.close()
    pytest_twisted.blockon(port.stopListening())
    pytest_twisted.blockon(settled(site))
    workers.stop()


async def turn():
    """Let the reactor go round, and the clients' threads have the interpreter."""
    await sleep(0.001, reactor)


async def until(condition):
    """Let the reactor go round until *condition* holds, for 20 seconds at most."""
    end = reactor.seconds() + 20
    while not condition():
        assert reactor.seconds() < end, "it never happened"
        await turn()


def settled(site):
    """Wait until the reactor has seen every connection close."""

    def none_left():
        return not [
            reader
            for reader in reactor.getReaders()
            if getattr(getattr(reader, "protocol", None), "site", None) is site
        ]

    return start(until(none_left))


@pytest.fixture(name="until")
def give_until():
    return until
