"""What the gateway promises people and programs: pages, films, crowds, and large files.

    python misc/bench/web.py [--only page,folder,seek,crowd,large] [--large 10000] [--json]

starts ``tahoe demo`` and runs itself under it.  The large file goes through a grid whose
nodes are processes of their own, so that the memory is the client's alone; it takes three
times its size on disk, under $TMPDIR, while it is there.  Exit code 1 where a limit is
not held.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import random
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote, urljoin, urlsplit

sys.path.insert(0, str(Path(__file__).parent))
import workload

LIMITS = {  # what: it must be less than this
    "page_ms": 50,
    "page_kB": 150,
    "folder_first_byte_ms": 1000,
    "folder_whole_ms": 1000,
    "seek_median_ms": 200,
    "seek_p99_ms": 200,
    "crowd_errors": 1,
    "up_peak_MB": 150,
    "down_peak_MB": 150,
    "plaintext_found": 1,
}
BATCH = 1000  # children that are linked in one go
SEEK = 2**16  # bytes that a player wants before it shows anything
MARKER = b"THIS IS PLAINTEXT AND ON NO DISK"
_LOADED = re.compile(r'<(?:link|script|img|source)\b[^>]*?\b(?:href|src)="([^"#]+)"')


class Gateway:
    """The client's gateway; every line to it is made here."""

    def __init__(self, url: str) -> None:
        self.place = urlsplit(url).netloc

    def connect(self) -> http.client.HTTPConnection:
        """Return a new line."""
        return http.client.HTTPConnection(self.place, timeout=600)

    def ask(self, method: str, path: str, body=None, line=None, **headers: str) -> bytes:
        """Return what is answered; anything but success ends the bench."""
        line = line or self.connect()
        line.request(method, path, body, headers)
        answer = line.getresponse()
        data = answer.read()
        if answer.status >= 300:
            raise SystemExit(f"{method} {path[:20]}: {answer.status} {data[:200]!r}")
        return data

    def put(self, size: int, pieces: Iterator[bytes], query: str = "") -> str:
        """Store a file; return its path."""
        length = {"Content-Length": str(size)}
        cap = self.ask("PUT", f"/uri{query}", pieces, **length).decode()
        return "/uri/" + quote(cap, safe="")


# ---- the first page, and a large folder


def measure_page(gateway: Gateway, repeat: int) -> dict:
    """Ask for the first page and, one after another, for all that it loads."""
    times, sizes = [], set()
    for _ in range(repeat):
        began = time.perf_counter()
        line = gateway.connect()
        page = gateway.ask("GET", "/", line=line, Accept="text/html")
        places = sorted({urljoin("/", place) for place in _LOADED.findall(page.decode())})
        loaded = [page, *(gateway.ask("GET", place, line=line) for place in places)]
        times.append(1000 * (time.perf_counter() - began))
        sizes.add(sum(map(len, loaded)))
        line.close()
    return {
        "page_ms": round(statistics.median(times), 1),
        "page_kB": round(max(sizes) / 1000, 1),
        "page_parts": 1 + len(places),
    }


def measure_folder(gateway: Gateway, num_entries: int, repeat: int) -> dict:
    """Ask for the page of a large folder."""
    path = fill_folder(gateway, num_entries)
    times = [time_page(gateway, path) for _ in range(repeat)]
    first, whole, size = (statistics.median(column) for column in zip(*times, strict=True))
    return {
        "folder_first_byte_ms": round(1000 * first),
        "folder_whole_ms": round(1000 * whole),
        "folder_kB": round(size / 1000),
    }


def fill_folder(gateway: Gateway, num_entries: int) -> str:
    """Make a folder of so many files; return its path."""
    cap = gateway.ask("PUT", "/uri", os.urandom(4096)).decode()
    path = "/uri/" + quote(gateway.ask("POST", "/uri?t=mkdir").decode(), safe="")
    for start in range(0, num_entries, BATCH):
        names = range(start, min(start + BATCH, num_entries))
        links = {f"picture {i:06}.jpg": ["filenode", {"ro_uri": cap}] for i in names}
        gateway.ask("POST", f"{path}?t=set_children", json.dumps(links).encode())
    return path


def time_page(gateway: Gateway, path: str) -> tuple[float, float, int]:
    """Return the seconds to the first byte and to the last, and how many bytes."""
    line = gateway.connect()
    began = time.perf_counter()
    line.request("GET", path, headers={"Accept": "text/html"})
    answer = line.getresponse()
    answer.read(1)
    first = time.perf_counter() - began
    size = 1 + len(answer.read())
    if answer.status != 200 or b"html" not in answer.headers["Content-Type"].encode():
        raise SystemExit(f"the folder's page: {answer.status}")
    return first, time.perf_counter() - began, size


# ---- a film, and a crowd


