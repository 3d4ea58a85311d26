"""``git-annex-remote-tahoegrid``: git-annex runs it where a remote is of that type."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from allmydata import __version__
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
        told = f"allmydata/{__version__}\n" if "--version" in words else _ABOUT
        sys.stdout.write(told)
        return 0 if {"--help", "-h", "--version"} & set(words) else 3
    wire = sys.stdout.buffer
    sys.stdout = sys.stderr  # what a library prints is no word of the protocol
    try:
        return Remote(Lines(sys.stdin.buffer, wire)).serve()
    except (BrokenPipeError, KeyboardInterrupt):
        os._exit(1)  # nobody listens: there is nothing to flush


if __name__ == "__main__":
    sys.exit(main())
