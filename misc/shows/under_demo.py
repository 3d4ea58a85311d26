"""What shows beside a demo grid have in common: starting it, and running ``tahoe``."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

BIN = Path(sys.executable).parent


class ShowError(Exception):
    """Something is not as it should be."""


def run_beside_demo(show: Callable[[Path], None], *options: str) -> int:
    """Start ``tahoe demo`` and this program beside it; there, do *show*.

    :param show: is given a directory that is removed afterwards
    :param options: of ``tahoe demo``
    :return: the exit code of this program
    """
    if "TAHOE_NODE_DIRECTORY" not in os.environ:
        command = [BIN / "tahoe", "demo", *options, "--", sys.executable]
        return subprocess.run([*command, *sys.argv]).returncode
    os.environ["PATH"] = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    try:
        with tempfile.TemporaryDirectory(prefix="tahoe-show-") as place:
            show(Path(place))
    except ShowError as e:
        print(f"\nNot as it should be: {e}")
        return 1
    return 0


def tahoe(*words: object, code: int = 0) -> str:
    """Run the command; return what it printed.

    :raises ShowError: the exit code is not *code*
    """
    command = [BIN / "tahoe", *map(os.fspath, map(_word, words))]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode != code:
        raise ShowError(f"tahoe {words[0]}: {done.returncode}\n{done.stderr[-3000:]}")
    return done.stdout


def _word(word: object) -> str | bytes | os.PathLike:
    return word if isinstance(word, (bytes, os.PathLike)) else str(word)


def must_be_equal(one: Path, other: Path) -> None:
    """Want ``diff -r`` of two directories to say nothing.

    :raises ShowError: it says something
    """
    done = subprocess.run(["diff", "-r", one, other], capture_output=True)
    if done.returncode or done.stdout or done.stderr:
        told = (done.stdout + done.stderr)[:2000].decode(errors="replace")
        raise ShowError(f"diff -r says:\n{told}")


class Step:
    """Prints what is done and how long it took."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.result = ""

    def __enter__(self) -> Step:
        """Begin."""
        self.began = time.monotonic()
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        """End; a step that failed says nothing."""
        if kind is None:
            elapsed = time.monotonic() - self.began
            print(f"{elapsed:7.1f} s  {self.what:44} {self.result}".rstrip(), flush=True)
