"""What directories cost on the demo grid of five: the numbers that are promised.

    python misc/bench/dirs.py [--big 100000] [--files 1000] [--backup 10000] [--json]

starts ``tahoe demo`` and runs itself under it.  Beside each figure stands its limit, and
what Tahoe-LAFS 1.20 needs for the same, where that was measured.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import quote, urlsplit

# what: limit, and 1.20's figure; milliseconds unless the name says otherwise
LIMITS = {
    "mkdir_ms": ("<", 10, 69),
    "add_to_1000_ms": ("<", 10, 300),
    "add_to_big_ms": ("<", 15, None),
    "list_1000_json_ms": ("<", 60, 170),
    "ls_1000_s": ("<", 0.3, None),
    "cp_up_files_per_s": (">", 60, None),
    "cp_down_files_per_s": (">", 60, None),
    "backup_unchanged_s": ("<", 5, None),
}
BATCH = 1000


class Gateway:
    """One kept-alive line to the client's gateway."""

    def __init__(self, url: str) -> None:
        self.line = http.client.HTTPConnection(urlsplit(url).netloc, timeout=300)

    def ask(self, method: str, path: str, body: bytes = b"") -> bytes:
        """Return what *method* on *path* answers; anything but success ends the bench."""
        self.line.request(method, path, body)
        answer = self.line.getresponse()
        data = answer.read()
        if answer.status >= 300:
            raise SystemExit(f"{method} {path[:20]}: {answer.status} {data[:200]!r}")
        return data

    def directory(self, num_children: int, cap: str) -> str:
        """Return the path of a new directory with as many children, all the file *cap*."""
        path = "/uri/" + quote(self.ask("POST", "/uri?t=mkdir").decode(), safe="")
        for start in range(0, num_children, BATCH):
            names = range(start, min(start + BATCH, num_children))
            links = {f"name-{i:06}": ["filenode", {"ro_uri": cap}] for i in names}
            self.ask("POST", f"{path}?t=set_children", json.dumps(links).encode())
        return path

    def add(self, path: str, cap: str, i: int) -> None:
        """Add one child."""
        self.ask("PUT", f"{path}/extra-{i}?t=uri", cap.encode())


def median_ms(function, count: int, warm: int = 3) -> float:
    """Return the median of *count* calls of *function*, in milliseconds."""
    times = []
    for i in range(count + warm):
        began = time.perf_counter()
        function(i)
        times.append(1000 * (time.perf_counter() - began))
    return round(statistics.median(times[warm:]), 2)


def tahoe(*words: str) -> tuple[float, str]:
    """Run the command; return the seconds it took, start to end, and what it printed."""
    command = [Path(sys.executable).parent / "tahoe", *words]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    elapsed = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"tahoe {words[0]}: {done.returncode}\n{done.stderr[-2000:]}")
    return elapsed, done.stdout


def write_files(directory: Path, num_files: int, size: int, per_directory: int) -> None:
    """Fill *directory* with files that differ."""
    for i in range(num_files):
        path = directory / f"d{i // per_directory:03}" / f"f{i:05}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(size))


def measure_directories(gateway: Gateway, big: int) -> dict:
    """Measure single calls of the gateway, and ``tahoe ls``."""
    cap = gateway.ask("PUT", "/uri", os.urandom(4096)).decode()
    thousand = gateway.directory(1000, cap)
    found = {
        "mkdir_ms": median_ms(lambda i: gateway.ask("POST", "/uri?t=mkdir"), 100),
        "list_1000_json_ms": median_ms(
            lambda i: gateway.ask("GET", f"{thousand}?t=json"), 20
        ),
        "add_to_1000_ms": median_ms(lambda i: gateway.add(thousand, cap, i), 50),
    }
    gateway.ask("PUT", "/vdrive/private/thousand?t=uri", _cap_of(gateway, thousand))
    tahoe("ls", "tahoe:thousand")
    found["ls_1000_s"] = round(
        statistics.median(tahoe("ls", "tahoe:thousand")[0] for _ in range(5)), 3
    )
    huge = gateway.directory(big, cap)
    found["add_to_big_ms"] = median_ms(lambda i: gateway.add(huge, cap, i), 50)
    return found


def _cap_of(gateway: Gateway, path: str) -> bytes:
    return gateway.ask("GET", f"{path}?t=uri")


def measure_trees(work: Path, num_files: int, num_kept: int) -> dict:
    """Measure ``cp -r`` up and down, and ``backup``."""
    write_files(work / "tree", num_files, 4096, 100)
    up_s, _ = tahoe("cp", "-r", str(work / "tree"), "tahoe:")
    again_s, _ = tahoe("cp", "-r", str(work / "tree"), "tahoe:")
    down_s, _ = tahoe("cp", "-r", "tahoe:tree", str(work / "down"))
    subprocess.run(["diff", "-r", work / "tree", work / "down" / "tree"], check=True)
    write_files(work / "home", num_kept, 100, 100)
    time.sleep(2.5)  # until a change of a file would show in its times
    first_s, said = tahoe("backup", str(work / "home"), "tahoe:backups")
    if f"{num_kept} files uploaded" not in said:
        raise SystemExit(said)
    unchanged_s, said = tahoe("backup", str(work / "home"), "tahoe:backups")
    if f"({num_kept} reused)" not in said:
        raise SystemExit(said)
    return {
        "cp_up_files_per_s": round(num_files / up_s, 1),
        "cp_down_files_per_s": round(num_files / down_s, 1),
        "cp_again_s": round(again_s, 2),
        "backup_first_s": round(first_s, 1),
        "backup_unchanged_s": round(unchanged_s, 2),
    }


def tell(found: dict) -> None:
    """Print each figure beside its limit."""
    for name, value in found.items():
        sign, limit, theirs = LIMITS.get(name, ("", "", None))
        beside = f"   1.20: {theirs}" if theirs else ""
        held = "" if not sign else ("ok" if (value < limit) == (sign == "<") else "MISSED")
        print(f"  {name:22} {value:>9}   {sign:1} {limit!s:5} {held:6}{beside}".rstrip())


def main() -> int:
    """Measure and print; 1 if a limit is not held."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--big", type=int, default=100_000, help="entries")
    parser.add_argument("--files", type=int, default=1000, help="files that are copied")
    parser.add_argument("--backup", type=int, default=10_000, help="files that are kept")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    directory = os.environ.get("TAHOE_NODE_DIRECTORY")
    if not directory:
        command = [Path(sys.executable).parent / "tahoe", "demo", "--", sys.executable]
        return subprocess.run([*command, *sys.argv]).returncode
    gateway = Gateway.of_directory(Path(directory))
    work = Path(tempfile.mkdtemp(prefix="dirs-"))
    try:
        found = measure_directories(gateway, options.big)
        found |= measure_trees(work, options.files, options.backup)
    finally:
        shutil.rmtree(work)
    if options.json:
        print(json.dumps(found))
    else:
        tell(found)
    missed = [
        name
        for name, (sign, limit, _) in LIMITS.items()
        if (found[name] < limit) != (sign == "<")
    ]
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
