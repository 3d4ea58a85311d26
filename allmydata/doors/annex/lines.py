"""Lines to git-annex and from it: text in which any byte comes through."""

from __future__ import annotations

import os
import re
from typing import BinaryIO

from allmydata.doors.annex.errors import ProtocolError

LONGEST_LINE = 2**20  # bytes; keys and file names are much shorter
_BREAKS = re.compile(r"[\r\n\0]+")


class Lines:
    """A pair of pipes; *source* and *target* are those of this process."""

    def __init__(self, source: BinaryIO, target: BinaryIO) -> None:
        self._source = source
        self._target = target

    def read(self) -> str | None:
        """Return the next line; None where git-annex has closed its end.

        A line that was cut off by that is none.

        :raises ProtocolError: it is longer than LONGEST_LINE
        """
        line = self._source.readline(LONGEST_LINE)
        if line.endswith(b"\n"):
            return os.fsdecode(line[:-1])
        if len(line) == LONGEST_LINE:
            raise ProtocolError(f"a line of more than {LONGEST_LINE} bytes")
        return None

    def write(self, *words: object) -> None:
        """Send the words as one line, at once."""
        text = _BREAKS.sub(" ", " ".join(map(str, words)))
        self._target.write(os.fsencode(text) + b"\n")
        self._target.flush()
