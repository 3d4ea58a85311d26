import http.client
import json
import socket
from urllib.parse import quote, urlencode

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.threads import deferToThread

from allmydata.util.deferreds import sleep, start
from allmydata.util.workers import Workers
from allmydata.web.session import GatewayKeys
from allmydata.web.site import make_site
from tests.support.drive import DriveBench
from tests.support.fake_client import FakeClient

TOKEN = "the-token-of-the-gateway-in-tests"
OWNER = {"Authorization": f"Bearer {TOKEN}"}


class Gateway:
    """A gateway on a free port, and clients that block, each call in a thread.

    ``headers`` go with each request: those of its owner, unless a test takes them away.
    """

    def __init__(self, client, port, directory, keys):
        self.keys = keys
        self.headers = dict(OWNER)
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
        connection.request(method, path, body=body, headers=self.headers | dict(headers))
        response = connection.getresponse()
        return response.status, response.headers, response.read()


class Directories:
    """A gateway's directories, asked for over HTTP."""

    def __init__(self, gateway, served=None):
        self.gateway = gateway
        self._served = served

    def num_calls(self):
        """Return how often a vdrive server was asked."""
        return len((self._served or self.gateway.client.vdrive).calls)

    async def ask(self, method, place, body=None, headers=()):
        """Return (status, headers, body as text)."""
        status, headers, body = await self.gateway.ask(method, place, body, headers)
        return status, headers, body.decode()

    async def make(self, **children):
        """Return the capability of a new directory of such children."""
        status, _, cap = await self.ask("POST", "/uri?t=mkdir")
        assert status == 200
        if children:
            body = json.dumps({n: ["filenode", {"rw_uri": c}] for n, c in children.items()})
            reply = await self.ask("POST", url(cap, t="set_children"), body)
            assert reply[0] == 200, reply
        return cap

    async def told(self, place):
        """Return what ``t=json`` tells of a place."""
        status, _, body = await self.ask("GET", place + "?t=json")
        assert status == 200, body
        return json.loads(body)

    async def children(self, cap, *names):
        """Return what is told of each child, by name."""
        kind, facts = await self.told(url(cap, *names))
        assert kind == "dirnode"
        return facts["children"]

    async def names(self, cap, *names):
        return sorted(await self.children(cap, *names))

    async def readonly(self, cap):
        _, _, body = await self.ask("GET", url(cap, t="readonly-uri"))
        return body

    async def content(self, *place):
        status, _, body = await self.ask("GET", url(*place))
        assert status == 200
        return body


def url(cap, *names, **words):
    """Return the path of a request, all of it quoted."""
    root = cap if cap.startswith("/") else "/uri/" + quote(cap, safe="")
    path = "/".join([root, *(quote(name, safe="") for name in names)])
    return path + ("?" + urlencode(words) if words else "")


@pytest.fixture(name="url")
def give_url():
    return url


def form(**fields):
    """Return body and headers of a form of several parts; a file is a (name, bytes)."""
    pieces = []
    for name, value in fields.items():
        file_name, data = value if isinstance(value, tuple) else (None, value)
        data = data if isinstance(data, bytes) else data.encode()
        more = "" if file_name is None else f'; filename="{file_name}"'
        head = f'Content-Disposition: form-data; name="{name}"{more}\r\n\r\n'
        pieces.append(b"--xyz\r\n" + head.encode() + data + b"\r\n")
    headers = {"Content-Type": "multipart/form-data; boundary=xyz"}
    return b"".join(pieces) + b"--xyz--\r\n", headers


@pytest.fixture(name="form")
def give_form():
    return form


@pytest.fixture(params=["fake", "real"])
def grid(request, gateway, tmp_path):
    """Directories in memory, and on a vdrive server near by."""
    if request.param == "fake":
        yield Directories(gateway)
        return
    bench = DriveBench(tmp_path / "bench")
    served = pytest_twisted.blockon(start(bench.serve()))
    gateway.client.vdrive = bench.drive(served)
    yield Directories(gateway, served)
    pytest_twisted.blockon(start(bench.stop()))


@pytest.fixture
def fake(gateway):
    """Directories in memory, only."""
    return Directories(gateway)


@pytest.fixture
def gateway(tmp_path):
    workers = Workers(2, "tests")
    workers.start()
    client = FakeClient()
    keys = GatewayKeys(TOKEN.encode())
    site = make_site(client, workers, tmp_path, keys=keys)
    port = reactor.listenTCP(0, site, interface="127.0.0.1")
    gateway = Gateway(client, port, tmp_path, keys)
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
            for reader in {*reactor.getReaders(), *reactor.getWriters()}
            if getattr(getattr(reader, "protocol", None), "site", None) is site
        ]

    return start(until(none_left))


@pytest.fixture(name="until")
def give_until():
    return until
