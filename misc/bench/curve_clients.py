"""What a crowd gets: 1 to 200 clients of one gateway, each without a pause (mix.py)."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from grids import Processes, Stopwatch, running
from mix import Mix

CROWDS = (1, 2, 5, 10, 20, 50, 100, 200)


def measure(most: int, seconds: float) -> list[dict[str, float]]:
    """Return one row for each number of clients up to *most*."""
    with tempfile.TemporaryDirectory(prefix="bench-clients-") as place:
        grid = Processes(Path(place))
        with running(grid):
            mix = Mix(grid.webport, time.time_ns() % 2**30)
            asyncio.run(mix.begin())
            return [_row(grid, mix, num, seconds) for num in CROWDS if num <= most]


def _row(grid: Processes, mix: Mix, num: int, seconds: float) -> dict[str, float]:
    mix.done.clear()
    grid.reset_peaks()
    with Stopwatch(grid) as watch:
        asyncio.run(mix.run(num, time.monotonic() + seconds))
    times = sorted(1000 * took for _, took in mix.done)
    row = {
        "clients": num,
        "works_per_s": len(times) / watch.seconds,
        "median_ms": statistics.median(times),
        "p99_ms": times[int(0.99 * (len(times) - 1))],
        "client_cpu_percent": 100 * watch.client / watch.seconds,
        "client_MB": grid.peaks_mb()[0],
        "errors": sum(mix.errors.values()),
    }
    for kind in ("put", "get", "list"):
        some = [1000 * took for one, took in mix.done if one == kind]
        row[f"{kind}_ms"] = statistics.median(some) if some else 0.0
    return {name: round(value, 2) for name, value in row.items()}