def measure_seeks(gateway: Gateway, size: int, repeat: int) -> dict:
    """Jump about in a film as a player does: ask for all from there, and take the first."""
    path = gateway.put(size, random_pieces(size))
    rng = random.Random(1)
    times = [1000 * seek(gateway, path, rng.randrange(size - SEEK)) for _ in range(repeat)]
    return {
        "seek_median_ms": round(statistics.median(times), 1),
        "seek_p99_ms": round(sorted(times)[round(0.99 * (repeat - 1))], 1),
        "seek_worst_ms": round(max(times), 1),
    }


def seek(gateway: Gateway, path: str, offset: int) -> float:
    """Return the seconds until the first bytes from *offset* on are there."""
    line = gateway.connect()
    began = time.perf_counter()
    line.request("GET", path, headers={"Range": f"bytes={offset}-"})
    answer = line.getresponse()
    data = answer.read(SEEK)
    elapsed = time.perf_counter() - began
    line.close()
    answer.close()
    if answer.status != 206 or len(data) != SEEK:
        raise SystemExit(f"a seek: {answer.status}, {len(data)} bytes")
    return elapsed


def random_pieces(size: int) -> Iterator[bytes]:
    """Yield a file that nobody has stored yet."""
    for start in range(0, size, 2**20):
        yield os.urandom(min(2**20, size - start))


def measure_crowd(gateway: Gateway, num_clients: int, size: int) -> dict:
    """Let many fetch one file at once; each compares what it gets."""
    data = os.urandom(size)
    path = gateway.put(size, iter([data]))
    host, port = gateway.place.split(":")

    async def one() -> str:
        try:
            reader, writer = await asyncio.open_connection(host, int(port))
            head = f"GET {path} HTTP/1.1\r\nHost: {gateway.place}\r\nConnection: close\r\n"
            writer.write(head.encode() + b"\r\n")
            head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
            writer.close()
        except OSError as e:
            return type(e).__name__
        return "" if body == data and b" 200 " in head[:20] else repr(head[:20])

    async def everybody() -> list[str]:
        crowd = asyncio.gather(*[one() for _ in range(num_clients)])
        return await asyncio.wait_for(crowd, 300)

    _allow_many_sockets()
    began = time.perf_counter()
    errors = [why for why in asyncio.run(everybody()) if why]
    elapsed = time.perf_counter() - began
    for why in sorted(set(errors)):
        print(f"in the crowd: {why}", file=sys.stderr)
    return {
        "crowd_errors": len(errors),
        "crowd_s": round(elapsed, 2),
        "crowd_MB_s": round(num_clients * size / elapsed / 1e6, 1),
    }


def _allow_many_sockets() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


# ---- a large file


def measure_large(size: int, base: Path) -> dict:
    """Store a large file and read it back, by a client that is a process of its own."""
    args = SimpleNamespace(k=3, happy=4, n=5, servers=5, protocol="foolscap")
    tahoe = str(Path(sys.executable).with_name("tahoe"))
    grid = workload.Grid(args, str(base), tahoe)
    scratch = base / "tmp"
    scratch.mkdir()
    grid.env["TMPDIR"] = str(scratch)
    try:
        grid.build()
        gateway = Gateway(f"http://127.0.0.1:{grid.webport}")
        pid = grid.pids()["client"]
        pieces = marked_pieces(size)
        found, path = watched("up", pid, base, lambda: gateway.put(size, pieces))
        more, is_same = watched("down", pid, base, lambda: fetch(gateway, path, size))
    finally:
        grid.stop()
    if not is_same:
        raise SystemExit("other bytes came back")
    plaintext = found.pop("plaintext_found") + more.pop("plaintext_found")
    rates = {
        f"{way}_MB_s": round(size / seconds / 1e6, 1)
        for way, seconds in (("up", found["up_s"]), ("down", more["down_s"]))
    }
    return {**found, **more, **rates, "plaintext_found": plaintext}


def watched(way: str, pid: int, base: Path, act: Callable) -> tuple[dict, object]:
    """Do *act* while the disk is searched; return seconds and peak, and its result."""
    search = Search(pid, base)
    workload.reset_peak(pid)
    began = time.perf_counter()
    search.start()
    try:
        result = act()
    finally:
        elapsed = time.perf_counter() - began
        search.stop()
    peak = workload.proc_status(pid)["VmHWM"] / 1000
    print(f"{way}: {search.told()}", file=sys.stderr)
    found = {f"{way}_s": round(elapsed, 1), f"{way}_peak_MB": round(peak)}
    return {**found, "plaintext_found": len(search.found)}, result


def marked_pieces(size: int) -> Iterator[bytes]:
    """Yield a file in which no two MiB are the same, with the marker in each 4 KiB."""
    page = MARKER + random.Random(2).randbytes(4096 - len(MARKER))
    filling = page * 256
    for start in range(0, size, 2**20):
        yield (start.to_bytes(8, "big") + filling)[: min(2**20, size - start)]


