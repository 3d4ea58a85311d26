"""Segments that are fetched together: the blocks one share has of them come in one read."""

from __future__ import annotations

from attrs import frozen

from allmydata.coding.geometry import Geometry
from allmydata.util.mathutil import div_ceil

BATCH_READ = 700_000  # bytes of one share to read at once
BATCH_SIZE = 4 * 2**20  # bytes of the file in one batch, at the most


@frozen
class Batch:
    """Consecutive segments that are fetched together."""

    first: int
    count: int

    @property
    def segments(self) -> range:
        """The numbers of the segments."""
        return range(self.first, self.first + self.count)


@frozen
class Batches:
    """Segments *first* to *last* cut into batches; the first is short, to answer early."""

    geometry: Geometry
    first: int
    last: int

    @property
    def _size(self) -> int:
        """Segments of each batch but the first."""
        by_read = BATCH_READ // self.geometry.block_size
        return max(1, min(by_read, BATCH_SIZE // self.geometry.segment_size))

    def __len__(self) -> int:
        return 1 + div_ceil(self.last - self.first, self._size)

    def __getitem__(self, i: int) -> Batch:
        if i == 0:
            return Batch(self.first, 1)
        begin = self.first + 1 + (i - 1) * self._size
        return Batch(begin, min(self._size, self.last + 1 - begin))
