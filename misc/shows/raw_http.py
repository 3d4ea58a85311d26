"""Requests as no browser would send them, byte by byte; and what comes back."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import NamedTuple

Headers = Iterable[tuple[str, str]]
LIMIT_S = 20.0


class Answer(NamedTuple):
    """What came back; the status is 0 where the connection was closed without a word."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        """Return all values of a header, with commas between."""
        return ", ".join(value for key, value in self.headers if key == name.lower())

    @property
    def text(self) -> str:
        """All of it as text."""
        lines = [f"{name}: {value}" for name, value in self.headers]
        return "\n".join([*lines, self.body.decode("utf-8", "replace")])


class RawGateway:
    """One gateway, at which anything may be thrown."""

    def __init__(self, place: str) -> None:
        """Aim at *place*, ``HOST:PORT``."""
        host, _, port = place.rpartition(":")
        self.place, self._address = place, (host, int(port))

    def ask(
        self, method: str, path: str, *more: tuple[str, str], body: bytes = b""
    ) -> Answer:
        """Send a request with these headers; one of *more* wins over those always sent."""
        given = {name.lower() for name, _ in more}
        own = [("Host", self.place), ("Connection", "close")]
        if body or method in ("POST", "PUT"):
            own.append(("Content-Length", str(len(body))))
        lines = [pair for pair in own if pair[0].lower() not in given] + list(more)
        head = "".join(f"{name}: {value}\r\n" for name, value in lines)
        return self.throw(
            f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body
        )

    def throw(self, data: bytes) -> Answer:
        """Send *data* as it is; return the first answer."""
        with socket.create_connection(self._address, timeout=LIMIT_S) as line:
            try:
                line.sendall(data)
            except OSError:
                pass  # it has heard enough; it may have answered
            return _parsed(_read(line))


def _read(line: socket.socket) -> bytes:
    pieces = []
    try:
        while piece := line.recv(2**16):
            pieces.append(piece)
            if b"text/event-stream" in piece:
                break  # it would go on for ever
    except OSError:
        pass
    return b"".join(pieces)


def _parsed(data: bytes) -> Answer:
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) < 2 or not words[1].isdigit():
        return Answer(0, [], data)
    pairs = [line.partition(":") for line in lines]
    return Answer(int(words[1]), [(k.lower(), v.strip()) for k, _, v in pairs], body)
