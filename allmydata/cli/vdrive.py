"""``tahoe vdrive``: a vdrive server's backup, kept on the grid as one file."""

from __future__ import annotations

import io
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, cast

import click

from allmydata.cli.progress import meter
from allmydata.cli.session import Session, json_option, pass_session, show
from allmydata.errors import BadCapError, UsageError
from allmydata.uri import CHKFileURI, from_string
from allmydata.webapi import NodeHTTP

_PATH = click.Path(path_type=Path)
_via = click.option(
    "--via",
    metavar="CLIENTDIR",
    type=_PATH,
    required=True,
    help="The node that stores or fetches it: a client of a grid, running.",
)


@click.group()
def vdrive() -> None:
    """Back up a vdrive server, and bring it back."""


@vdrive.command()
@click.option(
    "-d",
    "--node-directory",
    "server",
    metavar="SERVERDIR",
    type=_PATH,
    help="The introducer, or vdrive server. Default: the -d before the command.",
)
@_via
@json_option
@pass_session
def backup(session: Session, server: Path | None, via: Path, as_json: bool) -> None:
    """Store all that SERVERDIR needs to come back; print one capability.

    The server may run meanwhile.  What is stored is its tables, as they are at one moment,
    and its identity, so that all directories come back under the capabilities they have.
    It is encrypted under a random key, on the grid, by the node in CLIENTDIR; the
    capability printed is that key.  Keep it where the server is not: whoever has it can
    pose as the server.
    """
    from allmydata.node.vdrive_archive import make_archive

    since = time.monotonic()
    basedir, node = session.basedir(server), NodeHTTP.of_directory(via.expanduser())
    with tempfile.TemporaryDirectory(prefix="tahoe-vdrive-") as scratch:
        archive = make_archive(basedir, Path(scratch))
        with meter("storing the backup", archive.size, session.quiet) as advance:
            source = cast("BinaryIO", archive)
            cap = node.put(source, archive.size, convergence="none", progress=advance)
    if as_json:
        elapsed = round(time.monotonic() - since, 3)
        show({"cap": cap, "size": archive.size, "elapsed_s": elapsed})
    else:
        click.echo(cap)


@vdrive.command()
@click.argument("cap")
@click.argument("nodedir", metavar="DIR", type=_PATH)
@_via
@json_option
@pass_session
def restore(session: Session, cap: str, nodedir: Path, via: Path, as_json: bool) -> None:
    """Make DIR the vdrive server whose backup CAP names, ready to start.

    DIR must be empty, or not there.  With - for CAP it is read from standard input, where
    other users of this machine can't see it.  The server that was backed up must not run
    any more: the new one takes its place, with its address and its certificate.
    """
    from allmydata.node.vdrive_archive import check_free
    from allmydata.node.vdrive_archive import restore as restore_node

    cap = (sys.stdin.readline() if cap == "-" else cap).strip()
    if not isinstance(from_string(cap), CHKFileURI):
        raise BadCapError("this is not the capability that tahoe vdrive backup printed")
    basedir = nodedir.expanduser().absolute()
    check_free(basedir)
    if via.expanduser().absolute() == basedir:
        raise UsageError("--via names the directory that is to be made")
    node = NodeHTTP.of_directory(via.expanduser())
    with (
        closing(node.get(cap)) as download,
        meter("fetching the backup", download.size, session.quiet) as advance,
    ):
        stream = io.BufferedReader(_Stream(download.chunks(), advance))
        kind = restore_node(cast("BinaryIO", stream), basedir)
    if as_json:
        show({"node_directory": str(basedir), "kind": kind})
        return
    click.echo(f"{kind} restored in '{basedir}'")
    session.say(f"  start it:  tahoe -d {basedir} start")


class _Stream(io.RawIOBase):
    """The pieces of a download as a file to read from."""

    def __init__(self, chunks: Iterator[bytes], advance: object) -> None:
        self._chunks = chunks
        self._advance = advance
        self._left = memoryview(b"")

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: object) -> int:
        """Put the next bytes into *buffer*; return how many, 0 at the end."""
        while not self._left:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._left = memoryview(chunk)
            if callable(self._advance):
                self._advance(len(chunk))
        target = memoryview(buffer)  # type: ignore[arg-type]
        size = min(len(target), len(self._left))
        target[:size], self._left = self._left[:size], self._left[size:]
        return size
