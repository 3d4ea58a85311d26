"""``git-annex-remote-tahoegrid``: git-annex runs it where a remote is of that type."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from allmydata.doors.annex.byhand import explain
from allmydata.doors.annex.lines import Lines
from allmydata.doors.annex.remote import Remote

_ABOUT = """\
git-annex runs this program for remotes that keep their contents on a grid:
    git annex initremote NAME type=external externaltype=tahoegrid encryption=none
"""


def main(words: Sequence[str] | None = None) -> int:
    """Serve git-annex until it closes the line; return the exit code."""
    words = sys.argv[1:] if words is None else words
    if words:
        return explain(words, _ABOUT)
    wire = sys.stdout.buffer
    sys.stdout = sys.stderr  # what a library prints is no word of the protocol
    try:
        return Remote(Lines(sys.stdin.buffer, wire)).serve()
    except (BrokenPipeError, KeyboardInterrupt):
        os._exit(1)  # nobody listens: there is nothing to flush


if __name__ == "__main__":
    sys.exit(main())
