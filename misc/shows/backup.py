"""Snapshots: made twice, an older one brought back, the database lost, nothing sent twice.

    python misc/shows/backup.py [--files 1000]

Every count that ``tahoe backup`` tells is compared with what must be so, and the share
files on the servers are counted before and after: content that was there is not stored
again.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import time
from pathlib import Path

from under_demo import ShowError, Step, must_be_equal, run_beside_demo, tahoe

CLIENT = Path(os.environ.get("TAHOE_NODE_DIRECTORY", ""))


def backup(home: Path, **wanted: int) -> dict:
    """Make a snapshot, and want these counts.

    :raises ShowError: another count
    """
    told = json.loads(tahoe("backup", "--json", home, "tahoe:backups"))
    for name, number in wanted.items():
        if told[name] != number:
            raise ShowError(f"{told[name]} {name}, wanted {number}")
    return told


def num_shares() -> int:
    """Return how many share files all servers hold."""
    return sum(1 for path in CLIENT.parent.glob("storage*/storage/shares/*/*/*"))


def fill(home: Path, num_files: int, rng: random.Random) -> int:
    """Write the files; return in how many directories."""
    for i in range(num_files):
        path = home / f"d{i // 50:02}" / f"f{i:04}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(rng.randbytes(rng.choice([0, 40, 100, 3000])))
    (home / "d00" / "big").write_bytes(rng.randbytes(3_000_000))
    return sum(1 for _ in os.walk(home))


def show(place: Path) -> None:
    """Do it."""
    options = parse_options()
    home, rng = place / "home", random.Random(1)
    num_directories = fill(home, options.files, rng)
    num_files = options.files + 1
    time.sleep(2.5)  # a file changed just now is looked into once more
    with Step("first backup") as step:
        first = backup(home, directories_created=num_directories)
        step.result = f"{num_files} files in {num_directories} directories"
    if first["files_uploaded"] + first["files_reused"] != num_files:  # some are equal
        raise ShowError(f"not all of {num_files} files were kept")
    shutil.copytree(home, place / "as it was")
    with Step("again, nothing has changed"):
        backup(home, files_uploaded=0, files_reused=num_files, directories_created=0)
    change(home)
    with Step("again, one changed, one new, one moved, one gone") as step:
        told = backup(home, files_uploaded=2, files_reused=num_files - 2)
        step.result = f"{told['directories_created']} directories created"
    with Step("the first snapshot, a file and all of it, back"):
        bring_back(place, first["snapshot"])
    with Step("the last snapshot back"):
        tahoe("cp", "-r", "tahoe:backups/Latest/", place / "latest")
        must_be_equal(home, place / "latest")
    lose_the_database(home, num_files)


def change(home: Path) -> None:
    """Change something of each kind."""
    (home / "d00" / "f0001").write_bytes(b"something else, long enough for shares " * 3)
    (home / "d00" / "new").write_bytes(b"something new, long enough for shares too " * 3)
    (home / "d00" / "big").rename(home / "d01" / "moved")
    (home / "d01" / "f0060").unlink()


def bring_back(place: Path, snapshot: str) -> None:
    """Want one file, then all, of the snapshot of that name as they were."""
    where = f"tahoe:backups/Archives/{snapshot}"
    tahoe("cp", f"{where}/d00/f0001", place / "f0001")
    if (place / "f0001").read_bytes() != (place / "as it was/d00/f0001").read_bytes():
        raise ShowError("the old file is not as it was")
    tahoe("cp", "-r", f"{where}/", place / "old")
    must_be_equal(place / "as it was", place / "old")


def lose_the_database(home: Path, num_files: int) -> None:
    """Want backups without their database to send nothing that is there."""
    database = CLIENT / "private" / "backupdb.sqlite"
    before = num_shares()
    database.unlink()
    with Step("the database deleted, again") as step:
        backup(home, files_uploaded=0, files_reused=num_files, directories_created=0)
        step.result = f"shares on the servers: {before} before, {num_shares()} after"
    database.write_bytes(b"this is no database " * 1000)
    for end in ("-wal", "-shm"):
        database.with_name(database.name + end).unlink(missing_ok=True)
    with Step("the database damaged, again"):
        backup(home, files_uploaded=0, files_reused=num_files, directories_created=0)
    if num_shares() != before:
        raise ShowError(f"{before} shares before, {num_shares()} after")


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--files", type=int, default=1000)
    return parser.parse_args()


if __name__ == "__main__":
    parse_options()
    sys.exit(run_beside_demo(show))
