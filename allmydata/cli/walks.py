"""``tahoe manifest``, ``find``, ``stats``: all below a directory, as it is found."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from typing import Any

import click

from allmydata.cli.aliases import Target, about, find, url_path
from allmydata.cli.completion import Place
from allmydata.cli.printing import emit
from allmydata.cli.session import Session, json_option, pass_session
from allmydata.errors import GridError
from allmydata.util import humanize
from allmydata.webapi import RemoteNodeError

_KINDS = {"f": "file", "d": "directory", "u": "unknown"}

Entry = dict[str, Any]


@click.command()
@click.argument("place", type=Place(), default="")
@click.option(
    "--storage-index", "told", flag_value="storage-index", help="Print only these."
)
@click.option(
    "--verify-cap",
    "--verify-caps",
    "told",
    flag_value="verifycap",
    help="Print only these.",
)
@click.option("--repair-cap", "told", flag_value="repaircap", help="Print only these.")
@click.option(
    "--raw", is_flag=True, help="The gateway's lines of JSON; the same as --json."
)
@json_option
@pass_session
def manifest(
    session: Session, place: str, told: str | None, raw: bool, as_json: bool
) -> None:
    """Print the capability and the path of all that is below PLACE, a line each.

    Lines come as things are found.  What has several names is listed under one of them.
    The last line of --raw holds statistics.
    """
    for line, entry in walk(session, find(session, place)):
        if raw or as_json:
            emit(line)
        elif entry["type"] == "stats":
            continue
        elif told is None:
            emit(f"{entry['cap']} {'/'.join(entry['path'])}")
        elif entry.get(told):
            emit(entry[told])


@click.command("find")
@click.argument("place", type=Place(), default="")
@click.option(
    "--name", metavar="PATTERN", help="Its name fits: * ? [abc] stand for others."
)
@click.option(
    "--type", "kind", type=click.Choice([*_KINDS, *_KINDS.values()]), help="It is one."
)
@click.option(
    "--min-size", metavar="SIZE", help="A file of SIZE bytes at least: 10M, 1.5Gi."
)
@click.option("--max-size", metavar="SIZE", help="A file of SIZE bytes at most.")
@click.option(
    "-0", "--print0", "zeros", is_flag=True, help="End names with NUL, for xargs -0."
)
@json_option
@pass_session
def find_places(
    session: Session,
    place: str,
    name: str | None,
    kind: str | None,
    min_size: str | None,
    max_size: str | None,
    zeros: bool,
    as_json: bool,
) -> None:
    """Print what is below PLACE and fits all options given, a line each.

    What is printed can be given to other commands as it is.  Lines come as things are
    found.  What has several names is found under one of them.  --json prints an object a
    line: path, type, size, cap.
    """
    target = find(session, place)
    fits = _condition(target.name, name, kind, _bytes(min_size), _bytes(max_size))
    for _, entry in walk(session, target):
        if entry["type"] == "stats" or not fits(entry):
            continue
        if as_json:
            words = {word: entry[word] for word in ("path", "type", "cap")}
            emit(json.dumps(words | {"size": size_of(entry["cap"])}))
        else:
            emit(_written(place, entry["path"]), end="\0" if zeros else "\n")


def _condition(
    root: str, name: str | None, kind: str | None, low: int | None, high: int | None
) -> Callable[[Entry], bool]:
    """Return what tells whether an entry is wanted.

    :param root: the name of the entry without a path
    """

    def fits(entry: Entry) -> bool:
        last = entry["path"][-1] if entry["path"] else root
        if name is not None and not (last and fnmatchcase(last, name)):
            return False
        if kind and entry["type"] != _KINDS[kind[0]]:
            return False
        if low is None and high is None:
            return True
        size = size_of(entry["cap"])
        return size is not None and (low or 0) <= size and (high is None or size <= high)

    return fits


def _bytes(text: str | None) -> int | None:
    try:
        return humanize.parse_size(text) if text is not None else None
    except ValueError as e:
        raise click.UsageError(str(e)) from e


def _written(place: str, path: list[str]) -> str:
    end = "" if not place or place.endswith(("/", ":")) or not path else "/"
    return place + end + "/".join(path)


def size_of(cap: str) -> int | None:
    """Return the bytes of the file that *cap* names, where it tells."""
    if cap.startswith("URI:CHK:"):
        return int(cap.rsplit(":", 1)[-1])
    if cap.startswith("URI:LIT:"):
        return (len(cap) - len("URI:LIT:")) * 5 // 8
    return None


@click.command()
@click.argument("place", type=Place(), default="")
@click.option("--raw", is_flag=True, help="The gateway's JSON; the same as --json.")
@json_option
@pass_session
def stats(session: Session, place: str, raw: bool, as_json: bool) -> None:
    """Count what is below PLACE: files, directories, and their sizes."""
    found: Entry = {}
    for _, entry in walk(session, find(session, place)):
        found = entry.get("stats", {})
    if raw or as_json:
        emit(json.dumps(found | {"finished": True}, indent=1))
        return
    histogram = found.pop("size-files-histogram", [])
    width = max(map(len, found), default=0)
    for word, number in found.items():
        people = f"  ({humanize.size(number)})" if _is_size(word) and number > 999 else ""
        emit(f"{word:>{width}}: {number}{people}")
    if histogram:
        emit("sizes of files:")
    for low, high, count in histogram:
        emit(f"  {low:>12} - {high:>12} bytes: {count}")


def _is_size(word: str) -> bool:
    return word.startswith(("size-", "largest-")) and not word.endswith("-children")


def walk(session: Session, target: Target) -> Iterator[tuple[str, Entry]]:
    """Yield each line of the stream, and what it means; the last one holds the statistics.

    :raises GridError: it ended before that
    """
    last = None
    with about(target):
        path = url_path(target) + "?t=stream-manifest"
        for raw in session.node().lines("POST", path):
            line = raw.decode("utf-8", "replace")
            if line.startswith("ERROR:"):
                raise GridError(line.removeprefix("ERROR:").strip(), fix="try again")
            last = _entry(line)
            yield line, last
    if last is None or last["type"] != "stats":
        raise GridError(
            "the list ended before it was whole",
            why="the node ended the connection",
            fix="try again; its log says why",
        )


def _entry(line: str) -> Entry:
    try:
        entry: Entry = json.loads(line)
        if entry["type"] != "stats":
            entry["path"], entry["cap"]
    except (ValueError, KeyError, TypeError) as e:
        raise RemoteNodeError("failed", "the node lists this in no known way") from e
    return entry
