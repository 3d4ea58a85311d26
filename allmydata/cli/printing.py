r"""Names of children on standard output, whatever is in them.

On a terminal, what could move its cursor, colour it or turn the direction of text is shown
as an escape such as ``\x1b``.  Anywhere else every name is the bytes it is.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from itertools import islice

AT_ONCE = 10_000  # lines

# controls of C0 and C1, line and paragraph separators, direction marks, halves of pairs
_UNSAFE = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ud800-\\udfff]"
)


def safe(text: str) -> str:
    """Return *text* so that a terminal shows it on one line and does nothing else."""
    return _UNSAFE.sub(lambda found: found.group().encode("unicode_escape").decode(), text)


def emit_all(lines: Iterable[str]) -> None:
    """Print *lines*, of which there may be many, some at a time."""
    left = iter(lines)
    while some := [*islice(left, AT_ONCE)]:
        emit(*some)


def emit(*lines: str, end: str = "\n") -> None:
    """Print *lines*, as a terminal may see them or as they are; they leave at once."""
    if sys.stdout.isatty():
        lines = tuple(map(safe, lines))
    text = "".join(line + end for line in lines)
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))
    sys.stdout.buffer.flush()
