"""Peak memory of a client, and of a server, while large files are put and got.

    python misc/bench/memory.py [--sizes 100M,1G,10G] [--tahoe PATH] [--json]

Ten servers, 3-of-10, every node a process; each is started anew for each size, and its
VmHWM read from /proc.  The file is made as it is sent, so the disk holds its shares and
what the client spools: four and a half times its size, under $TMPDIR.  Exit code 1 if the
client's peak passes its limit, or grows with the file.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import workload
from grids import OURS, Processes, Stopwatch, running, ten
from machine import heading
from pieces import Stream, room_for

LIMIT_MB = 100  # of the client, whatever the file's size
GROWTH = 1.1  # the largest file's peak beside the smallest one's


def measure(grid: Processes, size: int) -> dict[str, float]:
    """Put and get a file of *size* bytes; return seconds, peaks and processor time."""
    room_for(size, grid.base)
    grid.env["TMPDIR"] = grid.base
    row: dict[str, float] = {"size": size}
    with running(grid):
        row["idle_client_MB"], row["idle_server_MB"] = grid.idle_mb()
        stream, path = Stream(size), ""
        for name in ("put", "get"):
            grid.reset_peaks()
            with Stopwatch(grid) as watch:
                if name == "put":
                    path = stream.put(grid)
                else:
                    stream.get(grid, path)
            row[f"{name}_client_MB"], row[f"{name}_server_MB"] = grid.peaks_mb()
            row[f"{name}_MBps"] = size / watch.seconds / 1e6
            row[f"{name}_cpu_ms_per_MB"] = 1e9 * (watch.client + watch.servers) / size
    return {name: round(value, 2) for name, value in row.items()}


def broken(rows: list[dict[str, float]]) -> list[str]:
    """Return what is not held."""
    told = []
    for name in ("put", "get"):
        peaks = [row[f"{name}_client_MB"] for row in rows]
        if max(peaks) > LIMIT_MB:
            told.append(
                f"{name}: the client's peak is {max(peaks):.0f} MB, over {LIMIT_MB}"
            )
        if peaks[-1] > GROWTH * peaks[0]:
            told.append(f"{name}: the client's peak grows with the file")
    return told


def tell(rows: list[dict[str, float]]) -> None:
    """Print the table."""
    print("peaks in MB, 3-of-10")
    print(f"{'':>9}{'idle':>14}{'put':>14}{'get':>14}{'MB/s':>14}")
    print(f"{'file':>9}" + f"{'client':>8}{'server':>6}" * 3 + f"{'put':>8}{'get':>6}")
    for row in rows:
        line = f"{row['size'] / 1e6:>6.0f} MB"
        for name in ("idle_client", "put_client", "get_client"):
            line += f"{row[name + '_MB']:>8.0f}"
            line += f"{row[name.replace('client', 'server') + '_MB']:>6.0f}"
        print(f"{line}{row['put_MBps']:>8.0f}{row['get_MBps']:>6.0f}")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="100M,1G")
    parser.add_argument("--servers", type=int, default=10)
    parser.add_argument("--tahoe", type=Path, default=OURS)
    parser.add_argument("--protocol", default="default", help="default, http, foolscap")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--out", type=Path, help="write the JSON there")
    options = parser.parse_args()
    rows = []
    for size in map(workload.parse_size, options.sizes.split(",")):
        with tempfile.TemporaryDirectory(prefix="bench-memory-") as place:
            shape = ten(options.servers)
            grid = Processes(Path(place), options.tahoe, options.protocol, shape)
            rows.append(measure(grid, size))
    found = {**heading(), "rows": rows, "broken": broken(rows)}
    if options.out:
        options.out.write_text(json.dumps(found, indent=1))
    if options.json:
        print(json.dumps(found))
    else:
        tell(rows)
        print(*(found["broken"] or ["flat, and within its limit"]), sep="\n")
    return 1 if found["broken"] else 0


if __name__ == "__main__":
    sys.exit(main())
