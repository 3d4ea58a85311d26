"""The text of a tahoe.cfg: sections, keys and values, each with its line.

``[section]``, ``key = value`` or ``key: value``; ``#`` and ``;`` at the start of a line
begin a comment; an indented line goes on with the value above it.  UTF-8, with or
without a byte order mark; ``%`` means itself; key names in any case; a key given twice:
the last wins.  Format: docs/formats/node.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from attrs import evolve, frozen

from allmydata.errors import ConfigError

_SECTION = re.compile(r"\[([^\]]+)\]")
_ENTRY = re.compile(r"([^=:]*[^=:\s])\s*[=:]\s*(.*)")


@frozen
class Entry:
    """One ``key = value`` of a file; *line* is where it stands, counted from 1."""

    section: str
    name: str
    text: str
    line: int


Entries = dict[tuple[str, str], Entry]  # by section, and name in lower case


def read_entries(data: bytes, path: Path) -> Entries:
    """Read the bytes of the file at *path*.

    :raises ConfigError: not UTF-8, or a line that is none of the above; names the line
    """
    return {(e.section, e.name.lower()): e for e in _entries(_decode(data, path), path)}


def _decode(data: bytes, path: Path) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        line = data.count(b"\n", 0, e.start) + 1
        raise ConfigError(f"{path}:{line}: not UTF-8") from e


def _entries(text: str, path: Path) -> Iterator[Entry]:
    section = ""
    current: Entry | None = None
    for number, line in enumerate(text.split("\n"), 1):
        words = line.strip()
        if not words or words.startswith(("#", ";")):
            continue
        if line[0].isspace() and current:
            current = evolve(current, text=f"{current.text}\n{words}".strip())
            continue
        if current:
            yield current
        current = None
        if found := _SECTION.fullmatch(words):
            section = found.group(1)
        else:
            current = _entry(section, words, number, path)
    if current:
        yield current


def _entry(section: str, words: str, line: int, path: Path) -> Entry:
    found = _ENTRY.fullmatch(words)
    if not found:
        what = "neither a [section] nor a comment nor key = value"
        raise ConfigError(f"{path}:{line}: {what}")
    if not section:
        raise ConfigError(f"{path}:{line}: a key before the first [section]")
    return Entry(section, found.group(1), found.group(2), line)
