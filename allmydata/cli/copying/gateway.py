"""The node's gateway as copying uses it: several threads, each over a line that is kept."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from typing import Any, BinaryIO, cast
from urllib.parse import quote

from attrs import field, frozen

from allmydata.errors import UploadSourceError
from allmydata.uri import LITERAL_LIMIT, LiteralFileURI, from_string
from allmydata.webapi import ANSWER_LIMIT_S, NodeHTTP, RemoteNodeError

SMALL = 2**18  # bytes that are sent and fetched in one piece
MAX_CHILDREN = 500  # in one change of a directory

Links = Mapping[str, tuple[str, Mapping[str, str]]]  # name: kind, and its capabilities
Count = Callable[[int], None]  # called with the number of bytes of each piece


@frozen
class Gateway(NodeHTTP):
    """A node seen over HTTP, for many small questions from a few threads."""

    _mine: threading.local = field(init=False, factory=threading.local, eq=False)

    # ---- files ---------------------------------------------------------------------------

    def store(self, source: BinaryIO, size: int, count: Count) -> str:
        """Store the *size* bytes that *source* reads; return the capability.

        The capability of a few bytes holds them: the node is not asked.

        :raises UploadSourceError: there are more or fewer
        """
        if size > SMALL:
            return self.put(source, size, progress=count)
        data = _read_all(source, size)
        count(size)
        if size <= LITERAL_LIMIT:
            return LiteralFileURI(data).to_string()
        cap = self._exchange("PUT", "/uri", data, None)
        return cap.decode("ascii", "replace").strip()

    def fetch(self, cap: str, size: int | None, count: Count) -> Iterator[bytes]:
        """Yield the bytes of the file *cap*, in order.

        :param size: how many they are, if that is known
        """
        if cap.startswith("URI:LIT:"):
            data = cast(LiteralFileURI, from_string(cap)).data
            count(len(data))
            yield data
            return
        if size is not None and size <= SMALL:
            data = self._exchange("GET", _uri(cap), b"", None)
            count(len(data))
            yield data
            return
        with closing(self.get(cap)) as download:
            for piece in download.chunks():
                count(len(piece))
                yield piece

    # ---- directories ---------------------------------------------------------------------

    def children(self, cap: str) -> dict[str, Any]:
        """Return what the directory *cap* holds: name to ``[kind, properties]``."""
        try:
            _, said = self.json(_uri(cap) + "?t=json")
            children: dict[str, Any] = said["children"]
            return children
        except (ValueError, KeyError, TypeError) as e:
            raise RemoteNodeError("failed", f"{self.url} lists no directory") from e

    def child_cap(self, cap: str, name: str) -> str | None:
        """Return the capability of *name* in the directory *cap*, or None without one."""
        return self.cap_at(f"{_uri(cap)}/{quote(name, safe='')}")

    def cap_at(self, path: str) -> str | None:
        """Return the capability of what the gateway has at *path*, None if nothing is."""
        try:
            return self.cap(path)
        except RemoteNodeError as e:
            if e.code != "not-found":
                raise
            return None

    def make_child(self, cap: str, name: str) -> str:
        """Return the capability of the directory *name* in *cap*, made if it is missing."""
        return self.mkdir(f"{_uri(cap)}/{quote(name, safe='')}")

    def set_children(self, cap: str, links: Links) -> None:
        """Put *links* into the directory *cap*, in one change; old ones are replaced."""
        self.ask("POST", _uri(cap) + "?t=set_children", json.dumps(links).encode())

    def make_filled(self, links: Links) -> str:
        """Make a directory that is in no other and holds *links*; return its capability."""
        parts = list(links.items())
        body = json.dumps(dict(parts[:MAX_CHILDREN])).encode()
        made = self.ask("POST", "/uri?t=mkdir-with-children", body)
        cap = made.decode("ascii", "replace").strip()
        for start in range(MAX_CHILDREN, len(parts), MAX_CHILDREN):
            self.set_children(cap, dict(parts[start : start + MAX_CHILDREN]))
        return cap

    def make_immutable(self, links: Links) -> str:
        """Make a directory of Tahoe-LAFS that nobody can change; return its capability."""
        made = self.ask("POST", "/uri?t=mkdir-immutable", json.dumps(links).encode())
        return made.decode("ascii", "replace").strip()

    # ---- asking --------------------------------------------------------------------------

    def ask(self, method: str, path: str, body: bytes = b"") -> bytes:
        """Return what *method* on *path* answers, as NodeHTTP's does."""
        return self._exchange(method, path, body, ANSWER_LIMIT_S)

    def _exchange(
        self, method: str, path: str, body: bytes, limit_s: float | None
    ) -> bytes:
        """Ask over this thread's line; over a new one, if the node has let that go."""
        kept: HTTPConnection | None = getattr(self._mine, "line", None)
        self._mine.line = None
        if kept is not None and kept.sock is not None:
            try:
                return self._over(kept, limit_s, method, path, body)
            except (HTTPException, ConnectionError):
                kept.close()
        line = self._connect(limit_s)
        try:
            return self._over(line, limit_s, method, path, body)
        except (HTTPException, OSError) as e:
            line.close()
            raise self._lost(e) from e

    def _over(
        self,
        line: HTTPConnection,
        limit_s: float | None,
        method: str,
        path: str,
        body: bytes,
    ) -> bytes:
        line.sock.settimeout(limit_s)
        data = self._ask(line, method, path, body=body).read()
        self._mine.line = line
        return data


def _uri(cap: str) -> str:
    return "/uri/" + quote(cap, safe="")


def _read_all(source: BinaryIO, size: int) -> bytes:
    data = b""
    while len(data) <= size and (piece := source.read(size + 1 - len(data))):
        data += piece
    if len(data) == size:
        return data
    raise UploadSourceError(
        "the file changed while it was read", why=f"it was {size} bytes before"
    )
