"""What a file costs as it grows: 1 KB to 10 GB, on ten servers, each a process."""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

from grids import Processes, Stopwatch, running
from pieces import Stream, room_for

ONCE = 10**8  # from this size on, a file is put and got once
SMALL = 10**5  # up to this size, thrice as often: the system counts processor time coarsely


def sizes(largest: int) -> list[int]:
    """Return 1 KB and its tenfolds up to *largest*."""
    found = [1000]
    while found[-1] * 10 <= largest:
        found.append(found[-1] * 10)
    return found


def measure(largest: int, repeat: int) -> list[dict[str, float]]:
    """Return one row for each size."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="bench-sizes-") as place:
        room_for(int(1.3 * largest), place)
        grid = Processes(Path(place))
        grid.env["TMPDIR"] = place
        with running(grid):
            Stream(10**6).put(grid)  # loads what it loads
            for size in sizes(largest):
                print(f"{size} bytes", file=sys.stderr, flush=True)
                times = 1 if size >= ONCE else repeat * (1 + 2 * (size <= SMALL))
                rows.append(_row(size, [_once(grid, size) for _ in range(times)]))
    return rows


def _row(size: int, several: list[dict[str, float]]) -> dict[str, float]:
    medians = {name: statistics.median(one[name] for one in several) for name in several[0]}
    row = {"size": size}
    for way in ("put", "get"):
        row[f"{way}_ms"] = round(1000 * medians[f"{way}_s"], 2)
        row[f"{way}_MBps"] = round(size / medians[f"{way}_s"] / 1e6, 4)
        row[f"{way}_cpu_ms_per_MB"] = round(1e9 * medians[f"{way}_cpu_s"] / size, 2)
    return row | {"client_MB": max(one["client_MB"] for one in several)}


def _once(grid: Processes, size: int) -> dict[str, float]:
    stream = Stream(size)
    grid.reset_peaks()
    with Stopwatch(grid) as put:
        path = stream.put(grid)
    with Stopwatch(grid) as get:
        stream.get(grid, path)
    return {
        "put_s": put.seconds,
        "get_s": get.seconds,
        "put_cpu_s": put.client + put.servers,
        "get_cpu_s": get.client + get.servers,
        "client_MB": grid.peaks_mb()[0],
    }
