"""The campaigns of misc/shows, each in a short form."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

SHOWS = Path(__file__).parents[2] / "misc" / "shows"

pytestmark = pytest.mark.system


@pytest.mark.parametrize(
    "words",
    [
        "demo.py --one-more",
        "demo.py --freeze",
        "damage.py --truncations 4",
        "kill9.py --rounds 2 --size 10",
        "vdrive_interfaces.py",
        "vdrive_kill9.py --kills 6",
        "vdrive_backup.py",
        "sixteen_writers.py",
        "mutable_race.py --rounds 10 --changes 5",
        "cp_tree.py --files 60 --kills 1",
        "backup.py --files 120",
        "hostile_names.py --count 120",
        "keeper.py --files 40 --kills 2 --bandwidth 60k --interval 0.5",
        "../simulators/durability.py --years 3000",
        "rot.py --random 60 --step 41",
        "subsets.py --step 9",
        "expiry.py --files 20 --years 0.6",
        "hostile_servers.py --rounds 1 --size 100000",
        "one_grid.py --kinds half --protocols foolscap --only files,mutables,directories",
        "hive_examples.py",
        "hive_race.py --rounds 3",
        "hive_recover.py --entries 60",
        "web_safety.py",
        "web_hostile.py --quick --idle 300",
    ],
)
def test_it_shows_what_it_should(words):
    show(words)


@pytest.mark.skipif(not shutil.which("duplicity"), reason="duplicity is not installed")
def test_duplicity_backs_up_and_restores():
    show("duplicity.py")


@pytest.mark.skipif(not shutil.which("git-annex"), reason="git-annex is not installed")
@pytest.mark.parametrize(
    "words", ["annex_builtin.py", "annex_backend.py", "annex_external.py --quick"]
)
def test_git_annex_keeps_its_files_on_the_grid(words):
    show(words)


def show(words):
    """Run a show where it finds no other demo; the path is short, for gpg's sockets."""
    program, *options = words.split()
    with tempfile.TemporaryDirectory(prefix="show-") as place:
        done = subprocess.run(
            [sys.executable, str(SHOWS / program), *options],
            env={**os.environ, "XDG_RUNTIME_DIR": place, "TMPDIR": place},
            capture_output=True,
            text=True,
            timeout=240,
        )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
