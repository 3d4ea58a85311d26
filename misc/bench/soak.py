"""A crowd for minutes on end, while servers die: no error that a user would see, no growth.

    python misc/bench/soak.py [--minutes 10] [--clients 200] [--restart-every 60] [--json]

Ten servers, 3/7/10, every node a process.  Clients put and get files of 1 KB to 1 MB, read
ranges, add names and list, without a pause (mix.py); every answer is checked.  Each minute
one server is killed and started again.  Every ten seconds the memory and the open
descriptors of each node are noted.  Exit code 1 on any error, or if a node grows.  The
disk needs some 1.5 GB a minute, under $TMPDIR.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import workload
from attrs import define, field, frozen
from grids import Processes, running, ten
from machine import heading
from mix import Mix

MB_ALLOWED, PART_ALLOWED = 15.0, 0.15  # growth over the second half: less than either
FILES_ALLOWED = 30


@frozen
class Sample:
    """One look at a node: seconds from the start, which process, MB, open descriptors."""

    at: float
    pid: int
    rss_mb: float
    files: int


@define(eq=False)
class Watch:
    """What nodes used, from look to look."""

    grid: Processes
    began: float = field(factory=time.monotonic)
    seen: dict[str, list[Sample]] = field(factory=lambda: defaultdict(list))

    def look(self) -> None:
        """Note what each node uses."""
        at = time.monotonic() - self.began
        for name, pid in self.grid.pids().items():
            try:
                rss = workload.proc_status(pid)["VmRSS"] / 1000
                files = len(os.listdir(f"/proc/{pid}/fd"))
            except (OSError, KeyError):  # it is being restarted
                continue
            self.seen[name].append(Sample(at, pid, rss, files))

    def told(self) -> list[dict]:
        """Return, for each node, what it used, and what it grew by in the second half."""
        half = (time.monotonic() - self.began) / 2
        return [_judge(name, samples, half) for name, samples in self.seen.items()]


def _judge(name: str, samples: list[Sample], half: float) -> dict:
    """Judge the process that the node is now: a restarted one begins small again."""
    lived = [one for one in samples if one.pid == samples[-1].pid]
    late = [one for one in lived if one.at >= half] or lived[-1:]
    rss = [one.rss_mb for one in late]
    grown = _climb([(one.at, one.rss_mb) for one in late])
    files = _climb([(one.at, one.files) for one in late])
    is_young = late[0].at - lived[0].at <= half / 4 and len(lived) < len(samples)
    grows = grown > max(MB_ALLOWED, PART_ALLOWED * statistics.mean(rss))
    return {
        "node": name,
        "lives": len({one.pid for one in samples}),
        "first_MB": round(lived[0].rss_mb, 1),
        "last_MB": round(lived[-1].rss_mb, 1),
        "most_MB": round(max(one.rss_mb for one in samples), 1),
        "grown_MB": None if is_young else round(grown, 1),
        "files": lived[-1].files,
        "most_files": max(one.files for one in samples),
        "grown_files": None if is_young else round(files, 1),
        "grows": not is_young and (grows or files > FILES_ALLOWED),
    }


def _climb(points: Sequence[tuple[float, float]]) -> float:
    """Return how much a straight line through *points* climbs, first to last."""
    if len(points) < 3:
        return 0.0
    slope = statistics.linear_regression(*zip(*points, strict=True)).slope
    return slope * (points[-1][0] - points[0][0])


class Soak:
    """The load, the deaths and the looks, all at once."""

    def __init__(self, grid: Processes, options: argparse.Namespace) -> None:
        self.options = options
        self.grid = grid
        self.mix = Mix(grid.webport, time.time_ns() % 2**30)
        self.watch = Watch(grid)
        self.restarts = 0

    async def run(self) -> float:
        """Run; return the seconds."""
        await self.mix.begin()
        self.watch = Watch(self.grid)
        began = time.monotonic()
        until = began + 60 * self.options.minutes
        beside = [
            asyncio.create_task(self._every(self.options.look_every, self._look)),
            asyncio.create_task(self._every(self.options.restart_every, self._restart)),
        ]
        try:
            await self.mix.run(self.options.clients, until)
            took = time.monotonic() - began
        finally:
            for task in beside:
                task.cancel()
            done = await asyncio.gather(*beside, return_exceptions=True)
        for e in done:
            if isinstance(e, Exception):
                raise e
        await self.mix.look_again()
        return took

    async def _every(self, seconds: float, act) -> None:
        await asyncio.sleep(seconds / 2)
        while True:
            began = time.monotonic()
            await act()
            await asyncio.sleep(max(seconds - (time.monotonic() - began), 0.1))

    async def _look(self) -> None:
        self.watch.look()

    async def _restart(self) -> None:
        """Kill the next server, every other time without a warning, and start it again."""
        name = f"storage{self.restarts % self.grid.num_servers}"
        how = signal.SIGKILL if self.restarts % 2 else signal.SIGTERM
        self.restarts += 1
        print(f"restarting {name} ({how.name})", file=sys.stderr, flush=True)
        await asyncio.to_thread(self.grid.restart, name, how)

    def result(self, took: float) -> dict:
        """Return what was found."""
        nodes, done = self.watch.told(), self.mix.done
        return {
            **heading(),
            "minutes": self.options.minutes,
            "clients": self.options.clients,
            "restarts": self.restarts,
            "answers": len(done),
            "works_per_s": round(len(done) / took, 1),
            "kinds": _kinds(done),
            "errors": dict(self.mix.errors.most_common(20)),
            "num_errors": sum(self.mix.errors.values()),
            "nodes": nodes,
            "growing": [one["node"] for one in nodes if one["grows"]],
        }


def _kinds(done: list[tuple[str, float]]) -> dict[str, dict[str, float]]:
    found = {}
    for kind, count in sorted(Counter(kind for kind, _ in done).items()):
        times = sorted(1000 * took for one, took in done if one == kind)
        found[kind] = {
            "count": count,
            "median_ms": round(statistics.median(times)),
            "p99_ms": round(times[int(0.99 * (count - 1))]),
            "most_ms": round(times[-1]),
        }
    return found


def tell(found: dict) -> None:
    """Print what was found."""
    print(
        f"{found['clients']} clients, {found['minutes']:g} minutes,"
        f" {found['restarts']} restarts: {found['answers']} answers,"
        f" {found['works_per_s']} a second"
    )
    for kind, one in found["kinds"].items():
        print(
            f"  {kind:6} {one['count']:>8}   median {one['median_ms']} ms,"
            f" 99 of 100 {one['p99_ms']} ms, most {one['most_ms']} ms"
        )
    for node in found["nodes"]:
        young = node["grown_MB"] is None
        grown = "restarted late" if young else f"{node['grown_MB']:+} in the second half"
        files = "" if young else f"{node['grown_files']:+}, "
        print(
            f"  {node['node']:10} {node['last_MB']:>6} MB ({grown},"
            f" most {node['most_MB']}), {node['files']} descriptors"
            f" ({files}most {node['most_files']})" + "  GROWS" * node["grows"]
        )
    for error, count in found["errors"].items():
        print(f"  {count} x {error}")
    growing = ", ".join(found["growing"]) or "no node grows"
    print(f"{found['num_errors']} errors; {growing}")


def main() -> int:
    """Run and print; 1 on any error or growth."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--servers", type=int, default=10)
    parser.add_argument("--restart-every", type=float, default=60, metavar="SECONDS")
    parser.add_argument("--look-every", type=float, default=10, metavar="SECONDS")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--out", type=Path, help="write the JSON there")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="bench-soak-") as place:
        with running(Processes(Path(place), shape=ten(options.servers))) as grid:
            soak = Soak(grid, options)
            found = soak.result(asyncio.run(soak.run()))
    if options.out:
        options.out.write_text(json.dumps(found, indent=1))
    if options.json:
        print(json.dumps(found))
    else:
        tell(found)
    return 1 if found["num_errors"] or found["growing"] else 0


if __name__ == "__main__":
    sys.exit(main())
