"""Files of any size, made as they are sent and compared as they come: none lies on disk."""

from __future__ import annotations

import os
from collections.abc import Iterator

from attrs import field, frozen
from grids import Processes, path_of, same

PIECE = 2**20


@frozen
class Stream:
    """Bytes that nobody has stored yet, the same whenever they are asked for."""

    size: int
    _filling: bytes = field(factory=lambda: os.urandom(PIECE))

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, self.size, PIECE):
            piece = start.to_bytes(8, "big") + self._filling[8:]
            yield piece[: min(PIECE, self.size - start)]

    def put(self, grid: Processes) -> str:
        """Store it; return its path at the gateway."""
        headers = {"Content-Length": str(self.size)}
        return path_of(grid.ask("PUT", "/uri", iter(self), **headers).decode())

    def get(self, grid: Processes, path: str) -> None:
        """Fetch it again and compare."""
        line = grid.line()
        line.request("GET", path)
        answer = line.getresponse()
        for piece in self:
            same(answer.read(len(piece)), piece)
        same(answer.read(), b"")
        line.close()


def room_for(size: int, place: str) -> None:
    """End the bench if a file of *size* does not fit: its shares, and what is spooled."""
    space = os.statvfs(place)
    free, wanted = space.f_bavail * space.f_frsize, int(4.5 * size)
    if free < wanted:
        told = f"{wanted / 1e9:.0f} GB of disk; {free / 1e9:.0f} GB are free"
        raise SystemExit(f"a file of {size / 1e9:.3g} GB needs {told}")
