"""The erasure code: k blocks in, any of n blocks out, any k of those back.

The code is zfec's, byte for byte: systematic Reed-Solomon over GF(256), polynomial
0x11d.  Block i belongs to share number i; numbers below k are *primaries*, the input
itself.  Each byte of another block is a sum over the k input bytes at its place, with
factors from one row of zfec's matrix, so any library for that field can do the work:
ISA-L (some fifty times faster) where it can be loaded and agrees with zfec, else zfec.

Format: docs/formats/erasure.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import shake_128
from threading import Lock
from typing import Any, Protocol

from attrs import field, frozen

from allmydata.coding import isal
from allmydata.coding.geometry import check_counts
from allmydata.coding.isal import Buffer, IsaL, Tables

TABLES_KEPT = 16  # sets of share numbers, for each of encoding and decoding
CHECKED_LENGTHS = (1, 33, 1021)  # the library takes short, odd and long blocks differently

_loading = Lock()


class Engine(Protocol):
    """What does the arithmetic for one (k, n)."""

    name: str

    def extend(self, pieces: Sequence[Buffer], numbers: Sequence[int]) -> list[Buffer]:
        """Return the blocks of these share numbers, none of them a primary."""

    def restore(
        self, blocks: Sequence[Buffer], numbers: tuple[int, ...], missing: tuple[int, ...]
    ) -> list[Buffer]:
        """Return the *missing* primaries from k blocks; numbers ascend in both."""


@frozen
class Coder:
    """Encodes and decodes for one (k, n); threads may share it.

    Blocks are bytes-like.  Those it makes are new to each call (``bytes``, or views of
    one common piece of memory), those it merely passes on are the caller's own objects.
    """

    k: int
    n: int
    _engine: Engine = field(repr=False)

    @property
    def backend(self) -> str:
        """Tell who does the arithmetic: ``isa-l`` or ``zfec``."""
        return self._engine.name

    def encode(
        self, pieces: Sequence[Buffer], wanted: Sequence[int] | None = None
    ) -> list[Buffer]:
        """Return the blocks of the *wanted* share numbers, in that order.

        :param pieces: k buffers of one length; each primary block is the piece itself
        :param wanted: any share numbers, none twice; all n if not given
        :raises ValueError: the wrong count, unequal lengths, or numbers not to be had
        """
        _check_blocks(pieces, self.k)
        numbers = range(self.n) if wanted is None else wanted
        self._check_numbers(numbers)
        others = [number for number in numbers if number >= self.k]
        made = dict(enumerate(pieces))
        if others:
            made.update(zip(others, self._engine.extend(pieces, others), strict=True))
        return [made[number] for number in numbers]

    def decode(self, blocks: Sequence[Buffer], numbers: Sequence[int]) -> list[Buffer]:
        """Return the k pieces in order; only those not among *blocks* are computed.

        :param blocks: exactly k, of one length, in any order
        :param numbers: the share number of each
        :raises ValueError: the wrong count, unequal lengths, or impossible numbers
        """
        _check_blocks(blocks, self.k)
        if len(numbers) != self.k:
            raise ValueError(f"{len(numbers)} share numbers for {self.k} blocks")
        self._check_numbers(numbers)
        held = dict(sorted(zip(numbers, blocks, strict=True), key=lambda pair: pair[0]))
        missing = tuple(number for number in range(self.k) if number not in held)
        if missing:
            restored = self._engine.restore([*held.values()], tuple(held), missing)
            held.update(zip(missing, restored, strict=True))
        return [held[number] for number in range(self.k)]

    def _check_numbers(self, numbers: Sequence[int]) -> None:
        if len(set(numbers)) != len(numbers):
            raise ValueError(f"a share number twice in {list(numbers)}")
        if any(not 0 <= number < self.n for number in numbers):
            raise ValueError(f"share numbers {list(numbers)}, wanted 0 to {self.n - 1}")


def _check_blocks(blocks: Sequence[Buffer], k: int) -> None:
    if len(blocks) != k:
        raise ValueError(f"{len(blocks)} blocks, wanted {k}")
    lengths = {len(block) for block in blocks}
    if len(lengths) != 1:
        raise ValueError(f"blocks of {sorted(lengths)} bytes, wanted one length")


def coder(k: int, n: int, backend: str | None = None) -> Coder:
    """Return the coder for any *k* of *n* shares, made once.

    The first call for a (k, n) takes some milliseconds, the first of all some 30.

    :param backend: ``zfec`` or ``isa-l`` for that one alone, to test or to compare
    :raises ValueError: not 1 <= k <= n <= 256, or that backend is not here
    """
    with _loading:
        made = _coder(k, n, backend == "zfec")
    if backend not in (None, made.backend):
        raise ValueError(f"no {backend} here for {k} of {n}, only {made.backend}")
    return made


@lru_cache(maxsize=64)
def _coder(k: int, n: int, only_zfec: bool) -> Coder:
    return make_coder(k, n, None if only_zfec else _library())


@lru_cache(maxsize=1)
def _library() -> IsaL | None:
    return isal.load()


def make_coder(k: int, n: int, library: IsaL | None) -> Coder:
    """Return a coder that uses *library*, if it gives the bytes zfec gives, else zfec.

    :raises ValueError: not 1 <= k <= n <= 256
    """
    check_counts(k, n)
    plain = Coder(k, n, _ZfecEngine(k, n))
    if library is None:
        return plain
    fast = Coder(k, n, _IsaLEngine(k, n, library))
    return fast if all(_agree(fast, plain, size) for size in CHECKED_LENGTHS) else plain


def _agree(fast: Coder, plain: Coder, length: int) -> bool:
    """Compare two coders on all blocks, and on the pieces from the highest numbers."""
    sample = shake_128(b"allmydata erasure check").digest(plain.k * length)
    pieces = [sample[at : at + length] for at in range(0, len(sample), length)]
    blocks = plain.encode(pieces)
    last = range(plain.n - plain.k, plain.n)
    try:
        again = fast.decode([blocks[number] for number in last], last)
    except ValueError:  # it found no inverse: every k rows of this matrix have one
        return False
    return again == pieces and fast.encode(pieces) == blocks


class _ZfecEngine:
    name = "zfec"

    def __init__(self, k: int, n: int) -> None:
        zfec = _zfec()
        self._encoder = zfec.Encoder(k, n)
        self._decoder = zfec.Decoder(k, n)

    def extend(self, pieces: Sequence[Buffer], numbers: Sequence[int]) -> list[Buffer]:
        return list(self._encoder.encode(pieces, list(numbers)))

    def restore(
        self, blocks: Sequence[Buffer], numbers: tuple[int, ...], missing: tuple[int, ...]
    ) -> list[Buffer]:
        pieces = self._decoder.decode(blocks, list(numbers))
        return [pieces[number] for number in missing]


class _IsaLEngine:
    name = "isa-l"

    def __init__(self, k: int, n: int, library: IsaL) -> None:
        self._library = library
        self._matrix = matrix(k, n)
        keep = lru_cache(maxsize=TABLES_KEPT)
        self._extending: Callable[[tuple[int, ...]], Tables] = keep(self._rows_to_extend)
        self._restoring: Callable[[tuple[int, ...], tuple[int, ...]], Tables] = keep(
            self._rows_to_restore
        )

    def extend(self, pieces: Sequence[Buffer], numbers: Sequence[int]) -> list[Buffer]:
        return self._multiply(self._extending(tuple(numbers)), pieces)

    def restore(
        self, blocks: Sequence[Buffer], numbers: tuple[int, ...], missing: tuple[int, ...]
    ) -> list[Buffer]:
        return self._multiply(self._restoring(numbers, missing), blocks)

    def _multiply(self, by: Tables, blocks: Sequence[Buffer]) -> list[Buffer]:
        if not len(blocks[0]):
            return [b""] * by.num_rows
        return list(self._library.multiply(by, blocks))

    def _rows_to_extend(self, numbers: tuple[int, ...]) -> Tables:
        return self._library.tables([self._matrix[number] for number in numbers])

    def _rows_to_restore(
        self, numbers: tuple[int, ...], missing: tuple[int, ...]
    ) -> Tables:
        inverse = self._library.invert([self._matrix[number] for number in numbers])
        return self._library.tables([inverse[number] for number in missing])


def matrix(k: int, n: int) -> list[bytes]:
    """Return zfec's matrix: for each of n shares its k factors, one byte each.

    Read off by encoding the unit vectors, so it is zfec's own by construction.
    """
    units = [bytes(column == row for column in range(k)) for row in range(k)]
    return list(_zfec().Encoder(k, n).encode(units, list(range(n))))


def _zfec() -> Any:
    """Return the library; not before there is a file, for it loads programs of 0.4 MB."""
    import zfec

    return zfec
