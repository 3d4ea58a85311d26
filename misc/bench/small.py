"""How long a small file takes to put and to get on the demo grid of five.

    python misc/bench/small.py [--count 100] [--size 4096] [--json]

starts ``tahoe demo`` and runs itself under it.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote, urlsplit


def measure(url: str, count: int, size: int) -> dict:
    """Put and get *count* files of *size* bytes, one after another; return milliseconds."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)

    def ask(method: str, path: str, body: bytes | None = None) -> tuple[float, bytes]:
        began = time.perf_counter()
        connection.request(method, path, body)
        answer = connection.getresponse()
        data = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{method}: {answer.status} {data[:200]!r}")
        return 1000 * (time.perf_counter() - began), data

    puts, gets = [], []
    for i in range(count + 5):
        body = os.urandom(size)
        put_ms, cap = ask("PUT", "/uri", body)
        get_ms, back = ask("GET", "/uri/" + quote(cap.decode(), safe=""))
        if back != body:
            raise SystemExit("the bytes read back differ")
        if i >= 5:  # the first few warm things up
            puts.append(put_ms)
            gets.append(get_ms)
    return {
        f"{name}_{what}_ms": round(function(times), 2)
        for name, times in (("put", puts), ("get", gets))
        for what, function in (("median", statistics.median), ("max", max))
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    directory = os.environ.get("TAHOE_NODE_DIRECTORY")
    if not directory:
        tahoe = os.path.join(os.path.dirname(sys.executable), "tahoe")
        again = [sys.executable, *sys.argv]
        return subprocess.run([tahoe, "demo", "--", *again]).returncode
    url = (Path(directory) / "node.url").read_text().strip()
    result = measure(url, options.count, options.size)
    if options.json:
        print(json.dumps(result))
    else:
        print(
            f"{options.count} files of {options.size} bytes, one after another, 5 servers"
        )
        print(f"  put {result['put_median_ms']} ms (most {result['put_max_ms']})")
        print(f"  get {result['get_median_ms']} ms (most {result['get_max_ms']})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
