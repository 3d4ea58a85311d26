"""What is done on two systems, turn about: each work returns figures by row of goals.py."""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

from attrs import define, field, frozen
from grids import Processes, Stopwatch, same

HERE = Path(__file__).parent
SMALL = 4096
READ = 2**16
CHILDREN = 1000
LITERAL = "URI:LIT:krugkidfnzsc4"
FROZEN_SIZE = 10**7

Figures = dict[str, float]


class Turn:
    """One round: how large things are, and bytes that nobody has stored yet."""

    def __init__(self, number: int, size: int, count: int) -> None:
        self.number, self.size, self.count = number, size, count
        self._made: dict[tuple[str, int], bytes] = {}

    def bytes(self, name: str, size: int) -> bytes:
        """Return bytes that are the same for both systems, and others for each *name*."""
        key = name, size
        if key not in self._made:
            self._made[key] = os.urandom(size)
        return self._made[key]

    def small(self, name: str) -> list[bytes]:
        """Return small files."""
        whole = self.bytes(name, SMALL * self.count)
        return [whole[i : i + SMALL] for i in range(0, len(whole), SMALL)]


@define(eq=False)
class System:
    """One of the two, with what it was given to keep.

    :param tahoe: its command
    """

    name: str
    tahoe: Path
    grid: Processes | None = None
    stored: tuple[str, bytes] | None = None  # the last large file
    small: list[tuple[str, bytes]] = field(factory=list)
    _thousand: tuple[str, str] | None = None

    def large(self, turn: Turn) -> tuple[str, bytes]:
        """Return path and bytes of a large file, stored if there is none."""
        if self.stored is None:
            data = turn.bytes("large", turn.size)
            self.stored = self.grid.put(data), data
        return self.stored

    def thousand(self) -> tuple[str, str]:
        """Return the path of a directory of 1000, and the capability of its children."""
        if self._thousand is None:
            cap = self.grid.ask("PUT", "/uri", os.urandom(SMALL)).decode().strip()
            self._thousand = self.grid.directory(CHILDREN, cap), cap
        return self._thousand

    def timed_command(self, *words: str) -> tuple[float, str]:
        """Run the command; return milliseconds, start to end, and what it printed."""
        began = time.perf_counter()
        done = subprocess.run([self.tahoe, *words], capture_output=True, text=True)
        took = 1000 * (time.perf_counter() - began)
        if done.returncode:
            raise SystemExit(f"{self.name}: tahoe {words[-1][:9]}: {done.stderr[-900:]}")
        return took, done.stdout

    def median_ms(self, act: Callable[[int], object], count: int) -> float:
        """Return the median of *count* calls, in milliseconds."""
        times = []
        for i in range(count):
            began = time.perf_counter()
            act(i)
            times.append(1000 * (time.perf_counter() - began))
        return statistics.median(times)

    def warm_up(self) -> None:
        """Let it load what it loads when it is first used."""
        for _ in range(2):
            data = os.urandom(1_000_000)
            self.grid.get(self.grid.put(data), data)
        self.grid.ask("POST", "/uri?t=mkdir")


# ---- a large file


@cache
def room_for(size: int) -> bytearray:
    """Return where to read to, always the same: new memory is slow at first."""
    return bytearray(size)


def web(system: System, turn: Turn) -> Figures:
    """PUT and GET a large file."""
    grid, data = system.grid, turn.bytes("large", turn.size)
    grid.reset_peaks()
    with Stopwatch(grid) as put:
        path = grid.put(data)
    put_peaks = grid.peaks_mb()
    grid.reset_peaks()
    room = room_for(turn.size + 1)
    with Stopwatch(grid) as get:
        size = grid.fetch(path, room)
    get_peaks = grid.peaks_mb()
    same(room[:size], data)  # which takes as long as a quarter of our download
    system.stored = path, data
    found = {}
    for name, watch, peaks in (("put", put, put_peaks), ("get", get, get_peaks)):
        mb = turn.size / 1e6
        found[f"web_{name}"] = mb / watch.seconds
        found[f"{name}_cpu_client"] = 1000 * watch.client / mb
        found[f"{name}_cpu_servers"] = 1000 * watch.servers / mb
        found[f"{name}_peak_client"], found[f"{name}_peak_server"] = peaks
    return found


def commands(system: System, turn: Turn) -> Figures:
    """Put and get one by the command line."""
    place, cdir = Path(system.grid.base), system.grid.cdir
    source, copy = place / "source", place / "copy"
    data = turn.bytes("commands", turn.size)
    source.write_bytes(data)
    put_ms, printed = system.timed_command("-d", cdir, "put", str(source))
    cap = printed.strip().splitlines()[-1]
    get_ms, _ = system.timed_command("-d", cdir, "get", cap, str(copy))
    same(copy.read_bytes(), data)
    source.unlink()
    copy.unlink()
    return {"cli_put": turn.size / put_ms / 1000, "cli_get": turn.size / get_ms / 1000}


def ranges(system: System, turn: Turn) -> Figures:
    """Read 64 KiB here and there in a large file, over one kept connection."""
    path, data = system.large(turn)
    line = system.grid.line()
    rng = random.Random(turn.number)

    def read(_: int) -> None:
        at = rng.randrange(max(len(data) - READ, 1))
        wanted = data[at : at + READ]
        last = at + len(wanted) - 1
        same(system.grid.ask("GET", path, None, line, Range=f"bytes={at}-{last}"), wanted)

    found = {"range": system.median_ms(read, turn.count)}
    line.close()
    return found


