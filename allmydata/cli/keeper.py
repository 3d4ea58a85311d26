"""``tahoe keeper``: files that are looked after, given as capabilities that can't read."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import click

from allmydata.cli.aliases import find
from allmydata.cli.completion import Place
from allmydata.cli.printing import emit
from allmydata.cli.session import Session, json_option, pass_session, show
from allmydata.cli.walks import walk
from allmydata.errors import BadCapError, GridError, UsageError
from allmydata.util import humanize

BATCH = 5000  # capabilities in one request
SHOWN = 10  # lines that were refused

_file = click.option(
    "--file",
    "caps",
    type=click.Path(path_type=Path),
    help="A line each: a capability, or what tahoe manifest prints. - is standard input.",
)


@click.group()
def keeper() -> None:
    """Have files looked after: checked, repaired, and their leases renewed.

    The keeper works in the node while it runs.  It is given verify capabilities only: it
    can neither read the files nor let anybody else.
    """


@keeper.command()
@click.argument("place", type=Place(), required=False)
@_file
@json_option
@pass_session
def add(session: Session, place: str | None, caps: Path | None, as_json: bool) -> None:
    """Keep all files below PLACE, or those of a list, from now on.

    Files that are kept already stay so.  What is added to PLACE later is not kept until
    this is said again.  Of a capability that can read, what the keeper is told can't.
    """
    told = {"added": 0, "known": 0, "literal": 0, "refused": 0}
    troubles = _send(session, "add", _caps(session, place, caps), told)
    if as_json:
        show({**told, "lines": troubles})
    else:
        click.echo(f"{_files(told['added'])} added, {told['known']} kept already")
        if told["literal"]:
            session.say(f"{told['literal']} lie in their capabilities: nothing to keep")
    _refused(told["refused"], troubles, as_json)


@keeper.command()
@click.argument("place", type=Place(), required=False)
@_file
@click.option("--all", "everything", is_flag=True, help="Keep nothing any more.")
@json_option
@pass_session
def remove(
    session: Session,
    place: str | None,
    caps: Path | None,
    everything: bool,
    as_json: bool,
) -> None:
    """Keep all files below PLACE, those of a list, or all, no longer.

    Nothing is deleted on any server: leases that are not renewed run out in time.
    """
    told = {"removed": 0, "literal": 0, "refused": 0}
    troubles: list[dict[str, Any]] = []
    if everything:
        told |= _ask(session, "POST", "/keeper?t=remove&all=true")
    else:
        troubles = _send(session, "remove", _caps(session, place, caps), told)
    if as_json:
        show({**told, "lines": troubles})
    else:
        click.echo(f"{_files(told['removed'])} no longer kept")
    _refused(told["refused"], troubles, as_json)


@keeper.command()
@json_option
@pass_session
def status(session: Session, as_json: bool) -> None:
    """Say how the files are that are kept, and what is being done."""
    told = _ask(session, "GET", "/keeper?t=json")
    if as_json:
        show(told)
        return
    files, done = told["files"], told["keeper"]
    click.echo(told["verdict"])
    click.echo(f"kept: {_files(files['kept'])}, {humanize.size(files['bytes'])}")
    for state in ("new", "well", "waiting", "weak", "unreadable"):
        if files[state]:
            click.echo(f"  {state:<10} {files[state]:>9,}")
    for spare, num in told["spare"].items():
        click.echo(f"  may lose {spare:>3} servers: {_files(num)}")
    click.echo(
        f"since the start: {done['looks']:,} looks, {done['reads']:,} read,"
        f" {done['repairs']:,} repaired, {done['renewals']:,} leases renewed"
    )
    if done["to_repair_bytes"]:
        click.echo(f"to be repaired: files of {humanize.size(done['to_repair_bytes'])}")


@keeper.command("list")
@json_option
@pass_session
def list_files(session: Session, as_json: bool) -> None:
    """Print a line for each file that is kept: state, servers it may lose, capability.

    --json prints an object a line.
    """
    after: int | None = 0
    while after is not None:
        told = _ask(session, "GET", f"/keeper?t=list&after={after}")
        for file in told["files"]:
            if as_json:
                emit(json.dumps(file))
            else:
                emit(f"{file['state']:<10} {file['spare']:>3}  {file['verifycap']}")
        after = told["next"]


@keeper.command("run-now")
@click.option("--read", is_flag=True, help="Begin a round of reading too.")
@json_option
@pass_session
def run_now(session: Session, read: bool, as_json: bool) -> None:
    """Look at every file now, and repair what needs it."""
    told = _ask(session, "POST", f"/keeper?t=run-now&read={str(read).lower()}")
    if as_json:
        show(told)
    else:
        session.say("begun; see:  tahoe keeper status")


# ---- inside ------------------------------------------------------------------------------


def _ask(session: Session, method: str, path: str, body: bytes = b"") -> dict[str, Any]:
    told: dict[str, Any] = json.loads(session.node().ask(method, path, body))
    return told


def _caps(session: Session, place: str | None, caps: Path | None) -> Iterator[str]:
    """Yield what stands for files, a line each, below a place or from a list."""
    if (place is None) == (caps is None):
        raise UsageError(
            "name a PLACE or a --file", fix="for all there is:  tahoe keeper add tahoe:"
        )
    if place is not None:
        for _, entry in walk(session, find(session, place)):
            if entry["type"] == "file" and entry.get("verifycap"):
                yield entry["verifycap"]
        return
    if caps == Path("-"):
        yield from sys.stdin
        return
    try:
        with open(caps or "", encoding="utf-8", errors="replace") as lines:
            yield from lines
    except OSError as e:
        raise UsageError(f"{caps} can't be read", why=e.strerror or "") from e


def _send(
    session: Session, act: str, lines: Iterable[str], told: dict[str, int]
) -> list[dict[str, Any]]:
    """Give the node what *lines* hold, some thousand at a time; add up what it says.

    :return: the lines that were refused, and why
    """
    troubles: list[dict[str, Any]] = []
    numbered = enumerate(lines, 1)
    while batch := list(islice(numbered, BATCH)):
        good: list[tuple[int, str]] = []
        for number, line in batch:
            try:
                good += [(number, cap)] if (cap := _cap_in(line)) else []
            except BadCapError as e:
                told["refused"] += 1
                troubles.append({"line": number, "why": e.message})
        body = "\n".join(cap for _, cap in good).encode()
        answer = _ask(session, "POST", f"/keeper?t={act}", body)
        for word in told:
            told[word] += answer.get(word, 0)
        for trouble in answer["lines"]:
            troubles.append({**trouble, "line": good[trouble["line"] - 1][0]})
    return troubles


def _cap_in(line: str) -> str:
    """Return the verify capability of what a line of a list stands for; empty: nothing.

    :raises BadCapError: it is none of a file
    """
    from allmydata import uri

    text = line.strip()
    if text.startswith("{"):
        try:
            entry = json.loads(text)
            text = entry.get("verifycap", "") if entry.get("type") != "stats" else ""
        except (ValueError, AttributeError):
            raise BadCapError("this is no line of a manifest") from None
    word = text.split(" ", 1)[0]
    if not word or word.startswith("#"):
        return ""
    cap = uri.from_string(word)
    if isinstance(cap, uri.Dir2URI | uri.Dir2VerifierURI):
        cap = cap.file  # it lies in a file, which is kept like any other
    if isinstance(cap, uri.CHKFileURI):
        return cap.get_verify_cap().to_string()
    if isinstance(cap, uri.CHKFileVerifierURI | uri.LiteralFileURI):
        return cap.to_string()
    if isinstance(cap, uri.DirnodeURI | uri.ReadOnlyDirnodeURI):
        return ""  # a manifest names directories too: they are not kept by servers' shares
    raise BadCapError("this is no capability of a file")


def _refused(number: int, troubles: list[dict[str, Any]], as_json: bool) -> None:
    if not number:
        return
    if as_json:
        sys.exit(1)
    shown = [f"line {one['line']}: {one['why']}" for one in troubles[:SHOWN]]
    raise GridError(f"lines that can't be kept: {number}", why="\n".join(shown))


def _files(number: int) -> str:
    return f"{number:,} file{'s' * (number != 1)}"
