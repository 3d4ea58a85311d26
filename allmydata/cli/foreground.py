"""``tahoe run DIR`` said plainly: a node in this process, and nothing that reads words.

That is 3 MB, which a node would keep as long as it lives.  What is said in another way goes
through :mod:`allmydata.cli.run`, and comes to the same.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

STAYS = "--allow-stdin-close"


def asked(words: Sequence[str]) -> str | None:
    """Return the directory of the node that *words* ask to run, if they do so plainly."""
    words = words[:-1] if words[-1:] == [STAYS] else words
    match words:
        case ["run", place] | ["-d", place, "run"] if place and not place.startswith("-"):
            return place
    return None


def run(place: str, *, allow_stdin_close: bool) -> int:
    """Run the node until it is told to stop, tell of errors, and return the exit code."""
    try:
        from allmydata.node.run import run_node

        basedir = Path(place).expanduser().absolute()
        code: int = run_node(basedir, allow_stdin_close=allow_stdin_close)
        sys.stdout.flush()
        return code
    except (Exception, KeyboardInterrupt) as e:
        from allmydata.cli.failures import report

        return report(e, as_json=False, verbose=False)
