"""The hive as programs see it: through wrpme, and as plain HTTP."""

import http.client
import json
import socket
from threading import Thread

import pytest
import wrpme
from pytest_twisted import blockon, ensureDeferred
from twisted.internet.threads import deferToThread

from allmydata.errors import NotEnoughServersError
from allmydata.util.deferreds import settle, start
from tests.support.hive import HOST, HiveBench

ALIASES = ["a", "a/b", "a b", "é😀", "..", "%2f", "?x=1#y", "x" * 1024, "line\nend", "\x7f"]


@pytest.fixture
def bench(tmp_path):
    bench = HiveBench(tmp_path)
    blockon(start(bench.start()))
    yield bench
    blockon(start(bench.stop()))


@pytest.fixture
def room(bench):
    return bench.listen()


def ask(port, method, path, body=None, headers=None):
    line = http.client.HTTPConnection(HOST, port, timeout=10)
    try:
        line.request(method, path, body, headers or {})
        answer = line.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        line.close()


# ---- the clients -------------------------------------------------------------------------


@pytest.mark.parametrize("alias", ALIASES)
@ensureDeferred
async def test_an_alias_is_put_got_updated_and_deleted(bench, room, alias):
    def act(client):
        client.put(alias, b"one")
        assert client.get(alias) == b"one"
        with pytest.raises(wrpme.AliasAlreadyExists):
            client.put(alias, b"two")
        client.update(alias, b"three")
        assert client.get(alias) == b"three"
        client.delete(alias)
        for fails in (client.get, client.delete):
            with pytest.raises(wrpme.AliasNotFound):
                fails(alias)
        client.update(alias, b"made")
        assert client.get(alias) == b"made"

    await bench.with_raw(act)


@pytest.mark.parametrize(
    "content",
    [b"", "text é", bytearray(b"ab"), memoryview(b"abcd")[::2], b"x" * 40_000, "7"],
    ids=["empty", "text", "bytearray", "view", "40k", "number"],
)
@ensureDeferred
async def test_contents_are_bytes_of_any_kind(bench, room, content):
    wanted = content.encode() if isinstance(content, str) else bytes(content)

    def act(client):
        client.put("a", content)
        return client.get("a")

    assert await bench.with_raw(act) == wanted


@ensureDeferred
async def test_a_content_of_33_million_bytes_goes_through(bench, room):
    data = bytes(range(256)) * 131_072

    def act(client):
        client.put("a", data)
        return client.get("a") == data

    assert await bench.with_raw(act)


@pytest.mark.parametrize(
    ("alias", "error"),
    [
        ("", wrpme.InvalidInput),
        ("a\0", wrpme.InvalidInput),
        ("\udce4", wrpme.InvalidInput),
        ("x" * 1025, wrpme.AliasTooLong),
        ("é" * 513, wrpme.AliasTooLong),
        (b"bytes", TypeError),
        (None, TypeError),
    ],
)
@ensureDeferred
async def test_what_is_no_alias_is_refused(bench, room, alias, error):
    def act(client):
        for call in (client.get, client.delete, lambda a: client.put(a, b"")):
            with pytest.raises(error):
                call(alias)

    await bench.with_raw(act)


@ensureDeferred
async def test_what_is_no_content_is_refused(bench, room):
    def act(client):
        for content in (None, 5, ["a"]):
            with pytest.raises(TypeError):
                client.put("a", content)
        with pytest.raises(wrpme.AliasNotFound):
            client.get("a")

    await bench.with_raw(act)


@ensureDeferred
async def test_sixteen_that_race_have_one_winner(bench, room):
    def put(number):
        return bench.with_raw(lambda client: client.put("a", str(number)))

    outcomes = await settle([put(number) for number in range(16)])
    winners = [n for n, outcome in enumerate(outcomes) if outcome is None]
    assert len(winners) == 1
    losers = [one for one in outcomes if one is not None]
    assert all(one.check(wrpme.AliasAlreadyExists) for one in losers)
    assert await bench.with_raw(lambda c: c.get("a")) == str(winners[0]).encode()


@ensureDeferred
async def test_readers_see_the_old_or_the_new(bench, room):
    one, two = b"1" * 50_000, b"2" * 60_000

    def act(client):
        client.put("a", one)
        seen = set()

        def read():
            for _ in range(60):
                seen.add(client.get("a"))

        reader = Thread(target=read)
        reader.start()
        for _ in range(15):
            client.update("a", two)
            client.update("a", one)
        reader.join()
        return seen

    assert await bench.with_raw(act) <= {one, two}


@ensureDeferred
async def test_threads_share_a_client(bench, room):
    def act(client):
        def work(name):
            for i in range(10):
                client.put(f"{name}-{i}", f"{name} {i}")
                assert client.get(f"{name}-{i}") == f"{name} {i}".encode()
            done.append(name)

        done = []
        threads = [Thread(target=work, args=(name,)) for name in "abcdef"]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        return sorted(done)

    assert await bench.with_raw(act) == list("abcdef")


