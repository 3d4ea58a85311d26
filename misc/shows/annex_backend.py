"""git-annex names contents with ``git-annex-backend-XTAHO`` and ``-XTAHOE``.

    python misc/shows/annex_backend.py

Files are added with XTAHO keys, and with XTAHOE keys, which keep extensions; they are
checked, brought to another repository through the grid, where they are verified on
arrival, damaged, and checked again.
"""

from __future__ import annotations

import sys
from pathlib import Path

from annex_repository import Repository, contents, must_say, run_with_annex
from under_demo import ShowError, Step

NAMES = ("a name with spaces.tar.gz", "none", "ünïcode.txt", "deep/er")
BACKENDS = ("XTAHOE", "XTAHO", "XTAHOEE", "XTAHO")


def show(place: Path) -> None:
    """Do it."""
    data = contents(dict(zip(NAMES, (300_000, 0, 10, 2_000_000), strict=True)))
    one = Repository(place / "one", place / "home")
    with Step("add, by XTAHOE, XTAHO and XTAHOEE") as step:
        for i, (name, content) in enumerate(data.items()):
            one.add(name, content, f"--backend={BACKENDS[i]}")
        step.result = one.key(NAMES[0])[:30] + "…"
        must_say(one.key(NAMES[0]), "XTAHOE-s300000--", ".tar.gz")
        must_say(one.key(NAMES[1]), "XTAHO-s0--")
        must_say(one.key(NAMES[2]), "XTAHOE-s10--", ".txt")
    with Step("fsck"):
        must_say(one.annex("fsck"), "ok")
        one.must_hold(data)
    with Step("through the grid, verified"):
        remote = "type=external externaltype=tahoegrid encryption=none embedcreds=yes"
        one.annex("initremote", "grid", *remote.split())
        one.annex("copy", "--to", "grid")
        other = Repository(place / "other", place / "home", place / "one")
        other.annex("enableremote", "grid")
        other.annex("get", "--from", "grid", ".")
        other.must_hold(data)
        other.annex("fsck", ".")
    with Step("damage is seen"):
        damage(one, NAMES[0])
        must_say(one.annex("fsck", NAMES[0], code=1), "Bad file content")
        one.annex("fsck", NAMES[2])
        one.annex("get", NAMES[0])
        one.must_hold(data)


def damage(repository: Repository, name: str) -> None:
    """Flip a bit of a file, in the annex."""
    path = (repository.path / name).resolve()
    path.parent.chmod(0o700)
    path.chmod(0o600)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    if len(content) != 300_000:
        raise ShowError("the wrong file was damaged")


if __name__ == "__main__":
    sys.exit(run_with_annex(show))
