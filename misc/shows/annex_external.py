"""git-annex keeps files on the grid through ``git-annex-remote-tahoegrid``.

    python misc/shows/annex_external.py [--quick | --full]

``testremote --fast`` for each way the remote can be set to; an export, renamed; a clone on
another path, with the capability given; clones that store at once; a repository that moved;
a transfer that was cut off and goes on; servers that are gone.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from annex_repository import Repository, contents, must_say, run_with_annex
from under_demo import BIN, ShowError, Step, tahoe

EXTERNAL = "type=external externaltype=tahoegrid"
WAYS = {
    "plain": "encryption=none",
    "state": "encryption=none mode=state",
    "sealed": "encryption=shared chunk=100KiB embedcreds=yes",
}
QUICK = {  # gpg runs for each chunk
    "state": "encryption=none mode=state",
    "sealed": "encryption=shared chunk=1MiB embedcreds=yes",
}
FILES = {"none": 0, "small": 20, "a folder/ä b": 5000, "large": 3_000_000}


def show(place: Path) -> None:
    """Do it, with gpg's sockets where their paths are short enough wherever *place* is."""
    with tempfile.TemporaryDirectory(prefix="gpg-", dir="/tmp") as home:
        os.environ["GNUPGHOME"] = home
        try:
            go_through(place, parse_options())
        finally:
            subprocess.run(["gpgconf", "--kill", "gpg-agent"])


def go_through(place: Path, options: argparse.Namespace) -> None:
    """Do it."""
    data = contents(FILES)
    one = Repository(place / "one", place / "home")
    for name, content in data.items():
        one.add(name, content)
    for name, words in (WAYS | (QUICK if options.quick else {})).items():
        one.annex("initremote", name, *EXTERNAL.split(), *words.split())
        if name == "plain" or not options.quick:
            speed = "--size=64KiB" if options.full and name == "plain" else "--fast"
            with Step(f"testremote {speed}, {words}") as step:
                step.result = test_remote(one, name, speed)
    with Step("copy, drop, get, fsck: all of them"):
        for name in QUICK if options.quick else WAYS:
            go_round(one, name, data)
    show_export(one, data)
    cap = tahoe("mkdir").strip()
    show_clones(place, one, cap, 10 if options.quick else 40)
    with Step("a repository that moved"):
        one.path = one.path.rename(place / "elsewhere")
        go_round(one, "plain", data)
    with Step("a transfer that was cut off goes on"):
        show_resumed(one, data["large"])
    with Step("servers that are gone: nothing stored, nothing dropped"):
        tahoe("demo", "kill", "1", "2", "3", "4")  # one may hold two shares, not three
        one.annex("get", ".")
        one.annex("drop", "--from", "sealed", "--force", "large")
        for name in ("plain", "shared"):
            one.annex("drop", "--from", name, "--force", "large")
        one.annex("drop", "large", code=1)
        if not options.quick:  # a client that has just started waits a minute for servers
            must_say(one.annex("copy", "--to", "plain", "large", code=1), "failed")
        must_say(one.annex("find", "--in=here", "large"), "large")


def test_remote(repository: Repository, name: str, speed: str) -> str:
    """Run git-annex's own suite; return how many tests it has."""
    said = repository.annex("testremote", speed, name)
    if "FAIL" in said or not said.count("OK"):
        raise ShowError(said[-3000:])
    return f"{said.count('OK')} OK"


def go_round(repository: Repository, remote: str, data: dict[str, bytes]) -> None:
    """Store all, drop all, fetch all, check all."""
    repository.annex("copy", "--to", remote)
    repository.annex("drop", ".")
    repository.annex("get", "--from", remote, ".")
    repository.must_hold(data)
    repository.annex("fsck", "--from", remote)


