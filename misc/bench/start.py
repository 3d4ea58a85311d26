"""How long one waits for the first word: ``tahoe --version``, and a whole grid.

    python misc/bench/start.py [--servers 5] [--times 5] [--json]

The time of a demo is from the start of the command to the line that says it is ready:
every node runs, and the client is connected to every server.  Medians; the wanted figures
are for five servers.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import subprocess
import sys
from time import perf_counter

from attrs import frozen

TAHOE = [sys.executable, "-P", "-m", "allmydata.cli.main"]
VERSION_S, READY_S = 0.100, 3.0  # wanted


@frozen
class Figure:
    """What was measured, in seconds."""

    what: str
    median: float
    fastest: float
    slowest: float
    wanted: float | None

    @classmethod
    def of(cls, what: str, times: list[float], wanted: float | None) -> Figure:
        """Sum up *times*."""
        return cls(what, statistics.median(times), min(times), max(times), wanted)

    def as_line(self) -> str:
        """Set one row of the table."""
        figures = (self.median, self.fastest, self.slowest)
        line = f"{self.what:<28}" + "".join(f"{1000 * figure:9.0f}" for figure in figures)
        return line + (f"{1000 * self.wanted:9.0f}" if self.wanted else "        -")


def main() -> None:
    """Print the table, or the same as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--servers", type=int, nargs="+", default=[5, 10])
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    versions = [version() for _ in range(4 * options.times)]
    figures = [Figure.of("tahoe --version", versions, VERSION_S)]
    for num_servers in options.servers:
        times = [demo(num_servers) for _ in range(options.times)]
        wanted = READY_S if num_servers <= 5 else None
        figures.append(Figure.of(f"tahoe demo --servers {num_servers}", times, wanted))
    if options.json:
        rows = {f.what: {"median": f.median, "wanted": f.wanted} for f in figures}
        print(json.dumps(rows, indent=1))
        return
    print(f"{'milliseconds':<28}{'median':>9}{'fastest':>9}{'slowest':>9}{'wanted':>9}")
    for figure in figures:
        print(figure.as_line())


def version() -> float:
    """Return the seconds that a command takes which does nothing."""
    start = perf_counter()
    subprocess.run([*TAHOE, "--version"], stdout=subprocess.DEVNULL, check=True)
    return perf_counter() - start


def demo(num_servers: int) -> float:
    """Return the seconds from the command to the line that says all is ready."""
    start = perf_counter()
    words = [*TAHOE, "demo", "--json", "--servers", str(num_servers)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        assert process.stdout
        json.loads(process.stdout.readline())
        seconds = perf_counter() - start
        process.send_signal(signal.SIGINT)
    return seconds


if __name__ == "__main__":
    main()