@ensureDeferred
async def test_objects_come_back(bench, room):
    made = {"a": [1, 2.5, None, (True, b"x")], "b": {"c"}}

    def act(client):
        client.put("a", made)
        return client.get("a")

    assert await bench.with_objects(act) == made


@ensureDeferred
async def test_entries_outlive_the_node_and_its_index(bench, room):
    await bench.with_raw(lambda c: [c.put(f"a{i}", f"{i}" * i * 99) for i in range(20)])
    before = await room.collection("hive").page()
    await bench.hang_up()
    bench.index().unlink()
    again = bench.listen()
    assert await again.collection("hive").page() == before
    assert await bench.with_raw(lambda c: c.get("a19")) == b"19" * 19 * 99


@ensureDeferred
async def test_a_client_goes_on_when_the_node_was_restarted(bench, room):
    client = await deferToThread(wrpme.RawClient, HOST, bench.port)
    await deferToThread(client.put, "a", b"one")
    for line in client._line._idle:
        line.sock.shutdown(socket.SHUT_RDWR)
    assert await deferToThread(client.get, "a") == b"one"
    for line in client._line._idle:
        line.sock.shutdown(socket.SHUT_RDWR)
    await deferToThread(client.put, "b", b"two")
    client.close()
    with pytest.raises(wrpme.InvalidInput):
        client.get("a")


@ensureDeferred
async def test_a_grid_out_of_servers_is_an_error_and_nothing_is_lost(bench, room):
    await bench.with_raw(lambda c: c.put("a", b"kept" * 1000))
    room._uploader.error = NotEnoughServersError("2 of 7 servers")

    def act(client):
        with pytest.raises(wrpme.InternalError, match="2 of 7"):
            client.update("a", b"other" * 1000)
        with pytest.raises(wrpme.InternalError):
            client.put("b", b"other" * 40_000)
        with pytest.raises(wrpme.AliasNotFound):
            client.get("b")
        return client.get("a")

    assert await bench.with_raw(act) == b"kept" * 1000


# ---- functions ---------------------------------------------------------------------------


@ensureDeferred
async def test_functions_return_codes(bench, room):
    def act():
        handle = wrpme.open()
        assert wrpme.get(handle, "a") == (wrpme.error_invalid_input, b"")
        assert wrpme.put(handle, "a", b"") == wrpme.error_invalid_input
        assert wrpme.connect(handle, HOST, bench.port) == wrpme.error_ok
        assert wrpme.get(handle, "a") == (wrpme.error_alias_not_found, b"")
        assert wrpme.put(handle, "a", "one") == wrpme.error_ok
        assert wrpme.put(handle, "a", "two") == wrpme.error_alias_already_exists
        assert wrpme.update(handle, "a", b"three") == wrpme.error_ok
        assert wrpme.get(handle, "a") == (wrpme.error_ok, b"three")
        assert wrpme.delete(handle, "a") == wrpme.error_ok
        assert wrpme.delete(handle, "a") == wrpme.error_alias_not_found
        assert wrpme.put(handle, "x" * 1025, b"") == wrpme.error_alias_too_long
        assert wrpme.put(handle, "", b"") == wrpme.error_invalid_input
        with pytest.raises(TypeError):
            wrpme.put(handle, "a", 5)
        wrpme.close(handle)
        wrpme.close(handle)
        assert wrpme.get(handle, "a")[0] == wrpme.error_invalid_input
        assert wrpme.connect(handle, HOST, bench.port) == wrpme.error_invalid_input
        with pytest.raises(TypeError):
            wrpme.close("no handle")

    await deferToThread(act)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"SSH-2.0-x\r\n", "error_invalid_protocol"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "error_invalid_protocol"),
        (b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", "error_invalid_protocol"),
        (b"", "error_connection_reset"),
        (None, "error_connection_refused"),
    ],
)
def test_what_is_no_hive_is_told_apart(answer, code):
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port = listener.getsockname()[1]
        if answer is not None:
            listener.listen()

        def serve():
            connection = listener.accept()[0]
            connection.recv(65536)
            connection.sendall(answer)
            connection.close()

        server = Thread(target=serve, daemon=True)
        if answer is not None:
            server.start()
        assert wrpme.connect(wrpme.open(), HOST, port).name == code


def test_a_host_that_is_none_is_not_found():
    handle = wrpme.open()
    assert wrpme.connect(handle, "no-such-host.invalid") == wrpme.error_host_not_found
    assert wrpme.connect(handle, "a..b") == wrpme.error_host_not_found
    assert wrpme.connect(handle, "") == wrpme.error_invalid_input
    assert wrpme.connect(handle, HOST, 70_000) == wrpme.error_invalid_input


def test_a_silent_hive_times_out():
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen()
        with pytest.raises(wrpme.Timeout) as e:
            wrpme.RawClient(HOST, listener.getsockname()[1], timeout=0.2)
    assert isinstance(e.value, TimeoutError) and e.value.code == wrpme.error_timeout


@pytest.mark.parametrize(
    "options",
    [
        {"colour": 1},
        {"timeout": 0},
        {"timeout": "1"},
        {"token": 5},
        {"tls": "yes"},
        {"max_size": -1},
    ],
)
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(wrpme.InvalidOption):
        wrpme.RawClient(HOST, 1, **options)


