"""The list of commands; the module of each is loaded when it is run, not before."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import click
from click.shell_completion import shell_complete

from allmydata import __version__
from allmydata.cli.failures import USAGE, report
from allmydata.cli.localfiles import Ended
from allmydata.cli.session import Session

COMPLETION_VARIABLE = "_TAHOE_COMPLETE"

# name: where it is, and its line in `tahoe --help`
COMMANDS = {
    "create-introducer": ("create:create_introducer", "Make an introducer's directory."),
    "create-vdrive": ("create:create_vdrive", "Make a vdrive server's directory."),
    "create-node": ("create:create_node", "Make a storage node's directory."),
    "create-client": ("create:create_client", "Make a client's directory."),
    "run": ("run:run", "Run a node until it is told to stop."),
    "start": ("run:start", "Run a node in the background; return when it answers."),
    "stop": ("run:stop", "Stop a node that runs."),
    "restart": ("run:restart", "Stop a node if it runs, then start it."),
    "status": ("run:status", "Say whether a node runs, and whom it is connected to."),
    "put": ("files:put", "Store a file; print its capability."),
    "get": ("files:get", "Fetch a file by its name or capability."),
    "ls": ("listing:ls", "List a directory."),
    "mkdir": ("directories:mkdir", "Make a directory; print its capability."),
    "cp": ("cp:cp", "Copy files and trees, to the grid, from it, or within it."),
    "backup": ("backup:backup", "Keep a directory as it is now, among its snapshots."),
    "mv": ("directories:mv", "Move or rename a file or a directory."),
    "ln": ("directories:ln", "Give a file or a directory another name."),
    "rm": ("directories:rm", "Take a name out of its directory."),
    "unlink": ("directories:unlink", "Another word for rm."),
    "find": ("walks:find_places", "Find files by name, kind and size."),
    "manifest": ("walks:manifest", "List all that is below a directory."),
    "stats": ("walks:stats", "Count what is below a directory."),
    "check": ("check:check", "See whether a file is safe; repair it."),
    "deep-check": ("deepcheck:deep_check", "The same for all below a directory."),
    "webopen": ("webopen:webopen", "Open a file or a directory in a browser."),
    "create-alias": ("naming:create_alias", "Make a directory and give it a short name."),
    "add-alias": ("naming:add_alias", "Give a directory a short name."),
    "list-aliases": ("naming:list_aliases", "List the short names."),
    "rm-alias": ("naming:rm_alias", "Forget a short name."),
    "vdrive": ("vdrive:vdrive", "Back up a vdrive server, and bring it back."),
    "storage": ("storage:storage", "Say what a storage node keeps, for whom, how long."),
    "servers": ("servers:servers", "List the storage servers; empty one, or spread files."),
    "keeper": ("keeper:keeper", "Have files looked after by a node that can't read them."),
    "blobs": ("blobs:blobs", "List, put and get what doors keep; recover their index."),
    "health": ("health:health", "Say how safe the files are."),
    "top": ("top:top", "Watch uploads and downloads as they happen."),
    "demo": ("demo:demo", "Run a whole grid in one process, to try things on."),
    "debug": ("debug:debug", "Look into capabilities and shares; damage shares."),
    "completion": ("completion:completion", "Print what teaches a shell our words."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported one at a time."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of *cmd_name* and return the command in it."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(f"allmydata.cli.{module}"), name)
        if command.help:  # in a raw docstring click's mark of lines to keep is two letters
            command.help = command.help.replace("\\b\n", "\b\n")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-d",
    "--node-directory",
    metavar="DIR",
    envvar="TAHOE_NODE_DIRECTORY",
    type=click.Path(path_type=Path),
    help="The node to use. Default: $TAHOE_NODE_DIRECTORY, else ~/.tahoe.",
)
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but results and errors.")
@click.option("-v", "--verbose", is_flag=True, help="Add the traceback to errors.")
@click.version_option(__version__, message="allmydata/%(version)s")
@click.pass_context
def root(
    ctx: click.Context, node_directory: Path | None, quiet: bool, verbose: bool
) -> None:
    """Keep files on a grid of servers that can neither read nor alter them.

    Results go to standard output, everything else to standard error.  Exit codes: 0 done,
    1 failed, 2 not found, 3 usage, 10 no node answers, 11 node not ready, 12 not enough
    servers, 13 unrecoverable, 14 corrupt, 15 not permitted, 16 conflict, 17 no space,
    130 interrupted.

    Try it:  tahoe demo
    """
    ctx.obj = Session(node_directory, quiet, verbose)


def dispatch(words: Sequence[str]) -> int:
    """Run the command that *words* name; tell of what goes wrong; return the exit code."""
    if COMPLETION_VARIABLE in os.environ:
        instruction = os.environ[COMPLETION_VARIABLE]
        return shell_complete(root, {}, "tahoe", COMPLETION_VARIABLE, instruction)
    try:
        code = _run(list(words))
        sys.stdout.flush()
        return code
    except Ended as e:
        return 128 + e.signum
    except (Exception, KeyboardInterrupt) as e:
        ours = words[: list(words).index("--")] if "--" in words else words
        verbose = any(word in ("-v", "--verbose") for word in _before_command(ours))
        return report(e, as_json="--json" in ours, verbose=verbose)


def _run(words: list[str]) -> int:
    try:
        with root.make_context("tahoe", words) as ctx:
            result: Any = root.invoke(ctx)
    except click.exceptions.Exit as e:
        return e.exit_code
    except click.exceptions.NoArgsIsHelpError as e:
        e.show()
        return USAGE
    return result if isinstance(result, int) else 0


def _before_command(words: Sequence[str]) -> Sequence[str]:
    at = next((i for i, word in enumerate(words) if word in COMMANDS), len(words))
    return words[:at]
