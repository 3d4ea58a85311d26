"""Grids of processes for the benches: built, asked, restarted, frozen, stopped.

Over ``workload.Grid``, which works with any ``tahoe``; everything is on loopback.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import workload

OURS = Path(sys.executable).with_name("tahoe")
PEER = Path(__file__).parents[2] / ".venv-peer" / "bin" / "tahoe"
TEN = (3, 7, 10, 10)  # k, happy, n, servers
FIVE = (3, 4, 5, 5)
CLIENT = "client"


class Processes(workload.Grid):
    """An introducer, storage servers and a client, each a process.

    :param place: a directory that is there and empty
    :param shape: k, happy, n, and how many servers
    :param protocol: ``default``, ``http`` or ``foolscap``
    :param profiles: where cProfile writes what the client and one server do
    """

    def __init__(
        self,
        place: Path,
        tahoe: Path = OURS,
        protocol: str = "default",
        shape: tuple[int, int, int, int] = TEN,
        profiles: Path | None = None,
    ) -> None:
        k, happy, n, servers = shape
        args = SimpleNamespace(k=k, happy=happy, n=n, servers=servers, protocol=protocol)
        super().__init__(args, str(place), str(tahoe))
        self.num_servers = servers
        self._profiles = profiles

    def start(self, name: str) -> subprocess.Popen:
        """Run the node *name*; where it is to be profiled, under cProfile."""
        if self._profiles is None or name not in (CLIENT, "storage0"):
            return super().start(name)
        whole, python = self.tahoe, Path(self.tahoe).with_name("python")
        out = self._profiles / f"{Path(self.base).name}-{name}.cprofile"
        wrapper = Path(self.base) / f"profiled-{name}"
        words = f'"{python}" -P -m cProfile -o "{out}" "{whole}" "$@"'
        wrapper.write_text(f"#!/bin/sh\nexec {words}\n")
        wrapper.chmod(0o700)
        self.tahoe = str(wrapper)
        try:
            return super().start(name)
        finally:
            self.tahoe = whole

    def wait_port(self, name: str, port: int, limit: float = 60) -> None:
        """Wait until a node listens; one that leaves tells why."""
        try:
            super().wait_port(name, port, limit)
        except RuntimeError as e:
            said = Path(self.base, f"{name}.log").read_text(errors="replace")
            raise SystemExit(f"{e}\n{said[-1500:]}") from e

    @property
    def servers(self) -> list[str]:
        """The storage servers' names."""
        return [f"storage{i}" for i in range(self.num_servers)]

    # ---- the gateway

    def line(self) -> http.client.HTTPConnection:
        """Return a new connection to the gateway, to be kept."""
        return http.client.HTTPConnection("127.0.0.1", self.webport, timeout=900)

    def ask(self, method: str, path: str, body: Any = None, line=None, **headers) -> bytes:
        """Return what the gateway answers; anything but success ends the bench."""
        used = line or self.line()
        used.request(method, path, body, headers)
        answer = used.getresponse()
        data = answer.read()
        if line is None:
            used.close()
        if answer.status >= 300:
            raise SystemExit(f"{method} {path[:12]}…: {answer.status} {data[:200]!r}")
        return data

    def put(self, data: bytes, line=None) -> str:
        """Store *data*; return its path at the gateway."""
        return path_of(self.ask("PUT", "/uri", data, line).decode())

    def get(self, path: str, data: bytes, line=None) -> None:
        """Fetch what must be *data*."""
        room = bytearray(len(data) + 1)
        del room[self.fetch(path, room, line) :]
        same(room, data)

    def fetch(self, path: str, room: bytearray, line=None) -> int:
        """Fetch a file into *room*; return its bytes, as far as there is room."""
        used = line or self.line()
        used.request("GET", path)
        answer = used.getresponse()
        with memoryview(room) as back:
            at = 0
            while num := answer.readinto(back[at:]):
                at += num
        if line is None:
            used.close()
        return at

    def directory(self, num_children: int, cap: str, batch: int = 1000) -> str:
        """Return the path of a new directory with as many children, all the file *cap*."""
        path = path_of(self.ask("POST", "/uri?t=mkdir").decode())
        self.fill(path, range(num_children), cap, batch)
        return path

    def fill(self, path: str, numbers: range, cap: str, batch: int = 1000) -> None:
        """Add children of these numbers, a *batch* in one go."""
        for start in numbers[::batch]:
            names = range(start, min(start + batch, numbers.stop))
            links = {f"name-{i:07}": ["filenode", {"ro_uri": cap}] for i in names}
            self.ask("POST", f"{path}?t=set_children", json.dumps(links).encode())

    def told_servers(self) -> list[dict]:
        """Return what the client says of its servers."""
        return json.loads(self.ask("GET", "/?t=json"))["servers"]

    def protocols(self) -> list[str]:
        """Return how the client speaks with its servers."""
        told = self.told_servers()
        known = {one.get("protocol") or one["connection_status"] for one in told}
        return sorted({"foolscap" if "tcp" in one else one for one in known})

    # ---- processes

    def wait_connected(self, limit: float = 120) -> None:
        """Wait until the client is connected to every server."""
        end = time.monotonic() + limit
        while time.monotonic() < end:
            try:
                told = [one["connection_status"].lower() for one in self.told_servers()]
            except OSError:
                told = []
            if sum(one.startswith("connected") for one in told) >= self.num_servers:
                return
            time.sleep(max(0.02, self.num_servers / 2000))  # asking costs it something
        raise SystemExit(f"the client is not connected to all servers after {limit} s")

    def restart(self, name: str, how: int = signal.SIGTERM) -> None:
        """End the node *name* and start it again."""
        process = self.procs[name]
        process.send_signal(how)
        process.wait(30)
        process.stdin.close()
        self.start(name)

    def restart_client(self) -> float:
        """Restart the client; return the seconds until it is connected to all."""
        self.procs[CLIENT].terminate()
        self.procs[CLIENT].wait(30)
        self.procs[CLIENT].stdin.close()
        began = time.perf_counter()
        self.start(CLIENT)
        self.wait_port(CLIENT, self.webport)
        self.wait_connected()
        return time.perf_counter() - began

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """Stop the process *name* as it stands, and let it go on afterwards."""
        pid = self.pids()[name]
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def stop(self) -> None:
        """End every process."""
        for name in [CLIENT, "storage0"] if self._profiles else []:
            self._let_go(name)
        super().stop()
        for process in self.procs.values():
            process.stdin.close()

    def _let_go(self, name: str) -> None:
        """Have a node leave by itself: one that is ended by a signal writes no profile."""
        if process := self.procs.get(name):
            process.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)

    # ---- what they use

    def rss_mb(self, name: str) -> float:
        """Return what the node has in memory."""
        return workload.proc_status(self.pids()[name])["VmRSS"] / 1000

    def reset_peaks(self) -> None:
        """Forget how much memory each node had."""
        for pid in self.pids().values():
            workload.reset_peak(pid)

    def peaks_mb(self) -> tuple[float, float]:
        """Return the most that the client had, and the most that a server had."""
        peaks = {
            name: workload.proc_status(pid)["VmHWM"] / 1000
            for name, pid in self.pids().items()
        }
        return peaks[CLIENT], max(peaks[name] for name in self.servers)

    def idle_mb(self) -> tuple[float, float]:
        """Return what the client has in memory, and the median of the servers."""
        return self.rss_mb(CLIENT), statistics.median(map(self.rss_mb, self.servers))


class Stopwatch:
    """Seconds, and processor seconds of client and servers, while it is entered."""

    def __init__(self, grid: Processes) -> None:
        self._grid = grid

    def __enter__(self) -> Stopwatch:
        """Begin."""
        self._cpu = self._grid.cpu()
        self._began = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self.seconds = time.perf_counter() - self._began
        after = self._grid.cpu()
        self.client = after["client"] - self._cpu["client"]
        self.servers = after["servers"] - self._cpu["servers"]


@contextmanager
def running(grid: Processes) -> Iterator[Processes]:
    """Build *grid* and stop it in the end, whatever happens."""
    try:
        grid.build()
        yield grid
    finally:
        grid.stop()


def ten(servers: int) -> tuple[int, int, int, int]:
    """Return the shape 3-of-10 on so many servers, one of which may be missing."""
    return 3, max(min(7, servers - 1), 1), 10, servers


def path_of(cap: str) -> str:
    """Return where the gateway has what *cap* names."""
    return "/uri/" + quote(cap.strip(), safe="")


def same(back, data) -> None:
    """End the bench if other bytes came back."""
    if back != data:
        raise SystemExit(f"WRONG: other bytes came back ({len(back)} for {len(data)})")
