"""Several parts of a file in one body: ``multipart/byteranges``.

    CRLF --<boundary> CRLF
    Content-Type: <type of the file> CRLF
    Content-Range: bytes <first>-<last>/<total> CRLF
    CRLF
    the bytes of the part
    …
    CRLF --<boundary>-- CRLF

Source: RFC 9110, section 14.6.
"""

from __future__ import annotations

from typing import Any

from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from zope.interface import implementer

from allmydata.interfaces import IDownloadTarget
from allmydata.web.ranges import Part


@frozen
class Framing:
    """What goes between the parts.

    :param boundary: nobody who stored a file can have known it
    :param type_of_file: of each part
    """

    boundary: str
    type_of_file: str
    parts: tuple[Part, ...]

    @property
    def content_type(self) -> str:
        """The type of the body."""
        return f"multipart/byteranges; boundary={self.boundary}"

    @property
    def tail(self) -> bytes:
        """What ends the body."""
        return f"\r\n--{self.boundary}--\r\n".encode()

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return sum(len(b) + part.size for b, part in self.pieces()) + len(self.tail)

    def pieces(self) -> tuple[tuple[bytes, Part], ...]:
        """Return each part with what goes before it."""
        return tuple((self._before(part), part) for part in self.parts)

    def _before(self, part: Part) -> bytes:
        lines = (
            "",
            f"--{self.boundary}",
            f"Content-Type: {self.type_of_file}",
            f"Content-Range: {part.content_range()}",
            "",
            "",
        )
        return "\r\n".join(lines).encode()


@implementer(IDownloadTarget)
@define
class Headed:
    """A download target that is given some bytes of ours before the first of a download.

    They do not go out sooner, so that an error still has a status of its own.
    """

    _before: bytes
    _target: Any = field(repr=False)  # another download target

    def open(self, size: int) -> None:
        """Hear how many bytes the download will have."""
        self._target.open(size)

    def write(self, data: bytes) -> Deferred[None] | None:
        """Hand *data* on, the first of it behind what goes before."""
        if self._before:
            data, self._before = self._before + bytes(data), b""
        waiting: Deferred[None] | None = self._target.write(data)
        return waiting

    def close(self) -> None:
        """Hear that the download is done."""
        self._target.close()

    def fail(self, why: Failure) -> None:
        """Hear that it failed."""
        self._target.fail(why)

    def register_canceller(self, cb: Any) -> None:
        """Hear what ends it."""
        self._target.register_canceller(cb)

    def finish(self) -> Any:
        """Return what the target has become."""
        return self._target.finish()
