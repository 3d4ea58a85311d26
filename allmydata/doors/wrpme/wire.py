"""Talking to a hive: HTTP/1.1 over connections that are kept.

Threads may share a line: each call takes a connection of its own, or makes one.
Protocol: docs/doors/hive.md.
"""

from __future__ import annotations

import json
import socket
import ssl
import uuid
from collections.abc import Mapping
from http.client import (
    HTTPConnection,
    HTTPException,
    HTTPResponse,
    HTTPSConnection,
    IncompleteRead,
)
from threading import Lock
from typing import Any
from urllib.parse import quote

from .codes import Code, code_of, error_ok
from .errors import (
    AliasTooLong,
    BufferTooSmall,
    ConnectionRefused,
    ConnectionReset,
    Error,
    HostNotFound,
    InvalidInput,
    InvalidOption,
    InvalidProtocol,
    NoMemory,
    SystemFailure,
    Timeout,
    UnexpectedReply,
    error_of,
)

DEFAULT_PORT = 5909
HELLO = "/v1/hello"
TIMEOUT_S = 60.0
MAX_ALIAS_SIZE = 1024  # bytes of UTF-8
MAX_IDLE = 8  # connections that are kept
_WORDS = 2**16  # bytes of an error's text that are looked at

Content = bytes | bytearray | memoryview


