"""A node seen over HTTP, blocking: for processes outside it, such as the command line.

Only the standard library, so that it loads fast.  Calls: docs/webapi.md.
"""

from __future__ import annotations

import json
import re
import select
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO
from urllib.parse import quote, urlencode, urlsplit

from attrs import field, frozen

from allmydata.errors import GridError, NodeNotRunningError, UploadSourceError

CHUNK_SIZE = 256 * 1024
CONNECT_LIMIT_S = 10.0
ANSWER_LIMIT_S = 60.0  # for what is no transfer; transfers last as long as they last
MAX_RESUMES = 3
_CHANGES = re.compile(r"(?:ro\.)?URI:(?:SSK|MDMF)")  # capabilities of what changes
_MAX_ERROR_SIZE = 65536
_HEADERS = {"Accept": "application/json, */*;q=0.5", "User-Agent": "allmydata"}

# What a status means where the body does not say: gateways of Tahoe-LAFS, or a proxy.
_CODES = {
    400: "usage",
    401: "not-permitted",
    403: "not-permitted",
    404: "not-found",
    409: "conflict",
    410: "unrecoverable",
    503: "not-ready",
    507: "no-space",
}

Progress = Callable[[int], None]


class RemoteNodeError(GridError):
    """What a node said went wrong; ``code`` is the word it sent."""

    def __init__(self, code: str, message: str, *, why: str = "", fix: str = "") -> None:
        super().__init__(message, why=why, fix=fix)
        self.code = code  # type: ignore[misc]  # the class's word gives way to the node's


class TransferCutError(GridError):
    """The node ended an answer before it was whole, and would not go on with it."""


def checked_cap(answer: str) -> str:
    """Return a capability that was answered.

    :raises RemoteNodeError: it is none: whoever answers is no gateway
    """
    if not answer.startswith("URI:"):
        raise RemoteNodeError(
            "failed",
            "what answers is no gateway: it gave no capability",
            fix="see where the node's URL leads",
        )
    return answer


