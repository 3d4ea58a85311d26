"""Programs that git-annex runs, when a person runs one."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from allmydata import __version__


def explain(words: Sequence[str], about: str) -> int:
    """Say what the program is for, or its version; return the exit code."""
    sys.stdout.write(f"allmydata/{__version__}\n" if "--version" in words else about)
    return 0 if {"--help", "-h", "--version"} & set(words) else 3
