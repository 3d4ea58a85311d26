"""Which bytes of a share were written: spans kept in order, merged where they touch."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from attrs import define, field


@define
class Extents:
    """A set of byte offsets, held as disjoint spans ``[start, end)``."""

    _starts: list[int] = field(factory=list, init=False)
    _ends: list[int] = field(factory=list, init=False)

    def __len__(self) -> int:
        """Return the number of spans."""
        return len(self._starts)

    def add(self, start: int, end: int) -> None:
        """Take in ``[start, end)``; an empty span changes nothing."""
        if start >= end:
            return
        first, after = self._touching(start, end)
        if first < after:
            start = min(start, self._starts[first])
            end = max(end, self._ends[after - 1])
        self._starts[first:after] = [start]
        self._ends[first:after] = [end]

    def overlaps(self, start: int, end: int) -> list[tuple[int, int]]:
        """Return the parts of ``[start, end)`` that were written before, in order."""
        first, after = self._touching(start, end)
        spans = zip(self._starts[first:after], self._ends[first:after], strict=True)
        clipped = ((max(a, start), min(b, end)) for a, b in spans)
        return [(a, b) for a, b in clipped if a < b]

    def first_gap(self, size: int) -> int | None:
        """Return the first offset below *size* not yet written; None when there is none."""
        begun = self._starts[:1] == [0]
        gap = self._ends[0] if begun else 0
        return gap if gap < size else None

    def gaps(self, size: int) -> list[tuple[int, int]]:
        """Return the spans below *size* that were not yet written, in order."""
        spans = zip([0, *self._ends], [*self._starts, size], strict=True)
        return [(a, b) for a, b in spans if a < b]

    def _touching(self, start: int, end: int) -> tuple[int, int]:
        return bisect_left(self._ends, start), bisect_right(self._starts, end)
