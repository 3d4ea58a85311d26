"""Show: a grid of five servers of Tahoe-LAFS 1.20 is emptied onto five of ours.

    python misc/shows/moving_in.py [--servers 5] [--protocol https]

Both clients store files of several sizes and mutable files of both kinds in directories of
all kinds.  Then, one after another: a server of ours is started; our client is told to
empty one of theirs (``tahoe servers drain``) and makes again elsewhere what lies there
(``tahoe deep-check --repair``); theirs is stopped for good.  After each step both clients
read everything and verify every share of it, and change some of it.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from attrs import define, field
from one_grid import check, check_protocol, same, uri
from peers import PEER, SHARES, Client, MixedGrid, mixed_grid, wait_for
from under_demo import ShowError

RANDOM = random.Random(5)
SIZES = (10, 56, 5000, 300_000, 2_000_000)
MUTABLES = (("sdmf", 3000), ("mdmf", 3000), ("mdmf", 300_000))
FOLDERS = ("sdmf", "mdmf")
TURNS = 5


@define
class Things:
    """All that is stored: below the directory of each client, contents by path.

    :ivar mutable: which of them can be changed
    """

    clients: list[Client]
    tops: list[str] = field(factory=list)
    contents: dict[tuple[str, str], bytes] = field(factory=dict)
    mutable: list[tuple[str, str]] = field(factory=list)

    def store(self) -> None:
        """Let each client make a tree of its own."""
        for client, form in zip(self.clients, FOLDERS, strict=True):
            top = client.ask("POST", f"/uri?t=mkdir&format={form}").decode()
            self.tops.append(top)
            for folder in FOLDERS:
                path = uri(top, f"?t=mkdir&name={folder}&format={folder}")
                client.ask("POST", path)
                for size in SIZES:
                    self.put(client, top, f"{folder}/{size}", RANDOM.randbytes(size))
                for kind, size in MUTABLES:
                    name = f"{folder}/{kind}{size}"
                    data = RANDOM.randbytes(size)
                    self.put(client, top, name, data, f"?format={kind}")
                    self.mutable.append((top, name))
            self._freeze(client, top)

    def put(self, client: Client, top: str, name: str, data: bytes, how: str = "") -> None:
        """Store *data* under a name, or put it in the place of what is there."""
        client.ask("PUT", uri(top, f"/{name}{how}"), data)
        self.contents[top, name] = data

    def _freeze(self, client: Client, top: str) -> None:
        """Make a directory that nobody can change, of files that are there."""
        names = [f"sdmf/{size}" for size in SIZES]
        caps = {n: client.json(uri(top, f"/{n}?t=json"))[1]["ro_uri"] for n in names}
        children = {
            name.rpartition("/")[2]: ["filenode", {"ro_uri": cap, "metadata": {}}]
            for name, cap in caps.items()
        }
        body = json.dumps(children).encode()
        client.ask("POST", uri(top, "?t=mkdir-immutable&name=frozen"), body)
        for name in names:
            last = name.rpartition("/")[2]
            self.contents[top, f"frozen/{last}"] = self.contents[top, name]

    # ---- looked at -----------------------------------------------------------------------

    def read(self, client: Client) -> int:
        """Want every content to be what it was; return how many there are."""
        for (top, name), data in self.contents.items():
            same(client.ask("GET", uri(top, f"/{name}")), data, name)
        return len(self.contents)

    def verify(self, client: Client) -> int:
        """Want all shares of everything to be there and right; return of how many.

        :raises ShowError: of one they are not
        """
        checked, query = 0, "?t=stream-deep-check&verify=true"
        for top in self.tops:
            lines = client.ask("POST", uri(top, query), b"").splitlines()
            for told in map(json.loads, lines):
                if told["type"] == "stats":
                    continue
                checked += bool(told["storage-index"])
                if not told["check-results"]["results"]["healthy"]:
                    _look_again(client, told)
        return checked

    def change(self, step: int) -> None:
        """Let each client add a file, and change what the other has made."""
        for client, top in zip(self.clients, reversed(self.tops), strict=True):
            self.put(client, top, f"sdmf/new{step}", RANDOM.randbytes(2000 + step))
        for turn, (top, name) in enumerate(self.mutable):
            size = len(self.contents[top, name])
            client = self.clients[(turn + step) % 2]
            self.put(client, top, name, RANDOM.randbytes(size + step))


def move(grid: MixedGrid, things: Things, step: int) -> str:
    """Put one server in the place of another; tell what was done."""
    old, new = f"old{step}", f"new{step}"
    ours = things.clients[0]
    grid.add_server(new, ours=True)
    for client in things.clients:
        wait_for(lambda one=client: new in one.connected(), f"{new} is not found")
    ours.tahoe("servers", "drain", old)
    mended, turns = mend(ours, things.tops)
    grid.stop(old)
    shutil.rmtree(grid.place / old)
    for client in things.clients:
        wait_for(lambda one=client: old not in one.connected(), f"{old} does not go")
    num_read = [things.read(client) for client in things.clients]
    verified = [things.verify(client) for client in things.clients]
    things.change(step)
    return (
        f"{old} to {new}: {mended} things made again, {turns} walks; by us and by them"
        f" {num_read[0]} and {num_read[1]} files read,"
        f" {verified[0]} and {verified[1]} things verified"
    )


def _look_again(client: Client, told: dict[str, Any]) -> None:
    """Let a server that was slow answer after all."""
    path = "/".join(told["path"])
    for _ in range(TURNS):
        time.sleep(2)
        found = check(client, told["cap"], "&verify=true")
        if found["results"]["healthy"]:
            return
    raise ShowError(f"{client.basedir.name}, {path}: {found}; {client.connected()}")


def mend(client: Client, tops: list[str]) -> tuple[int, int]:
    """Make again what is missing, until nothing is.

    A server that is slow when others are not is passed over, so that once may not do.

    :return: how many things, and how many walks it took; the last finds nothing to do

    :raises ShowError: something is left
    """
    num_mended, failed = 0, []
    for turn in range(1, TURNS + 1):
        repairs = [one for top in tops for one in _repairs(client, top)]
        failed = [told for told in repairs if not told["repair-successful"]]
        num_mended += len(repairs) - len(failed)
        if not repairs:
            return num_mended, turn
    raise ShowError(f"{len(failed)} things can't be made whole: {failed[:1]}")


def _repairs(client: Client, top: str) -> list[dict[str, Any]]:
    """Return what is told of all that was to be repaired."""
    said = client.tahoe("deep-check", "--repair", "--raw", top).splitlines()
    every = [json.loads(line).get("check-and-repair-results", {}) for line in said]
    return [told for told in every if told.get("repair-attempted")]


def main() -> int:
    """Build the grid, move it, and print a line for each step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", type=Path, default=PEER, help="tahoe of Tahoe-LAFS 1.20")
    parser.add_argument("--servers", type=int, default=SHARES[2], help="of each kind")
    parser.add_argument("--protocol", default="https", choices=["https", "foolscap"])
    options = parser.parse_args()
    forced = options.protocol == "foolscap"
    with (
        tempfile.TemporaryDirectory(prefix="grid-") as place,
        mixed_grid(Path(place) / "g", options.peer, force_foolscap=forced) as grid,
    ):
        grid.add_introducer(ours=False)
        names = [f"old{i}" for i in range(1, options.servers + 1)]
        for name in names:
            grid.add_server(name, ours=False)
        clients = [
            grid.add_client("ours", ours=True),
            grid.add_client("theirs", ours=False),
        ]
        for client in clients:
            wait_for(lambda one=client: one.connected() == names, "all servers")
        check_protocol(clients, options.protocol)
        things = Things(clients)
        things.store()
        print(f"{len(things.contents)} files stored on {len(names)} servers of 1.20")
        for step in range(1, options.servers + 1):
            began = time.monotonic()
            words = move(grid, things, step)
            print(f"{words} ({time.monotonic() - began:.0f} s)", flush=True)
        check_protocol(clients, options.protocol)
        left = {name for client in clients for name in client.connected()}
    print(f"moved: everything is whole on {', '.join(sorted(left))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
