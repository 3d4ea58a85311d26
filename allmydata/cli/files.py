"""``tahoe put`` and ``get``: files."""

from __future__ import annotations

import re
import shlex
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

import click

from allmydata.cli.aliases import Target, cap_at, find, is_directory, url_path
from allmydata.cli.completion import Place
from allmydata.cli.localfiles import STREAM, check_target, opened_source, whole_file
from allmydata.cli.printing import safe
from allmydata.cli.progress import meter
from allmydata.cli.session import Session, json_option, pass_session, show
from allmydata.errors import (
    BadCapError,
    ConflictError,
    GridError,
    NotCapableError,
    NotFoundError,
    UsageError,
)
from allmydata.webapi import Download, NodeHTTP, RemoteNodeError

_FILE = click.Path(path_type=Path)
_OF_FILE = re.compile(
    "URI:(?:CHK:[a-z2-7]{26}:[a-z2-7]{52}:[0-9]+:[0-9]+:[0-9]+|LIT:[a-z2-7]*"
    "|(?:SSK|MDMF)(?:-RO)?:[a-z2-7]{26}:[a-z2-7]{52})"
)


def _to_file(_context: object, _option: object, text: str | None) -> Path | None:
    """Read where a file goes; a Path alone forgets that the text ended in a slash."""
    if text and text.endswith("/") and not Path(text).is_dir():
        raise NotFoundError(f"there is no directory {text}")
    return Path(text) if text else None


@click.command()
@click.argument("file", required=False, type=_FILE)
@click.argument("place", required=False, type=Place())
@click.option(
    "--happy",
    type=click.IntRange(1, 256),
    metavar="NUM",
    help="Servers the file must reach. Default: shares.happy of the node.",
)
@click.option(
    "--convergence",
    type=click.Choice(["node", "none"]),
    default="node",
    help="none: a random key; the same file stored twice has two capabilities.",
)
@click.option("--mutable", is_flag=True, help="A file whose content can change: SDMF.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["CHK", "SDMF", "MDMF"], case_sensitive=False),
    help="CHK never changes; SDMF is rewritten whole; MDMF can change in part.",
)
@click.option("-n", "--no-clobber", is_flag=True, help="Fail (16) if PLACE is there.")
@json_option
@pass_session
def put(
    session: Session,
    file: Path | None,
    place: str | None,
    happy: int | None,
    convergence: str,
    mutable: bool,
    format_: str | None,
    no_clobber: bool,
    as_json: bool,
) -> None:
    """Store FILE and print its capability, alone on one line.

    Without FILE, or with -, standard input is stored.  Whoever has the capability can read
    the file: keep it as you would the file itself.

    With PLACE, such as ALIAS:PATH, the file gets that name.  A file that has it is
    replaced, and missing directories above it are made.  A PLACE that ends in a slash, or
    is an alias alone, is the directory that takes it under its own name.

    With the capability of a mutable file as PLACE, or where the file of that name is one,
    its content is replaced.
    """
    node = session.node()
    name = str(file) if file and file != STREAM else "standard input"
    target = None if place is None else _destination(find(session, place), file)
    if name == "standard input" and sys.stdin.isatty():
        session.say("waiting for file data on stdin..")
    since = time.monotonic()
    sent = 0

    def count(num_bytes: int) -> None:
        nonlocal sent
        sent += num_bytes
        advance(num_bytes)

    with (
        opened_source(file) as (source, size),
        meter(f"storing {name}", size, session.quiet) as advance,
    ):
        words = {
            "happy": happy,
            "convergence": "none" if convergence == "none" else None,
            "replace": "false" if no_clobber and target else None,
            "format": format_ or ("SDMF" if mutable else None),
        }
        path = url_path(target) if target else "/uri"
        try:
            cap, created = node.put_at(path, source, size, words, progress=count)
        except RemoteNodeError as e:
            if target and e.message == "PUT to a directory":
                raise ConflictError(
                    f"{safe(target.text)} is a directory",
                    fix="to store the file in it, write a slash after it",
                ) from e
            raise _with_advice(e, node, name) from e
    if as_json:
        elapsed = round(time.monotonic() - since, 3)
        told = {"cap": cap, "size": sent, "elapsed_s": elapsed}
        show(told | ({"created": created} if target else {}))
    else:
        click.echo(cap)
    if target and not as_json:
        session.say("201 Created" if created else "200 OK")


