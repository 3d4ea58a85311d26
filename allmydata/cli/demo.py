"""``tahoe demo``: a whole grid in one process, and what can be done to it meanwhile."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from allmydata.cli.session import Session, json_option, pass_session, show
from allmydata.errors import ConflictError, NotFoundError, UsageError
from allmydata.node.demo.plan import (
    DEFAULT_SERVERS,
    MOST_SERVERS,
    DemoPlan,
    Shares,
    plan_for,
)
from allmydata.node.demo.record import DemoRecord, find
from allmydata.util import humanize

COMMAND, ROOT = "allmydata.demo.command", "allmydata.demo.root"  # keys of click's meta

_dir_option = click.option(
    "--dir",
    "root",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The demo's directory, which is kept. Default: one that is removed at the end.",
)
_which_option = click.option(
    "--dir",
    "root",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Which demo. Default: that of -d's node, else the only one that runs.",
)


class DemoGroup(click.Group):
    """A command, a group of commands, and what starts another command after ``--``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Set aside what stands after ``--``."""
        if "--" in args:
            at = args.index("--")
            ctx.meta[COMMAND] = args[at + 1 :]
            args = args[:at]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find one of our commands; say what to do with one that is not."""
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            raise UsageError(
                f"a demo can't be told to {args[0][:40]!r}",
                why=f"it knows {', '.join(self.list_commands(ctx))}",
                fix="to run a command beside it:  tahoe demo -- COMMAND…",
            )
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order they are written below."""
        return list(self.commands)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Return the words of the usage line."""
        return ["[OPTIONS]", "[-- COMMAND...]"]


@click.group(cls=DemoGroup, invoke_without_command=True)
@click.option(
    "--servers",
    type=click.IntRange(1, MOST_SERVERS),
    metavar="NUM",
    help=f"How many storage servers. Default: {DEFAULT_SERVERS}.",
)
@click.option(
    "--shares",
    metavar="K/HAPPY/N",
    help="Any K of N shares bring a file back; they must reach HAPPY servers. "
    "Default: 3/4/5 for five servers, in proportion for others.",
)
@_dir_option
@json_option
@pass_session
@click.pass_context
def demo(
    ctx: click.Context,
    session: Session,
    servers: int | None,
    shares: str | None,
    root: Path | None,
    as_json: bool,
) -> int:
    """Run a whole grid in one process, to try things on.

    An introducer, storage servers, a client and its gateway: each a real node with a
    directory of its own, and all of them on free ports of this machine.  It runs until
    Ctrl-C.  With a COMMAND it runs that, in whose environment TAHOE_NODE_DIRECTORY names
    the client, stops when it ends, and leaves with its exit code.

    The commands below act on a demo that runs, from another terminal.
    """
    if ctx.invoked_subcommand:
        if servers or shares or COMMAND in ctx.meta:
            raise UsageError(
                "--servers, --shares and a command after -- are for starting a demo"
            )
        ctx.obj = session
        ctx.meta[ROOT] = root
        return 0
    return _run(session, servers, shares, root, ctx.meta.get(COMMAND, []), as_json)


# ---- running one -----------------------------------------------------------------------


def _run(
    session: Session,
    servers: int | None,
    shares: str | None,
    root: Path | None,
    command: list[str],
    as_json: bool,
) -> int:
    since = time.monotonic() - time.process_time()  # about when this process began
    root = root.expanduser().absolute() if root else None
    plan = _plan(servers, Shares.parse(shares) if shares else None, root)
    if command and not shutil.which(command[0]):
        raise NotFoundError(f"there is no command {command[0]}")
    from allmydata.node.demo.process import DemoOptions, run_demo

    def announce(found: dict[str, Any]) -> None:
        # What a command prints is what this process prints: nothing of ours in between.
        _announce(found, session, as_json, to_stderr=bool(command))

    return run_demo(DemoOptions(plan, root, command, since, announce))


def _plan(servers: int | None, shares: Shares | None, root: Path | None) -> DemoPlan:
    if root is None:
        return DemoPlan.settle(servers, shares)
    plan = plan_for(root, servers, shares)
    running = DemoRecord.read(root)
    if running and running.is_running:
        raise ConflictError(
            f"the demo in {root} runs already",
            why=f"as process {running.pid}",
            fix=f"stop it with  kill {running.pid}  or use another directory",
        )
    return plan


def _announce(
    found: dict[str, Any], session: Session, as_json: bool, *, to_stderr: bool
) -> None:
    if as_json:
        click.echo(json.dumps(found), err=to_stderr)
    elif not session.quiet:
        lines = _short(found) if to_stderr else _welcome(found)
        click.echo("\n".join(lines), err=to_stderr)
    sys.stdout.flush()


def _short(found: dict[str, Any]) -> list[str]:
    num_servers = len(found["servers"])
    up = "1 server is up" if num_servers == 1 else f"{num_servers} servers are up"
    return [f"demo: {up} after {found['ready_s']:.1f} s, files as {_shares_text(found)}"]


