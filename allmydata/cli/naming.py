"""``tahoe create-alias``, ``add-alias``, ``list-aliases``, ``rm-alias``."""

from __future__ import annotations

import json
import sys

import click

from allmydata.cli.aliases import (
    DEFAULT_ALIAS,
    PRIVATE_ROOT,
    AliasFile,
    already_exists,
    cap_at,
    check_alias,
    find,
    is_directory,
)
from allmydata.cli.completion import Place
from allmydata.cli.printing import emit
from allmydata.cli.session import Session, json_option, pass_session, show
from allmydata.errors import BadCapError


@click.command()
@click.argument("name")
@click.option(
    "--kind",
    metavar="dir2",
    type=click.Choice(["dir2"], case_sensitive=False),
    help="Make a directory of Tahoe-LAFS.",
)
@json_option
@pass_session
def create_alias(session: Session, name: str, kind: str | None, as_json: bool) -> None:
    """Make a directory and call it NAME.

    From then on NAME:a/b is b in its directory a.  The alias tahoe, which is meant where
    none is written, stands for the private root of the node, made on first use.

    With --kind dir2, programs of Tahoe-LAFS read and change the directory and what is made
    in it, and it needs no vdrive server.
    """
    name, file = check_alias(name), AliasFile.of(session.basedir())
    if name in file.read():
        raise already_exists(name)
    node = session.node()
    if name == DEFAULT_ALIAS and kind is None:
        cap = node.cap(PRIVATE_ROOT)
    else:
        cap = node.mkdir(format_=kind and "SDMF")
    _add(file, name, cap, "created", as_json)


@click.command()
@click.argument("name")
@click.argument("place", type=Place())
@json_option
@pass_session
def add_alias(session: Session, name: str, place: str, as_json: bool) -> None:
    """Call the directory at PLACE, a capability or ALIAS:PATH, by NAME.

    PLACE may be -: it is then read from standard input, and stays out of the history of
    the shell and the list of processes.
    """
    name, file = check_alias(name), AliasFile.of(session.basedir())
    if name in file.read():
        raise already_exists(name)
    target = find(session, sys.stdin.readline().strip() if place == "-" else place)
    cap = cap_at(session.node, target)
    if not is_directory(cap):
        raise BadCapError("this capability is not of a directory")
    _add(file, name, cap, "added", as_json)


def _add(file: AliasFile, name: str, cap: str, done: str, as_json: bool) -> None:
    file.add(name, cap)
    if as_json:
        show({"alias": name, "cap": cap})
    else:
        emit(f"Alias {name!r} {done}")


@click.command()
@click.option("--readonly-uri", is_flag=True, help="Print the capabilities that only read.")
@json_option
@pass_session
def list_aliases(session: Session, readonly_uri: bool, as_json: bool) -> None:
    """List the aliases, and the capability each stands for."""
    known = AliasFile.of(session.basedir()).read()
    if as_json:
        emit(json.dumps({name: _rights(cap) for name, cap in known.items()}, indent=4))
        return
    width = max(map(len, known), default=0)
    for name, cap in sorted(known.items()):
        told = _rights(cap)["readonly"] or "-" if readonly_uri else cap
        emit(f"  {name:>{width}}: {told}")


def _rights(cap: str) -> dict[str, str | None]:
    from allmydata import uri

    try:
        parsed = uri.from_string(cap)
    except BadCapError:
        return {"readwrite": cap, "readonly": None}
    readonly = parsed.get_readonly()
    return {
        "readwrite": None if parsed.is_readonly() else cap,
        "readonly": readonly.to_string() if readonly else None,
    }


@click.command()
@click.argument("name")
@json_option
@pass_session
def rm_alias(session: Session, name: str, as_json: bool) -> None:
    """Forget the alias NAME; the directory stays as it is.

    The capability that it stood for is printed: it may be the only way to the directory.
    """
    name = name.removesuffix(":")
    cap = AliasFile.of(session.basedir()).remove(name)
    if as_json:
        show({"alias": name, "cap": cap})
    else:
        emit(f"Alias {name!r} removed; it stood for", cap)