def _destination(target: Target, file: Path | None) -> Target:
    """Return where *file* goes: *target*, or where that means a directory, a name in it."""
    if not target.slash or not (target.path or is_directory(target.root)):
        return target
    if file is None or file == STREAM:
        raise UsageError(
            "standard input has no name to store it under",
            fix="add one to PLACE, after a colon or slash",
        )
    return target.child(file.name)


def _with_advice(error: RemoteNodeError, node: NodeHTTP, name: str) -> GridError:
    """Add to "too few servers" which they are, and what can be done."""
    if error.code != "not-enough-servers":
        return error
    from allmydata.cli.servers import is_up, server_name, status_of  # for this alone

    try:
        known = node.json("/?t=json")["servers"]
        up = [server_name(s) for s in known if is_up(s)]
        down = [f"{server_name(s)} ({status_of(s)})" for s in known if not is_up(s)]
    except (GridError, KeyError, TypeError):
        return error
    lists = [("up", up), ("down", down)]
    who = "   ".join(f"{word}: {' '.join(names)}" for word, names in lists if names)
    fix = "start more servers"
    if up:
        word = "-" if name == "standard input" else shlex.quote(name)
        less = f"tahoe put --happy {len(up)} {word}"
        fix += f", or accept less safety now:  {less}"
    why = "\n".join(line for line in (error.why, who) if line)
    return RemoteNodeError(error.code, error.message, why=why, fix=fix)


@click.command()
@click.argument("place", type=Place())
@click.argument("file", required=False, type=click.Path(), callback=_to_file)
@json_option
@pass_session
def get(session: Session, place: str, file: Path | None, as_json: bool) -> None:
    """Fetch the file at PLACE, a capability or ALIAS:PATH, into FILE.

    Without FILE, or with -, it goes to standard output.  FILE appears, or is replaced, when
    every byte has come and proved right, and not before.
    """
    to_file = file if file != STREAM else None
    if as_json and not to_file:
        raise click.UsageError("--json needs a FILE: standard output can't hold both")
    if to_file:
        check_target(to_file)
    cap = _readable(cap_at(session.node, find(session, place)))
    since = time.monotonic()
    with closing(_begun(session, cap)) as download:
        if to_file:
            with whole_file(to_file) as target:
                size = _copy(download, target, to_file.name, session)
        else:
            size = _copy(download, sys.stdout.buffer, "", session)
            sys.stdout.buffer.flush()
    if as_json:
        elapsed = round(time.monotonic() - since, 3)
        show({"file": str(to_file), "size": size, "elapsed_s": elapsed})


def _begun(session: Session, cap: str) -> Download:
    try:
        return session.node().get(cap)
    except RemoteNodeError:
        _judged(cap)  # where it is mistyped, we tell it better
        raise


def _copy(download: Download, target: BinaryIO, name: str, session: Session) -> int:
    size = 0
    with meter(f"fetching {name}", download.size, session.quiet or not name) as advance:
        for chunk in download.chunks():
            target.write(chunk)
            size += len(chunk)
            advance(len(chunk))
    return size


def _readable(cap: str) -> str:
    """Return *cap* without white space around, if it can be the name of a file.

    One that looks right is left to the node: the parser takes a fifth of what the whole
    command does, and is for telling what is wrong, if the node finds that it is.

    :raises BadCapError: mistyped, or the capability of something else
    :raises NotCapableError: it does not hold the right to read
    """
    return cap.strip() if _OF_FILE.fullmatch(cap.strip()) else _judged(cap)


def _judged(cap: str) -> str:
    from allmydata import uri

    match uri.from_string(cap):
        case (
            uri.CHKFileURI()
            | uri.LiteralFileURI()
            | uri.MutableFileURI()
            | uri.ReadOnlyMutableFileURI()
        ):
            return cap.strip()
        case uri.CHKFileVerifierURI() | uri.MutableFileVerifierURI():
            raise NotCapableError(
                "a verify capability can't be read",
                why="it holds no key: it is for checking and repairing",
            )
        case uri.DirnodeURI() | uri.ReadOnlyDirnodeURI() | uri.Dir2URI():
            raise BadCapError(
                "this is a directory, not a file", fix="tahoe ls, or tahoe cp -r"
            )
    raise BadCapError(
        "this is not the capability of a file",
        why="it should begin with URI:CHK:, URI:LIT:, URI:SSK: or URI:MDMF:",
        fix="copy the whole capability, from URI: to its end",
    )