@frozen
class NodeHTTP:
    """The gateway at *url*; *basedir* is the node's directory, for errors to name.

    :param token: shows the gateway that its owner asks; for that gateway alone
    """

    url: str
    basedir: Path | None = None
    token: str = field(default="", repr=False)

    @classmethod
    def of_directory(cls, basedir: Path) -> NodeHTTP:
        """Find the gateway of the node in *basedir*.

        :raises NodeNotRunningError: it has written no ``node.url``
        """
        try:
            url = (basedir / "node.url").read_text().strip()
        except OSError as e:
            raise NodeNotRunningError(
                f"no node has offered a gateway in {basedir}",
                why="there is no node.url: it never ran, or its web.port is empty",
                fix=f"tahoe -d {basedir} start",
            ) from e
        return cls(url, basedir, read_token(basedir))

    def json(self, path: str) -> Any:
        """Return what ``GET path`` answers, parsed.

        :raises NodeNotRunningError: nobody answers
        :raises RemoteNodeError: it answers with an error, or with no JSON
        """
        try:
            return json.loads(self.ask("GET", path))
        except ValueError as e:
            raise RemoteNodeError("failed", f"{self.url} answers with no JSON") from e

    def ask(self, method: str, path: str, body: bytes = b"") -> bytes:
        """Return what *method* on *path* answers: for all that is small or soon done.

        :raises NodeNotRunningError: nobody answers, or not in ANSWER_LIMIT_S
        :raises RemoteNodeError: it answers with an error
        """
        connection = self._connect(ANSWER_LIMIT_S)
        try:
            return self._ask(connection, method, path, body=body).read()
        except (OSError, HTTPException) as e:
            raise self._lost(e) from e
        finally:
            connection.close()

    def lines(
        self, method: str, path: str, limit_s: float | None = ANSWER_LIMIT_S
    ) -> Iterator[bytes]:
        """Yield the lines of an answer as they come; they may end before it is whole.

        :param limit_s: seconds that the next may take; None: as long as it takes
        :raises NodeNotRunningError: nobody answers, or no more in that time
        :raises RemoteNodeError: it answers with an error
        """
        connection = self._connect(limit_s)
        try:
            response = self._ask(connection, method, path)
            yield from lines_of(iter(partial(response.read1, CHUNK_SIZE), b""))
        except (OSError, HTTPException) as e:
            raise self._lost(e) from e
        finally:
            connection.close()

    def cap(self, path: str, *, readonly: bool = False) -> str:
        """Return the capability of what the gateway has at *path*.

        :param readonly: the one that only reads, even if more is held
        :raises RemoteNodeError: nothing is there
        """
        kind = "readonly-uri" if readonly else "uri"
        return _text(self.ask("GET", f"{path}?t={kind}"))

    def mkdir(self, path: str | None = None, *, format_: str | None = None) -> str:
        """Return the capability of the directory at *path*: made now, or there already.

        :param path: None for one that is in no other; missing ones above it are made
        :param format_: ``SDMF`` or ``MDMF``: one of Tahoe-LAFS, in a file of that kind
        :raises RemoteNodeError: a file is in the way
        """
        words = {"t": "mkdir"} | ({"format": format_} if format_ else {})
        return _text(self.ask("POST", f"{path or '/uri'}?{urlencode(words)}"))

    def link(self, path: str, cap: str, *, replace: bool = True) -> None:
        """Let the name *path* stand for *cap*; missing directories above it are made."""
        query = urlencode({"t": "uri", "replace": str(replace).lower()})
        self.ask("PUT", f"{path}?{query}", cap.encode())

    def login_path(self, place: str) -> str | None:
        """Return the path of a link that signs a browser in once, and leads to *place*.

        None from a gateway that has no such thing, as those of Tahoe-LAFS, or whose token
        nobody here may read.
        """
        if not self.token:
            return None
        try:
            query = urlencode({"next": place})
            return str(json.loads(self.ask("POST", f"/_/code?{query}"))["path"])
        except RemoteNodeError as e:
            if e.code in ("not-found", "usage"):
                return None
            raise
        except (ValueError, KeyError, TypeError) as e:
            raise RemoteNodeError("failed", f"{self.url} gives no login link") from e

    def unlink(self, path: str) -> None:
        """Take the name *path* out of its directory."""
        self.ask("DELETE", path)

    def move(
        self, directory: str, name: str, to_dir: str, to_name: str, *, replace: bool = True
    ) -> None:
        """Move *name* of the *directory* at that path to *to_name* elsewhere.

        :param to_dir: capability of a directory
        :param replace: a file of that name gives way; a directory never does
        """
        words = {"t": "relink", "from_name": name, "to_dir": to_dir, "to_name": to_name}
        query = urlencode(words | {"replace": "only-files" if replace else "false"})
        self.ask("POST", f"{directory}?{query}")

    def put(
        self,
        source: BinaryIO,
        size: int | None,
        *,
        happy: int | None = None,
        convergence: str | None = None,
        progress: Progress | None = None,
    ) -> str:
        """Store what *source* reads; return its capability.

        :param size: bytes to come; None: until *source* ends
        :param convergence: ``none`` for a random key
        :param progress: called with the number of bytes after each piece sent
        :raises UploadSourceError: *source* could not be read, or had more or fewer bytes
            than *size*; nothing is stored
        """
        words = {"happy": happy, "convergence": convergence}
        cap, _ = self.put_at("/uri", source, size, words, progress=progress)
        return checked_cap(cap)

    def put_at(
        self,
        path: str,
        source: BinaryIO,
        size: int | None,
        words: Mapping[str, object] = MappingProxyType({}),
        *,
        progress: Progress | None = None,
    ) -> tuple[str, bool]:
        """Store what *source* reads under the name *path*, as :meth:`put` does.

        Missing directories above it are made.

        :param words: arguments of the request; those that are None are left out
        :return: the capability, and whether the name is new
        """
        query = urlencode({name: word for name, word in words.items() if word is not None})
        connection = self._connect(None)
        try:
            place = f"{path}?{query}" if query else path
            _start_body(connection, place, size, self._headers())
            whole = _send_body(connection, _pieces(source, size), size is None, progress)
            response = _checked(connection.getresponse())
            body = response.read()
        except (OSError, HTTPException) as e:
            raise self._lost(e) from e
        finally:
            connection.close()
        if not whole:
            raise RemoteNodeError(
                "failed", "the node answered before it had the whole file"
            )
        return _text(body), response.status == 201

    def get(self, cap: str, offset: int = 0) -> Download:
        """Begin to fetch the file that *cap* names; the Download returned is to be closed.

        :param offset: the byte to begin with, if the node can: its ``offset`` tells
        :raises RemoteNodeError: it can't be fetched, as far as can be known so early
        """
        if offset and (rest := self.rest(cap, offset)):
            return Download(self, cap, *rest, offset)
        connection = self._connect(None)
        try:
            response = self._ask(connection, "GET", _path(cap))
        except BaseException as e:
            connection.close()
            if isinstance(e, (OSError, HTTPException)):
                raise self._lost(e) from e
            raise
        return Download(self, cap, connection, response)

    def content(self, path: str, limit_s: float | None = None) -> Iterator[bytes]:
        """Yield what ``GET path`` answers, piece by piece.

        :param limit_s: seconds that the next may take; None: as long as it takes
        :raises TransferCutError: it ends too early
        """
        connection = self._connect(limit_s)
        try:
            response = self._ask(connection, "GET", path)
            while piece := response.read(CHUNK_SIZE):
                yield piece
            if response.length:
                raise TransferCutError(f"cut: {response.length} bytes are missing")
        except (OSError, HTTPException) as e:
            raise self._lost(e) from e
        finally:
            connection.close()

    def rest(self, cap: str, offset: int) -> tuple[HTTPConnection, HTTPResponse] | None:
        """Ask for the bytes from *offset* on; None if the node can't begin there.

        Nor from a file that changes: the rest may be of another version.
        """
        if _CHANGES.match(cap):
            return None
        connection = self._connect(None)
        try:
            wanted = {"Range": f"bytes={offset}-"}
            response = self._ask(connection, "GET", _path(cap), wanted)
        except (OSError, HTTPException, GridError) as e:
            connection.close()
            if isinstance(e, GridError):
                raise
            raise self._lost(e) from e
        if response.status != 206:
            connection.close()
            return None
        return connection, response

    def _connect(self, answer_limit_s: float | None) -> HTTPConnection:
        parts = urlsplit(self.url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        try:
            connection = kind(parts.hostname or "", parts.port, timeout=CONNECT_LIMIT_S)
            connection.connect()
        except (OSError, ValueError, HTTPException) as e:
            raise self._nobody(e) from e
        connection.sock.settimeout(answer_limit_s)
        return connection

    def _ask(
        self,
        connection: HTTPConnection,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        body: bytes = b"",
    ) -> HTTPResponse:
        connection.request(method, path, body or None, self._headers() | (headers or {}))
        return _checked(connection.getresponse())

    def _headers(self) -> dict[str, str]:
        if not self.token:
            return _HEADERS
        return {**_HEADERS, "Authorization": f"Bearer {self.token}"}

    def _nobody(self, cause: Exception) -> NodeNotRunningError:
        where = f" of {self.basedir}" if self.basedir else ""
        start = f"tahoe -d {self.basedir} start" if self.basedir else "start the node"
        why = (cause.strerror if isinstance(cause, OSError) else None) or str(cause)
        return NodeNotRunningError(
            f"no node answers at {self.url}{where}", why=why, fix=start
        )

    def _lost(self, cause: Exception) -> NodeNotRunningError:
        why = (cause.strerror if isinstance(cause, OSError) else None) or type(
            cause
        ).__name__
        return NodeNotRunningError(
            f"the node at {self.url} hung up before it had answered",
            why=why,
            fix="see whether it still runs:  tahoe status",
        )


def lines_of(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines of what comes in *pieces*, without their ends.

    What is after the last end of a line is a line too, unless it is empty.
    """
    rest: list[bytes] = []
    for piece in pieces:
        end, *lines = piece.split(b"\n")
        rest.append(end)
        if lines:
            yield b"".join(rest)
            rest = [lines.pop()]
            yield from lines
    if last := b"".join(rest):
        yield last


def read_token(basedir: Path) -> str:
    """Return the token of the node in *basedir*; nothing where it can't be read."""
    try:
        token = (basedir / "private" / "api_auth_token").read_text("ascii").strip()
    except (OSError, ValueError):
        return ""
    return token if token.isprintable() else ""


class Download:
    """The bytes of one file on their way, from *offset* on.

    *size* is how many the file has, if it was said.
    """

    def __init__(
        self,
        node: NodeHTTP,
        cap: str,
        connection: HTTPConnection,
        response: HTTPResponse,
        offset: int = 0,
    ) -> None:
        self._node = node
        self._cap = cap
        self._connection = connection
        self._response = response
        self.offset = offset
        self.size = None if response.length is None else offset + response.length

    def chunks(self) -> Iterator[bytes]:
        """Yield the file's bytes from ``offset`` on, up to CHUNK_SIZE at a time.

        An answer cut short is asked for again from where it ended: either it goes on, or
        the node says what is wrong, which it could not do in the middle of a body.

        :raises TransferCutError: cut again and again, or impossible to go on with
        """
        got = self.offset
        for _ in range(1 + MAX_RESUMES):
            for chunk in _read_body(self._response):
                got += len(chunk)
                yield chunk
            if got == self.size or (self.size is None and self._response.isclosed()):
                return
            self.close()
            rest = self._node.rest(self._cap, got)
            if rest is None:
                break
            self._connection, self._response = rest
        raise TransferCutError(
            f"the transfer was cut after {got} of {self.size or 'unknown'} bytes",
            why="the node ended the connection",
            fix="try again; its log says why",
        )

    def close(self) -> None:
        """Give up what has not been read."""
        self._connection.close()


def _path(cap: str) -> str:
    return "/uri/" + quote(cap, safe="")


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace").strip()


def _read_body(response: HTTPResponse) -> Iterator[bytes]:
    while True:
        try:
            chunk = response.read(CHUNK_SIZE)
        except (OSError, HTTPException):
            return
        if not chunk:
            return
        yield chunk


def _start_body(
    connection: HTTPConnection, path: str, size: int | None, headers: Mapping[str, str]
) -> None:
    connection.putrequest("PUT", path)
    for name, value in headers.items():
        connection.putheader(name, value)
    if size is None:
        connection.putheader("Transfer-Encoding", "chunked")
    else:
        connection.putheader("Content-Length", str(size))
    connection.endheaders()


def _send_body(
    connection: HTTPConnection,
    pieces: Iterator[bytes],
    chunked: bool,
    progress: Progress | None,
) -> bool:
    """Send *pieces*; tell whether the node took them all: it may answer before the last."""
    try:
        for piece in pieces:
            if select.select([connection.sock], [], [], 0)[0]:
                return False
            connection.send(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            if progress:
                progress(len(piece))
        if chunked:
            connection.send(b"0\r\n\r\n")
    except (BrokenPipeError, ConnectionResetError):
        return False
    return True


def _pieces(source: BinaryIO, size: int | None) -> Iterator[bytes]:
    """Yield what *source* reads, one piece behind, so that the last is known as such.

    The last piece is held back until the number of bytes has proved right: a body that
    is not whole is never taken for one.
    """
    held, total = b"", 0
    while piece := _read(source):
        total += len(piece)
        if size is not None and total > size:
            raise UploadSourceError(
                f"the file grew while it was read: more than its {size} bytes",
                fix="wait until nobody writes to it, or send what there is:  tahoe put -",
            )
        if held:
            yield held
        held = piece
    if size is not None and total < size:
        raise UploadSourceError(
            f"the file shrank while it was read: {total} of its {size} bytes",
            fix="wait until nobody writes to it",
        )
    if held:
        yield held


def _read(source: BinaryIO) -> bytes:
    try:
        return source.read(CHUNK_SIZE)
    except OSError as e:
        raise UploadSourceError("the file can't be read", why=e.strerror or "") from e


def _checked(response: HTTPResponse) -> HTTPResponse:
    """Return *response* unless it is an error.

    :raises RemoteNodeError: with what it says
    """
    if response.status < 400:
        return response
    body = response.read(_MAX_ERROR_SIZE)
    try:
        said = json.loads(body)["error"]
        words = {name: str(said.get(name, "")) for name in ("why", "fix")}
        raise RemoteNodeError(str(said["code"]), str(said["message"]), **words)
    except (ValueError, KeyError, TypeError, AttributeError):
        text = body.decode("utf-8", "replace")
    code = _CODES.get(response.status, "failed")
    if "NotWriteableError" in text:
        code = "not-permitted"
    if "UploadUnhappinessError" in text or "NotEnoughServersError" in text:
        code = "not-enough-servers"
    plain = not text.lstrip().startswith("<") and text.strip()
    why = text.strip().splitlines()[0][:300] if plain else ""
    raise RemoteNodeError(
        code, f"the node answered {response.status} {response.reason}", why=why
    )
