"""How cost grows: with file size, with servers, with names in a directory, with clients.

    python misc/bench/growth.py [--only sizes,servers,directories,clients] [--json]
        [--largest 1G] [--servers 1000] [--names 100000] [--clients 200]

Each is a curve of its own (curve_sizes.py, …).  With ``--pictures DIR`` they are drawn
there as SVG.  A file of 10 GB needs 60 GB of disk while it is there, under $TMPDIR.  Exit
code 1 if an answer was an error.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import curve_clients
import curve_directories
import curve_servers
import curve_sizes
import workload
from charts import chart
from machine import heading

SERVERS = (1, 3, 10, 30, 100, 300, 1000)
Rows = list[dict[str, float]]

# curve: pictures, each a name, a title, what is across and up, and columns by their words
PICTURES = {
    "sizes": (
        (
            "sizes-speed",
            "Speed of one file, ten servers",
            ("size", "bytes"),
            "MB/s",
            {"put_MBps": "web PUT", "get_MBps": "web GET"},
        ),
        (
            "sizes-cpu",
            "Processor time of all nodes, and the client's peak",
            ("size", "bytes"),
            "ms per MB; MB",
            {
                "put_cpu_ms_per_MB": "put",
                "get_cpu_ms_per_MB": "get",
                "client_MB": "peak, MB",
            },
        ),
    ),
    "servers": (
        (
            "servers",
            "A file of 4 KiB, by the number of servers",
            ("servers", "servers"),
            "ms",
            {"put_ms": "put", "get_ms": "get", "put_client_cpu_ms": "put, client's CPU"},
        ),
        (
            "servers-client",
            "The client of so many servers",
            ("servers", "servers"),
            "s; MB",
            {"connected_s": "start to all connected, s", "client_MB": "memory, MB"},
        ),
    ),
    "directories": (
        (
            "directories",
            "A directory, by the number of its names",
            ("names", "names"),
            "ms",
            {
                "add_ms": "add a name",
                "find_ms": "get by name",
                "json_ms": "JSON",
                "page_ms": "page",
                "ls_ms": "tahoe ls",
            },
        ),
    ),
    "clients": (
        (
            "clients",
            "Mixed load, by the number of clients",
            ("clients", "clients"),
            "works a second; ms",
            {
                "works_per_s": "works a second",
                "median_ms": "median, ms",
                "p99_ms": "99 of 100, ms",
            },
        ),
    ),
}


def measure(options: argparse.Namespace) -> Iterator[tuple[str, Rows]]:
    """Yield each curve's name and rows."""
    curves = {
        "sizes": lambda: curve_sizes.measure(
            workload.parse_size(options.largest), options.repeat
        ),
        "servers": lambda: [
            curve_servers.measure(num, options.count)
            for num in SERVERS
            if num <= options.servers
        ],
        "directories": lambda: curve_directories.measure(options.names),
        "clients": lambda: curve_clients.measure(options.clients, options.seconds),
    }
    for name in options.only:
        print(f"measuring {name}", file=sys.stderr, flush=True)
        yield name, curves[name]()


def draw(curves: dict[str, Rows], place: Path) -> list[str]:
    """Draw all pictures; return their names."""
    place.mkdir(parents=True, exist_ok=True)
    names = []
    for curve, rows in curves.items():
        for name, title, (column, across), up, columns in PICTURES[curve]:
            drawn = {
                words: [(row[column], row[one]) for row in rows if row[one] > 0]
                for one, words in columns.items()
            }
            (place / f"{name}.svg").write_text(chart(title, across, up, drawn))
            names.append(name)
    return names


def as_text(rows: Sequence[dict[str, float]]) -> str:
    """Set one curve for a terminal."""
    cells = [list(rows[0]), *([f"{value:,g}" for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True))
        for row in cells
    )


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(PICTURES), metavar="NAMES")
    parser.add_argument("--largest", default="1G", help="file")
    parser.add_argument("--repeat", type=int, default=5, help="files of each size")
    parser.add_argument("--servers", type=int, default=1000)
    parser.add_argument("--count", type=int, default=20, help="small files a grid")
    parser.add_argument("--names", type=int, default=100_000)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=8, help="of each crowd")
    parser.add_argument("--pictures", type=Path, metavar="DIR")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--out", type=Path, help="write the JSON there")
    options = parser.parse_args()
    options.only = options.only.split(",")
    if unknown := set(options.only) - set(PICTURES):
        parser.error(f"there are {', '.join(PICTURES)}; not {', '.join(sorted(unknown))}")
    return options


def main() -> int:
    """Measure, draw and print."""
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    found = {**heading(), "curves": {}}
    curves = found["curves"]
    for name, rows in measure(options):
        curves[name] = rows
        if options.out:  # whatever becomes of the next one
            options.out.write_text(json.dumps(found, indent=1))
        if not options.json:
            print(f"{name}\n{as_text(rows)}", flush=True)
    if options.pictures:
        draw(curves, options.pictures)
    if options.json:
        print(json.dumps(found))
    return 1 if any(row.get("errors") for rows in curves.values() for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
