"""One answer of a server, taken together as it comes: no more of it than was asked for."""

from __future__ import annotations

from attrs import define, field, frozen

from allmydata.errors import CorruptError
from allmydata.formats import http1

NO_BODY = (204, 304)
INTERIM = b"1"  # the first digit of a status that another one follows


@frozen
class Response:
    """What a server answered."""

    status: int
    head: http1.Head = field(repr=False)
    body: bytes = field(repr=False)


@define
class Incoming:
    """An answer on its way.

    :param most: the most bytes its body may have
    """

    most: int
    _head: http1.Head | None = field(default=None, init=False)
    _head_data: bytes = field(default=b"", init=False)
    _parts: list[bytes] = field(factory=list, init=False)
    _size: int = field(default=0, init=False)
    _wanted: int = field(default=0, init=False)
    _chunks: http1.Chunks | None = field(default=None, init=False)
    ends_with_connection: bool = field(default=False, init=False)

    def feed(self, data: bytes) -> bool:
        """Take in what came; return whether the answer is whole.

        :raises CorruptError: it is no answer, or too large
        """
        if self._head is None:
            data = self._take_head(data)
            if self._head is None:
                return False
        parts = self._chunks.feed(data) if self._chunks else [data]
        self._parts += parts
        self._size += sum(map(len, parts))
        if self._size > self.most:
            raise CorruptError(f"more than {self.most} bytes")
        return self._is_whole()

    def _take_head(self, data: bytes) -> bytes:
        """Read the head, when it is there; return what lies behind it."""
        self._head_data += data
        head, end, rest = self._head_data.partition(http1.END)
        if len(head) > http1.MAX_HEAD:
            raise CorruptError(f"a head of more than {http1.MAX_HEAD} bytes")
        if not end:
            return b""
        self._head_data = b""
        parsed = http1.parse_status(head)
        if parsed.start[0].startswith(INTERIM):
            return self._take_head(rest) if rest else b""
        self._head = parsed
        self._expect(parsed)
        return rest

    def _expect(self, head: http1.Head) -> None:
        coding = head.only(b"transfer-encoding")
        if int(head.start[0]) in NO_BODY:
            return
        if coding is not None:
            if coding.lower() != b"chunked":
                raise CorruptError("a coding of its answer that is not known")
            self._chunks = http1.Chunks()
            return
        size = head.body_size
        self.ends_with_connection = size is None
        self._wanted = size or 0

    def _is_whole(self) -> bool:
        if self.ends_with_connection:
            return False
        if self._chunks:
            return self._chunks.is_over
        if self._size > self._wanted:
            raise CorruptError("more bytes than it says")
        return self._size == self._wanted

    @property
    def leaves_connection(self) -> bool:
        """Tell whether the connection may be used again."""
        keeps = self._head is not None and self._head.keeps_alive
        return keeps and not self.ends_with_connection

    def response(self) -> Response:
        """Return the whole answer."""
        assert self._head is not None
        parts = self._parts
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        return Response(int(self._head.start[0]), self._head, body)
