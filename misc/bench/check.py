"""How fast shares are verified, and what a repair takes beside an upload.

    python misc/bench/check.py [--size 100M] [--servers 10] [--runs 3] [--json]

A grid of processes of its own, 3-of-10.  A file of random bytes is stored, verified (every
byte of all ten shares), loses three shares, and is repaired; that many times.  What counts
is the best of each: the machine is shared.
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
LOST = (0, 4, 9)


def ask(grid: workload.Grid, method: str, path: str, body: bytes | None = None) -> tuple:
    """Return the seconds that a request took, and its answer."""
    connection = http.client.HTTPConnection("127.0.0.1", grid.webport, timeout=600)
    began = time.perf_counter()
    connection.request(method, path, body)
    answer = connection.getresponse()
    data = answer.read()
    if answer.status != 200:
        raise SystemExit(f"{method}: {answer.status} {data[:300]!r}")
    return time.perf_counter() - began, data


def measure(grid: workload.Grid, size: int) -> dict[str, float]:
    """Store, verify and repair one file; return seconds, and bytes of shares."""
    put_s, cap = ask(grid, "PUT", "/uri", os.urandom(size))
    place = f"/uri/{quote(cap.decode(), safe='')}?t=check&output=JSON"
    check_s, told = ask(grid, "POST", place)
    index = json.loads(told)["storage-index"]
    found = list(Path(grid.base).glob(f"storage*/storage/shares/{index[:2]}/{index}/*"))
    shares = sum(path.stat().st_size for path in found)
    before = grid.cpu()
    verify_s, told = ask(grid, "POST", place + "&verify=true")
    after = grid.cpu()
    if not json.loads(told)["results"]["healthy"]:
        raise SystemExit("the file is not healthy")
    for path in found:
        if int(path.name) in LOST:
            path.unlink()
    repair_s, told = ask(grid, "POST", place + "&repair=true")
    results = json.loads(told)
    if not results["repair-successful"] or len(found) != 10:
        raise SystemExit("the repair did not succeed")
    return {
        "put_s": put_s,
        "check_s": check_s,
        "verify_s": verify_s,
        "verify_MB_per_s": shares / verify_s / 1e6,
        "verify_client_cpu_s": after["client"] - before["client"],
        "verify_cpu_s": sum(after.values()) - sum(before.values()),
        "repair_s": repair_s,
        "repair_per_put": repair_s / put_s,
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="100M")
    parser.add_argument("--servers", type=int, default=10)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    size = workload.parse_size(options.size)
    args = SimpleNamespace(k=3, happy=7, n=10, servers=options.servers, protocol="foolscap")
    with tempfile.TemporaryDirectory(prefix="tahoe-bench-") as place:
        grid = workload.Grid(args, place, str(TAHOE))
        try:
            grid.build()
            runs = [measure(grid, size) for _ in range(options.runs)]
        finally:
            grid.stop()
    best = {
        name: round((max if name.endswith("per_s") else min)(run[name] for run in runs), 3)
        for name in runs[0]
    }
    if options.json:
        print(json.dumps({"best": best, "runs": runs}))
        return 0
    print(f"a file of {options.size}, 3-of-10 on {options.servers} servers, best of each:")
    print(f"  upload {best['put_s']:.2f} s, check {1000 * best['check_s']:.0f} ms")
    print(
        f"  verify {best['verify_s']:.2f} s: {best['verify_MB_per_s']:.0f} MB/s of shares"
    )
    print(
        f"    processor time {best['verify_cpu_s']:.2f} s, "
        f"{best['verify_client_cpu_s']:.2f} s of it the client's"
    )
    print(
        f"  repair of 3 shares {best['repair_s']:.2f} s: "
        f"{best['repair_per_put']:.2f} times the upload"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
