"""One share on one server, by its parts; and the sizes both sides agree on.

These views turn parts of a share into offsets; the calls that cross the wire are
:class:`~allmydata.interfaces.RIBucketWriter` and
:class:`~allmydata.interfaces.RIBucketReader`.  All hash trees are lists of 32-byte nodes,
root first, at most 2**20 of them.

The sizes are plain numbers and stand here, not in ``remote``, so that knowing them does
not need foolscap.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from zope.interface import Interface

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

HASH_SIZE = 32  # bytes of a hash: SHA-256
MAX_BUCKETS = 256  # shares of one file on one server: no code makes more
MAX_SHARE_DATA = 16 * 2**20  # bytes that one read or write of a bucket carries
MAX_WHOLE_SHARE = 2**20  # bytes of a share that ``put_shares`` takes
MAX_SLOT_DATA = 2**28  # bytes of one part of a mutable share: all of it travels in one call
MAX_PARTS = 100_000  # of one share, in one call


class IStorageBucketWriter(Interface):
    """One share being written; nothing of it counts before :meth:`close`.

    Each method returns a Deferred that fires with None when the server has agreed, or
    fails with ServerLostError or ServerRefusedError. Parts are put in the order of the
    methods here; a writer lost before ``close`` leaves nothing behind on the server.
    """

    def put_block(segmentnum: int, data: Any) -> Deferred[None]:
        """Store the block of segment *segmentnum*; blocks come in order, from 0.

        :param data: a buffer of the block size, or shorter for the last segment
        """

    def put_plaintext_hashes(hashes: Sequence[bytes]) -> Deferred[None]:
        """Store the tree over the plaintext's segments.

        An upload of ours does not call this, and the place stays zeroed: whoever holds
        hashes of a plaintext can confirm a guess at it.
        """

    def put_crypttext_hashes(hashes: Sequence[bytes]) -> Deferred[None]:
        """Store the tree over the crypttext's segments."""

    def put_block_hashes(blockhashes: Sequence[bytes]) -> Deferred[None]:
        """Store the tree over this share's blocks."""

    def put_share_hashes(sharehashes: Sequence[tuple[int, bytes]]) -> Deferred[None]:
        """Store the chain that ties this share to the root of all shares.

        :param sharehashes: pairs of a node's number in the share hash tree and its hash
        """

    def put_uri_extension(data: bytes) -> Deferred[None]:
        """Store the URI extension block: the file's parameters and the roots of its trees.

        It is the same in every share, and its hash is in the capability.

        :param data: ``key:netstring`` for each key, sorted (docs/formats/extension.md)
        """

    def close() -> Deferred[None]:
        """End the share: the server keeps it, or throws it away if it has a hole."""


class IStorageBucketReader(Interface):
    """One share being read, by part.

    Whatever it answers is unverified. Each method returns a Deferred that fails with
    ServerLostError, ServerRefusedError, or BadShareError where the share is too short or
    its header lies.
    """

    def get_block(blocknum: int) -> Deferred[bytes]:
        """Return block *blocknum*, counted from 0; the last may be shorter."""

    def get_plaintext_hashes() -> Deferred[list[bytes]]:
        """Return the tree over the plaintext's segments; all zeros if none was stored."""

    def get_crypttext_hashes() -> Deferred[list[bytes]]:
        """Return the tree over the crypttext's segments."""

    def get_block_hashes() -> Deferred[list[bytes]]:
        """Return the tree over this share's blocks."""

    def get_share_hashes() -> Deferred[list[tuple[int, bytes]]]:
        """Return the chain from this share to the root of all: pairs of number, hash."""

    def get_uri_extension() -> Deferred[bytes]:
        """Return the URI extension block, without its length."""
