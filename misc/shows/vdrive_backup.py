"""Show: the vdrive server's folder is deleted; all directories come back as they were.

    python misc/shows/vdrive_backup.py [--directories 20] [--names 200]

Runs an introducer that is the vdrive server, a storage node and a client, each a process.
Makes a tree of directories, has it backed up while somebody writes, prints what the backup
holds, deletes the server's folder, restores it, and compares every directory under the
capability it had.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from allmydata.webapi import NodeHTTP

LOCAL = "tcp:0:interface=127.0.0.1"
SHARES = [f"--shares-{name}=1" for name in ("needed", "happy", "total")]
LIT = "URI:LIT:nbuq"


def tahoe(*words: object) -> str:
    """Run the command; return what it prints."""
    command = [sys.executable, "-m", "allmydata.cli.main", "-q", *map(str, words)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60)
    if done.returncode:
        raise SystemExit(f"WRONG: tahoe {words[0]} … ended with {done.returncode}")
    return done.stdout.strip()


class Grid:
    """Three nodes below *base*."""

    def __init__(self, base: Path) -> None:
        self.server, self.storage, self.client = (base / n for n in ("i", "s", "c"))

    def start(self) -> NodeHTTP:
        """Make and start them; return the client's gateway."""
        tahoe("create-introducer", *SHARES, self.server)
        tahoe("start", self.server)
        furl = (self.server / "private" / "introducer.furl").read_text().strip()
        tahoe("create-node", "-i", furl, "--webport=none", self.storage)
        tahoe("create-client", "-i", furl, f"--webport={LOCAL}", self.client)
        tahoe("start", self.storage)
        tahoe("start", self.client)
        return NodeHTTP.of_directory(self.client)

    def stop(self) -> None:
        """Stop what runs."""
        for basedir in (self.client, self.storage, self.server):
            if basedir.exists():
                tahoe("stop", basedir)


def main() -> int:
    """Do it; return 0 if all came back."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--directories", type=int, default=20)
    parser.add_argument("--names", type=int, default=200, help="in each directory")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tahoe-show-") as place:
        grid = Grid(Path(place))
        try:
            return show(grid, options.directories, options.names)
        finally:
            grid.stop()


def show(grid: Grid, num_directories: int, num_names: int) -> int:
    """Make, back up, lose, restore, compare."""
    node = grid.start()
    before = make_tree(node, num_directories, num_names)
    names = sum(len(listing[1]["children"]) for listing in before.values())
    print(f"made {len(before)} directories with {names} names in all")
    cap = back_up(grid, node)
    tahoe("stop", grid.server)
    shutil.rmtree(grid.server)
    print("the server's folder is deleted")
    began = time.monotonic()
    tahoe("vdrive", "restore", cap, grid.server, "--via", grid.client)
    tahoe("start", grid.server)
    print(f"restored and started in {time.monotonic() - began:.1f} s")
    wrong = [cap for cap in before if look(node, cap) != before[cap]]
    print(f"as before, under the same capability: {len(before) - len(wrong)}")
    print(f"missing or different: {len(wrong)}")
    ask(node, "PUT", f"/uri/{quote(next(iter(before)), safe='')}/new?t=uri", LIT)
    print(
        "a name added after that is there:",
        "new" in look(node, next(iter(before)))[1]["children"],
    )
    return 1 if wrong else 0


def make_tree(node: NodeHTTP, num_directories: int, num_names: int) -> dict[str, Any]:
    """Fill both roots and directories below; return what is in each, by capability."""
    caps = [ask(node, "GET", f"/vdrive/{root}?t=uri") for root in ("private", "public")]
    for i in range(num_directories):
        caps.append(ask(node, "POST", f"/vdrive/private/d{i}?t=mkdir"))
        link = ["filenode", {"ro_uri": LIT}]
        children = {f"name {j}": link for j in range(num_names)}
        children["up"] = ["dirnode", {"rw_uri": caps[0]}]
        path = f"/uri/{quote(caps[-1], safe='')}?t=set_children"
        ask(node, "POST", path, json.dumps(children))
    ask(node, "PUT", "/vdrive/public/notes?t=uri", LIT)
    return {cap: look(node, cap) for cap in caps}


def back_up(grid: Grid, node: NodeHTTP) -> str:
    """Back up the server while somebody writes; return the capability."""
    other = quote(ask(node, "POST", "/uri?t=mkdir"), safe="")
    is_done = threading.Event()
    num_written = 0

    def write() -> None:
        nonlocal num_written
        while not is_done.is_set():
            ask(node, "PUT", f"/uri/{other}/n{num_written}?t=uri", LIT)
            num_written += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        began = time.monotonic()
        cap = tahoe("vdrive", "backup", "-d", grid.server, "--via", grid.client)
        took = time.monotonic() - began
    finally:
        is_done.set()
        writer.join()
    data = b"".join(node.get(cap).chunks())
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        members = ", ".join(tar.getnames())
    print(
        f"backed up {len(data)} bytes in {took:.1f} s, {num_written} names added meanwhile"
    )
    print(f"  it holds {members}")
    stored = [p.read_bytes() for p in grid.storage.rglob("shares/*/*/*") if p.is_file()]
    secret = (grid.server / "private" / "vdrive-root").read_bytes().strip()
    readable = sum(secret in share for share in stored)
    print(f"  shares of it in which its secrets can be read: {readable} of {len(stored)}")
    return cap


def look(node: NodeHTTP, cap: str) -> Any:
    """Return what the gateway says of a directory."""
    return node.json(f"/uri/{quote(cap, safe='')}?t=json")


def ask(node: NodeHTTP, method: str, path: str, body: str = "") -> str:
    """Return what the gateway answers."""
    return node.ask(method, path, body.encode()).decode().strip()


if __name__ == "__main__":
    os.environ.pop("TAHOE_NODE_DIRECTORY", None)
    sys.exit(main())
