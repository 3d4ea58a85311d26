"""How many files and directories there are below one, and how large they are."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from attrs import define, field

VERSION = 1  # of what is told
_PER_DECADE = 2  # bins of the histogram: 0, 1-3, 4-10, 11-31, 32-100, 101-316 …


@define
class Stats:
    """Counts and sizes in bytes, told in the words of Tahoe-LAFS.

    Directories are no files here and have no size.
    """

    _counts: Counter[str] = field(factory=Counter, init=False)
    _sizes: Counter[str] = field(factory=Counter, init=False)
    _largest_file: int = field(default=0, init=False)
    _largest_directory: int = field(default=0, init=False)  # children
    _bins: Counter[int] = field(factory=Counter, init=False)

    def count(self, kind: str, facts: dict[str, Any]) -> None:
        """Count one object.

        :param kind: ``filenode``, ``dirnode`` or ``unknown``, with what is told of it
        """
        if kind != "filenode":
            self._counts["directories" if kind == "dirnode" else "unknown"] += 1
            return
        if facts.get("mutable"):
            self._counts["mutable-files"] += 1
            self._counts["files"] += 1
            return
        size = facts["size"]
        is_literal = "verify_uri" not in facts
        what = "literal-files" if is_literal else "immutable-files"
        self._counts[what] += 1
        self._counts["files"] += 1
        self._sizes[what] += size
        self._bins[_bin(size)] += 1
        if not is_literal:
            self._largest_file = max(self._largest_file, size)

    def count_children(self, num_children: int) -> None:
        """Hear how many children one directory has."""
        self._largest_directory = max(self._largest_directory, num_children)

    def as_json(self) -> dict[str, Any]:
        """Return what programs read."""
        counts = ("immutable-files", "mutable-files", "literal-files", "files")
        sizes = ("immutable-files", "literal-files", "directories")
        return {
            "api-version": VERSION,
            **{f"count-{what}": self._counts[what] for what in counts},
            **{f"count-{what}": self._counts[what] for what in ("directories", "unknown")},
            **{f"size-{what}": self._sizes[what] for what in sizes},
            "largest-directory": 0,
            "largest-directory-children": self._largest_directory,
            "largest-immutable-file": self._largest_file,
            "size-files-histogram": [
                [*_limits(number), num] for number, num in sorted(self._bins.items())
            ],
        }


def _bin(size: int) -> int:
    """Return the number of the bin that *size* falls into."""
    number = 0
    while _limits(number)[1] < size:
        number += 1
    return number


def _limits(number: int) -> tuple[int, int]:
    """Return the least and the largest size in a bin."""
    return (_upper(number - 1) + 1 if number else 0), _upper(number)


def _upper(number: int) -> int:
    """Return the square root of 10, to the power of *number*, rounded down."""
    return math.isqrt(10**number) if number else 0
