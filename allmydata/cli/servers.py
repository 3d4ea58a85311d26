"""``tahoe servers``: who keeps the files; emptied, and filled again."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import click

from allmydata.cli.session import Session, json_option, pass_session, show
from allmydata.errors import UsageError
from allmydata.util import humanize

_dry_run = click.option("--dry-run", is_flag=True, help="Only say what would be done.")


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
@pass_session
def servers(session: Session, ctx: click.Context, as_json: bool) -> None:
    """List the storage servers that the node knows, connected or not.

    How much of the time each was up is what this node saw while it ran.
    """
    if ctx.invoked_subcommand:
        if as_json:
            raise UsageError("--json goes behind the last word")
        return
    known: dict[str, Any] = session.node().json("/?t=json")
    if as_json:
        show({"servers": known.get("servers", []), "introducers": known.get("introducers")})
        return
    rows = sorted((server_name(server), server) for server in known.get("servers", []))
    width = max((len(name) for name, _ in rows), default=0)
    for name, server in rows:
        space = server.get("available_space")
        room = "?" if space is None else humanize.size(space)
        words = "  ".join(filter(None, [status_of(server), _uptime(server), _fate(server)]))
        click.echo(f"{name:<{width}}  {room:>9} free  {words}")
    up = sum(is_up(server) for _, server in rows)
    session.say(f"{up} of {len(rows)} servers connected")


@servers.command()
@click.argument("name")
@_dry_run
@json_option
@pass_session
def drain(session: Session, name: str, dry_run: bool, as_json: bool) -> None:
    """Give the server NAME nothing new, and have what it holds made again elsewhere.

    NAME is what it is called, or the begin of its node id.  The keeper makes the shares
    of the files it keeps again on other servers; see how far it is with tahoe keeper
    status.  What is on the server stays there, until its leases run out.
    """
    _moves(session, {"t": "drain", "server": name, "dry-run": dry_run}, as_json)


@servers.command()
@click.argument("name")
@json_option
@pass_session
def undrain(session: Session, name: str, as_json: bool) -> None:
    """Let the server NAME have new shares again."""
    told = _ask(session, {"t": "undrain", "server": name})
    if as_json:
        show(told)
    else:
        was = "takes" if told["was_drained"] else "was not drained: it takes"
        click.echo(f"{told['server']} {was} new shares")


@servers.command()
@_dry_run
@json_option
@pass_session
def rebalance(session: Session, dry_run: bool, as_json: bool) -> None:
    """Have the files that are kept spread over as many servers as they can be.

    For when servers were added: a file with several shares on one server gets some of them
    on others, and what is missing is made again.
    """
    _moves(session, {"t": "rebalance", "dry-run": dry_run}, as_json)


def _moves(session: Session, words: dict[str, Any], as_json: bool) -> None:
    told = _ask(session, words)
    if as_json:
        show(told)
        return
    would = "would be" if told["dry_run"] else "are to be"
    size = humanize.size(told["bytes"])
    click.echo(
        f"{told['shares']:,} shares of {told['files']:,} files, {size}, {would} made"
    )
    for one in told["to"]:
        size = humanize.size(one["bytes"])
        click.echo(f"  {one['server']:<20} {one['shares']:>9,} shares  {size:>9}")
    if told["without_a_place"]:
        click.echo(f"{told['without_a_place']:,} files find no place for all of theirs")
    session.say("files that the keeper does not know are not in this")


def _ask(session: Session, words: dict[str, Any]) -> dict[str, Any]:
    """Tell the node; booleans are sent as it reads them."""
    texts = {k: str(v).lower() if isinstance(v, bool) else v for k, v in words.items()}
    answer = session.node().ask("POST", "/servers?" + urlencode(texts))
    told: dict[str, Any] = json.loads(answer)
    return told


def is_up(server: dict[str, Any]) -> bool:
    """Return whether a server, as the gateway tells of it, is connected."""
    return status_of(server).lower().startswith("connected")


def status_of(server: dict[str, Any]) -> str:
    """Return the state of the connection to a server."""
    return str(server.get("connection_status") or "unknown").split("\n", 1)[0]


def _uptime(server: dict[str, Any]) -> str:
    up = server.get("uptime")
    return "" if up is None else f"up {up:.1%} of the time"


def _fate(server: dict[str, Any]) -> str:
    return "being emptied" if server.get("drained") else ""


def server_name(server: dict[str, Any]) -> str:
    """Return what to call a server."""
    return str(server.get("nickname") or server.get("nodeid") or "?")[:40]
