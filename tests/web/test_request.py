"""How bodies stream in and out: pauses, early errors, clients that go away."""

import contextlib
import os
import socket
from pathlib import Path

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.threads import deferToThread
from twisted.logger import LogLevel, globalLogPublisher

from allmydata.errors import NotEnoughServersError, NotEnoughSharesError
from allmydata.streams.incoming import ROOM

MARKER = b"PLAINTEXT-MARKER"
BIG = MARKER * (20 * 2**20 // len(MARKER))  # 20 MiB


def read_reply(one, method="GET"):
    """Return (status, body) of the next reply on a socket's file."""
    status = int(one.readline().split()[1])
    size = 0
    while (line := one.readline()) not in (b"\r\n", b""):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            size = int(value)
    return status, one.read(size)


def talk(gateway, *messages, num_replies=1):
    """Send bytes, then read replies; all in a thread."""

    def run():
        one = gateway.socket()
        for message in messages:
            one.sendall(message)
        with one.makefile("rb") as replies:
            return [read_reply(replies) for _ in range(num_replies)]

    return deferToThread(run)


TO = "HTTP/1.1\r\nHost: localhost\r\n"


def put_head(size, path="/uri", more=""):
    return f"PUT {path} {TO}Content-Length: {size}\r\n{more}\r\n".encode()


# ---- nothing of the plaintext on disk


def holds_marker(path):
    with contextlib.suppress(OSError), open(path, "rb") as f:
        while piece := f.read(2**20):
            if MARKER in piece:
                return True
    return False


def open_files():
    """Return a way to each regular file this process has open, named or not."""
    found = {}
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            name = os.readlink(link)
            if name.startswith("/") and not name.startswith(("/dev/", "/proc/")):
                found[link] = name
    return found


@pytest.mark.parametrize("is_chunked", [False, True])
@ensureDeferred
async def test_no_plaintext_is_on_disk_while_an_upload_waits(is_chunked, gateway, until):
    gateway.uploader.gate.shut()
    pieces = (BIG[i : i + 2**16] for i in range(0, len(BIG), 2**16))
    waiting = gateway.ask("PUT", "/uri", pieces if is_chunked else BIG)
    await until(lambda: gateway.uploader.keys)
    spools = [link for link, name in open_files().items() if str(gateway.directory) in name]
    assert len(spools) == 1  # the upload is in it, encrypted
    assert os.stat(spools[0]).st_size == len(BIG)
    assert not [name for link, name in open_files().items() if holds_marker(link)]
    assert list(gateway.directory.iterdir()) == []
    gateway.uploader.gate.open()
    status, _, cap = await waiting
    assert (status, gateway.uploader.files[cap.decode()]) == (200, BIG)
    assert not [name for name in open_files().values() if str(gateway.directory) in name]


@ensureDeferred
async def test_a_random_key_needs_no_spool(gateway, until):
    gateway.uploader.gate.shut()
    waiting = gateway.ask("PUT", "/uri?convergence=none", BIG)
    await until(lambda: gateway.uploader.keys)
    assert not [name for name in open_files().values() if str(gateway.directory) in name]
    gateway.uploader.gate.open()
    _, _, cap = await waiting
    assert gateway.uploader.files[cap.decode()] == BIG


# ---- pauses


@ensureDeferred
async def test_a_slow_upload_holds_back_the_client(gateway, until):
    """What was sent but not read stays in the client's and the kernel's hands."""
    gateway.uploader.gate.shut()
    sent = []

    def send():
        one = gateway.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**16)
        one.sendall(put_head(len(BIG), "/uri?convergence=none"))
        for start in range(0, len(BIG), 2**16):
            one.sendall(BIG[start : start + 2**16])
            sent.append(start)
        with one.makefile("rb") as replies:
            return read_reply(replies)

    requests = watch_requests(gateway)
    waiting = deferToThread(send)
    await until(lambda: requests and requests[0]._num_holds)
    incoming = requests[0]._receiver
    assert ROOM <= incoming._num_waiting <= ROOM + 2**17
    assert len(sent) * 2**16 < len(BIG)
    gateway.uploader.gate.open()
    status, cap = await waiting
    assert (status, gateway.uploader.files[cap.decode()]) == (200, BIG)