def fetch(gateway: Gateway, path: str, size: int) -> bool:
    """Return whether the file comes back as it was."""
    line = gateway.connect()
    line.request("GET", path)
    answer = line.getresponse()
    return all(answer.read(len(piece)) == piece for piece in marked_pieces(size))


class Search(threading.Thread):
    """Looks for the marker in every file that a node may have written, again and again.

    Looked at are all files below *base*, where the nodes and their temporary files are,
    and whatever the client has open, with a name or without; of each, 8 KiB in every MiB.
    """

    def __init__(self, pid: int, base: Path) -> None:
        super().__init__(daemon=True)
        self._open, self._base = Path(f"/proc/{pid}/fd"), base
        self._is_over = threading.Event()
        self.found: set[str] = set()
        self._num_rounds = self._num_files = self._num_bytes = 0

    def run(self) -> None:
        """Look until :meth:`stop`, and once more."""
        planted = self._base / "planted"
        planted.write_bytes(b"." * 2**20 + next(marked_pieces(2**20)))
        self._look_at(planted)
        if self.found != {str(planted)}:  # a search that can't find proves nothing
            self.found.add("(the marker that was planted was not seen)")
        self.found.discard(str(planted))
        planted.unlink()
        while not self._is_over.wait(1.0):
            self._look()
        self._look()

    def stop(self) -> None:
        """Look a last time."""
        self._is_over.set()
        self.join()

    def told(self) -> str:
        """Say how thorough it was."""
        where = ", ".join(sorted(self.found)) or "none"
        read = f"{self._num_files} files, {self._num_bytes / 1e6:.0f} MB of them"
        return f"searched {self._num_rounds} times, {read}; found in {where}"

    def _look(self) -> None:
        self._num_rounds += 1
        names = [Path(root) / one for root, _, of in os.walk(self._base) for one in of]
        for path in [*names, *self._opened()]:
            self._look_at(path)

    def _opened(self) -> list[Path]:
        try:
            return [link for link in self._open.iterdir() if os.readlink(link)[0] == "/"]
        except OSError:
            return []

    def _look_at(self, path: Path) -> None:
        try:
            if not path.is_file():
                return
            with path.open("rb", buffering=0) as file:
                for offset in range(0, os.fstat(file.fileno()).st_size, 2**20):
                    data = os.pread(file.fileno(), 8192, offset)
                    self._num_bytes += len(data)
                    if MARKER in data:
                        self.found.add(str(path))
            self._num_files += 1
        except OSError:  # it is gone
            return


# ---- all of it


def main() -> int:
    """Measure and print; 1 if a limit is not held."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="page,folder,seek,crowd,large", metavar="LIST")
    parser.add_argument("--entries", type=int, default=10_000, help="of the folder")
    parser.add_argument("--film", type=int, default=200, help="MB")
    parser.add_argument("--clients", type=int, default=500, help="that fetch 1 MB at once")
    parser.add_argument("--large", type=int, default=10_000, help="MB of the large file")
    parser.add_argument("--times", type=int, default=200, help="seeks; a tenth: pages")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    directory = os.environ.get("TAHOE_NODE_DIRECTORY")
    if not directory:
        command = [Path(sys.executable).parent / "tahoe", "demo", "--", sys.executable]
        return subprocess.run([*command, *sys.argv]).returncode
    found = measure(options, Gateway((Path(directory) / "node.url").read_text().strip()))
    missed = [name for name, value in found.items() if value >= LIMITS.get(name, 1e99)]
    if options.json:
        print(json.dumps(found))
    else:
        tell(found)
    return 1 if missed else 0


def measure(options: argparse.Namespace, gateway: Gateway) -> dict:
    """Measure what is asked for."""
    few = max(options.times // 10, 3)
    parts = {
        "page": lambda: measure_page(gateway, few),
        "folder": lambda: measure_folder(gateway, options.entries, few),
        "seek": lambda: measure_seeks(gateway, options.film * 10**6, options.times),
        "crowd": lambda: measure_crowd(gateway, options.clients, 10**6),
        "large": lambda: measure_in_own_place(options.large * 10**6),
    }
    found: dict = {}
    for name in options.only.split(","):
        found |= parts[name]()
    return found


def measure_in_own_place(size: int) -> dict:
    """Measure the large file, and leave nothing of it."""
    with tempfile.TemporaryDirectory(prefix="bench-web-") as base:
        free = os.statvfs(base).f_bavail * os.statvfs(base).f_frsize
        if free < 3 * size:
            there = f"{free / 1e9:.0f} GB are free"
            raise SystemExit(f"{size / 1e9:.0f} GB need thrice that; {there}")
        return measure_large(size, Path(base))


def tell(found: dict) -> None:
    """Print each figure beside its limit."""
    for name, value in found.items():
        limit = LIMITS.get(name)
        held = "" if limit is None else f"< {limit:<6}{'ok' if value < limit else 'MISSED'}"
        print(f"  {name:22} {value:>9}   {held}".rstrip())


if __name__ == "__main__":
    sys.exit(main())
