"""``tahoe completion``: what a shell needs to complete our words, and is then told."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem, ShellComplete, get_completion_class

from allmydata.cli.aliases import AliasFile
from allmydata.cli.commands import COMPLETION_VARIABLE, root
from allmydata.cli.session import Session
from allmydata.errors import ConfigError


class Place(click.ParamType[str]):
    """A place on the grid; a shell completes the aliases.

    :param local: it may be a file of this machine too
    """

    name = "place"

    def __init__(self, *, local: bool = False) -> None:
        self._local = local

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the aliases that begin with *incomplete*; no node is asked."""
        directory = ctx.find_root().params.get("node_directory")
        file = AliasFile.of(Session(directory, True, False).basedir())
        try:
            names = sorted(file.read())
        except ConfigError:
            names = []
        found = [
            CompletionItem(f"{name}:") for name in names if name.startswith(incomplete)
        ]
        return found + ([CompletionItem(incomplete, type="file")] if self._local else [])


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    r"""Print what teaches SHELL to complete the words of tahoe.

    \b
    bash:  eval "$(tahoe completion bash)"       in ~/.bashrc
    zsh:   eval "$(tahoe completion zsh)"        in ~/.zshrc
    fish:  tahoe completion fish > ~/.config/fish/completions/tahoe.fish
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}")
    complete = kind(root, {}, "tahoe", COMPLETION_VARIABLE)
    click.echo(ShellComplete.source(complete))  # without asking the shell its version
