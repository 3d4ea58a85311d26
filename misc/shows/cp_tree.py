r"""A source tree goes up with ``cp -r``, comes down, and is the same.

    python misc/shows/cp_tree.py [--files 2500] [--kills 5] [--tree DIR]

The tree is a part of this Python's own libraries, with links, empty files and directories,
and odd names added.  First it is copied in one go.  Then, to another place, by commands
that are killed (SIGKILL) in the middle, and once more to the end, which must not send again
what has arrived.  Down the same.  ``diff -r`` must say nothing each time.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

from under_demo import BIN, ShowError, Step, must_be_equal, run_beside_demo, tahoe

ODD_NAMES = [
    "with space",
    " leading and trailing ",
    "-rf",
    "--help",
    "new\nline",
    "tab\tbell\a",
    "'\"quotes\"'",
    "back\\slash",
    "percent%2e%2e%2f",
    "?query=1&t=json#fragment",
    "URI:LIT:",
    "alias:path",
    "..hidden",
    "...",
    "~",
    "*",
    "caf\u00e9",
    "\u65e5\u672c\u8a9e",
    "\u202eright to left",
    "\U0001f600",
    "x" * 255,
    "\u00e9" * 127,
]


def write_odd(directory: Path, rng: random.Random) -> None:
    """Fill *directory* with what source trees have, and what they rarely have."""
    directory.mkdir()
    for name in ODD_NAMES:
        (directory / name).write_bytes(rng.randbytes(rng.randrange(200)))
        (directory / "dirs" / name).mkdir(parents=True)
        (directory / "dirs" / name / "f").write_bytes(name.encode())
    (directory / "empty directory").mkdir()
    for i in range(20):
        (directory / f"empty {i}").touch()
    for size in (1, 55, 56, 2**17, 2**18, 2**18 + 1, 2**20, 5_000_000):
        (directory / f"size {size}").write_bytes(rng.randbytes(size))
    deep = directory.joinpath(*(["deep"] * 40))
    deep.mkdir(parents=True)
    (deep / "bottom").write_text("here")
    (directory / "link to file").symlink_to("size 56")
    (directory / "link to empty").symlink_to("empty 1")
    (directory / "link to directory").symlink_to("dirs")
    (directory / "link to link").symlink_to("link to file")


def make_tree(target: Path, source: Path, num_files: int, rng: random.Random) -> int:
    """Copy *num_files* files of *source*, and odd ones; return how many there are."""
    copied = 0
    for where, directories, files in os.walk(source):
        directories.sort()
        for name in sorted(files):
            path = Path(where, name)
            if copied >= num_files or path.stat().st_size > 2**20:
                continue
            to = target / path.relative_to(source)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, to)
            copied += 1
    write_odd(target / "odd", rng)
    return sum(len(files) for _, _, files in os.walk(target, followlinks=True))


def kill_in_the_middle(words: list[object], rng: random.Random, least_s: float) -> None:
    """Start ``tahoe cp`` with *words*, and kill it at a random moment."""
    process = subprocess.Popen([BIN / "tahoe", "cp", *words], stderr=subprocess.PIPE)
    time.sleep(rng.uniform(least_s, 2 * least_s))
    if process.poll() is not None:
        raise ShowError("it had ended before it was killed: give it more files")
    process.send_signal(signal.SIGKILL)
    process.wait()


def copy_with_kills(
    words: list[object], num_kills: int, rng: random.Random, whole_s: float
) -> dict:
    """Copy by commands that are killed, then to the end; return what the last one tells.

    :param whole_s: seconds of a copy in one go
    """
    for _ in range(num_kills):
        kill_in_the_middle(words, rng, max(0.3, whole_s / num_kills / 6))
    return json.loads(tahoe("cp", "--json", *words))


def show(place: Path) -> None:
    """Do it."""
    options = parse_options()
    rng = random.Random(options.seed)
    tree = place / "tree"
    num_files = make_tree(tree, options.tree, options.files, rng)
    print(f"{num_files} files in {sum(1 for _ in os.walk(tree))} directories")
    with Step("cp -r up") as step:
        told = json.loads(tahoe("cp", "-r", "--json", tree, "tahoe:one"))
        step.result = f"{told['files_copied']} files, {told['bytes_copied'] / 1e6:.1f} MB"
        whole_s = told["elapsed_s"]
    if told["files_copied"] != num_files:
        raise ShowError(f"{told['files_copied']} of {num_files} files went up")
    with Step("cp -r down, diff -r"):
        tahoe("cp", "-r", "tahoe:one/tree", place / "one")
        must_be_equal(tree, place / "one" / "tree")
    with Step("cp -r up again") as step:
        told = json.loads(tahoe("cp", "-r", "--json", tree, "tahoe:one"))
        step.result = f"{told['files_copied']} files sent"
    if told["files_copied"]:
        raise ShowError("files were sent again")
    change_a_byte_each(tree / "odd")  # so that nothing of it is on the grid yet
    words: list[object] = ["-r", tree, "tahoe:two"]
    with Step(f"cp -r up, killed {options.kills} times, once more") as step:
        told = copy_with_kills(words, options.kills, rng, whole_s)
        step.result = f"the last one sent {told['files_copied']} of {num_files}"
    if not 0 < told["files_copied"] < num_files:
        raise ShowError("the last command began anew, or had nothing to do")
    words = ["-r", "tahoe:two/tree", place / "two"]
    with Step(f"cp -r down, killed {options.kills} times, once more, diff") as step:
        told = copy_with_kills(words, options.kills, rng, whole_s / 2)
        must_be_equal(tree, place / "two" / "tree")
        step.result = f"the last one fetched {told['files_copied']} of {num_files}"
    if not 0 < told["files_copied"] < num_files:
        raise ShowError("the last command began anew, or had nothing to do")
    with Step("cp -r within the grid, down, diff -r"):
        tahoe("cp", "-r", "tahoe:two/", "tahoe:three")
        tahoe("cp", "-r", "tahoe:three/", place / "three")
        must_be_equal(tree, place / "three" / "tree")


def change_a_byte_each(directory: Path) -> None:
    """Make every plain file in *directory* another."""
    for path in directory.iterdir():
        if path.is_file() and not path.is_symlink():
            path.write_bytes(path.read_bytes() + b"!")


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    libraries = Path(sysconfig.get_path("purelib"))
    parser.add_argument("--tree", type=Path, default=libraries, metavar="DIR")
    parser.add_argument("--files", type=int, default=2500, help="copied of it")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = parser.parse_args()
    return options


if __name__ == "__main__":
    parse_options()
    sys.exit(run_beside_demo(show))
