"""The hive as plain HTTP."""

import http.client
import json
import socket

import pytest
import wrpme
from pytest_twisted import ensureDeferred
from twisted.internet.threads import deferToThread

from tests.support.hive import HOST


def ask(port, method, path, body=None, headers=None):
    line = http.client.HTTPConnection(HOST, port, timeout=10)
    try:
        line.request(method, path, body, headers or {})
        answer = line.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        line.close()


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
