"""What git-annex waits for: making its built-in remote, testing the external one.

    python misc/bench/annex.py [--json]

starts ``tahoe demo`` and runs itself under it.  Exit code 1 where a limit is not held.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIMITS = {  # seconds: it must be less than this
    "initremote type=tahoe": 10,
    "initremote tahoegrid": 10,
    "testremote --fast tahoegrid": 60,
}
BIN = Path(sys.executable).parent
EXTERNAL = "type=external externaltype=tahoegrid encryption=none"


def main() -> int:
    """Measure, and tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not shutil.which("git-annex"):
        print("skipped: git-annex is not installed (Debian's package of that name)")
        return 0
    directory = os.environ.get("TAHOE_NODE_DIRECTORY")
    if not directory:
        command = [BIN / "tahoe", "demo", "--", sys.executable]
        return subprocess.run([*command, *sys.argv]).returncode
    with tempfile.TemporaryDirectory(prefix="bench-annex-") as place:
        found = measure(Path(place), Path(directory).parent)
    if options.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            held = "ok" if value < LIMITS[name] else "MISSED"
            print(f"  {name:28} {value:6.1f} s   < {LIMITS[name]:<4} {held}")
    return int(any(value >= LIMITS[name] for name, value in found.items()))


def measure(place: Path, demo: Path) -> dict[str, float]:
    """Return how long each takes."""
    furl = (demo / "introducer" / "private" / "introducer.furl").read_text().strip()
    words = {"HOME": str(place), "TAHOE_FURL": furl, "LC_ALL": "C.UTF-8"}
    words |= {f"GIT_{who}_NAME": "bench" for who in ("AUTHOR", "COMMITTER")}
    words |= {f"GIT_{who}_EMAIL": "b@example.net" for who in ("AUTHOR", "COMMITTER")}
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | words | {"PATH": path}

    def run(*command: str) -> float:
        began = time.monotonic()
        done = subprocess.run(
            command, cwd=place, env=environment, capture_output=True, text=True
        )
        if done.returncode:
            raise SystemExit(f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return round(time.monotonic() - began, 2)

    run("git", "init", "-q")
    run("git", "annex", "init", "bench")
    annex = ("git", "annex")
    try:
        return {
            "initremote type=tahoe": run(
                *annex, "initremote", "a", "type=tahoe", "encryption=none", "embedcreds=yes"
            ),
            "initremote tahoegrid": run(*annex, "initremote", "b", *EXTERNAL.split()),
            "testremote --fast tahoegrid": run(*annex, "testremote", "--fast", "b"),
        }
    finally:
        for node in place.glob(".tahoe-git-annex/*"):
            run("tahoe", "-d", str(node), "stop")


if __name__ == "__main__":
    sys.exit(main())
