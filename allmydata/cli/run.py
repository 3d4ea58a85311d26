"""``tahoe run``, ``start``, ``stop``, ``restart``, ``status``: one node's life."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click

from allmydata.cli import daemon
from allmydata.cli.failures import NO_NODE
from allmydata.cli.session import Session, json_option, pass_session, show
from allmydata.errors import GridError
from allmydata.node import pidfile
from allmydata.node.config import detect_kind
from allmydata.util import humanize
from allmydata.webapi import NodeHTTP

_node_directory = click.argument("nodedir", required=False, type=click.Path(path_type=Path))
_basedir = click.option(
    "-C",
    "--basedir",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The node to use.",
)


@click.command()
@_node_directory
@_basedir
@click.option(
    "--allow-stdin-close", is_flag=True, help="Do not leave when standard input closes."
)
@pass_session
def run(
    session: Session, nodedir: Path | None, basedir: Path | None, allow_stdin_close: bool
) -> int:
    """Run the node in NODEDIR until it is told to stop.

    It stays in the foreground, and leaves on SIGTERM, SIGINT, or when its standard input
    closes.  "client running", or another kind of node, is printed when it is ready.
    """
    from allmydata.node.run import run_node

    code: int = run_node(
        session.basedir(nodedir, basedir), allow_stdin_close=allow_stdin_close
    )
    return code


@click.command()
@_node_directory
@_basedir
@json_option
@pass_session
def start(
    session: Session, nodedir: Path | None, basedir: Path | None, as_json: bool
) -> None:
    """Run the node in NODEDIR in the background; return when it answers.

    It logs to logs/node.log in its directory.  If it runs already, nothing is done.
    """
    _start(session.basedir(nodedir, basedir), as_json)


@click.command()
@_node_directory
@_basedir
@json_option
@pass_session
def stop(
    session: Session, nodedir: Path | None, basedir: Path | None, as_json: bool
) -> None:
    """Stop the node that runs in NODEDIR; return when it is gone.

    If none runs, nothing is done, and the exit code is 0 as well.
    """
    directory = session.basedir(nodedir, basedir)
    pid = daemon.stop(directory)
    if as_json:
        show({"node_directory": str(directory), "stopped": pid})
    else:
        click.echo(f"stopped process {pid}" if pid else f"no node runs in {directory}")


@click.command()
@_node_directory
@_basedir
@json_option
@pass_session
def restart(
    session: Session, nodedir: Path | None, basedir: Path | None, as_json: bool
) -> None:
    """Stop the node in NODEDIR if it runs, then start it."""
    directory = session.basedir(nodedir, basedir)
    daemon.stop(directory)
    _start(directory, as_json)


@click.command()
@_node_directory
@_basedir
@json_option
@pass_session
def status(
    session: Session, nodedir: Path | None, basedir: Path | None, as_json: bool
) -> int:
    """Say whether the node in NODEDIR runs, since when, and whom it is connected to.

    The exit code is 10 if it does not run.
    """
    found = _status(session.basedir(nodedir, basedir))
    if as_json:
        show(found)
    else:
        click.echo("\n".join(_status_lines(found)))
    return 0 if found["running"] else NO_NODE


# ---- start ------------------------------------------------------------------------------


def _start(basedir: Path, as_json: bool) -> None:
    detect_kind(basedir)
    already = pidfile.running(basedir)
    if not already:
        already = daemon.launch(basedir, _words(basedir))
    found = _status(basedir, ask=False) | {"already": already is not None}
    if as_json:
        show(found)
        return
    how = "runs already" if already else "runs"
    web = f", {found['web']}" if found["web"] else ""
    click.echo(f"{found['kind']} {how} as process {found['pid']}{web}")


def _words(basedir: Path) -> list[str]:
    """Return the command that runs a node; -P keeps the directory we are in out of it."""
    words = [sys.executable, "-P", "-m", "allmydata.cli.main"]
    return [*words, "-d", str(basedir), "run", "--allow-stdin-close"]


# ---- status -----------------------------------------------------------------------------


def _status(basedir: Path, *, ask: bool = True) -> dict[str, Any]:
    """Return what is known of the node in *basedir*.

    :param ask: ask its gateway too, if it has one
    """
    kind = detect_kind(basedir)
    process = pidfile.running(basedir)
    found: dict[str, Any] = {
        "node_directory": str(basedir),
        "kind": kind,
        "running": process is not None,
        "pid": process.pid if process else None,
        "uptime_s": round(time.time() - process.created, 1) if process else None,
        "web": None,
    }
    if process is None or not (basedir / "node.url").exists():
        return found
    node = NodeHTTP.of_directory(basedir)
    found["web"] = node.url
    return found | _connections(node) if ask and kind == "client" else found


def _connections(node: NodeHTTP) -> dict[str, Any]:
    try:
        seen = node.json("/?t=json")
        servers = [str(server["connection_status"]) for server in seen["servers"]]
        introducers = [str(line) for line in seen["introducers"]["statuses"]]
    except GridError as e:
        return {"web_error": e.message}
    except (KeyError, TypeError):
        return {"web_error": f"{node.url} does not answer as a gateway"}
    up = sum(line.lower().startswith("connected") for line in servers)
    return {
        "introducers": introducers,
        "servers": {"connected": up, "known": len(servers)},
    }


def _status_lines(found: dict[str, Any]) -> list[str]:
    if not found["running"]:
        return [f"{found['kind']} does not run: {found['node_directory']}"]
    uptime = humanize.duration(found["uptime_s"])
    lines = [f"{found['kind']} runs as process {found['pid']}, for {uptime}"]
    if found["web"]:
        lines.append(f"  gateway      {found['web']}")
    for line in found.get("introducers", []):
        lines.append(f"  introducer   {line}")
    if "servers" in found:
        counts = found["servers"]
        lines.append(f"  servers      {counts['connected']} of {counts['known']} connected")
    if "web_error" in found:
        lines.append(f"  gateway      {found['web_error']}")
    return lines
