"""The two protocols side by side: one file put and got over foolscap and over HTTPS.

    python misc/bench/https.py [--size 100M] [--servers 10] [--runs 4] [--small 40] [--json]

Two grids of processes, 3-of-10, take turns, since the machine is shared: in each round each
puts a file of random bytes, gets it, and puts some small ones.  What counts is the best of
each; processor time, which swings less, is that of all processes of the grid.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
import workload  # noqa: E402

TAHOE = Path(sys.executable).with_name("tahoe")
PROTOCOLS = ("foolscap", "http")
SMALL = 4096


def ask(grid: workload.Grid, method: str, path: str, body: bytes | None = None) -> bytes:
    """Return what the gateway answers."""
    connection = http.client.HTTPConnection("127.0.0.1", grid.webport, timeout=600)
    connection.request(method, path, body)
    answer = connection.getresponse()
    data = answer.read()
    if answer.status >= 300:
        raise SystemExit(f"{method}: {answer.status} {data[:300]!r}")
    return data


def timed(grid: workload.Grid, act) -> tuple[object, float, float]:
    """Return what *act* does, the seconds, and the processor seconds."""
    before, began = sum(grid.cpu().values()), time.perf_counter()
    result = act()
    took = time.perf_counter() - began
    return result, took, sum(grid.cpu().values()) - before


def measure(grid: workload.Grid, size: int, num_small: int) -> dict[str, float]:
    """Put and get one file, and put small ones; return seconds."""
    data = os.urandom(size)
    cap, put_s, put_cpu = timed(grid, lambda: ask(grid, "PUT", "/uri", data))
    path = f"/uri/{quote(cap.decode(), safe='')}"
    back, get_s, get_cpu = timed(grid, lambda: ask(grid, "GET", path))
    if back != data:
        raise SystemExit("WRONG: other bytes came back")
    small = [os.urandom(SMALL) for _ in range(num_small)]
    _, small_s, small_cpu = timed(
        grid, lambda: [ask(grid, "PUT", "/uri", one) for one in small]
    )
    return {
        "put_s": put_s,
        "put_cpu": put_cpu,
        "get_s": get_s,
        "get_cpu": get_cpu,
        "small_s": small_s / num_small,
        "small_cpu": small_cpu / num_small,
    }


def build(place: str, protocol: str, servers: int) -> workload.Grid:
    """Return a grid that runs."""
    args = SimpleNamespace(k=3, happy=7, n=10, servers=servers, protocol=protocol)
    grid = workload.Grid(args, os.path.join(place, protocol), str(TAHOE))
    try:
        grid.build()
        told = json.loads(ask(grid, "GET", "/?t=json"))["servers"]
        spoken = {one["protocol"] for one in told}
        if spoken != {"https" if protocol == "http" else protocol}:
            raise SystemExit(f"the grid speaks {spoken}")
    except BaseException:
        grid.stop()
        raise
    return grid


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="100M")
    parser.add_argument("--servers", type=int, default=10)
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--small", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    size = workload.parse_size(options.size)
    runs: dict[str, list[dict[str, float]]] = {one: [] for one in PROTOCOLS}
    grids: dict[str, workload.Grid] = {}
    with tempfile.TemporaryDirectory(prefix="tahoe-bench-") as place:
        try:
            for protocol in PROTOCOLS:
                os.mkdir(os.path.join(place, protocol))
                grids[protocol] = build(place, protocol, options.servers)
            for _ in range(options.runs):
                for protocol, grid in grids.items():
                    runs[protocol].append(measure(grid, size, options.small))
        finally:
            for grid in grids.values():
                grid.stop()
    best = {
        protocol: {name: round(min(one[name] for one in taken), 4) for name in taken[0]}
        for protocol, taken in runs.items()
    }
    if options.json:
        print(json.dumps({"best": best, "runs": runs}))
        return 0
    print(f"a file of {options.size}, 3-of-10 on {options.servers} servers, best of each:")
    for protocol, one in best.items():
        print(
            f"  {protocol:<9} put {size / one['put_s'] / 1e6:.0f} MB/s"
            f" ({one['put_cpu']:.2f} s of processors),"
            f" get {size / one['get_s'] / 1e6:.0f} MB/s ({one['get_cpu']:.2f} s),"
            f" {SMALL} bytes put {1000 * one['small_s']:.0f} ms"
            f" ({1000 * one['small_cpu']:.0f} ms)"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
