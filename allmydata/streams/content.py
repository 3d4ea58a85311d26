"""A known number of bytes that can be read anywhere, and are read from start to end."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from attrs import define, field

from allmydata.errors import UploadSourceError

PIECE = 2**20  # bytes read at once in a pass over the whole

ReadAt = Callable[[int, int], bytes]


def nothing_to_check() -> None:
    """Stand for the check of content that can't change."""


@define
class Content:
    """The bytes of one upload; everything here may block, and may run in a thread.

    :param read_at: (offset, length) to bytes; none at the end
    :param size: bytes that were promised
    :param check_end: called when the last byte was read
    :raises UploadSourceError: from every method: there were fewer bytes than promised,
        or what *check_end* raises
    """

    _read_at: ReadAt
    size: int
    _check_end: Callable[[], None] = nothing_to_check
    _position: int = field(default=0, init=False)

    def pieces(self) -> Iterator[bytes]:
        """Yield the whole from its start; the position of :meth:`next` stays."""
        for offset in range(0, self.size, PIECE):
            yield from self._range(offset, min(PIECE, self.size - offset))

    def next(self, length: int) -> list[bytes]:
        """Return the next *length* bytes in one or more pieces, fewer at the end."""
        length = min(length, self.size - self._position)
        pieces = list(self._range(self._position, length))
        self._position += length
        return pieces

    def _range(self, offset: int, length: int) -> Iterator[bytes]:
        end = offset + length
        while offset < end:
            piece = self._read_at(offset, end - offset)
            if not piece:
                raise UploadSourceError(
                    "the file became shorter while it was read",
                    why=f"it had {self.size} bytes at first, and ended after {offset}",
                    fix="try again when nothing else writes to it",
                )
            offset += len(piece)
            yield piece
        if end == self.size:
            self._check_end()
