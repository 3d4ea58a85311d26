"""Show: every method of IVirtualDrive, IDirectoryNode and IFileNode, over real TCP.

    python misc/shows/vdrive_interfaces.py

Starts a grid with ``tahoe demo``, whose introducer is the vdrive server too, and runs
itself beside it as a client of its own.  Exit code 0 when every line below says yes.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred

from allmydata.errors import NoSuchChildError, NotMutableError
from allmydata.interfaces import IDirectoryNode, IFileNode, IVirtualDrive
from allmydata.node.client import Client
from allmydata.node.create import Answers, create
from allmydata.streams.target import Data as Memory
from allmydata.streams.uploadable import Data
from allmydata.uri import from_string

CONTENT = b"a file long enough to be stored as shares on several servers " * 50
INTERFACES = (IVirtualDrive, IDirectoryNode, IFileNode)
called: set[str] = set()
seen: dict[str, bool] = {}


def main() -> int:
    """Start a grid, or do the show on the one that runs."""
    if "--inside" not in sys.argv:
        words = ["demo", "--", sys.executable, __file__, "--inside"]
        os.execv(sys.executable, [sys.executable, "-m", "allmydata.cli.main", *words])
    with tempfile.TemporaryDirectory(prefix="tahoe-show-") as place:
        client = make_client(Path(place) / "client")
        waiting = Deferred.fromCoroutine(show(client))
        waiting.addErrback(lambda failure: seen.update({failure.getErrorMessage(): False}))
        waiting.addBoth(lambda _: client.stopService())
        waiting.addBoth(lambda _: reactor.stop())
        reactor.run()
    every = {
        f"{interface.__name__}.{name}" for interface in INTERFACES for name in interface
    }
    for name in sorted(every):
        print(f"  {'yes' if name in called else 'NO '}  {name} was called")
    for what, is_so in seen.items():
        print(f"  {'yes' if is_so else 'NO '}  {what}")
    return 0 if called >= every and seen and all(seen.values()) else 1


def make_client(basedir: Path) -> Client:
    """Make a client of the demo's grid, with shares as the introducer advises."""
    introducer = Path(os.environ["TAHOE_NODE_DIRECTORY"]).parent / "introducer"
    furl = (introducer / "private" / "introducer.furl").read_text().strip()
    create(basedir, Answers("client", introducer=furl, webport="none", listen=False))
    client = Client.from_basedir(basedir)
    reactor.callWhenRunning(client.startService)
    return client


class Witness:
    """An object, with note taken of every method of its interface that is called."""

    def __init__(self, interface: Any, thing: Any) -> None:
        self.interface = interface
        self.thing = thing

    def __getattr__(self, name: str) -> Any:
        if name in self.interface:
            called.add(f"{self.interface.__name__}.{name}")
        return getattr(self.thing, name)


def drive_of(client: Client) -> Any:
    """Return the drive of *client*."""
    return Witness(IVirtualDrive, client.getService("vdrive"))


def directory(node: Any) -> Any:
    """Return *node* with a witness."""
    return Witness(IDirectoryNode, node)


async def fails(waiting: Deferred, kind: type[Exception]) -> bool:
    """Tell whether *waiting* fails so."""
    try:
        await waiting
    except kind:
        return True
    return False


async def show(client: Client) -> None:
    """Do everything once."""
    await client.when_running()
    await client.wait_for_servers(5)
    drive = drive_of(client)
    await show_roots(drive)
    root = directory(await drive.get_private_root())
    await show_files(drive, root)
    await show_changes(drive, root)
    await show_reading(drive, root)


async def show_roots(drive: Any) -> None:
    """Find the roots, and paths from them."""
    seen["there is a public and a private root"] = (
        drive.have_public_root() and drive.have_private_root()
    )
    public, private = await drive.get_public_root(), await drive.get_private_root()
    a = await public.create_empty_directory("a")
    b = await a.create_empty_directory("b")
    mine = await private.create_empty_directory("a")
    paths = ("/a/b", "a/b", ["a", "b"])
    seen["/a/b, a/b and ['a', 'b'] are one place"] = all(
        [await drive.get_node_at_path(path) == b for path in paths]
    )
    seen["~/a is the private root's"] = await drive.get_node_at_path("~/a") == mine
    seen["a node is found by text and by parsed capability"] = (
        await drive.get_node(b.get_uri()) == b
        and await drive.get_node(from_string(b.get_uri())) == b
    )


async def show_files(drive: Any, root: Any) -> None:
    """Add a file, and read it in every way."""
    file = Witness(IFileNode, await root.add_file("file", Data(CONTENT)))
    seen["a file comes back, to memory and to a target"] = (
        await file.download_to_data() == CONTENT
        and await file.download(Memory()) == CONTENT
    )
    seen["it knows its size, capability and refresh capability"] = (
        file.get_size() == len(CONTENT)
        and (await drive.get_node(file.get_uri())).get_size() == len(CONTENT)
        and file.get_refresh_capability().startswith("URI:CHK-Verifier:")
    )


async def show_changes(drive: Any, root: Any) -> None:
    """Put children in, move them, take them out."""
    file = await root.get("file")
    sub = await root.create_empty_directory("sub")
    await root.set_uri("by uri", file.get_uri())
    seen["set_node returns the child"] = await root.set_node("by node", sub) is sub
    seen["all are listed"] = set(await root.list()) == {
        *("a", "file", "sub", "by uri", "by node"),
    }
    await root.move_child_to("by uri", sub, "moved")
    seen["a moved child is there, and not here"] = await sub.has_child(
        "moved"
    ) and not await root.has_child("by uri")
    await root.delete("by node")
    seen["a deleted child is gone, and its loss an IndexError"] = await fails(
        root.get("by node"), IndexError
    )
    seen["a path is followed"] = await root.get_child_at_path("sub/moved") == file
    seen["a missing step is named"] = await fails(
        root.get_child_at_path("sub/none"), NoSuchChildError
    )
    await sub.set_uri("cycle", root.get_uri())
    manifest = await root.build_manifest()
    seen["the manifest ends though directories go in a circle"] = (
        root.get_refresh_capability() in manifest and len(manifest) == 4
    )


async def show_reading(drive: Any, root: Any) -> None:
    """Look with less authority."""
    weak = await drive.get_node(root.get_immutable_uri())
    seen["a read-only node reads"] = set(await weak.list()) == set(await root.list())
    seen["… and is refused what changes"] = (
        root.is_mutable()
        and not weak.is_mutable()
        and await fails(weak.delete("file"), NotMutableError)
    )
    seen["… and gives read-only children"] = not (await weak.get("sub")).is_mutable()


if __name__ == "__main__":
    sys.exit(main())
