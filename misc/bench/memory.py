"""Peak memory of a client that puts and gets one large file.

A grid of real processes; the client's VmHWM is read from /proc after each::

    python misc/bench/memory.py [--size 1000] [--servers 10] [--tahoe PATH] [--json]
"""

from __future__ import annotations

import argparse
import filecmp
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).parent))
import workload


def measure(tahoe: str, servers: int, size: int, base: str) -> dict:
    """Put and get a file of *size* bytes; return seconds and peaks in MB."""
    k, happy, n = (3, 7, 10) if servers >= 7 else (3, servers, 10)
    args = SimpleNamespace(k=k, happy=happy, n=n, servers=servers, protocol="foolscap")
    grid = workload.Grid(args, base, tahoe)
    source, copy = os.path.join(base, "source"), os.path.join(base, "copy")
    result = {"size": size, "servers": servers}
    try:
        grid.build()
        pid = grid.pids()["client"]
        result["idle_rss_MB"] = workload.proc_status(pid)["VmRSS"] / 1000
        workload.rand_file(source, size, time.time_ns())
        cap = timed(grid, result, "put", source)
        timed(grid, result, "get", cap, copy)
        result["same_bytes"] = filecmp.cmp(source, copy, shallow=False)
    finally:
        grid.stop()
    return result


def timed(grid: workload.Grid, result: dict, *words: str) -> str:
    """Run a command against the client; note seconds and peak; return what it printed."""
    pid = grid.pids()["client"]
    workload.reset_peak(pid)
    began = time.perf_counter()
    out = grid.cli("-d", grid.cdir, *words)
    result[f"{words[0]}_s"] = round(time.perf_counter() - began, 2)
    result[f"{words[0]}_peak_MB"] = workload.proc_status(pid)["VmHWM"] / 1000
    return out.stdout.decode().strip()


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=1000, help="MB")
    parser.add_argument("--servers", type=int, default=10)
    parser.add_argument(
        "--tahoe", default=os.path.join(os.path.dirname(sys.executable), "tahoe")
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-memory-") as base:
        result = measure(options.tahoe, options.servers, options.size * 10**6, base)
    if options.json:
        print(json.dumps(result))
    else:
        print(f"one file of {options.size} MB, {options.servers} servers, client process")
        for name in ("put", "get"):
            seconds, peak = result[f"{name}_s"], result[f"{name}_peak_MB"]
            print(f"  {name}: {seconds} s, peak {peak:.0f} MB")
        print(f"  idle {result['idle_rss_MB']:.0f} MB; same bytes: {result['same_bytes']}")
    return 0 if result["same_bytes"] else 1


if __name__ == "__main__":
    sys.exit(main())