# ---- small files


def small(system: System, turn: Turn) -> Figures:
    """Put files of 4 KiB one after another, get them, put more by eight at once."""
    grid, files = system.grid, turn.small("small")
    line = grid.line()
    with Stopwatch(grid) as put:
        stored = [(grid.put(data, line), data) for data in files]
    with Stopwatch(grid) as get:
        for path, data in stored:
            same(grid.ask("GET", path, None, line), data)
    line.close()
    more = turn.small("eight at once")
    with Stopwatch(grid) as eight:
        together([lambda some=more[i::8]: put_all(grid, some) for i in range(8)])
    count = len(files)
    return {
        "small_put": count / put.seconds,
        "small_put_cpu": 1000 * (put.client + put.servers) / count,
        "small_get": count / get.seconds,
        "small_put_8": count / eight.seconds,
    }


def put_all(grid: Processes, files: Iterable[bytes]) -> None:
    """Put files one after another over one connection."""
    line = grid.line()
    for data in files:
        grid.put(data, line)
    line.close()


def together(acts: list[Callable[[], None]]) -> None:
    """Do all at once, each in a thread; end the bench if one fails."""
    failed: list[BaseException] = []

    def run(act: Callable[[], None]) -> None:
        try:
            act()
        except BaseException as e:
            failed.append(e)

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise SystemExit(f"WRONG: {failed[0]}")


# ---- directories


def directories(system: System, turn: Turn) -> Figures:
    """Make directories; add a child to one of 1000; list all of it."""
    grid = system.grid
    path, cap = system.thousand()

    def add(i: int) -> None:
        grid.ask("PUT", f"{path}/extra-{turn.number}-{i}?t=uri", cap.encode())

    def list_all(_: int) -> None:
        if len(json.loads(grid.ask("GET", f"{path}?t=json"))[1]["children"]) < CHILDREN:
            raise SystemExit("WRONG: the directory lacks entries")

    return {
        "mkdir": system.median_ms(lambda _: grid.ask("POST", "/uri?t=mkdir"), 5),
        "add_child": system.median_ms(add, 5),
        "list_json": system.median_ms(list_all, 3),
    }


# ---- commands


def starts(system: System, turn: Turn) -> Figures:
    """Run commands that do next to nothing."""
    forget_files(system.tahoe)
    cold_ms, _ = system.timed_command("--version")
    grid = system.grid
    empty = grid.ask("POST", "/uri?t=mkdir").decode().strip()
    read, look = ("get", LITERAL), ("ls", empty)
    return {
        "cli_cold": cold_ms,
        "cli_warm": system.median_ms(lambda _: system.timed_command("--version"), 3),
        **{
            key: system.median_ms(
                lambda _, words=words: system.timed_command("-d", grid.cdir, *words), 3
            )
            for key, words in (("cli_node", read), ("cli_ls", look))
        },
    }


def forget_files(tahoe: Path) -> None:
    """Have the system drop from memory what the command reads: all it may import.

    What running nodes have mapped stays; so it is with both.
    """
    library = Path(os.path.realpath(tahoe.with_name("python"))).parents[1] / "lib"
    places = [tahoe.parents[1], library]
    if HERE.parents[1] in tahoe.parents and tahoe.parts[-3] == ".venv":
        places.append(HERE.parents[1] / "allmydata")
    for place in places:
        for top, _, names in os.walk(place):
            for name in names:
                if name.endswith((".py", ".pyc", ".so", "tahoe")):
                    _forget(os.path.join(top, name))


def _forget(path: str) -> None:
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(file)


def ready(system: System, turn: Turn) -> Figures:
    """Start the client anew; see what nodes have in memory when nothing happens."""
    seconds = system.grid.restart_client()
    time.sleep(3)
    client, server = system.grid.idle_mb()
    return {"ready": seconds, "idle_client": client, "idle_server": server}


# ---- a frozen server


def frozen_server(system: System, turn: Turn) -> Figures:
    """Put 10 MB on five servers that all answer, and with one of them stopped."""
    grid = system.grid
    with Stopwatch(grid) as healthy:
        grid.put(turn.bytes("healthy", FROZEN_SIZE))
    with grid.frozen(f"storage{turn.number % grid.num_servers}"), Stopwatch(grid) as late:
        path = grid.put(turn.bytes("frozen", FROZEN_SIZE))
    time.sleep(0.5)
    grid.wait_connected()
    grid.get(path, turn.bytes("frozen", FROZEN_SIZE))
    return {
        "healthy_put": healthy.seconds,
        "frozen_put": late.seconds,
        "frozen_times": late.seconds / healthy.seconds,
    }


# ---- no grid


def erasure(system: System, turn: Turn) -> Figures:
    """Run the erasure code alone, 25-of-100, each in its own environment."""
    python = system.tahoe.with_name("python")
    words = [python, HERE / "encode_once.py", "25", "100"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return {"encode_25_100": float(done.stdout)}


@frozen
class Work:
    """Something to measure.

    :param on: ``ten`` or ``five`` servers, or ``none``
    :param is_first: whether it is done in all rounds before anything else is
    """

    do: Callable[[System, Turn], Figures]
    on: str = "ten"
    is_first: bool = False


WORKS = {
    "ready": Work(ready, is_first=True),
    "web": Work(web),
    "commands": Work(commands),
    "ranges": Work(ranges),
    "small": Work(small),
    "directories": Work(directories),
    "starts": Work(starts),
    "frozen": Work(frozen_server, "five"),
    "erasure": Work(erasure, "none"),
}