def _welcome(found: dict[str, Any]) -> list[str]:
    shares, num_servers = found["shares"], len(found["servers"])
    tahoe = f"tahoe -d {found['node_directory']}"
    end = "and removes the directory" if found["temporary"] else "and keeps the directory"
    up = "1 storage server is" if num_servers == 1 else f"{num_servers} storage servers are"
    spare = min(num_servers, shares["total"] - shares["needed"], 3)
    doomed = " ".join(map(str, range(1, spare + 1)))
    kill = (
        f"  tahoe demo kill {doomed}     and get it again"
        if spare
        else "  tahoe demo kill 1"
    )
    return [
        f"{up} up after {found['ready_s']:.1f} s.",
        f"Any {shares['needed']} of a file's {shares['total']} shares bring it back.",
        "",
        f"  gateway     {found['login']}",
        f"  directory   {found['directory']}",
        "",
        "Whoever has that link is signed in there, as long as the demo runs.",
        "Try in another terminal:",
        f"  {tahoe} put FILE",
        f"  {tahoe} get CAPABILITY COPY",
        f"{kill}; also: revive, freeze, corrupt, status",
        "",
        f"Ctrl-C ends it {end}.",
    ]


def _shares_text(found: dict[str, Any]) -> str:
    return "/".join(str(found["shares"][name]) for name in ("needed", "happy", "total"))


# ---- acting on one ---------------------------------------------------------------------

_numbers = click.argument(
    "numbers", metavar="NUM...", nargs=-1, required=True, type=click.IntRange(min=1)
)


def _find(ctx: click.Context, session: Session, root: Path | None) -> DemoRecord:
    root = root or ctx.meta.get(ROOT)
    root = root.expanduser().absolute() if root else None
    node = session.node_directory
    return find(root, node.expanduser().absolute() if node else None)


def _act(
    ctx: click.Context,
    session: Session,
    numbers: tuple[int, ...],
    root: Path | None,
    as_json: bool,
    describe: Callable[[dict[str, Any]], str],
) -> None:
    servers = ",".join(map(str, numbers))
    demo = _find(ctx, session, root)
    done = demo.ask("POST", f"/{ctx.command.name}?servers={servers}")
    if as_json:
        show(done)
        return
    for server in done["servers"]:
        click.echo(f"{server['name']} {describe(server)}")
    session.say(
        f"the client is connected to {done['connected']} of {done['total']} servers"
    )


@demo.command()
@_numbers
@_which_option
@json_option
@pass_session
@click.pass_context
def kill(ctx: click.Context, session: Session, /, **given: Any) -> None:
    """Stop servers: their ports and connections are closed."""
    _act(ctx, session, **given, describe=lambda _: "is dead")


@demo.command()
@_numbers
@_which_option
@json_option
@pass_session
@click.pass_context
def revive(ctx: click.Context, session: Session, /, **given: Any) -> None:
    """Start servers that were killed, and let frozen ones go on."""
    _act(ctx, session, **given, describe=lambda _: "lives")


@demo.command()
@_numbers
@_which_option
@json_option
@pass_session
@click.pass_context
def freeze(ctx: click.Context, session: Session, /, **given: Any) -> None:
    """Let servers answer nothing, with their connections open."""
    _act(ctx, session, **given, describe=lambda _: "is frozen")


@demo.command()
@_numbers
@_which_option
@json_option
@pass_session
@click.pass_context
def corrupt(ctx: click.Context, session: Session, /, **given: Any) -> None:
    """Flip bits in every share that servers hold."""

    def describe(server: dict[str, Any]) -> str:
        if not server["shares"]:
            return "holds no shares"
        return f"has bits flipped in {server['damaged']} of {server['shares']} shares"

    _act(ctx, session, **given, describe=describe)


@demo.command()
@_which_option
@json_option
@pass_session
@click.pass_context
def status(ctx: click.Context, session: Session, root: Path | None, as_json: bool) -> None:
    """Say which servers are up, and what they hold."""
    record = _find(ctx, session, root)
    found = record.ask("GET", "/status") | {"pid": record.pid}
    if as_json:
        show(found)
        return
    uptime = humanize.duration(time.time() - record.created)
    click.echo(f"a demo of {len(found['servers'])} servers, files as {_shares_text(found)}")
    click.echo(f"  process     {record.pid}, for {uptime}")
    click.echo(f"  gateway     {found['web']}")
    click.echo(f"  directory   {found['directory']}")
    for server in found["servers"]:
        seen = "connected" if server["connected"] else "not connected"
        shares = "1 share" if server["shares"] == 1 else f"{server['shares']} shares"
        size = humanize.size(server["bytes"])
        click.echo(
            f"  {server['name']:<10}  {server['state']:<7} {seen:<14} {shares}, {size}"
        )
