"""Every number that follows from a file's size, k, n, and the segment size.

Format: docs/formats/share.md, "Segments and blocks".
"""

from __future__ import annotations

from functools import cached_property

from attrs import field, frozen

from allmydata.crypto.hashtree import num_nodes
from allmydata.crypto.hashutil import HASH_SIZE
from allmydata.util.mathutil import div_ceil, log2_exact, next_multiple, next_power_of_2

MAX_SHARES = 256
DEFAULT_MAX_SEGMENT_SIZE = 2**20


def check_counts(k: int, n: int) -> None:
    """Raise ValueError unless 1 <= k <= n <= 256."""
    if not 1 <= k <= n <= MAX_SHARES:
        raise ValueError(f"{k}-of-{n} shares: 1 <= k <= n <= {MAX_SHARES} is wanted")


def segment_size_for(size: int, k: int, max_segment_size: int) -> int:
    """Return the bytes of a segment of a new file of *size* bytes: a multiple of *k*."""
    return next_multiple(min(max_segment_size, size), k)


@frozen(slots=False)
class Geometry:
    """The shape of one file's shares; sizes are bytes.

    :param size: of the file, at least 1
    :param segment_size: of every segment but the last; a multiple of k
    """

    size: int
    k: int
    n: int
    segment_size: int = field()

    def __attrs_post_init__(self) -> None:
        """Refuse numbers that describe no file.

        :raises ValueError: they don't
        """
        check_counts(self.k, self.n)
        if self.size < 1 or self.segment_size < 1 or self.segment_size % self.k:
            raise ValueError(
                f"{self.size} bytes in segments of {self.segment_size}, k={self.k}"
            )

    @classmethod
    def for_new_file(
        cls, size: int, k: int, n: int, max_segment_size: int = DEFAULT_MAX_SEGMENT_SIZE
    ) -> Geometry:
        """Choose the segment size as every uploader does, so that equal files converge."""
        check_counts(k, n)
        return cls(size, k, n, segment_size_for(size, k, max_segment_size))

    @cached_property
    def num_segments(self) -> int:
        """How many segments, the last included."""
        return div_ceil(self.size, self.segment_size)

    @cached_property
    def tail_size(self) -> int:
        """Bytes of the file in the last segment."""
        return self.size - (self.num_segments - 1) * self.segment_size

    @cached_property
    def tail_padded_size(self) -> int:
        """Bytes of the last segment with its padding."""
        return next_multiple(self.tail_size, self.k)

    @cached_property
    def block_size(self) -> int:
        """Bytes of a block of every segment but the last."""
        return self.segment_size // self.k

    @cached_property
    def tail_block_size(self) -> int:
        """Bytes of a block of the last segment."""
        return self.tail_padded_size // self.k

    @cached_property
    def share_data_size(self) -> int:
        """Bytes of all blocks of one share."""
        return (self.num_segments - 1) * self.block_size + self.tail_block_size

    @cached_property
    def tree_size(self) -> int:
        """Bytes of one hash tree over the segments."""
        return num_nodes(self.num_segments) * HASH_SIZE

    @cached_property
    def chain_length(self) -> int:
        """How many hashes tie a share to the share hash tree's root, its own included."""
        return log2_exact(next_power_of_2(self.n)) + 1

    @property
    def codec_params(self) -> str:
        """What decoders of whole segments are told; also what keys of equal files share."""
        return f"{self.segment_size}-{self.k}-{self.n}"

    def segment_bytes(self, segnum: int) -> int:
        """Return the bytes of the file in segment *segnum*."""
        return self.tail_size if segnum == self.num_segments - 1 else self.segment_size

    def block_bytes(self, segnum: int) -> int:
        """Return the bytes of a block of segment *segnum*."""
        return self.tail_block_size if segnum == self.num_segments - 1 else self.block_size
