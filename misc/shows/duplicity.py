"""Debian's ``duplicity`` keeps its backups in a directory of the grid.

    python misc/shows/duplicity.py [--size 20]        megabytes

Full backup, a change, incremental backup, verify, restore of both states, again from an
empty cache, a second full backup, ``remove-all-but-n-full 1 --force``, and restore once
more.  Sealed by GnuPG where that is installed.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

from under_demo import ShowError, Step, must_be_equal, run_beside_demo, tahoe

URL = "tahoe://work/safe/place"


class Duplicity:
    """The program, with its files in *place*."""

    def __init__(self, place: Path) -> None:
        self.cache = place / "cache"
        sealed = shutil.which("gpg") is not None
        self.options = [] if sealed else ["--no-encryption"]
        home = place / "home"
        (home / ".gnupg").mkdir(parents=True, mode=0o700)
        words = {"HOME": str(home), "PASSPHRASE": "show", "LC_ALL": "C.UTF-8"}
        self.environment = os.environ | words

    def __call__(self, *words: object) -> str:
        """Run it; return what it says."""
        options = [*self.options, "--archive-dir", self.cache, "--volsize", "5"]
        command = ["duplicity", *map(str, [*words[:1], *options, *words[1:]])]
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment)
        if done.returncode:
            told = (done.stdout + done.stderr)[-3000:]
            raise ShowError(f"duplicity {words[0]}: {done.returncode}\n{told}")
        return done.stdout


def fill(home: Path, megabytes: int, rng: random.Random) -> None:
    """Write what is to be kept."""
    (home / "sub").mkdir(parents=True)
    (home / "big").write_bytes(rng.randbytes(megabytes * 1_000_000))
    for i in range(100):
        (home / "sub" / f"f{i}").write_bytes(rng.randbytes(1000))
    (home / "link").symlink_to("big")


def change(home: Path, rng: random.Random) -> None:
    """Change some of it."""
    with open(home / "big", "r+b") as f:
        f.seek(1_000_000)
        f.write(rng.randbytes(1000))
    (home / "sub" / "f1").unlink()
    (home / "sub" / "new").write_bytes(b"new")


def show(place: Path) -> None:
    """Do it."""
    options = parse_options()
    rng, duplicity, home = random.Random(1), Duplicity(place), place / "data"
    fill(home, options.size, rng)
    tahoe("create-alias", "work")
    tahoe("mkdir", "work:safe/place")
    with Step("full"):
        duplicity("full", home, URL)
    shutil.copytree(home, place / "before", symlinks=True)
    between = int(time.time()) + 1
    time.sleep(2)
    change(home, rng)
    with Step("incremental"):
        duplicity("incremental", home, URL)
    with Step("verify --compare-data") as step:
        step.result = duplicity("verify", "--compare-data", URL, home).split("\n")[-2]
    with Step("restore"):
        duplicity("restore", URL, place / "restored")
        must_be_equal(home, place / "restored")
    shutil.rmtree(duplicity.cache)
    with Step("restore the first state, from an empty cache"):
        duplicity("restore", "--time", between, URL, place / "old")
        must_be_equal(place / "before", place / "old")
    time.sleep(1)
    with Step("full again"):
        duplicity("full", home, URL)
    before = len(tahoe("ls", "work:safe/place").split())
    with Step("remove-all-but-n-full 1 --force") as step:
        duplicity("remove-all-but-n-full", "1", "--force", URL)
        after = len(tahoe("ls", "work:safe/place").split())
        step.result = f"{before} files before, {after} after"
    if not 0 < after < before:
        raise ShowError("nothing was removed")
    with Step("restore"):
        duplicity("restore", URL, place / "last")
        must_be_equal(home, place / "last")


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", type=int, default=20, help="megabytes")
    return parser.parse_args()


if __name__ == "__main__":
    parse_options()
    if not shutil.which("duplicity"):
        print("skipped: duplicity is not installed (Debian's package of that name)")
        sys.exit(0)
    sys.exit(run_beside_demo(show))
