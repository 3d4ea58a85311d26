"""``tahoe health``: how safe the files are, on one page."""

from __future__ import annotations

from typing import Any

import click

from allmydata.cli.printing import emit
from allmydata.cli.session import Session, json_option, pass_session, show
from allmydata.util import humanize


@click.command()
@json_option
@click.pass_context
@pass_session
def health(session: Session, ctx: click.Context, as_json: bool) -> None:
    """Say how safe the files are that the node keeps, and how its servers do.

    Leaves with 0 if all is well, else with 1.
    """
    told = session.node().json("/health?t=json")
    if as_json:
        show(told)
    else:
        emit(*_page(told))
    ctx.exit(0 if told["well"] else 1)


def _page(told: dict[str, Any]) -> list[str]:
    width = max((len(term) for term, _ in told["facts"]), default=0)
    facts = [f"  {term:<{width}}  {words}" for term, words in told["facts"]]
    servers = told["servers"]
    up = sum(server["connected"] for server in servers)
    return [
        told["verdict"],
        "",
        *facts,
        "",
        f"{up} of {len(servers)} servers connected",
        *(line for line in map(_server, servers) if line),
    ]


def _server(server: dict[str, Any]) -> str:
    """Return a line on a server of which there is something to say."""
    words = []
    if not server["connected"]:
        away = server["away_s"]
        words.append(f"away for {humanize.duration(away)}" if away else "never seen up")
    if server["drained"]:
        words.append("being emptied")
    if server["uptime"] is not None and server["uptime"] < 0.99:
        words.append(f"up {server['uptime']:.1%} of the time")
    return f"  {server['name']}: {', '.join(words)}" if words else ""
