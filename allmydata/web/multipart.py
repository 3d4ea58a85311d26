"""Forms of several parts, taken apart as they come.

    preamble, ignored
    --<boundary>CRLF
    Content-Disposition: form-data; name="file"; filename="a.txt"CRLF
    any other header, ignored CRLF
    CRLF
    data CRLF
    --<boundary>CRLF         the next part, or
    --<boundary>--           the end; what follows is ignored

Source: RFC 2046 section 5.1, RFC 7578; how names are escaped, the HTML standard.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum, auto

from attrs import frozen

from allmydata.errors import UsageError

MAX_HEADER_SIZE = 16384  # bytes, of all headers of one part

_BOUNDARY = re.compile(r'[^;]*;.*?boundary=(?:"([^"]{1,200})"|([^\s;"]{1,200}))', re.I)
_DISPOSITION = re.compile(rb"\r\ncontent-disposition:[ \t]*form-data([^\r]*)", re.I)
_PARAMETER = re.compile(rb';[ \t]*(\w+)=(?:"((?:[^"\\]|\\.)*)"|([^;\s]*))')
_ESCAPES = {rb"\"": b'"', rb"\\": b"\\", b"%22": b'"', b"%0D": b"\r", b"%0A": b"\n"}
_ESCAPED = re.compile(rb'\\["\\]|%22|%0[AD]', re.I)


@frozen
class Part:
    """One part begins; its data follow.

    :param file_name: what the sender calls the file, if it is one
    """

    name: str
    file_name: str | None


class End(Enum):
    """What ends after its data."""

    PART = auto()


Event = Part | bytes | End


class _State(Enum):
    PREAMBLE = auto()
    LINE = auto()  # what follows a boundary, up to the end of its line
    HEADERS = auto()
    DATA = auto()
    EPILOGUE = auto()


def find_boundary(content_type: str) -> bytes | None:
    """Return what stands between the parts, or None if it is no form of that kind.

    :raises UsageError: it is one, and does not say
    """
    if not content_type.lower().startswith("multipart/form-data"):
        return None
    found = _BOUNDARY.match(content_type)
    if not found:
        raise UsageError("the form's Content-Type names no boundary")
    return (found[1] or found[2]).encode("latin-1")


class MultipartParser:
    """Takes a form apart, keeping no more of it than a boundary's length."""

    def __init__(self, boundary: bytes) -> None:
        self._delimiter = b"\r\n--" + boundary
        self._buffer = bytearray(b"\r\n")  # a boundary may be the first thing there is
        self._state = _State.PREAMBLE

    def feed(self, data: bytes) -> Iterator[Event]:
        """Yield what *data* completes.

        :raises UsageError: it is no such form
        """
        if self._state is _State.EPILOGUE:
            return
        self._buffer += data
        while (events := self._step()) is not None:
            yield from events

    def finish(self) -> None:
        """Hear that nothing follows.

        :raises UsageError: something should
        """
        if self._state is not _State.EPILOGUE:
            raise UsageError("the form ends before its last part does")

    def _step(self) -> list[Event] | None:
        """Go one state further, or return None where more must come first."""
        match self._state:
            case _State.PREAMBLE | _State.DATA:
                return self._pass_data()
            case _State.LINE:
                return self._pass_line()
            case _State.HEADERS:
                return self._pass_headers()
        return None

    def _pass_data(self) -> list[Event] | None:
        is_data = self._state is _State.DATA
        end = self._buffer.find(self._delimiter)
        if end < 0:
            data = self._take(self._num_certain())
            return [data] if is_data and data else None
        data = self._take(end)
        self._take(len(self._delimiter))
        self._state = _State.LINE
        return [data, End.PART] if is_data else []

    def _num_certain(self) -> int:
        """Return how many bytes can't belong to a delimiter that is yet to come whole."""
        start = max(0, len(self._buffer) - len(self._delimiter) + 1)
        possible = self._buffer.find(b"\r", start)
        while possible >= 0 and not self._delimiter.startswith(
            bytes(self._buffer[possible:])
        ):
            possible = self._buffer.find(b"\r", possible + 1)
        return len(self._buffer) if possible < 0 else possible

    def _pass_line(self) -> list[Event] | None:
        if self._buffer.startswith(b"--"):
            self._buffer.clear()
            self._state = _State.EPILOGUE
            return []
        end = self._buffer.find(b"\r\n")
        padding = bytes(self._buffer if end < 0 else self._buffer[:end])
        is_open = end < 0 and padding == b"-"
        if (padding.strip(b" \t\r") and not is_open) or len(padding) > MAX_HEADER_SIZE:
            raise UsageError("a boundary of the form stands where none should be")
        if end < 0:
            return None
        self._take(end)  # the end of the line stays, for there may be no headers
        self._state = _State.HEADERS
        return []

    def _pass_headers(self) -> list[Event] | None:
        end = self._buffer.find(b"\r\n\r\n")
        if (len(self._buffer) if end < 0 else end) > MAX_HEADER_SIZE:
            raise UsageError(
                f"a part of the form has over {MAX_HEADER_SIZE} bytes of headers"
            )
        if end < 0:
            return None
        part = _read_headers(self._take(end))
        self._take(len(b"\r\n\r\n"))
        self._state = _State.DATA
        return [part]

    def _take(self, size: int) -> bytes:
        with memoryview(self._buffer) as view:
            taken = bytes(view[:size])
        del self._buffer[:size]
        return taken


def _read_headers(headers: bytes) -> Part:
    found = _DISPOSITION.search(headers)
    values = {
        key.lower(): _unescape(quoted) if quoted else plain
        for key, quoted, plain in _PARAMETER.findall(found[1] if found else b"")
    }
    try:
        words = {key.decode(): value.decode() for key, value in values.items()}
    except UnicodeDecodeError:
        raise UsageError("a name in the form is not UTF-8") from None
    return Part(words.get("name", ""), words.get("filename"))


def _unescape(quoted: bytes) -> bytes:
    return _ESCAPED.sub(lambda found: _ESCAPES[found[0].upper()], quoted)
