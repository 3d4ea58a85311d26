"""What stands before the command, and holds for all of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from attrs import frozen

from allmydata.errors import UsageError
from allmydata.webapi import NodeHTTP

DEFAULT = Path("~/.tahoe")


@frozen
class Session:
    """One run of ``tahoe``.

    :param node_directory: what ``-d`` or the environment says; None: neither did
    """

    node_directory: Path | None
    quiet: bool
    verbose: bool

    def basedir(self, *given: Path | None, needed: bool = False) -> Path:
        """Return the node directory: the first of *given*, else ``-d``, else ~/.tahoe.

        :param needed: no default
        :raises UsageError: it is needed and nobody gave one
        """
        for path in (*given, self.node_directory, None if needed else DEFAULT):
            if path is not None:
                return path.expanduser().absolute()
        raise UsageError("no node directory given", fix="name it as the last word")

    def node(self) -> NodeHTTP:
        """Return the gateway of the node of this session; nothing is asked of it yet.

        :raises NodeNotRunningError: it never offered one
        """
        return NodeHTTP.of_directory(self.basedir())

    def say(self, text: str) -> None:
        """Tell people something that is not the result."""
        if not self.quiet:
            click.echo(text, err=True)


pass_session = click.make_pass_decorator(Session)

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object, errors too."
)


def show(result: Any) -> None:
    """Print *result* as JSON, the only thing on standard output."""
    click.echo(json.dumps(result, indent=1))
