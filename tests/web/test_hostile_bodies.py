"""Requests that are too large, too slow, without end, or none at all."""

import socket

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread

from allmydata.web.channel import BODY_S, HEADERS_S, IDLE_S, LINGER_S, STALL_S
from allmydata.web.crowd import Crowd
from allmydata.web.reply import Reply

GET = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
PUT = b"PUT /uri HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.fixture
def clock(gateway):
    """The clock of connections that are made from now on."""
    gateway.site.reactor = Clock()
    return gateway.site.reactor


def answer_to(gateway, *messages):
    """Send bytes, and return all that is answered until the gateway closes its side."""

    def run():
        one = gateway.socket()
        for message in messages:
            one.sendall(message)
        return read_all(one)

    return deferToThread(run)


def read_all(one):
    pieces = []
    try:
        while piece := one.recv(65536):
            pieces.append(piece)
    except ConnectionResetError:
        pieces.append(b"(reset)")
    return b"".join(pieces)


def status_of(answer):
    assert answer.count(b"HTTP/1.1 ") == 1, answer
    return int(answer.split()[1])


async def connect(gateway, until, message):
    """Send *message*; return the socket and the gateway's side of it, when it has come."""
    channels = []

    class Watched(gateway.site.protocol):
        num_heard = 0

        def connectionMade(self):
            channels.append(self)
            super().connectionMade()

        def dataReceived(self, data):
            self.num_heard += len(data)
            super().dataReceived(data)

    gateway.site.protocol, before = Watched, gateway.site.protocol
    one = await deferToThread(gateway.socket)
    await deferToThread(one.sendall, message)
    await until(lambda: channels and channels[0].num_heard >= len(message))
    gateway.site.protocol = before
    return one, channels[0]


# ---- no requests


