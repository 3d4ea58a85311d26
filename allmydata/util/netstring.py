"""Netstrings: ``5:hello,``.  Source: D. J. Bernstein, netstrings.txt, 1997."""

from __future__ import annotations

import re

_LENGTH = re.compile(rb"(0|[1-9][0-9]{0,9}):")


def netstring(data: bytes) -> bytes:
    """Return *data* with its length before and a comma after."""
    return b"%d:%b," % (len(data), data)


def split_netstring(data: bytes, start: int = 0) -> tuple[bytes, int]:
    """Read one netstring at *start*; return its content and the offset after it.

    :raises ValueError: no length, too little data, or no comma
    """
    found = _LENGTH.match(data, start)
    if not found:
        raise ValueError(f"no netstring length at offset {start}")
    end = found.end() + int(found.group(1))
    if data[end : end + 1] != b",":
        raise ValueError(f"netstring at offset {start} does not end where it says")
    return data[found.end() : end], end + 1
