"""What the README prints, taken from it and run on a demo grid."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
LIMIT_S = 120


def blocks(language: str) -> list[str]:
    """Return the blocks of code of one language, in order."""
    page = (REPOSITORY / "README.md").read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


def run_in_demo(script: str, folder: Path) -> list[str]:
    """Run lines of shell in *folder* beside a demo grid; return what they print, by line.

    ``$TAHOE_NODE_DIRECTORY`` is its client; the introducer's directory lies beside it.

    :raises subprocess.CalledProcessError: they, or the demo, failed
    """
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [BIN / "tahoe", "demo", "--", "sh", "-euc", script],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        timeout=LIMIT_S,
        check=True,
    )
    return done.stdout.splitlines()


def make_file(folder: Path) -> Path:
    """Make a file of some segments to store, and return it."""
    path = folder / "notes.txt"
    path.write_bytes(os.urandom(3_000_000))
    return path


def report(seen: dict[str, bool]) -> int:
    """Print what was seen, one a line; return the exit code."""
    for what, is_so in seen.items():
        print(f"  {'yes' if is_so else 'NO '}  {what}")
    return 0 if all(seen.values()) else 1
