"""``tahoe create-…``: what a node directory is made with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from allmydata.cli.session import Session, json_option, pass_session, show
from allmydata.errors import UsageError
from allmydata.node.create import WEB_PORT, Answers, create
from allmydata.node.schema import SHARES

Command = Callable[..., Any]


def _refuse(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    if value:
        raise UsageError(
            f"--{(param.name or '').replace('_', '-')} is not offered by this version",
            why="no Tor, I2P, invitations or upload helper yet",
        )


def _shares(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    try:
        return int(SHARES.parse(value))
    except ValueError as e:
        raise click.BadParameter(f"{value[:20]!r} {e}; {SHARES.allowed}") from e


def _listen(ctx: click.Context, param: click.Parameter, value: str) -> bool:
    if value not in ("tcp", "none"):
        raise UsageError("--listen tor and --listen i2p are not offered by this version")
    return value == "tcp"


_NOT_OFFERED = [
    click.option(name, is_flag=flag, hidden=True, expose_value=False, callback=_refuse)
    for name, flag in (
        ("--hide-ip", True),
        ("--helper", True),
        ("--tor-launch", True),
        ("--i2p-launch", True),
        ("--join", False),
        ("--tor-executable", False),
        ("--tor-control-port", False),
        ("--i2p-sam-port", False),
        ("--i2p-executable", False),
    )
]

_DIRECTORY = [
    click.argument("nodedir", required=False, type=click.Path(path_type=Path)),
    click.option(
        "-C",
        "--basedir",
        metavar="DIR",
        type=click.Path(path_type=Path),
        help="The directory to make, if it is not the last word.",
    ),
    click.option(
        "-n", "--nickname", metavar="NAME", help="Shown to others. Default: none."
    ),
    json_option,
    *_NOT_OFFERED,
]

_SHARES = [
    click.option(f"--shares-{name}", metavar="NUM", callback=_shares, help=text)
    for name, text in (
        ("needed", "k: shares that bring a file back. Default: introducer's, or 3."),
        ("happy", "Servers a file must reach. Default: introducer's, or 7."),
        ("total", "n: shares made of a file. Default: introducer's, or 10."),
    )
]

_COMMON = [*_DIRECTORY, *_SHARES]

_LISTENING = [
    click.option(
        "--listen",
        type=click.Choice(["tcp", "tor", "i2p", "none"]),
        default="tcp",
        callback=_listen,
        help="none: nobody can connect to this node.",
    ),
    click.option(
        "--hostname",
        metavar="HOST",
        help="Where others find it; a free port is chosen now.",
    ),
    click.option("--port", metavar="ENDPOINT", help="Listen there: tcp:4000, for example."),
    click.option(
        "--location", metavar="HINTS", help="Where others find it: tcp:host.example:4000."
    ),
]

_CLIENT = [
    click.option("-i", "--introducer", metavar="FURL", help="What the introducer wrote."),
    click.option("--vdrive", metavar="FURL", help="The server of directories."),
    click.option(
        "-p",
        "--webport",
        metavar="ENDPOINT",
        help=f"The gateway; or none. Default: {WEB_PORT}.",
    ),
]

_NO_VDRIVE = click.option(
    "--no-vdrive", is_flag=True, default=None, help="Keep no directories."
)
_NO_PUBLIC_ROOT = click.option(
    "--no-public-root",
    is_flag=True,
    default=None,
    help="Offer no directory that everybody shares.",
)

_STORAGE = [
    click.option("--no-storage", is_flag=True, help="Keep no shares."),
    click.option("--storage-dir", metavar="DIR", help="Where shares are kept."),
]


def _with(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@click.command("create-introducer")
@_with(*_COMMON, *_LISTENING, _NO_VDRIVE, _NO_PUBLIC_ROOT)
@pass_session
def create_introducer(session: Session, /, **given: Any) -> None:
    """Make NODEDIR the directory of an introducer.

    The introducer tells every node of the others, and keeps the directories that give
    files their names, unless --no-vdrive says otherwise.  Without --hostname or --port it
    listens at a port chosen at its first start, on every address of this machine.  The
    --shares-… numbers are its advice to clients that set none.

    The same command again changes nothing.
    """
    _make(session, "introducer", given)


@click.command("create-vdrive")
@_with(*_DIRECTORY, *_LISTENING, _NO_PUBLIC_ROOT)
@pass_session
def create_vdrive(session: Session, /, **given: Any) -> None:
    """Make NODEDIR the directory of a vdrive server.

    It keeps the directories that give files their names, and can't read them.  An
    introducer has one in it: this is for a grid whose introducer was made with --no-vdrive.
    When it has run once, its address is in private/vdrive.furl; give it to clients
    (create-client --vdrive), or to the introducer ([introducer] vdrive.furl in its
    tahoe.cfg), which then tells clients.

    The same command again changes nothing.
    """
    _make(session, "vdrive", given)


@click.command("create-node")
@_with(*_COMMON, *_LISTENING, *_CLIENT, *_STORAGE)
@pass_session
def create_node(session: Session, /, **given: Any) -> None:
    """Make NODEDIR the directory of a storage node.

    It keeps shares for others, and is a client too.  Without --hostname or --port it
    listens at a port chosen at its first start, on every address of this machine.

    The same command again changes nothing.
    """
    given["storage"] = not given.pop("no_storage")
    _make(session, "client", given)


@click.command("create-client")
@_with(*_COMMON, *_CLIENT)
@pass_session
def create_client(session: Session, /, **given: Any) -> None:
    """Make NODEDIR the directory of a client.

    It stores and fetches files; it keeps no shares, and nobody can connect to it.

    The same command again changes nothing.
    """
    _make(session, "client", given | {"listen": False})


def _make(session: Session, kind: str, given: dict[str, Any]) -> None:
    paths = given.pop("nodedir"), given.pop("basedir")
    as_json = given.pop("as_json")
    basedir = session.basedir(*paths, needed=kind != "client")
    for name in ("introducer", "vdrive"):
        given[name] = (given.get(name) or "").strip() or None
    made = create(basedir, Answers(kind, **given))
    if as_json:
        show({"node_directory": str(basedir), "kind": kind, "created": made})
        return
    name = {"introducer": "Introducer", "vdrive": "Vdrive server"}.get(kind, "Node")
    if not made:
        click.echo(f"{name} in '{basedir}' was made with these answers already")
        return
    click.echo(f"{name} created in '{basedir}'")
    if kind == "client" and not given["introducer"]:
        session.say(
            f"  it knows no introducer: name one in {basedir}/private/introducers.yaml"
        )
    session.say(f"  start it:  tahoe -d {basedir} start")
