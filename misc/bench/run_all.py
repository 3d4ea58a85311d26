"""All benchmarks, one after another.

    python misc/bench/run_all.py [NAME ...] [--list]

Each program beside this one can be run alone, with its sizes as options (--help).
``workload.py`` drives one fixed workload against any ``tahoe`` executable.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
TAHOE = Path(sys.executable).with_name("tahoe")
BENCHMARKS = {
    "erasure": ["erasure.py"],
    "encode": ["encode.py"],
    "threads": ["threads.py"],
    "start": ["start.py"],
    "small": ["small.py"],
    "memory": ["memory.py"],
    "frozen": ["frozen.py"],
    "check": ["check.py"],
    "leases": ["leases.py"],
    "https": ["https.py"],
    "tables": ["tables.py"],
    "dirs": ["dirs.py"],
    "web": ["web.py"],
    "hive": ["hive.py"],
    "annex": ["annex.py"],
    "side_by_side": ["side_by_side.py"],
    "growth": ["growth.py"],
    "soak": ["soak.py"],
    "workload": ["workload.py", "--tahoe", str(TAHOE), "--skip", "small,dirs"],
}


def main() -> int:
    """Run those named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all")
    parser.add_argument("--list", action="store_true", help="print the names and end")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"there are {', '.join(BENCHMARKS)}; not {', '.join(unknown)}")
    if options.list:
        print(*BENCHMARKS, sep="\n")
        return 0
    worst = 0
    for name in options.names or BENCHMARKS:
        program, *words = BENCHMARKS[name]
        print(f"==== {name}", flush=True)
        done = subprocess.run([sys.executable, str(HERE / program), *words])
        worst = max(worst, done.returncode)
    return worst


if __name__ == "__main__":
    sys.exit(main())
