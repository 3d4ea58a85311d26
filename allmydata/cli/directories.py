"""``tahoe mkdir``, ``mv``, ``ln``, ``rm``, ``unlink``."""

from __future__ import annotations

import re

import click

from allmydata.cli.aliases import (
    Target,
    about,
    cap_at,
    find,
    is_directory,
    url_path,
)
from allmydata.cli.completion import Place
from allmydata.cli.failures import report
from allmydata.cli.printing import emit, safe
from allmydata.cli.session import Session, json_option, pass_session, show
from allmydata.errors import ConflictError, GridError, NotMutableError, UsageError
from allmydata.webapi import NodeHTTP, RemoteNodeError

_READONLY = re.compile(r"(?:ro\.|imm\.)|URI:DIR2?(?:-MDMF)?-RO:|URI:DIR2-(?:CHK|LIT):")

_no_clobber = click.option(
    "-n", "--no-clobber", is_flag=True, help="Fail (16) if the name is taken by a file."
)


@click.command()
@click.argument("places", type=Place(), metavar="[PLACE]...", nargs=-1)
@click.option(
    "--format",
    "format_",
    metavar="SDMF|MDMF",
    type=click.Choice(["SDMF", "MDMF"], case_sensitive=False),
    help="Make a directory of Tahoe-LAFS.",
)
@json_option
@pass_session
def mkdir(
    session: Session, places: tuple[str, ...], format_: str | None, as_json: bool
) -> None:
    """Make a directory at PLACE and print its capability.

    Missing directories above it are made.  One that is there already is left as it is.
    Without PLACE the new directory is in no other: its capability is the only way to it.

    It is of the kind of the directory that it is in.  --format makes one that programs of
    Tahoe-LAFS read and change: it lies in a mutable file of that format.
    """
    node = session.node()
    for place in places or (None,):
        if place is None:
            cap = node.mkdir(format_=format_)
        else:
            cap = _made(node, find(session, place), format_)
        if as_json:
            show({"cap": cap})
        else:
            emit(cap)


def _made(node: NodeHTTP, target: Target, format_: str | None) -> str:
    try:
        return node.mkdir(url_path(target), format_=format_)
    except RemoteNodeError as e:
        if e.code == "usage" and not is_directory(cap_at(lambda: node, target)):
            raise ConflictError(f"{safe(target.text)} is there and is a file") from e
        raise


@click.command()
@click.argument("source", type=Place())
@click.argument("destination", type=Place())
@_no_clobber
@json_option
@pass_session
def mv(
    session: Session, source: str, destination: str, no_clobber: bool, as_json: bool
) -> None:
    """Move SOURCE, a file or a directory with all in it, to DESTINATION.

    If DESTINATION is a directory, SOURCE is moved into it, under its own name.  A file of
    that name is replaced, a directory never.  Nothing is uploaded.
    """
    node, here = session.node(), find(session, source)
    if not here.path:
        raise UsageError(
            "SOURCE is no name in a directory, so it can't be taken out of one",
            fix="give it a name with:  tahoe ln",
        )
    with about(here):
        cap, from_dir = node.cap(url_path(here)), node.cap(url_path(here.parent()))
    if _READONLY.match(from_dir):
        raise NotMutableError(f"{safe(source)} is in a directory that can only be read")
    there = _place_for(node, find(session, destination), here.name)
    if is_directory(cap):
        _refuse_inside(node, cap, there.parent())
    to_dir = node.mkdir(url_path(there.parent()))
    if (_key(from_dir), here.name) == (_key(to_dir), there.name):
        raise UsageError("SOURCE and DESTINATION are the same place")
    directory = url_path(here.parent())
    node.move(directory, here.name, to_dir, there.name, replace=not no_clobber)
    _done(as_json, there)


@click.command()
@click.argument("source", type=Place())
@click.argument("destination", type=Place())
@click.option("--readonly", is_flag=True, help="The new name gives the right to read only.")
@_no_clobber
@json_option
@pass_session
def ln(
    session: Session,
    source: str,
    destination: str,
    readonly: bool,
    no_clobber: bool,
    as_json: bool,
) -> None:
    """Give SOURCE, a capability or ALIAS:PATH, another name, DESTINATION.

    If DESTINATION is a directory, the name is made in it.  Both names are the same thing
    afterwards: a change of a directory is seen through both.
    """
    here = find(session, source)
    cap = cap_at(session.node, here, readonly=readonly)
    there = _place_for(session.node(), find(session, destination), here.name)
    session.node().link(url_path(there), cap, replace=not no_clobber)
    _done(as_json, there)


def _place_for(node: NodeHTTP, target: Target, name: str) -> Target:
    """Return *target*, or where it is a directory, the place *name* in it."""
    if target.path and not target.slash:
        try:
            if not is_directory(node.cap(url_path(target))):
                return target
        except RemoteNodeError as e:
            if e.code != "not-found":
                raise
            return target
    if not name:
        raise UsageError("DESTINATION is a directory", fix="add the name to give in it")
    return target.child(name)


def _refuse_inside(node: NodeHTTP, cap: str, place: Target) -> None:
    """Go down to *place*; raise UsageError if the directory *cap* is on the way."""
    for depth in range(len(place.path) + 1):
        try:
            found = node.cap(url_path(Target(place.root, place.path[:depth])))
        except RemoteNodeError as e:
            if e.code != "not-found":
                raise
            return
        if _key(found) == _key(cap):
            raise UsageError("a directory can't be moved into itself")


def _key(cap: str) -> str:
    """Return what tells the directory *cap* from others, whatever hints are in it."""
    return cap if "DIR2-CHK:" in cap else cap.rsplit(":", 1)[-1]


def _done(as_json: bool, target: Target) -> None:
    if as_json:
        show({"path": list(target.path)})
    else:
        emit("OK")


@click.command("unlink")
@click.argument("places", type=Place(), metavar="PLACE...", nargs=-1, required=True)
@click.option("-f", "--force", is_flag=True, help="What is not there is no error.")
@click.option("-r", "--recursive", is_flag=True, help="For habit: it makes no difference.")
@json_option
@pass_session
def unlink(
    session: Session, places: tuple[str, ...], force: bool, recursive: bool, as_json: bool
) -> int:
    """Take the name PLACE, of a file or a directory, out of its directory.

    A directory goes with all in it.  Whoever has a capability, or another name, can still
    reach what it names.
    """
    return _unlink_all(session, places, force, as_json)


rm = click.Command(
    "rm",
    params=unlink.params,
    callback=unlink.callback,
    help="Take the name PLACE out of its directory: another word for unlink.",
)


def _unlink_all(
    session: Session, places: tuple[str, ...], force: bool, as_json: bool
) -> int:
    """Unlink each; tell of each error; return the first exit code that is not 0."""
    code, gone = 0, []
    for place in places:
        try:
            if _unlink(session, place, force):
                gone.append(place)
                emit(*([] if as_json else ["200 OK"]))
        except GridError as e:
            if len(places) == 1:
                raise
            found = report(e, as_json=False, verbose=session.verbose)
            code = code or found
    if as_json:
        show({"unlinked": gone})
    return code


def _unlink(session: Session, place: str, force: bool) -> bool:
    target = find(session, place)
    if not target.path:
        raise UsageError(
            "PLACE is no name in a directory, so it can't be taken out of one",
            fix="to forget an alias:  tahoe rm-alias",
        )
    try:
        with about(target):
            session.node().unlink(url_path(target))
    except GridError as e:
        if force and e.code == "not-found":
            return False
        raise
    return True
