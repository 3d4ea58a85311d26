"""The built wheel, installed alone in a clean environment, gives a working demo.

python misc/shows/wheel.py
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
CHECK = """
set -e
head -c 1000000 /dev/urandom > one
cap=$("$0" put one)
"$0" demo kill 1
"$0" get "$cap" two
cmp one two
"""


def main() -> int:
    """Build, install, run."""
    with tempfile.TemporaryDirectory(prefix="show-wheel-") as base:
        build = [sys.executable, "-m", "build", "--wheel", "--outdir", base, str(ROOT)]
        subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
        [wheel] = Path(base).glob("*.whl")
        subprocess.run([sys.executable, "-m", "venv", f"{base}/venv"], check=True)
        limits = ["--constraint", str(ROOT / "constraints.txt")]
        pip = [f"{base}/venv/bin/pip", "install", "--quiet", *limits, str(wheel)]
        subprocess.run(pip, check=True)
        tahoe = f"{base}/venv/bin/tahoe"
        demo = [tahoe, "demo", "--", "sh", "-c", CHECK, tahoe]
        status = subprocess.run(demo, cwd=base).returncode
    print("the wheel alone: a file stored, a server killed, every byte back" * (not status))
    return status


if __name__ == "__main__":
    sys.exit(main())
