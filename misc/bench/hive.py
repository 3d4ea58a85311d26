"""Small puts into the hive: from one client, and from eight in parallel.

    python misc/bench/hive.py [--count 1000] [--size 100] [--clients 8] [--json]

starts ``tahoe demo`` and runs itself under it; the hive is that of a node of its own, a
process beside the demo's.  Each put is answered when value and alias are on the grid.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import wrpme

sys.path.append(str(Path(__file__).parent.parent / "shows"))
from hive_node import hive_node


def put_many(place: tuple[str, int], name: str, count: int, size: int) -> None:
    """Put *count* values of *size* random bytes, one after another."""
    with wrpme.RawClient(*place) as client:
        for i in range(count):
            client.put(f"{name}-{i}", os.urandom(size))


def get_many(place: tuple[str, int], name: str, count: int, size: int) -> None:
    """Get them again."""
    with wrpme.RawClient(*place) as client:
        for i in range(count):
            if len(client.get(f"{name}-{i}")) != size:
                raise SystemExit("what comes back has another size")


def rate_of(count: int, act, *args) -> float:
    """Return how many a second are done."""
    began = time.perf_counter()
    act(*args)
    return round(count / (time.perf_counter() - began), 1)


def parallel(place: tuple[str, int], clients: int, count: int, size: int) -> float:
    """Put from several processes, *count* in all; return how many a second are done."""
    each = count // clients
    words = ["--place", f"{place[0]}:{place[1]}", "--size", str(size)]
    program = [sys.executable, __file__, "--count", str(each), *words]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    works = [
        subprocess.Popen([*program, "--name", f"p{size}-{n}"], **pipes)
        for n in range(clients)
    ]
    for work in works:
        work.stdout.readline()  # it is ready

    def go() -> None:
        for work in works:
            work.stdin.write(b"go\n")
            work.stdin.flush()
        if any([work.wait() for work in works]):
            raise SystemExit("a client failed")

    return rate_of(each * clients, go)


def measure(place: tuple[str, int], options: argparse.Namespace) -> dict:
    """Return rates."""
    count, size = options.count, options.size
    put_many(place, f"warm-{size}", 20, size)
    name = f"one-{size}"
    return {
        "size": size,
        "puts": rate_of(count, put_many, place, name, count, size),
        "gets": rate_of(count, get_many, place, name, count, size),
        f"puts of {options.clients}": parallel(place, options.clients, count, size),
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--size", type=int, action="append")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--place", help=argparse.SUPPRESS)
    parser.add_argument("--name", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.place:
        host, _, port = options.place.rpartition(":")
        print("ready", flush=True)
        sys.stdin.readline()
        put_many((host, int(port)), options.name, options.count, options.size[0])
        return 0
    if "TAHOE_NODE_DIRECTORY" not in os.environ:
        tahoe = os.path.join(os.path.dirname(sys.executable), "tahoe")
        again = [sys.executable, *sys.argv]
        return subprocess.run([tahoe, "demo", "--", *again]).returncode
    found = []
    with tempfile.TemporaryDirectory() as directory, hive_node(Path(directory)) as node:
        for size in options.size or [100, 1000, 4096]:
            options.size = size
            found.append(measure(node.place, options))
    if options.json:
        print(json.dumps(found))
    for one in [] if options.json else found:
        rates = ", ".join(f"{rate} {what}" for what, rate in one.items() if what != "size")
        print(f"{one['size']} bytes, a second: {rates}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
