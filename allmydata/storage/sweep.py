"""Looking at every share file, so that the lease index tells what is there.

It is done when the index is new, when it was not closed well, and once a week.  Files
change meanwhile; each is looked at, and noted, with its lock in hand.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from attrs import define, field

from allmydata.storage.inventory import Key, look
from allmydata.storage.leaseindex import LeaseIndex
from allmydata.storage.ledger import Ledger
from allmydata.storage.tree import ShareTree
from allmydata.util.base32 import ALPHABET, a2b, b2a

PREFIXES = [a + b for a in ALPHABET for b in ALPHABET]
SLICE_S = 0.1  # for so long a thread is kept at a time
INDEX_BITS, PREFIX_BITS = 128, 10


@define
class Sweep:
    """One walk over all files, in slices; each slice runs in a thread."""

    _tree: ShareTree
    _ledger: Ledger
    _next: int = field(default=0, init=False)  # place in PREFIXES
    _losses: int = field(init=False)

    @_losses.default
    def _(self) -> int:
        return self._ledger.num_losses

    def go_on(self) -> bool:
        """Look at some more files; return whether there are others.

        :raises OSError: the process has no descriptor left; what was done counts
        """
        until = time.monotonic() + SLICE_S
        present = set(os.listdir(self._tree.shares))
        is_new = not self._ledger.held().num_shares
        while self._next < len(PREFIXES) and time.monotonic() < until:
            if PREFIXES[self._next] in present or not is_new:
                self._look_under(self._next)
            self._next += 1
        if self._losses != self._ledger.num_losses:  # what was noted is lost
            self._losses, self._next = self._ledger.num_losses, 0
        return self._next < len(PREFIXES) or not self._ledger.swept(self._losses)

    def _look_under(self, number: int) -> None:
        known: dict[bytes, set[int]] = {}
        for storage_index, shnum in self._ledger.ask(_between(number)):
            known.setdefault(storage_index, set()).add(shnum)
        for storage_index in _buckets(self._tree.shares / PREFIXES[number]):
            self._look_at(storage_index, known.pop(storage_index, set()))
        for storage_index, shnums in known.items():
            self._look_at(storage_index, shnums)

    def _look_at(self, storage_index: bytes, known: set[int]) -> None:
        """Note what lies in a bucket, and what of *known* does not."""
        with self._tree.lock(storage_index):
            numbers = self._tree.numbers(storage_index)
            for shnum, path in numbers.items():
                held = look(path, self._tree.calls)
                self._ledger.note((storage_index, shnum), held, held)
            for shnum in known - numbers.keys():
                self._ledger.note((storage_index, shnum), None, None)


def _between(number: int) -> Callable[[LeaseIndex], set[Key]]:
    first, last = _range(number)
    return lambda index: index.between(first, last)


def _range(number: int) -> tuple[bytes, bytes]:
    """Return the first and the last storage index under a prefix."""
    shift = INDEX_BITS - PREFIX_BITS
    first, last = number << shift, ((number + 1) << shift) - 1
    return first.to_bytes(16, "big"), last.to_bytes(16, "big")


def _buckets(prefix: Path) -> Iterator[bytes]:
    """Yield the storage indexes that have a directory; other names are passed over."""
    try:
        names = os.listdir(prefix)
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in sorted(names):
        try:
            storage_index = a2b(name)
        except ValueError:
            continue
        if len(storage_index) == INDEX_BITS // 8 and name == b2a(storage_index):
            if name[:2] == prefix.name:
                yield storage_index
