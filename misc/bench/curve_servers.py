"""What a client costs as its grid grows: 1 to 1,000 servers, in one process beside it.

The servers are real ones (many_servers.py): the client connects to each over TCP and TLS,
and picks among all of them for each file.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import workload
from grids import CLIENT, Processes, Stopwatch

SMALL = 4096


class ManyServers(Processes):
    """An introducer and a client as processes, and all servers in one more."""

    def __init__(self, place: Path, num: int) -> None:
        n = min(num, 10)
        k, happy = max(3 * n // 10, 1), max(7 * n // 10, 1)
        super().__init__(place, shape=(k, happy, n, 0))
        self._num = num

    def build(self) -> None:
        """Start servers before the client, so that it meets all at once."""
        super().build()  # a grid without servers
        self.num_servers = self._num
        furl = Path(self.base, "introducer", "private", "introducer.furl").read_text()
        program = Path(__file__).with_name("many_servers.py")
        many = subprocess.Popen(
            [
                sys.executable,
                program,
                Path(self.base) / "many",
                furl.strip(),
                str(self._num),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self.procs["many"] = many
        if many.stdout.readline() != b"ready\n":
            raise SystemExit("WRONG: the servers do not start")

    def stop(self) -> None:
        """End all."""
        super().stop()
        if "many" in self.procs:
            self.procs["many"].stdout.close()


def measure(num: int, count: int) -> dict[str, float]:
    """Return what the client of so many servers needs for small files."""
    print(f"{num} servers", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="bench-servers-") as place:
        grid = ManyServers(Path(place), num)
        try:
            grid.build()
            return _figures(grid, num, count)
        finally:
            grid.stop()


def _figures(grid: ManyServers, num: int, count: int) -> dict[str, float]:
    idle_alone = grid.rss_mb("many")
    connected_s = grid.restart_client()
    time.sleep(1)
    row = {
        "servers": num,
        "connected_s": connected_s,
        "connected_cpu_s": workload.proc_cpu(grid.pids()[CLIENT]),
        "client_MB": grid.rss_mb(CLIENT),
        "servers_alone_MB": idle_alone,
        "servers_MB": grid.rss_mb("many"),
    }
    files = [os.urandom(SMALL) for _ in range(count)]
    line, times = grid.line(), {"put": [], "get": []}
    stored = [grid.put(data, line) for data in files[:2]]  # loads what it loads
    with Stopwatch(grid) as watch:
        for data in files:
            began = time.perf_counter()
            stored.append(grid.put(data, line))
            times["put"].append(time.perf_counter() - began)
    row["put_client_cpu_ms"] = 1000 * watch.client / count
    for path, data in zip(stored[2:], files, strict=True):
        began = time.perf_counter()
        grid.get(path, data, line)
        times["get"].append(time.perf_counter() - began)
    line.close()
    row |= {f"{way}_ms": 1000 * statistics.median(some) for way, some in times.items()}
    return {name: round(value, 3) for name, value in row.items()}