def watch_requests(gateway):
    """Return a list that every request from now on is put into."""
    requests = []

    class Watched(gateway.site.requestFactory):
        def __init__(self, *args):
            super().__init__(*args)
            requests.append(self)

    gateway.site.requestFactory = Watched
    return requests


@ensureDeferred
async def test_a_client_that_reads_slowly_holds_back_the_download(gateway, until):
    data = os.urandom(32 * 2**20)
    cap = await put_file(gateway, data)

    def ask():
        one = gateway.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)
        one.sendall(f"GET /uri/{cap} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return one

    one = await deferToThread(ask)
    await until(lambda: gateway.downloader.num_written)
    stopped = -1
    while stopped != gateway.downloader.num_written:
        stopped = gateway.downloader.num_written
        await gateway.ask("GET", "/healthz")
    assert stopped < len(data) // 2

    def read():
        with one.makefile("rb") as replies:
            return read_reply(replies)

    assert await deferToThread(read) == (200, data)


async def put_file(gateway, data):
    _, _, cap = await gateway.ask("PUT", "/uri?convergence=none", data)
    return cap.decode()


@ensureDeferred
async def test_a_client_that_sends_slowly_is_not_hung_up_on(gateway, until):
    requests = watch_requests(gateway)

    def begin():
        one = gateway.socket()
        one.sendall(put_head(100_000) + bytes(10))
        return one

    one = await deferToThread(begin)
    await until(lambda: requests and requests[0].is_receiving)
    requests[0].channel.timeoutConnection()  # as after a minute of silence
    await gateway.ask("GET", "/healthz")

    def end():
        one.sendall(bytes(99_990))
        with one.makefile("rb") as replies:
            return read_reply(replies)

    status, cap = await deferToThread(end)
    assert status == 200
    assert gateway.uploader.files[cap.decode()] == bytes(100_000)


@ensureDeferred
async def test_a_client_that_asks_for_nothing_is_hung_up_on(gateway, until):
    requests = watch_requests(gateway)
    connection = gateway.connect()
    await gateway.ask("GET", "/healthz", connection=connection)
    channel = await gateway_channel(gateway, until)
    channel.timeoutConnection()
    await until(lambda: not channel.transport.connected)
    assert len(requests) == 1


async def gateway_channel(gateway, until):
    found = []
    for reader in reactor.getReaders():
        protocol = getattr(reader, "protocol", None)
        if getattr(protocol, "site", None) is gateway.site:
            found.append(protocol)
    assert len(found) == 1
    return found[0]


# ---- errors before the end of the body


@pytest.mark.parametrize("query", ["?format=SDMF", "?happy=0", "?convergence=none"])
@ensureDeferred
async def test_an_error_comes_before_a_long_body_ends(query, gateway):
    """The client here reads the reply although most of the body is still to be sent."""
    gateway.uploader.error = NotEnoughServersError("too few")

    def run():
        one = gateway.socket()
        one.sendall(put_head(10**9, "/uri" + query) + bytes(1000))
        with one.makefile("rb") as replies:
            reply = read_reply(replies)
            one.sendall(bytes(10**6))  # nobody is angry
            return reply

    status, body = await deferToThread(run)
    assert status in (400, 413, 500, 501) and body


@ensureDeferred
async def test_a_client_that_sends_all_before_it_reads_gets_the_error(gateway, until):
    gateway.uploader.error = NotEnoughServersError("too few")
    gateway.uploader.error_after = 3 * 2**20
    for query in ("", "?convergence=none"):
        status, headers, body = await gateway.ask("PUT", "/uri" + query, BIG)
        assert status == 500
        assert b"too few" in body
    assert headers["Connection"] == "close"
    assert not [name for name in open_files().values() if str(gateway.directory) in name]


@ensureDeferred
async def test_an_error_after_a_short_body_keeps_the_connection(gateway):
    connection = gateway.connect()
    for _ in range(3):
        args = ("PUT", "/uri?happy=0", bytes(1000))
        status, headers, _ = await gateway.ask(*args, connection=connection)
        assert (status, headers["Connection"]) == (400, None)


@pytest.mark.parametrize("query", ["", "?convergence=none"])
@ensureDeferred
async def test_an_upload_that_ends_with_its_last_byte_keeps_the_connection(query, gateway):
    connection = gateway.connect()
    for _ in range(3):
        args = ("PUT", "/uri" + query, bytes(10**6))
        status, headers, _ = await gateway.ask(*args, connection=connection)
        assert (status, headers["Connection"]) == (200, None)


# ---- Expect


@ensureDeferred
async def test_expect_is_answered_before_the_body_is_sent(gateway):
    def run():
        one = gateway.socket()
        one.sendall(put_head(100_000, more="Expect: 100-continue\r\n"))
        with one.makefile("rb") as replies:
            go_on = replies.readline(), replies.readline()
            one.sendall(bytes(100_000))
            return go_on, read_reply(replies)

    go_on, (status, cap) = await deferToThread(run)
    assert status == 200
    assert go_on == (b"HTTP/1.1 100 Continue\r\n", b"\r\n")
    assert gateway.uploader.files[cap.decode()] == bytes(100_000)


@ensureDeferred
async def test_expect_is_refused_without_the_body(gateway):
    def run():
        one = gateway.socket()
        head = put_head(10**9, "/uri?format=MDMF", "Expect: 100-continue\r\n")
        one.sendall(head)
        with one.makefile("rb") as replies:
            return read_reply(replies), replies.read()

    (status, body), rest = await deferToThread(run)
    assert (status, rest) == (413, b"")
    assert b"mutable" in body


# ---- clients that go away


@pytest.mark.parametrize("query", ["", "?convergence=none"])
@pytest.mark.parametrize("is_chunked", [False, True])
@ensureDeferred
async def test_a_client_that_goes_away_in_its_body_ends_the_upload(
    query, is_chunked, gateway, until
):
    requests = watch_requests(gateway)

    def run():
        one = gateway.socket()
        if is_chunked:
            head = f"PUT /uri{query} {TO}Transfer-Encoding: chunked\r\n\r\n"
            one.sendall(head.encode() + b"500000\r\n" + bytes(3 * 2**20))
        else:
            one.sendall(put_head(len(BIG), "/uri" + query) + BIG[: 3 * 2**20])
        return one

    one = await deferToThread(run)
    await until(lambda: requests and requests[0]._receiver._num_written >= 2**21)
    one.close()
    await until(lambda: requests[0]._disconnected)
    assert requests[0]._work.called
    assert requests[0]._receiver._is_closed
    assert gateway.uploader.num_cancelled == gateway.uploader.num_closed
    assert gateway.uploader.files == {}
    await until(lambda: not spools(gateway))


def spools(gateway):
    return [name for name in open_files().values() if str(gateway.directory) in name]


@ensureDeferred
async def test_a_client_that_goes_away_after_its_body_ends_the_upload(gateway, until):
    gateway.uploader.gate.shut()

    def run():
        one = gateway.socket()
        one.sendall(put_head(3 * 2**20) + bytes(3 * 2**20))
        return one

    one = await deferToThread(run)
    await until(lambda: gateway.uploader.keys)
    assert spools(gateway)
    one.close()
    await until(lambda: gateway.uploader.num_cancelled)
    assert not spools(gateway)


@ensureDeferred
async def test_a_client_that_goes_away_ends_the_download(gateway, until):
    cap = await put_file(gateway, os.urandom(32 * 2**20))

    def run():
        one = gateway.socket()
        one.sendall(f"GET /uri/{cap} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        one.recv(1000)
        return one

    one = await deferToThread(run)
    one.close()
    await until(lambda: gateway.downloader.num_cancelled)
    assert gateway.downloader.num_written < 32 * 2**20


@ensureDeferred
async def test_a_download_that_fails_in_the_middle_is_cut_short(gateway):
    cap = await put_file(gateway, BIG)
    gateway.downloader.error = NotEnoughSharesError("lost them")
    gateway.downloader.error_after = 2**20

    def run():
        one = gateway.socket()
        one.sendall(f"GET /uri/{cap} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        with one.makefile("rb") as replies:
            return replies.read()

    head, _, body = (await deferToThread(run)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert f"Content-Length: {len(BIG)}".encode() in head
    assert body == BIG[: 2**20]


# ---- many requests on one connection


@ensureDeferred
async def test_thousands_of_requests_share_a_connection(gateway):
    def run():
        connection = gateway.connect()
        caps = []
        for i in range(1500):
            body = b"%d" % i * 100
            status, _, cap = gateway.ask_now("PUT", "/uri", body, connection=connection)
            assert status == 200
            caps.append((cap.decode(), body))
        for cap, body in caps[::10]:
            reply = gateway.ask_now("GET", "/uri/" + cap, connection=connection)
            assert reply[2] == body
        return connection.sock.getsockname()

    requests = watch_requests(gateway)
    await deferToThread(run)
    assert len({request.client.port for request in requests}) == 1


@ensureDeferred
async def test_requests_sent_ahead_are_answered_in_order(gateway):
    """Even a long body, errors and requests without a body, all in one go."""
    body = os.urandom(200_000)
    get = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    chunked = b"PUT /uri HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    message = (
        put_head(3)
        + b"abc"
        + get
        + put_head(len(body))
        + body
        + put_head(4, "/uri?happy=0")
        + b"GET "
        + chunked
        + b"3\r\nabc\r\n0\r\n\r\n"
        + b"HEAD /nope HTTP/1.1\r\nHost: localhost\r\n\r\n".replace(b"HEAD", b"GET")
    )
    replies = await talk(gateway, message + get * 1000, num_replies=1006)
    assert [status for status, _ in replies[:6]] == [200, 200, 200, 400, 200, 404]
    assert replies[0] == replies[4] == (200, b"URI:LIT:mfrgg")
    assert gateway.uploader.files[replies[2][1].decode()] == body
    assert {status for status, _ in replies[6:]} == {200}


@ensureDeferred
async def test_http_1_0_is_answered_and_closed(gateway):
    def run():
        one = gateway.socket()
        one.sendall(b"GET /uri/URI:LIT:mfrgg HTTP/1.0\r\n\r\n")
        with one.makefile("rb") as replies:
            return replies.read()

    head, _, body = (await deferToThread(run)).partition(b"\r\n\r\n")
    assert body == b"abc"
    assert b"Content-Length: 3" in head


@ensureDeferred
async def test_what_is_no_http_is_refused(gateway):
    for message in (b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n"):
        ((status, _),) = await talk(gateway, message)
        assert status == 400


@ensureDeferred
async def test_an_unforeseen_error_is_told_and_logged_but_not_shown(gateway):
    gateway.downloader.files = None  # a mistake of ours
    events = []
    seen = [observer for observer in globalLogPublisher._observers]
    for observer in seen:
        globalLogPublisher.removeObserver(observer)
    globalLogPublisher.addObserver(events.append)
    try:
        cap = await put_file(gateway, bytes(1000))
        status, _, body = await gateway.ask("GET", "/uri/" + cap)
    finally:
        globalLogPublisher.removeObserver(events.append)
        for observer in seen:
            globalLogPublisher.addObserver(observer)
    assert status == 500
    assert b"the node met an error" in body and b"Traceback" not in body
    assert [e for e in events if e["log_level"] == LogLevel.critical]
    assert not [e for e in events if "URI:CHK" in str(e.get("log_format"))]