class Line:
    """A way to one hive; :meth:`hello` finds out whether it is one.

    :param timeout: seconds that a silent hive is waited for
    :param token: what is shown to it
    :param tls: True, or an ssl.SSLContext
    :param max_size: bytes of a content that are taken; None: any number
    """

    def __init__(
        self,
        host: str,
        port: int = DEFAULT_PORT,
        *,
        timeout: float = TIMEOUT_S,
        token: str | None = None,
        tls: Any = False,
        max_size: int | None = None,
    ) -> None:
        _check_place(host, port)
        _check_options(timeout, token, tls, max_size)
        self._place = host, port
        self._timeout = timeout
        self._tls = ssl.create_default_context() if tls is True else tls
        self._max_size = max_size
        # the name of the host is for us to find it by: the hive wants to be sure that no
        # page of another site had a browser find it
        self._headers = {"Host": "localhost", "User-Agent": "wrpme/1"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        self._idle: list[HTTPConnection] = []
        self._lock = Lock()
        self._is_closed = False

    def close(self) -> None:
        """End all connections; nothing can be asked any more."""
        with self._lock:
            idle, self._idle, self._is_closed = self._idle, [], True
        for connection in idle:
            connection.close()

    # ---- calls ---------------------------------------------------------------------------

    def hello(self) -> None:
        """Connect, and see that it is a hive.

        :raises Error: it is none, or can't be reached
        """
        try:
            status, body = self._ask("GET", HELLO)
        except UnexpectedReply as e:
            raise InvalidProtocol("what answers there is no hive") from e
        if status in (401, 403):
            raise _failure(status, body)
        try:
            is_hive = status == 200 and json.loads(body)["hive"] == 1
        except (ValueError, KeyError, TypeError):
            is_hive = False
        if not is_hive:
            raise InvalidProtocol("what answers there is no hive")

    def get(self, alias: str) -> bytes:
        """Return the content of *alias*."""
        return self._do("GET", alias)

    def put(self, alias: str, content: Content) -> None:
        """Make *alias*; it must not be there."""
        # a put whose answer was lost is known by its number when it comes again
        headers = {"If-None-Match": "*", "Idempotency-Key": uuid.uuid4().hex}
        self._do("PUT", alias, content, headers)

    def update(self, alias: str, content: Content) -> None:
        """Make or replace *alias*."""
        self._do("PUT", alias, content)

    def delete(self, alias: str) -> None:
        """Take *alias* away; it must be there."""
        self._do("DELETE", alias)

    # ---- inside --------------------------------------------------------------------------

    def _do(
        self,
        method: str,
        alias: str,
        content: Content | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        path = "/v1/e/" + quote(_check_alias(alias), safe="")
        status, body = self._ask(method, path, content, headers)
        if code_of(status) is not error_ok:
            raise _failure(status, body)
        return body

    def _ask(
        self,
        method: str,
        path: str,
        content: Content | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """Return status and body; ask once more if a connection that lay idle is broken."""
        if self._is_closed:
            raise InvalidInput("this client is closed")
        sent = {**self._headers, **(headers or {})}
        if content is not None:
            sent["Content-Length"] = str(memoryview(content).nbytes)
        connection, is_old = self._take()
        try:
            return self._exchange(connection, method, path, content, sent)
        except ConnectionReset:
            if not is_old:
                raise
        return self._exchange(self._make(), method, path, content, sent)

    def _exchange(
        self,
        connection: HTTPConnection,
        method: str,
        path: str,
        content: Content | None,
        headers: Mapping[str, str],
    ) -> tuple[int, bytes]:
        try:
            if connection.sock is None:
                _open(connection)
            answer = _send(connection, method, path, content, headers)
            body = self._read(answer, is_content=path != HELLO)
        except BaseException as e:
            connection.close()
            meaning = _meaning(e)
            if meaning is None:
                raise
            raise meaning from e
        self._give_back(connection, answer)
        return answer.status, body

    def _read(self, answer: HTTPResponse, *, is_content: bool) -> bytes:
        size, most = answer.length or 0, self._max_size
        is_content = is_content and answer.status == 200
        if is_content and most is not None and size > most:
            raise BufferTooSmall(f"the content has {size} bytes, {most} are taken")
        return answer.read()

    def _take(self) -> tuple[HTTPConnection, bool]:
        with self._lock:
            if self._idle:
                return self._idle.pop(), True
        return self._make(), False

    def _make(self) -> HTTPConnection:
        host, port = self._place
        if self._tls:
            return HTTPSConnection(host, port, timeout=self._timeout, context=self._tls)
        return HTTPConnection(host, port, timeout=self._timeout)

    def _give_back(self, connection: HTTPConnection, answer: HTTPResponse) -> None:
        with self._lock:
            if not (answer.will_close or self._is_closed or len(self._idle) >= MAX_IDLE):
                self._idle.append(connection)
                return
        connection.close()


def _open(connection: HTTPConnection) -> None:
    try:
        connection.connect()
    except socket.gaierror as e:
        raise HostNotFound(f"no such host: {connection.host}") from e
    except UnicodeError as e:  # a label of a name that is empty, or too long
        raise HostNotFound("this can't be the name of a host") from e
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _send(
    connection: HTTPConnection,
    method: str,
    path: str,
    content: Content | None,
    headers: Mapping[str, str],
) -> HTTPResponse:
    """Send a request; one that is refused before all of it is sent has its answer too."""
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, text in headers.items():
        connection.putheader(name, text)
    small = content is not None and len(content) <= 2**15
    connection.endheaders(bytes(content) if small and content else None)
    if content is not None and not small:
        try:
            connection.send(content)
        except (BrokenPipeError, ConnectionResetError):
            return connection.getresponse()
    return connection.getresponse()


def _meaning(error: BaseException) -> Error | None:
    """Return what an error of the network means; None: it is another's."""
    if isinstance(error, Error) or not isinstance(error, Exception):
        return None
    if isinstance(error, TimeoutError):
        return Timeout("the hive does not answer")
    if isinstance(error, ConnectionRefusedError):
        return ConnectionRefused("nobody listens there")
    if isinstance(error, ConnectionError | IncompleteRead):  # RemoteDisconnected is one too
        return ConnectionReset("the connection broke")
    if isinstance(error, HTTPException):
        return UnexpectedReply("this is no answer of a hive")
    if isinstance(error, MemoryError | OverflowError):
        return NoMemory("the content does not fit into memory")
    if isinstance(error, OSError):
        return SystemFailure(error.strerror or str(error))
    return None


def _failure(status: int, body: bytes) -> Error:
    code = code_of(status)
    words = f"the hive answers {status}"
    try:
        told = json.loads(body[:_WORDS])["error"]
        words = "; ".join(str(told[w]) for w in ("message", "why", "fix") if w in told)
    except (ValueError, KeyError, TypeError):
        if status == 404:
            code = Code.error_unexpected_reply  # nobody of ours says so
    return error_of(code, words)


# ---- what may be asked -------------------------------------------------------------------


def _check_alias(alias: str) -> bytes:
    if not isinstance(alias, str):
        raise TypeError(f"an alias is a str, not {type(alias).__name__}")
    try:
        data = alias.encode()
    except UnicodeEncodeError as e:
        raise InvalidInput("an alias must be text that UTF-8 has a form for") from e
    if not data or b"\0" in data:
        raise InvalidInput("an alias can't be empty, nor hold a NUL")
    if len(data) > MAX_ALIAS_SIZE:
        raise AliasTooLong(f"an alias of {len(data)} bytes: at most {MAX_ALIAS_SIZE}")
    return data


def _check_place(host: str, port: int) -> None:
    if not isinstance(host, str) or not isinstance(port, int):
        raise TypeError("a host is a str, and a port an int")
    if not host or any(ord(char) < 33 for char in host):
        raise InvalidInput("this can't be the name of a host")
    if not 0 < port < 65536:
        raise InvalidInput(f"port {port}: wanted 1 to 65535")


def _check_options(timeout: Any, token: Any, tls: Any, max_size: Any) -> None:
    is_number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
    if not is_number or not 0 < timeout < 1e6:
        raise InvalidOption("timeout must be a number of seconds")
    if token is not None and not (isinstance(token, str) and token.isprintable()):
        raise InvalidOption("token must be text")
    if not isinstance(tls, bool | ssl.SSLContext):
        raise InvalidOption("tls must be True, False or an ssl.SSLContext")
    if max_size is not None and not (isinstance(max_size, int) and max_size >= 0):
        raise InvalidOption("max_size must be a number of bytes")
