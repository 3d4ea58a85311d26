"""git-annex's own remote of type ``tahoe`` keeps files on the grid.

    python misc/shows/annex_builtin.py

initremote, copy, whereis, drop, get, fsck; a second remote beside the first; its node
killed and found again; enableremote in a clone, and with another home, as on another
machine; shares that are lost.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from annex_repository import Repository, contents, must_say, run_with_annex
from under_demo import ShowError, Step, tahoe

FILES = {"none": 0, "small": 20, "some": 5000, "with space": 3_000_000}


def show(place: Path) -> None:
    """Do it, and stop the nodes that git-annex leaves running."""
    homes = [place / "home", place / "other"]
    demo = Path(os.environ.pop("TAHOE_NODE_DIRECTORY")).parent
    furl = (demo / "introducer" / "private" / "introducer.furl").read_text().strip()
    try:
        go_through(place, homes, furl)
    finally:
        for home in homes:
            for node in home.glob(".tahoe-git-annex/*"):
                tahoe("-d", node, "stop")


def go_through(place: Path, homes: list[Path], furl: str) -> None:
    """Do it."""
    data = contents(FILES)
    one = Repository(place / "one", homes[0])
    for name, content in data.items():
        one.add(name, content)
    one.environment["TAHOE_FURL"] = furl
    with Step("initremote type=tahoe"):
        one.annex(*"initremote grid type=tahoe encryption=none embedcreds=yes".split())
    with Step("a second one beside it"):
        one.annex(*"initremote more type=tahoe encryption=none embedcreds=yes".split())
        one.annex("copy", "--to", "more", "some")
    del one.environment["TAHOE_FURL"]
    with Step("copy, whereis, drop, get, fsck"):
        one.annex("copy", "--to", "grid")
        must_say(one.annex("whereis", "some"), "URI:CHK:")
        must_say(one.annex("whereis", "small"), "URI:LIT:")
        one.annex("drop", ".")
        one.annex("get", "--from", "grid", ".")
        one.must_hold(data)
        one.annex("fsck", "--from", "grid")
    with Step("its node killed, and started by the next get"):
        kill_node(one)
        one.annex("drop", ".")
        one.annex("get", "--from", "grid", ".")
        one.must_hold(data)
    with Step("drop --from is refused"):
        must_say(one.annex("drop", "--from", "grid", "some", code=1), "failed")
    for home in homes:
        name = f"clone-{home.name}"
        with Step(f"enableremote in {name}"):
            clone = Repository(place / name, home, place / "one")
            clone.annex("enableremote", "grid")
            clone.annex("enableremote", "grid")
            clone.annex("get", "--from", "grid", ".")
            clone.must_hold(data)
    with Step("shares that are lost are not said to be there"):
        lose_shares(clone)
        said = clone.annex("fsck", "--fast", "--from", "grid", "some", code=1)
        must_say(said, "failed")
        clone.annex("fsck", "--fast", "--from", "grid", "small")


def node_of(repository: Repository) -> Path:
    """Return the directory of the remote's node."""
    return Path(repository.git("config", "remote.grid.annex-tahoe").strip())


def kill_node(repository: Repository) -> None:
    """Kill it, as a power cut does."""
    record = (node_of(repository) / "running.process").read_text().split()
    os.kill(int(record[0]), signal.SIGKILL)
    time.sleep(0.5)


def lose_shares(repository: Repository) -> None:
    """Kill four servers of five: the last has two shares at most, of the three it takes."""
    tahoe("demo", "kill", "1", "2", "3", "4")
    node = node_of(repository)
    cap = next(
        line.split()[1]
        for line in repository.annex("whereis", "some").splitlines()
        if line.strip().startswith("grid: URI:")
    )
    for _ in range(100):
        if '"recoverable": false' in tahoe("-d", node, "check", "--raw", cap):
            return
        time.sleep(0.1)
    raise ShowError("a file without shares is still said to be recoverable")


if __name__ == "__main__":
    sys.exit(run_with_annex(show))
