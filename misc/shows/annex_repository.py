"""What the shows of git-annex have in common: repositories, and a home of their own."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from under_demo import ShowError, run_beside_demo

WORDS = {
    "GIT_AUTHOR_NAME": "show",
    "GIT_AUTHOR_EMAIL": "show@example.net",
    "GIT_COMMITTER_NAME": "show",
    "GIT_COMMITTER_EMAIL": "show@example.net",
    "LC_ALL": "C.UTF-8",
}


class Repository:
    """A git repository with an annex."""

    def __init__(self, path: Path, home: Path, origin: Path | None = None) -> None:
        self.path = path
        home.mkdir(exist_ok=True)
        self.environment = os.environ | WORDS | {"HOME": str(home)}
        path.mkdir()
        self.git("clone", "-q", origin, ".") if origin else self.git("init", "-q")
        self.annex("init", path.name)

    def git(self, *words: object, code: int = 0) -> str:
        """Run git; return all it says.

        :raises ShowError: the exit code is not *code*
        """
        done = subprocess.run(
            ["git", *map(str, words)], cwd=self.path, env=self.environment,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            stdin=subprocess.DEVNULL, timeout=1800,
        )  # fmt: skip
        if done.returncode != code:
            told = f"git {words[0]} {words[1]}: {done.returncode}, wanted {code}"
            raise ShowError(f"{told}\n{done.stdout[-3000:]}")
        return done.stdout

    def annex(self, *words: object, code: int = 0) -> str:
        """Run git-annex; return all it says."""
        return self.git("annex", *words, code=code)

    def add(self, name: str, data: bytes, *options: str) -> None:
        """Put a file into the annex."""
        (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        (self.path / name).write_bytes(data)
        self.annex("add", *options, name)
        self.git("commit", "-q", "-m", name)

    def key(self, name: str) -> str:
        """Return the key of a file."""
        return self.annex("lookupkey", name).strip()

    def must_hold(self, contents: dict[str, bytes]) -> None:
        """Want these contents in these files."""
        for name, data in contents.items():
            if (self.path / name).read_bytes() != data:
                raise ShowError(f"{name} has another content")


def contents(sizes: dict[str, int]) -> dict[str, bytes]:
    """Return contents of these sizes."""
    rng = random.Random(8)
    return {name: rng.randbytes(size) for name, size in sizes.items()}


def must_say(text: str, *wanted: str) -> None:
    """Want all of these in what was said."""
    for one in wanted:
        if one not in text:
            raise ShowError(f"{one!r} is not in:\n{text[-2000:]}")


def run_with_annex(show: Callable[[Path], None]) -> int:
    """Do *show* beside a demo, where git-annex is installed; return the exit code."""
    if not shutil.which("git-annex"):
        print("skipped: git-annex is not installed (Debian's package of that name)")
        return 0
    return run_beside_demo(show)
