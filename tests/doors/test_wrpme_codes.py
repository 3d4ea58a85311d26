"""The functions of wrpme, and every code and exception of it."""

import socket
from contextlib import contextmanager, suppress
from threading import Thread

import pytest
import wrpme
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_twisted import ensureDeferred
from twisted.internet.threads import deferToThread

from tests.support.hive import HOST


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


@contextmanager
def speaking(*answers):
    """Give the port of one who answers so, request by request, and then hangs up."""
    rest = list(answers)

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, suppress(ConnectionError):
                while rest and connection.recv(65536):
                    connection.sendall(rest.pop(0))

    with socket.create_server((HOST, 0)) as listener:
        server = Thread(target=serve)
        server.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            server.join()


def reply(status, body=b"", head=""):
    return (
        f"HTTP/1.1 {status} X\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    )


HELLO = reply(200, b'{"hive": 1}')


def code_of_get(answer):
    """Return what get() says of a hive that answers so."""
    handle = wrpme.open()
    with speaking(HELLO, answer) as port:
        assert wrpme.connect(handle, HOST, port) == wrpme.error_ok
        code, content = wrpme.get(handle, "a")
        wrpme.close(handle)
    assert content == b"" or code == wrpme.error_ok
    return code


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"SSH-2.0-x\r\n", "error_invalid_protocol"),
        (reply(200, b"{}"), "error_invalid_protocol"),
        (reply(200, b'{"hive": 2}'), "error_invalid_protocol"),
        (reply(200, b"[1]"), "error_invalid_protocol"),
        (reply(404), "error_invalid_protocol"),
        (reply(401), "error_system"),
        (b"", "error_connection_reset"),
    ],
)
def test_what_is_no_hive_is_told_apart(answer, code):
    with speaking(answer) as port:
        assert wrpme.connect(wrpme.open(), HOST, port).name == code


def test_nobody_listens():
    with speaking() as port:
        pass
    assert wrpme.connect(wrpme.open(), HOST, port) == wrpme.error_connection_refused
    with pytest.raises(wrpme.ConnectionRefused) as e:
        wrpme.RawClient(HOST, port)
    assert isinstance(e.value, ConnectionRefusedError)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (200, "error_ok"),
        (400, "error_invalid_input"),
        (401, "error_system"),
        (403, "error_system"),
        (404, "error_alias_not_found"),
        (405, "error_invalid_command"),
        (408, "error_timeout"),
        (411, "error_invalid_input"),
        (412, "error_alias_already_exists"),
        (413, "error_invalid_input"),
        (414, "error_alias_too_long"),
        (501, "error_invalid_command"),
        (504, "error_timeout"),
        (507, "error_no_memory"),
        (500, "error_internal"),
        (503, "error_internal"),
        (302, "error_unexpected_reply"),
        (418, "error_unexpected_reply"),
    ],
)
def test_each_status_has_its_code(status, code):
    assert code_of_get(reply(status, b'{"error": {"message": "no"}}')).name == code


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"SSH-2.0-x\r\n", "error_unexpected_reply"),
        (reply(404), "error_unexpected_reply"),  # a hive says in words what is not there
        (reply(404, b"<html>"), "error_unexpected_reply"),
        (reply(200, b"", "Transfer-Encoding: chunked\r\n"), "error_connection_reset"),
        (b"HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\nabc", "error_connection_reset"),
        (b"HTTP/1.1 200 X\r\nContent-Length: %d\r\n\r\nabc" % 10**30, "error_no_memory"),
        (b"HTTP/1.1 200 X\r\n" + b"a: b\r\n" * 200, "error_unexpected_reply"),
        (b"", "error_connection_reset"),
    ],
    ids=["strange", "bare 404", "page", "chunks", "cut", "huge", "headers", "hung up"],
)
def test_an_answer_that_is_strange_or_cut(answer, code):
    assert code_of_get(answer).name == code


@settings(max_examples=60)
@given(st.binary(max_size=60), st.booleans())
def test_any_answer_is_a_code(data, in_head):
    code_of_get(b"HTTP/1.1 200 X\r\n" * in_head + data)


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