@ensureDeferred
async def test_a_client_takes_no_more_than_it_wants(bench, room):
    def act(client):
        with pytest.raises(wrpme.BufferTooSmall):
            client.get("a")

    await bench.with_raw(lambda client: client.put("a", b"x" * 1000), max_size=1)
    await bench.with_raw(act, max_size=999)


def test_every_code_has_an_exception_and_a_name():
    assert len(wrpme.Code) == 17 and wrpme.error_ok == 0
    assert len({int(code) for code in wrpme.Code}) == 17
    for code in wrpme.Code:
        assert getattr(wrpme, code.name) is code
    kinds = [k for k in vars(wrpme).values() if isinstance(k, type) and k is not wrpme.Code]
    codes = {kind.code for kind in kinds if issubclass(kind, wrpme.Error)}
    assert codes == set(wrpme.Code) - {wrpme.error_ok}


# ---- HTTP --------------------------------------------------------------------------------


@ensureDeferred
async def test_the_hive_is_plain_http(bench, room):
    def act():
        ask_ = lambda *args: ask(bench.port, *args)  # noqa: E731
        assert json.loads(ask_("GET", "/v1/hello")[2])["hive"] == 1
        new = {"If-None-Match": "*", "Idempotency-Key": "n1"}
        status, headers, _ = ask_("PUT", "/v1/e/a", b"0123456789", new)
        etag = headers["ETag"]
        assert status == 201
        assert ask_("PUT", "/v1/e/a", b"0123456789", new)[0] == 201  # the same, again
        assert ask_("PUT", "/v1/e/a", b"x", {"If-None-Match": "*"})[0] == 412
        assert ask_("GET", "/v1/e/a", None, {"Range": "bytes=2-4"})[::2] == (206, b"234")
        assert ask_("GET", "/v1/e/a", None, {"Range": "bytes=-2"})[::2] == (206, b"89")
        assert ask_("GET", "/v1/e/a", None, {"Range": "bytes=10-"})[0] == 416
        assert ask_("GET", "/v1/e/a", None, {"If-None-Match": etag})[0] == 304
        status, headers, body = ask_("HEAD", "/v1/e/a")
        assert (status, headers["Content-Length"], body) == (200, "10", b"")
        assert ask_("PUT", "/v1/e/a", b"new")[0] == 204
        assert ask_("DELETE", "/v1/e/a")[0] == 204
        assert ask_("DELETE", "/v1/e/a")[0] == 404

    await deferToThread(act)


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/", {}, 404),
        ("GET", "/v1/e/", {}, 400),
        ("GET", "/v1/e/a/b", {}, 404),
        ("GET", "/v1/e/%ff", {}, 400),
        ("GET", "/v1/e/%00", {}, 400),
        ("GET", "/v1/e/" + "x" * 1025, {}, 414),
        ("POST", "/v1/e/a", {}, 405),
        ("PATCH", "/v1/e/a", {}, 405),
        ("OPTIONS", "/v1/e/a", {}, 405),
        ("GET", "/v1/e/a", {"Host": "evil.example"}, 403),
        ("GET", "/v1/e/a", {"Origin": "http://127.0.0.1"}, 403),
        ("PUT", "/v1/e/a", {"Content-Length": "x"}, 400),
    ],
)
@ensureDeferred
async def test_what_is_asked_wrongly_is_refused(bench, room, method, path, headers, status):
    answer = await deferToThread(ask, bench.port, method, path, None, headers)
    assert answer[0] == status and b"Traceback" not in answer[2]


@ensureDeferred
async def test_a_body_that_is_cut_leaves_nothing(bench, room):
    def act():
        for size in (100, 300_000):
            with socket.create_connection((HOST, bench.port)) as line:
                head = f"PUT /v1/e/a HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n"
                line.sendall(head.replace("Host: x", "Host: 127.0.0.1").encode())
                line.sendall(b"x" * (size // 2))
        return ask(bench.port, "GET", "/v1/e/a")[0]

    assert await deferToThread(act) == 404


@ensureDeferred
async def test_a_token_is_asked_for(bench):
    bench.listen(token=b"a secret of many letters")

    def act():
        assert wrpme.connect(wrpme.open(), HOST, bench.port) == wrpme.error_system
        for token in ("wrong", "é"):
            with pytest.raises(wrpme.SystemFailure):
                wrpme.RawClient(HOST, bench.port, token=token)
        with wrpme.RawClient(HOST, bench.port, token="a secret of many letters") as client:
            client.put("a", b"x")
            return client.get("a")

    assert await deferToThread(act) == b"x"


@ensureDeferred
async def test_a_content_larger_than_the_node_takes_is_refused(bench):
    bench.listen(max_size=1000)

    def act(client):
        client.put("a", b"x" * 1000)
        for size in (1001, 500_000):
            with pytest.raises(wrpme.InvalidInput):
                client.put("b", b"x" * size)
        return client.get("a")

    assert await bench.with_raw(act) == b"x" * 1000
