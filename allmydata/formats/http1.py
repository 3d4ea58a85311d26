"""Heads of HTTP/1.1 messages, read strictly (RFC 9112), and bodies in chunks.

    start line CRLF
    Name: value CRLF ...
    CRLF

A line ends with CRLF and with nothing else, no header goes on in a second line, and a
message has one length.  What is not so is refused: two readers that took it differently
could be set against each other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from attrs import define, field, frozen

from allmydata.errors import CorruptError

END = b"\r\n\r\n"
MAX_HEAD = 16_384  # bytes
MAX_HEADERS = 100
MAX_CHUNK_LINE = 1000

_REQUEST = re.compile(rb"([A-Z]{1,20}) (/[!-~]*) HTTP/1\.([01])")
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [^\r\n\0]*)?")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*?)[ \t]*")
_SIZE = re.compile(rb"[0-9]{1,18}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?")


@frozen
class Head:
    """What comes before a body.

    :param start: parts of the first line
    :param headers: names in lower case, in their order
    """

    start: tuple[bytes, ...]
    headers: Sequence[tuple[bytes, bytes]] = field(repr=False)

    def every(self, name: bytes) -> list[bytes]:
        """Return the values of all headers of one name."""
        return [value for known, value in self.headers if known == name]

    def only(self, name: bytes) -> bytes | None:
        """Return the value of the one header of that name.

        :raises CorruptError: there are several
        """
        values = self.every(name)
        if len(values) > 1:
            raise CorruptError(f"{name.decode()} is there {len(values)} times")
        return values[0] if values else None

    @property
    def body_size(self) -> int | None:
        """How many bytes its body says it has; None if it does not say.

        :raises CorruptError: it can't be understood
        """
        value = self.only(b"content-length")
        if value is None:
            return None
        if not _SIZE.fullmatch(value) or self.every(b"transfer-encoding"):
            raise CorruptError("a length of a body that can't be")
        return int(value)

    @property
    def keeps_alive(self) -> bool:
        """Tell whether the connection may be used again after this message."""
        words = b",".join(self.every(b"connection")).lower()
        if self.start[-1] == b"0":
            return b"keep-alive" in words
        return b"close" not in words


def parse_request(data: bytes) -> Head:
    """Read the head of a request, without its END: method, path, minor version.

    :raises CorruptError: it is none
    """
    line, headers = _split(data)
    found = _REQUEST.fullmatch(line)
    if not found:
        raise CorruptError("this is no request of HTTP/1.1")
    return Head(found.groups(), headers)


def parse_status(data: bytes) -> Head:
    """Read the head of an answer, without its END: status, minor version.

    :raises CorruptError: it is none
    """
    line, headers = _split(data)
    found = _STATUS.fullmatch(line)
    if not found:
        raise CorruptError("this is no answer of HTTP/1.1")
    return Head((found[2], found[1]), headers)


def _split(data: bytes) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    line, *lines = data.split(b"\r\n")
    if len(lines) > MAX_HEADERS:
        raise CorruptError(f"{len(lines)} headers, at most {MAX_HEADERS} are read")
    headers = []
    for one in lines:
        found = _HEADER.fullmatch(one)
        if not found:
            raise CorruptError("a header that can't be understood")
        headers.append((found[1].lower(), found[2]))
    return line, headers


def pack_head(start: bytes, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Return the bytes of a head, its END included."""
    lines = [start, *(b"%b: %b" % pair for pair in headers)]
    return b"\r\n".join(lines) + END


@define
class Chunks:
    """A body in chunks, taken apart as it comes."""

    _rest: bytes = b""
    _left: int = 0  # of the chunk at hand
    _in_trailer: bool = False
    is_over: bool = field(default=False, init=False)

    def feed(self, data: bytes) -> list[bytes]:
        """Return what *data* adds to the body.

        :raises CorruptError: it is not in chunks
        """
        self._rest += data
        parts = []
        while not self.is_over:
            if self._left > 2:  # the chunk's own CRLF counts with it
                part = self._rest[: self._left - 2]
                if not part:
                    break
                parts.append(part)
                self._rest = self._rest[len(part) :]
                self._left -= len(part)
            elif not self._line():
                break
        return parts

    def _line(self) -> bool:
        line, found, rest = self._rest.partition(b"\r\n")
        if not found:
            if len(self._rest) > MAX_CHUNK_LINE:
                raise CorruptError("a chunk without a length")
            return False
        self._rest = rest
        if self._left:
            if line:
                raise CorruptError("a chunk that is longer than it says")
            self._left = 0
        elif self._in_trailer:
            self.is_over = not line
        else:
            self._begin(line)
        return True

    def _begin(self, line: bytes) -> None:
        found = _CHUNK.fullmatch(line)
        if not found:
            raise CorruptError("a chunk without a length")
        size = int(found[1], 16)
        self._in_trailer = not size
        self._left = size + 2 if size else 0
