"""The ciphertext of a file that is stored, read once more: what a repair encodes.

No key is needed for that.  What comes has been checked against the file's own hashes.
"""

from __future__ import annotations

from collections import deque

from twisted.internet.defer import Deferred
from zope.interface import implementer

from allmydata.coding.geometry import Geometry
from allmydata.crypto.hashtree import num_nodes
from allmydata.crypto.hashutil import HASH_SIZE
from allmydata.immutable.batches import Batches
from allmydata.immutable.decode import ShareFetcher
from allmydata.interfaces import IEncryptedUploadable
from allmydata.util.deferreds import as_deferred, drop, start

DEPTH = 4  # batches under way


@implementer(IEncryptedUploadable)
class StoredCiphertext:
    """An encrypted uploadable whose bytes come from the grid, segment by segment.

    :param fetcher: of a verify capability
    """

    def __init__(self, fetcher: ShareFetcher, geometry: Geometry, index: bytes) -> None:
        self._fetcher = fetcher
        self._geometry = geometry
        self._index = index
        self._todo = Batches(geometry, 0, geometry.num_segments - 1)
        self._num_begun = 0
        self._coming: deque[Deferred[list[bytes]]] = deque()
        self._segments: deque[bytes] = deque()

    @as_deferred
    async def get_size(self) -> int:
        """Return the bytes of the file."""
        return self._geometry.size

    def set_serialized_encoding_parameters(
        self, serialized_encoding_parameters: str
    ) -> None:
        """Do nothing: they are the file's own."""

    def set_segment_size(self, segment_size: int) -> None:
        """Do nothing: it is the file's own."""

    @as_deferred
    async def get_storage_index(self) -> bytes:
        """Return the 16 bytes under which servers know the file."""
        return self._index

    @as_deferred
    async def read_encrypted(self, length: int) -> list[bytes]:
        """Return the next segment; *length* must be what it has.

        :raises NotEnoughSharesError: it can't be had any more
        """
        if not self._segments:
            self._begin_ahead()
            self._segments.extend(await self._coming.popleft())
            self._begin_ahead()
        segment = self._segments.popleft()
        if len(segment) != length:
            raise AssertionError(f"{length} bytes asked of a segment of {len(segment)}")
        return [segment]

    def _begin_ahead(self) -> None:
        while self._num_begun < len(self._todo) and len(self._coming) < DEPTH:
            batch = self._todo[self._num_begun]
            self._num_begun += 1
            self._coming.append(start(self._fetcher.fetch(batch)))

    @as_deferred
    async def get_plaintext_segment_hashtree_nodes(
        self, num_segments: int
    ) -> tuple[bytes, ...]:
        """Return zeros, as uploads write them."""
        return (bytes(HASH_SIZE),) * num_nodes(num_segments)

    @as_deferred
    async def get_plaintext_hash(self) -> bytes:
        """Return zeros."""
        return bytes(HASH_SIZE)

    def close(self) -> None:
        """Fetch no more."""
        coming, self._coming = self._coming, deque()
        self._num_begun = len(self._todo)
        for batch in coming:
            drop(batch)
            batch.cancel()
