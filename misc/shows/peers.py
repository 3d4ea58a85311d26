"""Grids of nodes of both kinds, as processes: ours, and those of Tahoe-LAFS 1.20.

The peer's command lies in an environment of its own, which ``make test`` makes.
"""

from __future__ import annotations

import configparser
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import define, field
from under_demo import ShowError

from allmydata.node.ports import free_ports

OURS = Path(sys.executable).parent / "tahoe"
PEER = Path(__file__).parents[2] / ".venv-peer" / "bin" / "tahoe"
READY_S = 120.0
SHARES = (2, 3, 5)
CONVERGENCE = "a" * 52  # the secret of every client, so that equal files are one file


def free_port() -> int:
    """Return a TCP port that nobody has now, and no outgoing connection is given."""
    return free_ports(1)[0]


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    """Return the first true answer of *condition*; an error counts as none.

    :raises ShowError: it never comes
    """
    end, why = time.monotonic() + READY_S, ""
    while time.monotonic() < end:
        try:
            if answer := condition():
                return answer
        except Exception as e:
            why = str(e)
        time.sleep(0.2)
    raise ShowError(f"{what}: not in {READY_S:.0f} s; {why}")


Prepare = Callable[[Path], None]


@define
class Client:
    """A client node: its gateway, and its command."""

    command: Path
    basedir: Path
    url: str

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> bytes:
        """Return what the gateway answers.

        :raises ShowError: an error
        """
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=READY_S) as reply:
                return bytes(reply.read())
        except urllib.error.HTTPError as e:
            raise ShowError(f"{method} {path[:20]}…: {e.code} {e.read()[:300]!r}") from e

    def json(self, path: str, method: str = "GET", body: bytes | None = None) -> Any:
        """Return what the gateway answers, parsed."""
        return json.loads(self.ask(method, path, body))

    def tahoe(self, *words: str | Path, data: bytes | None = None) -> bytes:
        """Return what the command prints.

        :raises ShowError: it fails
        """
        command = [self.command, "-d", self.basedir, *words]
        done = subprocess.run(command, input=data, capture_output=True, timeout=READY_S)
        if done.returncode:
            error = done.stderr[-500:].decode(errors="replace")
            raise ShowError(f"tahoe {words[0]}: {done.returncode} {error}")
        return done.stdout

    def connected(self) -> list[str]:
        """Return the names of the servers it is connected to."""
        return sorted(self.protocols())

    def protocols(self) -> dict[str, str]:
        """Return what it speaks with each server it is connected to, by name.

        Ours says it; 1.20 names address and way of a connection over foolscap, and of one
        over HTTPS says "connected" and no more.
        """
        found = {}
        for one in self.json("/?t=json")["servers"]:
            status = one["connection_status"]
            if status.lower().startswith("connected"):
                guess = "https" if status == "connected" else "foolscap"
                found[one["nickname"]] = one.get("protocol", guess)
        return found


