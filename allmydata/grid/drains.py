"""Which servers are to be emptied: their node ids, a line each, in ``private/drained``."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from twisted.logger import Logger

from allmydata.util.fileutil import write_atomically

log = Logger()

MOST_SIZE = 2**20


def load_drained(path: Path) -> frozenset[str]:
    """Return the node ids in file *path*; none where there is no such file."""
    try:
        with open(path, encoding="ascii") as f:
            return frozenset(f.read(MOST_SIZE).split())
    except FileNotFoundError:
        return frozenset()
    except (OSError, ValueError) as e:
        log.warn("{path} is not used: {why}", path=path, why=type(e).__name__)
        return frozenset()


def save_drained(path: Path, nodeids: Collection[str]) -> None:
    """Write the node ids to file *path*."""
    text = "".join(f"{nodeid}\n" for nodeid in sorted(nodeids))
    write_atomically(path, text.encode("ascii"), private=True)
