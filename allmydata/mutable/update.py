"""Changing a part of a file: only the segments touched, where that can be done.

A new root hash covers the trees of all shares.  So segments are written in place where
every share is there, is of the same version, and is laid out as we do; else the file is
written whole.  SDMF has one segment, and is always.
"""

from __future__ import annotations

from attrs import define, field
from twisted.internet.defer import TimeoutError

from allmydata.errors import GridError
from allmydata.formats.mutable import MDMF
from allmydata.mutable.edition import (
    Author,
    Edition,
    Shape,
    planned_layout,
    write_part,
)
from allmydata.mutable.retrieve import Retrieval
from allmydata.util.deferreds import gather
from allmydata.util.mathutil import div_ceil
from allmydata.util.workers import Workers


@define(eq=False)
class Patch:
    """Some bytes to be written into a version."""

    _now: Retrieval
    _author: Author = field(repr=False)
    _data: bytes = field(repr=False)
    _offset: int

    @property
    def _size(self) -> int:
        return max(self._now.version.size, self._offset + len(self._data))

    async def whole(self) -> bytes:
        """Return the whole content as it is to be."""
        old = (await self._now.content()).ljust(self._offset, b"\0")
        return old[: self._offset] + self._data + old[self._offset + len(self._data) :]

    async def edition(self, workers: Workers) -> Edition | None:
        """Return what is to be written in place; None where the file must be whole."""
        old = self._now.version
        shape = Shape(old.kind, old.k, old.n)
        if not self._data or not self._is_regular(shape):
            return None
        try:
            leaves = await self._all_leaves()
            first, plaintext = await self._segments()
        except (GridError, TimeoutError):
            return None
        seqnum = self._now.found.next_seqnum()
        return await workers.run(
            write_part,
            self._author,
            shape,
            seqnum,
            self._size,
            first,
            plaintext,
            leaves,
        )

    def _is_regular(self, shape: Shape) -> bool:
        old = self._now.version
        if old.kind != MDMF or old.segment_size != shape.geometry(old.size).segment_size:
            return False
        found = self._now.found
        if found.bad or len(found.versions()) > 1 or len(found.numbers(old)) < old.n:
            return False
        planned = planned_layout(self._author, old, shape)
        return all(share.layout.parts == planned.parts for share in found.of(old))

    async def _all_leaves(self) -> dict[int, list[bytes]]:
        """Return the block hashes of every share; each was checked."""
        readers = {reader.share.shnum: reader for reader in self._now.readers}
        all_leaves = await gather(one.fetch_leaves() for one in readers.values())
        return dict(zip(readers, all_leaves, strict=True))

    async def _segments(self) -> tuple[int, bytes]:
        """Return the first segment that changes, and the plaintext from there on."""
        geometry = self._now.geometry
        size = geometry.segment_size
        end = self._offset + len(self._data)
        first = min(self._offset, geometry.size) // size
        if self._size > geometry.size and geometry.size % size:
            first = min(first, geometry.num_segments - 1)  # the last one grows
        last = div_ceil(end, size) - 1
        before = await self._old(first * size, min(self._offset, geometry.size))
        after = await self._old(end, min((last + 1) * size, geometry.size))
        gap = bytes(self._offset - first * size - len(before))
        return first, b"".join([before, gap, self._data, after])

    async def _old(self, begin: int, end: int) -> bytes:
        """Return bytes that stay; nothing where *end* is not after *begin*."""
        if end <= begin:
            return b""
        size = self._now.geometry.segment_size
        first, last = begin // size, (end - 1) // size
        parts = await self._now.segments(first, last + 1 - first)
        return b"".join(parts)[begin - first * size : end - first * size]
