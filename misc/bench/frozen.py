"""What one frozen server costs: files put and got beside the healthy grid, and seeks.

    python misc/bench/frozen.py [--rounds 9] [--size 10000000] [--reads 1000] [--json]

starts ``tahoe demo`` twice and runs itself under it: five servers, 3/4/5, for whole files;
ten, 3/7/10, for reads of 64 KiB.  Healthy and frozen take turns, since the machine is
shared: each round freezes another server, does the first put or get after that, then
more, and revives it.  Figures are medians (of reads, 99 of 100 too), ratios are frozen to
healthy.  Exit code 1 where a limit is not held.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from urllib.parse import quote, urlsplit

TAHOE = Path(sys.executable).with_name("tahoe")
LIMITS = {  # what: it must be no more than this
    "put_first": 1.5,
    "put_later": 1.5,
    "get_first": 1.5,
    "get_later": 1.5,
    "read_p99": 1.3,
}
READ = 2**16
BLOCK = 25  # reads between a freeze and a revival
GRIDS = {"files": "--servers 5 --shares 3/4/5", "reads": "--servers 10 --shares 3/7/10"}


class Gateway:
    """The client's gateway, over one line."""

    def __init__(self, url: str) -> None:
        self.line = http.client.HTTPConnection(urlsplit(url).netloc, timeout=120)

    def ask(self, method: str, path: str, body=None, **headers: str) -> tuple[float, bytes]:
        """Return the seconds that it took, and what was answered."""
        began = time.perf_counter()
        self.line.request(method, path, body, headers)
        answer = self.line.getresponse()
        data = answer.read()
        if answer.status >= 300:
            raise SystemExit(f"{method}: {answer.status} {data[:200]!r}")
        return time.perf_counter() - began, data

    def put(self, data: bytes) -> tuple[float, str]:
        """Store *data*; return the seconds, and its path."""
        took, cap = self.ask("PUT", "/uri", data)
        return took, "/uri/" + quote(cap.decode(), safe="")

    def get(self, path: str, data: bytes) -> float:
        """Fetch *data* and compare; return the seconds."""
        took, back = self.ask("GET", path)
        if back != data:
            raise SystemExit("WRONG: other bytes came back")
        return took

    def read(self, path: str, data: bytes) -> float:
        """Fetch 64 KiB from anywhere in *data* and compare; return the seconds."""
        at = random.randrange(len(data) - READ)
        took, back = self.ask("GET", path, Range=f"bytes={at}-{at + READ - 1}")
        if back != data[at : at + READ]:
            raise SystemExit("WRONG: other bytes came back")
        return took


class Frozen:
    """One server of the demo, frozen while this is entered."""

    def __init__(self, num_servers: int) -> None:
        self.number = str(random.randint(1, num_servers))

    def __enter__(self) -> None:
        """Freeze it."""
        self.tell("freeze")

    def __exit__(self, *_: object) -> None:
        """Revive it, and let it do what it was asked meanwhile."""
        self.tell("revive")
        time.sleep(0.5)

    def tell(self, word: str) -> None:
        """Run ``tahoe demo``."""
        subprocess.run([TAHOE, "demo", word, self.number], check=True, capture_output=True)


# ---- whole files -----------------------------------------------------------------------


def measure_files(gateway: Gateway, rounds: int, size: int) -> dict[str, list[float]]:
    """Put and get files of *size* bytes; return seconds."""
    times: dict[str, list[float]] = defaultdict(list)
    for i in range(rounds + 1):
        taken = one_round(gateway, size)
        for name, several in taken.items():
            times[name] += several if i else []  # the first warms things up
    return times


def one_round(gateway: Gateway, size: int) -> dict[str, list[float]]:
    """Freeze twice: once before a put, once before a get."""
    files = [os.urandom(size) for _ in range(5)]
    times: dict[str, list[float]] = defaultdict(list)
    paths: list[str] = []

    def put(kind: str) -> None:
        took, path = gateway.put(files[len(paths)])
        paths.append(path)
        times[f"put_{kind}"].append(took)

    def get(kind: str, i: int) -> None:
        times[f"get_{kind}"].append(gateway.get(paths[i], files[i]))

    put("healthy")
    get("healthy", 0)
    with Frozen(5):
        put("first")
        get("later", 0)
        put("later")
    put("healthy")
    get("healthy", 0)
    with Frozen(5):
        get("first", 0)
        put("later")
        get("later", 3)
    return times


# ---- reads -----------------------------------------------------------------------------


def measure_reads(gateway: Gateway, count: int, size: int) -> dict[str, list[float]]:
    """Read here and there in one file, as many times healthy as frozen; return seconds."""
    data = os.urandom(size)
    _, path = gateway.put(data)
    for _ in range(100):  # warms things up
        gateway.read(path, data)
    times: dict[str, list[float]] = {"read_healthy": [], "read_frozen": []}
    while len(times["read_frozen"]) < count:
        times["read_healthy"] += [gateway.read(path, data) for _ in range(BLOCK)]
        with Frozen(10):
            times["read_frozen"] += [gateway.read(path, data) for _ in range(BLOCK)]
    return times


# ---- what comes of it ------------------------------------------------------------------


def sum_up(times: dict[str, list[float]]) -> dict[str, float]:
    """Return milliseconds, and what is limited."""
    told = {f"{name}_ms": 1000 * statistics.median(some) for name, some in times.items()}
    for name in ("read_healthy", "read_frozen"):
        if name in times:
            told[f"{name}_p99_ms"] = 1000 * statistics.quantiles(times[name], n=100)[98]
    for limited in LIMITS:
        kind = limited.partition("_")[0]
        if limited == "read_p99" and "read_frozen" in times:
            told[limited] = told["read_frozen_p99_ms"] / told["read_healthy_p99_ms"]
        elif limited in times:
            told[limited] = told[f"{limited}_ms"] / told[f"{kind}_healthy_ms"]
    return {name: round(value, 3) for name, value in told.items()}


def run_under_demo(options: argparse.Namespace) -> dict[str, float]:
    """Start a demo for each part and measure beside it."""
    told: dict[str, float] = {}
    for part in options.only.split(","):
        words = [sys.executable, __file__, "--inside", part, "--json", *sys.argv[1:]]
        command = [TAHOE, "demo", *GRIDS[part].split(), "--", *words]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise SystemExit(done.returncode)
        told |= json.loads(done.stdout.splitlines()[-1])
    return told


def measure(options: argparse.Namespace) -> dict[str, float]:
    """Measure one part on the demo that runs."""
    directory = Path(os.environ["TAHOE_NODE_DIRECTORY"])
    gateway = Gateway((directory / "node.url").read_text().strip())
    if options.inside == "files":
        return sum_up(measure_files(gateway, options.rounds, options.size))
    return sum_up(measure_reads(gateway, options.reads, options.size))


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--size", type=int, default=10**7)
    parser.add_argument("--reads", type=int, default=1000)
    parser.add_argument("--only", default="files,reads", help="files, reads")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--inside", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        print(json.dumps(measure(options)))
        return 0
    told = run_under_demo(options)
    broken = [name for name, limit in LIMITS.items() if told.get(name, 0) > limit]
    if options.json:
        print(json.dumps(told | {"broken": broken}))
        return 1 if broken else 0
    for name, value in told.items():
        unit = "ms" if name.endswith("_ms") else f"times, at most {LIMITS[name]}"
        print(f"  {name.removesuffix('_ms'):20} {value:8.2f} {unit}")
    print(f"not held: {', '.join(broken)}" if broken else "every limit is held")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
