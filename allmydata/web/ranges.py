"""Which part of a file a request asks for, and whether it has it already.

Source: RFC 9110, sections 13.1.2 and 14; where it leaves a choice, docs/webapi.md tells
which one is taken.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from attrs import evolve, frozen

MAX_RANGES = 16  # in one request; whoever asks for more gets the whole file

_Asked = tuple[str, str, str]  # first and last byte, or how many at the end; or empty

_RANGE = re.compile(r"\s*(?:(\d{1,99})-(\d{0,99})|-(\d{1,99}))\s*")


class BeyondEndError(ValueError):
    """All that is asked for lies behind the end of the file."""


@frozen
class Part:
    """Some bytes of a file of *total* bytes; never none."""

    offset: int
    size: int
    total: int

    @property
    def end(self) -> int:
        """The first byte after it."""
        return self.offset + self.size

    def holds(self, other: Part) -> bool:
        """Return whether all of *other* is in it."""
        return self.offset <= other.offset and other.end <= self.end

    def content_range(self) -> str:
        """Return the value of the header Content-Range."""
        return f"bytes {self.offset}-{self.end - 1}/{self.total}"


def parse_ranges(header: str | None, total: int) -> tuple[Part, ...]:
    """Return what the header Range asks for; nothing where that is the whole file.

    Of several ranges those beyond the end are left out, and those that overlap or touch
    become one, which has the place of the first.  What makes no sense asks for the whole.

    :raises BeyondEndError: the file has none of the bytes that are asked for
    """
    unit, _, words = (header or "").partition("=")
    found = [_RANGE.fullmatch(word) for word in words.split(",") if word.strip()]
    asked: list[_Asked] = [
        (one[1] or "", one[2] or "", one[3] or "") for one in found if one
    ]
    if unit != "bytes" or len(asked) < len(found) or len(asked) > MAX_RANGES:
        return ()
    if len(asked) == 1:
        return _select_one(asked[0], total)
    if any(first and last and int(last) < int(first) for first, last, _ in asked):
        return ()
    parts = [part for one in asked if (part := _select(one, total))]
    if asked and not parts:
        raise BeyondEndError
    return _merge(parts)


def _select_one(asked: _Asked, total: int) -> tuple[Part, ...]:
    """Return the one range that is asked for, or nothing where it says nothing."""
    first, last, _ = asked
    if first and last and int(first) <= int(last) and int(first) >= total:
        raise BeyondEndError
    part = _select(asked, total)
    return (part,) if part else ()


def _select(asked: _Asked, total: int) -> Part | None:
    """Return the bytes of one range that are there."""
    first, last, suffix = asked
    begin = max(total - int(suffix), 0) if suffix else int(first)
    end = min(int(last) + 1 if last else total, total)
    return Part(begin, end - begin, total) if begin < end else None


def _merge(parts: Sequence[Part]) -> tuple[Part, ...]:
    merged: list[Part] = []
    for part in sorted(parts, key=lambda one: one.offset):
        if merged and part.offset <= merged[-1].end:
            end = max(part.end, merged[-1].end)
            merged[-1] = evolve(merged[-1], size=end - merged[-1].offset)
        else:
            merged.append(part)

    def first_asked(one: Part) -> int:
        return next(i for i, part in enumerate(parts) if one.holds(part))

    return tuple(sorted(merged, key=first_asked))


def has_already(if_none_match: str | None, etag: str) -> bool:
    """Return whether the header If-None-Match names *etag*, or whatever there is."""
    words = (if_none_match or "").split(",")
    return any(word.strip().removeprefix("W/").strip('"') in (etag, "*") for word in words)