@pytest.mark.parametrize(
    ("message", "status"),
    [
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n", 431),
        (b"a" * 200_000, 431),  # a line without an end
        (GET + b"X: " + b"a" * 20_000 + b"\r\n\r\n", 431),
        (GET + b"X: " + b"a" * 1_000_000, 431),
        (GET + (b"X: " + b"a" * 1000 + b"\r\n") * 20 + b"\r\n", 431),
        (GET + b"X: a\r\n" * 600 + b"\r\n", 431),
        (b"GET /\r\n", 400),
        (b"hello\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (GET + b"no colon\r\n\r\n", 400),
        (GET + b"no colon\r\nX: y\r\n\r\n", 400),
        (GET + b"A space : x\r\n\r\n", 400),
        (GET + b"X: a\nContent-Length: 5\r\n\r\n", 400),
        (GET + b"Host: 127.0.0.1\r\n\r\n", 400),
        (PUT + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
        (PUT + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400),
        (PUT + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (PUT + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400),
        (PUT + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400),
        (PUT + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
        (PUT + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
        (PUT + b"Content-Length: -5\r\n\r\nhello", 400),
        (PUT + b"Content-Length: 0x5\r\n\r\nhello", 400),
        (PUT + b"Content-Length: 5, 5\r\n\r\nhello", 400),
        (PUT + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\nhello", 400),
    ],
)
@ensureDeferred
async def test_what_is_no_request_is_refused_once_and_the_connection_ends(
    message, status, gateway
):
    answer = await answer_to(gateway, message)
    assert status_of(answer) == status
    assert b"\r\nConnection: close\r\n" in answer
    assert gateway.uploader.files == {}


@pytest.mark.parametrize(
    "chunks",
    [
        b"hello\r\n",
        b"-5\r\nhello\r\n",
        b"0x5\r\nhello\r\n",
        b"5 \r\nhello\r\n",
        b"5\r\nhello!\r\n",
        b"5;" + b"x" * 10**6,
        b"0\r\nX: " + b"y" * 10**6,
    ],
)
@ensureDeferred
async def test_garbage_for_chunks_ends_the_upload(chunks, gateway, until):
    head = PUT + b"Transfer-Encoding: chunked\r\n\r\n"
    assert status_of(await answer_to(gateway, head + chunks)) == 400
    await until(lambda: gateway.uploader.num_cancelled == gateway.uploader.num_closed)
    assert gateway.uploader.files == {}


@ensureDeferred
async def test_a_second_request_is_not_hidden_in_what_was_refused(gateway):
    hidden = b"PUT /uri HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
    head = PUT + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    assert status_of(await answer_to(gateway, head + hidden)) == 400
    assert gateway.uploader.files == {}


# ---- bodies nobody wants


@pytest.mark.parametrize("method", [b"GET", b"DELETE", b"BREW", b"HEAD"])
@pytest.mark.parametrize("is_chunked", [False, True])
@ensureDeferred
async def test_a_long_body_where_none_belongs_is_not_read_to_its_end(
    method, is_chunked, gateway
):
    head = method + b" /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    if is_chunked:
        head += b"Transfer-Encoding: chunked\r\n\r\n30000\r\n" + bytes(0x30000)
    else:
        head += b"Content-Length: 1000000000000\r\n\r\n"

    def run():
        one = gateway.socket()
        one.sendall(head)
        return one.recv(1000)

    answer = await deferToThread(run)
    assert status_of(answer) == 413
    assert b"\r\nConnection: close\r\n" in answer


@ensureDeferred
async def test_a_short_body_where_none_belongs_does_no_harm(gateway):
    body = b"Content-Length: 5\r\n\r\nhello"
    last = b"Connection: close\r\n\r\n"
    answer = await answer_to(gateway, GET + body + GET + last)
    assert answer.count(b"HTTP/1.1 200 ") == 2


@pytest.mark.parametrize("path", [b"/uri?happy=0", b"/"])
@ensureDeferred
async def test_the_rest_of_a_body_is_read_for_a_while_only(path, gateway, clock, until):
    head = b"POST " + path + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: x/y\r\n"
    message = head + b"Transfer-Encoding: chunked\r\n\r\n2000000\r\n" + bytes(2**25 - 1)
    _, channel = await connect(gateway, until, message)
    assert channel.transport.connected
    clock.advance(LINGER_S - 1)
    assert channel.transport.connected
    clock.advance(1)
    await until(lambda: not channel.transport.connected)


@ensureDeferred
async def test_a_length_that_no_disk_has_is_refused_at_once(gateway):
    def run():
        one = gateway.socket()
        one.sendall(PUT + b"Content-Length: 1000000000000000000\r\n\r\n" + bytes(1000))
        return one.recv(1000)

    assert status_of(await deferToThread(run)) == 507


# ---- silence


@ensureDeferred
async def test_headers_that_come_byte_by_byte_have_an_end(gateway, clock, until):
    one, channel = await connect(gateway, until, b"GET / HTTP/1.1\r\nX: a")
    for _ in range(3):
        heard = channel.num_heard
        clock.advance(HEADERS_S / 3 - 0.1)
        await deferToThread(one.sendall, b"a")
        await until(lambda heard=heard: channel.num_heard > heard)
    assert not channel._is_refused
    clock.advance(1)
    answer = await deferToThread(read_all, one)
    assert status_of(answer) == 408


@ensureDeferred
async def test_a_connection_without_a_request_is_closed(gateway, clock, until):
    one, channel = await connect(gateway, until, GET + b"\r\n")
    assert (await deferToThread(one.recv, 1000)).startswith(b"HTTP/1.1 200 ")
    await until(lambda: not channel.requests)
    clock.advance(IDLE_S - 1)
    assert channel.transport.connected
    clock.advance(1)
    await until(lambda: not channel.transport.connected)


@pytest.mark.parametrize("query", [b"", b"?convergence=none"])
@ensureDeferred
async def test_a_body_that_stops_is_waited_for_and_then_given_up(
    query, gateway, clock, until
):
    head = b"PUT /uri" + query + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    message = head + b"Content-Length: 300000\r\n\r\n" + bytes(200_000)
    one, channel = await connect(gateway, until, message)
    request = channel.requests[0]
    for _ in range(int(BODY_S / IDLE_S) - 1):
        clock.advance(IDLE_S)
    await deferToThread(one.sendall, bytes(10))  # it is alive: all begins anew
    await until(lambda: channel.num_heard == len(message) + 10)
    for _ in range(int(BODY_S / IDLE_S) - 1):
        clock.advance(IDLE_S)
    assert not request._disconnected
    clock.advance(IDLE_S)
    assert status_of(await deferToThread(read_all, one)) == 408
    assert request._receiver._is_closed
    assert gateway.uploader.num_cancelled == gateway.uploader.num_closed


@ensureDeferred
async def test_who_is_held_back_may_be_silent(gateway, clock, until):
    gateway.uploader.gate.shut()
    head = b"PUT /uri?convergence=none HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    message = head + b"Content-Length: 20000000\r\n\r\n"
    one, channel = await connect(gateway, until, message)
    sending = deferToThread(one.sendall, bytes(20_000_000))
    await until(lambda: channel.requests[0].is_held)
    for _ in range(100):
        clock.advance(IDLE_S)
    gateway.uploader.gate.open()
    await sending
    assert (await deferToThread(one.recv, 1000)).startswith(b"HTTP/1.1 200 ")


async def ask_for_much(gateway, until, path):
    """Ask, and take nothing; return the socket and the gateway's side."""

    def small_window():
        one = socket.socket()
        one.settimeout(20)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**12)
        one.connect(("127.0.0.1", gateway.port))
        return one

    gateway.socket = small_window
    head = b"GET " + path + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    one, channel = await connect(gateway, until, head)
    await until(lambda: channel._waitingForTransport)
    return one, channel


@ensureDeferred
async def test_a_client_that_takes_nothing_is_given_up(gateway, clock, until):
    _, _, cap = await gateway.ask("PUT", "/uri?convergence=none", bytes(2**26))
    one, channel = await ask_for_much(gateway, until, b"/uri/" + cap)
    clock.advance(STALL_S - 1)
    assert channel.transport.connected
    clock.advance(1)
    await until(lambda: gateway.downloader.num_cancelled)
    assert not channel.transport.connected
    one.close()


class LargePages:
    """Answers whatever is asked with much, in one piece."""

    page = bytes(2**25)

    def find(self, request):
        return self.answer

    def wants_body(self, request):
        return False

    async def answer(self, request):
        return Reply(200, self.page)


@ensureDeferred
async def test_a_client_that_takes_the_end_slowly_gets_it(gateway, clock, until):
    """The gateway has nothing more to say, but the client has not read it all yet."""
    gateway.site.router = LargePages()
    one, channel = await ask_for_much(gateway, until, b"/page")
    await until(lambda: not channel.requests)
    for _ in range(5):
        clock.advance(IDLE_S)

    def read():
        num = 0
        while num < len(LargePages.page):
            num += len(one.recv(2**20))
        return num

    assert await deferToThread(read) >= len(LargePages.page)
    one.close()


# ---- too many


@ensureDeferred
async def test_the_longest_idle_connection_makes_room(gateway, until):
    gateway.site.crowd = Crowd(3)
    idle = [(await connect(gateway, until, b"G"))[1] for _ in range(3)]
    assert (await gateway.ask("GET", "/healthz"))[0] == 200
    await until(lambda: not idle[0].transport.connected)
    assert idle[2].transport.connected


@ensureDeferred
async def test_where_all_places_are_busy_one_is_told(gateway, until):
    gateway.site.crowd = Crowd(1)
    gateway.uploader.gate.shut()
    head = PUT + b"Content-Length: 100\r\n\r\n" + bytes(100)
    one, _ = await connect(gateway, until, head)
    await until(lambda: gateway.uploader.keys)
    answer = await answer_to(gateway)
    assert status_of(answer) == 503
    gateway.uploader.gate.open()
    assert (await deferToThread(one.recv, 1000)).startswith(b"HTTP/1.1 200 ")
