"""``tahoe completion``: what a shell needs to complete our words."""

from __future__ import annotations

import click
from click.shell_completion import ShellComplete, get_completion_class

from allmydata.cli.commands import COMPLETION_VARIABLE, root


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