@define
class MixedGrid:
    """An introducer, servers and clients; each is ours or the peer's.

    :param force_foolscap: no node speaks HTTPS
    :param shares: k, happy and n
    """

    place: Path
    peer: Path
    force_foolscap: bool = False
    shares: tuple[int, int, int] = SHARES
    furl: str = field(default="", init=False)  # of the introducer
    _running: dict[str, subprocess.Popen[bytes]] = field(factory=dict, init=False)

    def add_introducer(self, *, ours: bool, port: int = 0, seen_at: int = 0) -> None:
        """Start it; *port* and *seen_at* are as of a server."""
        basedir = self.place / "introducer"
        port = port or free_port()
        where = (
            f"--port=tcp:{port}:interface=127.0.0.1",
            f"--location=tcp:127.0.0.1:{seen_at or port}",
        )
        command = OURS if ours else self.peer
        _run([command, "create-introducer", "--listen=tcp", *where, basedir])
        self.start("introducer", command)
        path = basedir / "private" / "introducer.furl"
        self.furl = wait_for(lambda: path.read_text().strip(), "the introducer")

    def add_server(
        self, name: str, *, ours: bool, port: int = 0, seen_at: int = 0
    ) -> Client:
        """Start a storage server.

        :param port: where it listens; 0: anywhere
        :param seen_at: the port that it tells others; 0: where it listens
        """
        port = port or free_port()
        url = self._make(
            name,
            ours,
            "create-node",
            "--listen=tcp",
            f"--port=tcp:{port}:interface=127.0.0.1",
            f"--location=tcp:127.0.0.1:{seen_at or port}",
        )
        return Client(OURS if ours else self.peer, self.place / name, url)

    def add_client(
        self, name: str, *, ours: bool, prepare: Prepare | None = None
    ) -> Client:
        """Start a client without storage.

        :param prepare: is given its directory before it starts
        """
        url = self._make(name, ours, "create-client", prepare=prepare)
        return Client(OURS if ours else self.peer, self.place / name, url)

    def start(self, name: str, command: Path) -> None:
        """Run a node."""
        basedir = self.place / name
        words = ["run", basedir] if command == OURS else ["-d", basedir, "run"]
        with open(self.place / f"{name}.out", "ab") as out:
            self._running[name] = subprocess.Popen(
                [command, *words], stdin=subprocess.PIPE, stdout=out, stderr=out
            )

    def stop(self, name: str) -> None:
        """End a node."""
        running = self._running.pop(name)
        running.terminate()
        running.wait(30)

    def tell_of_dead(self) -> None:
        """Print the last words of nodes that ended by themselves."""
        for name, running in self._running.items():
            if running.poll() is not None:
                said = (self.place / f"{name}.out").read_text(errors="replace")
                print(f"{name} has ended:", *said.splitlines()[-12:], sep="\n  ")

    def stop_all(self) -> None:
        """End every node."""
        for running in self._running.values():
            running.terminate()
        for running in self._running.values():
            running.wait(30)

    def _make(
        self, name: str, ours: bool, kind: str, *more: str, prepare: Prepare | None = None
    ) -> str:
        basedir, port = self.place / name, free_port()
        k, happy, n = self.shares
        command = OURS if ours else self.peer
        options = [
            f"--introducer={self.furl}",
            f"--nickname={name}",
            f"--webport=tcp:{port}:interface=127.0.0.1",
            f"--shares-needed={k}",
            f"--shares-happy={happy}",
            f"--shares-total={n}",
        ]
        _run([command, kind, *options, *more, basedir])
        (basedir / "private").mkdir(exist_ok=True)
        (basedir / "private" / "convergence").write_text(f"{CONVERGENCE}\n")
        if self.force_foolscap:
            force_foolscap(basedir)
        if prepare:
            prepare(basedir)
        self.start(name, command)
        return f"http://127.0.0.1:{port}"


@contextmanager
def mixed_grid(place: Path, peer: Path, *, force_foolscap: bool) -> Iterator[MixedGrid]:
    """Give a grid without nodes; what was started in it ends with the block."""
    place.mkdir(parents=True)
    grid = MixedGrid(place, peer, force_foolscap)
    try:
        yield grid
    except Exception:
        grid.tell_of_dead()
        raise
    finally:
        grid.stop_all()


def force_foolscap(basedir: Path) -> None:
    """Have a node speak no HTTPS."""
    for section in ("client", "storage"):
        configure(basedir, section, "force_foolscap", "true")


def configure(basedir: Path, section: str, key: str, value: str) -> None:
    """Set an option of a node that does not run."""
    config = configparser.ConfigParser(interpolation=None)
    config.read(basedir / "tahoe.cfg")
    if not config.has_section(section):
        config.add_section(section)
    config.set(section, key, value)
    with open(basedir / "tahoe.cfg", "w", encoding="utf-8") as file:
        config.write(file)


def _run(command: list[Any]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=READY_S)
    if done.returncode:
        raise ShowError(f"{command[1]}: {done.returncode} {done.stderr[-500:]}")
