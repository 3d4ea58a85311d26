"""What a directory costs as it grows: 10 to 1,000,000 names, on a grid of five."""

from __future__ import annotations

import http.client
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from grids import FIVE, Processes, running
from works import SMALL

TIMES = 5  # of a listing; of ten times as many small changes


def measure(most: int) -> list[dict[str, float]]:
    """Return one row for each number of names: 10, and its tenfolds up to *most*."""
    rows, num = [], 10
    with tempfile.TemporaryDirectory(prefix="bench-names-") as place:
        grid = Processes(Path(place), shape=FIVE)
        with running(grid):
            cap = grid.ask("PUT", "/uri", os.urandom(SMALL)).decode().strip()
            while num <= most:
                print(f"{num} names", file=sys.stderr, flush=True)
                rows.append(_row(grid, num, cap))
                num *= 10
    return rows


def _row(grid: Processes, num: int, cap: str) -> dict[str, float]:
    began = time.perf_counter()
    path = grid.directory(num, cap)
    filled_s = time.perf_counter() - began
    dircap = grid.ask("GET", f"{path}?t=uri").decode().strip()
    times = TIMES if num < 10**5 else 1
    line = grid.line()

    def add(i: int) -> None:
        grid.ask("PUT", f"{path}/extra-{num}-{i}?t=uri", cap.encode(), line)

    row = {
        "names": num,
        "fill_names_per_s": num / filled_s,
        "add_ms": _median_ms(add, 20),
        "find_ms": _median_ms(
            lambda i: grid.ask("GET", f"{path}/name-0000003", None, line), 20
        ),
    }
    line.close()
    grid.reset_peaks()
    row["json_ms"] = _median_ms(lambda _: _read(grid, f"{path}?t=json", "*/*"), times)
    row["page_ms"] = _median_ms(lambda _: _read(grid, path, "text/html"), times)
    row["client_MB"] = grid.peaks_mb()[0]
    row["ls_ms"] = _median_ms(lambda _: _ls(grid, dircap, num), times)
    return {name: round(value, 2) for name, value in row.items()}


def _median_ms(act: Callable[[int], object], count: int) -> float:
    times = []
    for i in range(count):
        began = time.perf_counter()
        act(i)
        times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times)


def _read(grid: Processes, path: str, kind: str) -> int:
    """Fetch what may be large; return its size."""
    line: http.client.HTTPConnection = grid.line()
    line.request("GET", path, headers={"Accept": kind})
    answer = line.getresponse()
    if answer.status != 200:
        raise SystemExit(f"GET: {answer.status} {answer.read(200)!r}")
    size = 0
    while piece := answer.read(2**20):
        size += len(piece)
    line.close()
    return size


def _ls(grid: Processes, dircap: str, num: int) -> None:
    words = [grid.tahoe, "-d", grid.cdir, "ls", dircap]
    done = subprocess.run(words, capture_output=True)
    if done.returncode or done.stdout.count(b"\n") < num:
        raise SystemExit(f"tahoe ls: {done.returncode} {done.stderr[-300:]!r}")
