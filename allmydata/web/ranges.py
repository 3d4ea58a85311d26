"""Which part of a file a request asks for, and whether it has it already.

Source: RFC 9110, sections 13.1.2 and 14; where it leaves a choice, docs/webapi.md tells
which one is taken.
"""

from __future__ import annotations

import re

from attrs import frozen

_FIRST = re.compile(r"bytes=\s*(?:(\d+)-(\d*)|-(\d+))\s*(?:,.*)?")


class BeyondEndError(ValueError):
    """The range begins at or after the end of the file."""


@frozen
class Part:
    """Some bytes of a file of *total* bytes; never none."""

    offset: int
    size: int
    total: int

    def content_range(self) -> str:
        """Return the value of the header Content-Range."""
        return f"bytes {self.offset}-{self.offset + self.size - 1}/{self.total}"


def parse_range(header: str | None, total: int) -> Part | None:
    """Return what the header Range asks for, or None for the whole file.

    Of several ranges the first counts.  What makes no sense asks for the whole.

    :raises BeyondEndError: a first and a last byte are given, and the file has neither
    """
    found = _FIRST.fullmatch(header or "")
    if not found:
        return None
    first, last, suffix = found.groups()
    if suffix is not None:
        size = min(int(suffix), total)
        return Part(total - size, size, total) if size else None
    begin, end = int(first), int(last or total - 1) + 1
    if last and end <= begin:
        return None
    if begin >= total:
        if last:
            raise BeyondEndError
        return None
    return Part(begin, min(end, total) - begin, total)


def has_already(if_none_match: str | None, etag: str) -> bool:
    """Return whether the header If-None-Match names *etag*, or whatever there is."""
    words = (if_none_match or "").split(",")
    return any(word.strip().removeprefix("W/").strip('"') in (etag, "*") for word in words)
