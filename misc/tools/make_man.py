"""Write the manual pages of ``tahoe``, one a command, from the commands themselves.

    python misc/tools/make_man.py [directory]

The directory is docs/man unless given.  A page that no command has any more is taken away.
Read one with:  man -l docs/man/tahoe-ls.1
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from allmydata.cli.commands import root
from allmydata.cli.failures import EXIT_WORDS

PAGES = Path(__file__).parents[2] / "docs" / "man"
GAP = re.compile(r"\n\s*\n")


def main(directory: Path) -> None:
    """Make the files in *directory* the pages, no more and no fewer."""
    directory.mkdir(exist_ok=True)
    made = pages()
    for old in set(directory.glob("*.1")) - {directory / name for name in made}:
        old.unlink()
    for name, text in made.items():
        (directory / name).write_text(text, "utf-8")


def pages() -> dict[str, str]:
    """Return the name of each file, and what is to be in it."""
    ctx = click.Context(root, info_name="tahoe", **root.context_settings)
    made = {"tahoe.1": page(ctx, commands_of(ctx))}
    for name in root.list_commands(ctx):
        command = root.get_command(ctx, name)
        assert command is not None
        inner = click.Context(command, parent=ctx, info_name=name)
        made[f"tahoe-{name}.1"] = page(inner, subcommands_of(inner))
    return made


def page(ctx: click.Context, more: Iterator[str]) -> str:
    """Return the page of the command of *ctx*.

    :param more: lines for what it alone has
    """
    name = ctx.command_path.replace(" ", "-")
    first, *rest = paragraphs(ctx.command)
    usage = " ".join(ctx.command.collect_usage_pieces(ctx))
    lines = [
        f'.TH "{plain(name.upper())}" "1" "" "allmydata" "The tahoe command"',
        ".SH NAME",
        f"{plain(name)} \\- {plain(summary(first))}",
        ".SH SYNOPSIS",
        f".B {plain(ctx.command_path)}",
        text(usage),
        ".SH DESCRIPTION",
        *described([first, *rest]),
        *options(ctx),
        *more,
    ]
    lines += [".SH SEE ALSO", ".BR tahoe (1)"] if ctx.parent else exit_codes()
    return "\n".join(lines) + "\n"


def commands_of(ctx: click.Context) -> Iterator[str]:
    """Yield the list of commands, each with its page."""
    yield ".SH COMMANDS"
    for name in root.list_commands(ctx):
        command = root.get_command(ctx, name)
        assert command is not None
        yield from (".TP", f".BR {plain(f'tahoe-{name}')} (1)")
        yield text(summary(paragraphs(command)[0]))


def subcommands_of(ctx: click.Context) -> Iterator[str]:
    """Yield all of each command below that of *ctx*, if it is a group."""
    if not isinstance(ctx.command, click.Group):
        return
    yield ".SH COMMANDS"
    for name in ctx.command.list_commands(ctx):
        command = ctx.command.get_command(ctx, name)
        assert command is not None
        inner = click.Context(command, parent=ctx, info_name=name)
        usage = " ".join(command.collect_usage_pieces(inner))
        yield f'.SS "{plain(name)} {plain(usage)}"'
        yield from described(paragraphs(command))
        yield from options(inner, heading=False)


def options(ctx: click.Context, *, heading: bool = True) -> Iterator[str]:
    """Yield the options, in the words of ``--help``."""
    records = [record for p in ctx.command.get_params(ctx) if (record := help_of(p, ctx))]
    if records and heading:
        yield ".SH OPTIONS"
    for words, said in records:
        yield from (".TP", f"\\fB{plain(words)}\\fR", text(said))


def help_of(param: click.Parameter, ctx: click.Context) -> tuple[str, str] | None:
    """Return an option and its line, nothing for an argument."""
    return param.get_help_record(ctx) if isinstance(param, click.Option) else None


def exit_codes() -> Iterator[str]:
    """Yield the table of exit codes."""
    yield from (".SH EXIT STATUS", ".TP", "\\fB0\\fR", "done")
    for code, words in EXIT_WORDS.items():
        yield from (".TP", f"\\fB{code}\\fR", text(words))


def paragraphs(command: click.Command) -> list[str]:
    """Return the help of *command*, cut where a line is empty."""
    return GAP.split(inspect.cleandoc(command.help or command.short_help or ""))


def summary(paragraph: str) -> str:
    """Return the first sentence, as the line after a page's name: without its full stop."""
    return " ".join(paragraph.split()).split(". ")[0].removesuffix(".")


def described(parts: list[str]) -> Iterator[str]:
    """Yield *parts* as paragraphs; click's mark of lines to keep is heeded."""
    for number, part in enumerate(parts):
        if number:
            yield ".PP"
        kept = part.startswith("\b")
        lines = part.removeprefix("\b").strip("\n").split("\n")
        yield from [".nf", *map(text, lines), ".fi"] if kept else map(text, lines)


def text(line: str) -> str:
    """Return *line* so that troff takes it for text."""
    line = plain(line.strip() if not line.startswith("  ") else line)
    return "\\&" + line if line.startswith((".", "'")) else line


def plain(words: str) -> str:
    """Return *words* without any meaning to troff."""
    words = words.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq")
    return words.replace("…", "...").replace("`", "\\`").replace("~", "\\(ti")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PAGES)