def show_export(one: Repository, data: dict[str, bytes]) -> None:
    """Export the tree, rename in it, and look at it by other means."""
    cap = tahoe("mkdir").strip()
    one.environment["TAHOEGRID_CAP"] = cap
    with Step("export, and rename"):
        words = "encryption=none exporttree=yes"
        one.annex("initremote", "tree", *EXTERNAL.split(), *words.split())
        del one.environment["TAHOEGRID_CAP"]
        one.annex("export", "HEAD", "--to", "tree")
        must_be_listed(cap, data)
        one.git("mv", "a folder", "another folder")
        one.git("mv", "large", "larger")
        one.git("commit", "-q", "-m", "renamed")
        must_say(one.annex("export", "HEAD", "--to", "tree"), "rename tree")
        new = {"large": "larger", "a folder/ä b": "another folder/ä b"}
        must_be_listed(cap, {new.get(name, name): data[name] for name in data})
        one.git("revert", "--no-edit", "HEAD")
        one.annex("export", "HEAD", "--to", "tree")
        must_be_listed(cap, data)


def must_be_listed(cap: str, data: dict[str, bytes]) -> None:
    """Want these files in the directory, and no others."""
    names = {name for name in tahoe("find", "--type", "f", cap).splitlines() if name}
    found = {name.removeprefix(cap).removeprefix("/") for name in names}
    if found != set(data):
        raise ShowError(f"found {sorted(found)}, wanted {sorted(data)}")


def show_clones(place: Path, one: Repository, cap: str, num_files: int) -> None:
    """Let two clones store in one directory at once, with several processes each."""
    one.environment["TAHOEGRID_CAP"] = cap
    one.annex("initremote", "shared", *EXTERNAL.split(), "encryption=none")
    del one.environment["TAHOEGRID_CAP"]
    other = Repository(place / "other", place / "home", place / "one")
    must_say(other.annex("enableremote", "shared", code=1), "does not hold")
    other.environment["TAHOEGRID_CAP"] = tahoe("mkdir").strip()
    must_say(other.annex("enableremote", "shared", code=1), "is not that of directory")
    other.environment["TAHOEGRID_CAP"] = cap
    other.annex("enableremote", "shared")
    del other.environment["TAHOEGRID_CAP"]
    data = {}
    for clone in (one, other):
        sizes = {f"{clone.path.name}{i}": 100 + 500 * i for i in range(num_files)}
        more = contents(sizes)
        for name, content in more.items():
            (clone.path / name).write_bytes(content)
        clone.annex("add", ".")
        data[clone] = more
    with Step(f"two clones store {2 * num_files} files at once"):
        copies = [
            subprocess.Popen(
                ["git", "annex", "copy", "-J2", "--to", "shared"], cwd=clone.path,
                env=clone.environment, stdout=subprocess.DEVNULL,
            )
            for clone in (one, other)
        ]  # fmt: skip
        if any(copy.wait(300) for copy in copies):
            raise ShowError("a copy failed")
        for clone, more in data.items():
            names = list(more)
            clone.annex("drop", *names)
            clone.annex("get", "--from", "shared", *names)
            clone.must_hold(more)
    one.git("commit", "-q", "-m", "more")


def show_resumed(one: Repository, content: bytes) -> None:
    """Have the program itself fetch a file of which half is there."""
    key, there = one.key("large"), len(content) // 2
    partial = one.path / ".git" / "partial"
    partial.write_bytes(content[:there])
    uuid = one.git("config", "remote.plain.annex-uuid").strip()
    creds = one.path / ".git" / "annex" / "creds" / f"{uuid}-dircap"
    cap = creds.read_text().split()[1]
    replies = {"GETCREDS": f"CREDS dircap {cap}"}
    remote = subprocess.Popen(
        [BIN / "git-annex-remote-tahoegrid"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert remote.stdin and remote.stdout
    remote.stdin.write(f"TRANSFER RETRIEVE {key} {partial}\n")
    remote.stdin.flush()
    said = ""
    for line in remote.stdout:
        word = line.split()[0]
        if word.startswith("GET"):
            remote.stdin.write(replies.get(word, "VALUE ") + "\n")
            remote.stdin.flush()
        if word.startswith("TRANSFER-"):
            said = line
            break
    remote.stdin.close()
    remote.wait(10)
    must_say(said, "TRANSFER-SUCCESS RETRIEVE")
    if partial.read_bytes() != content:
        raise ShowError("the file is not what it was")


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--full", action="store_true", help="all of testremote, once")
    parser.add_argument("--quick", action="store_true", help="in less than half a minute")
    return parser.parse_args()


if __name__ == "__main__":
    parse_options()
    os.environ.pop("TAHOEGRID_CAP", None)
    sys.exit(run_with_annex(show))
