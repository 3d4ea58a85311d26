"""``tahoe top``: what a node moves right now, and what became of the rest."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import click
from attrs import define, field

from allmydata.cli.printing import emit, safe
from allmydata.cli.session import Session, pass_session, show
from allmydata.errors import NodeNotRunningError
from allmydata.util import humanize

BAR = 20  # letters
KEPT = 10  # transfers that have ended stay this many
WORST_SHOWN = 4  # servers in one line
HOME, CLEAR_LINE, CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"
CLEAR_ALL = "\x1b[2J"

Told = dict[str, Any]


@click.command()
@click.option("--once", is_flag=True, help="Show how it is now, and end.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print JSON: one object a change, or with --once one object in all.",
)
@pass_session
def top(session: Session, once: bool, as_json: bool) -> None:
    """Watch uploads and downloads as they happen.

    On a terminal the view is refreshed in place; Ctrl-C ends it.  Elsewhere there is a
    line when a transfer begins, when one of its servers falls silent or is replaced, and
    when it ends.
    """
    node = session.node()
    if once:
        told = node.json("/live?t=json")
        if as_json:
            show(told)
        else:
            emit(*View.of(told).lines())
        return
    _follow(node.lines("GET", "/live?t=events"), as_json)
    raise NodeNotRunningError("the node hung up", fix="see:  tahoe status")


def _follow(lines: Iterator[bytes], as_json: bool) -> None:
    """Show what *lines* of server-sent events tell, until they end."""
    view = View()
    is_screen = sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and not as_json
    if is_screen:
        _paint(view.lines(), first=True)
    for line in lines:
        told = parse(line)
        if told is None:
            continue
        if as_json:
            emit(json.dumps(told))
        elif is_screen:
            view.take(told)
            _paint(view.lines())
        else:
            emit(*view.take(told))


def parse(line: bytes) -> Told | None:
    """Return what a line of server-sent events tells, if it tells of a transfer."""
    if not line.startswith(b"data:"):
        return None
    try:
        told = json.loads(line[len(b"data:") :])
    except ValueError:
        return None
    return told if isinstance(told, dict) and "id" in told else None


@define
class View:
    """What is known of each transfer."""

    _active: dict[int, Told] = field(factory=dict)
    _ended: list[Told] = field(factory=list)  # the newest first
    _said: dict[int, list[str]] = field(factory=dict)  # of each server that is no help

    @classmethod
    def of(cls, told: Told) -> View:
        """Return the view of what ``/live?t=json`` tells."""
        active = {one["id"]: one for one in told.get("active", [])}
        return cls(active, list(told.get("recent", [])))

    def take(self, told: Told) -> list[str]:
        """Hear of one transfer; return the lines that are worth a place in a log."""
        number = told["id"]
        is_new = number not in self._active
        self._active[number] = told
        trouble = _troubles(told)
        fresh = [one for one in trouble if one not in self._said.get(number, [])]
        self._said[number] = trouble
        if told["outcome"] != "running":
            del self._active[number], self._said[number]
            self._ended = [told, *self._ended][:KEPT]
        elif not is_new and not fresh:
            return []
        return [f"{_line(told)}  {', '.join(fresh)}".rstrip()]

    def lines(self) -> list[str]:
        """Return the whole view."""
        active = [line for one in self._active.values() for line in _block(one)]
        ended = [_line(one) for one in self._ended[:KEPT]]
        return [
            f"{len(self._active)} running",
            *active,
            *(["", "ended"] if ended else []),
            *ended,
        ]


def _line(told: Told) -> str:
    size, done = told["size"], told["done"]
    part = done / size if size else 1.0
    rate = humanize.size(int(done / told["seconds"])) + "/s" if told["seconds"] else ""
    words = [
        f"{told['kind']:<8} {told['storage_index']:<5}",
        f"{humanize.size(size):>9} {part:>4.0%}",
        f"{rate:>11} {humanize.duration(told['seconds']):>9}",
        told["outcome"],
    ]
    return "  ".join(words)


def _block(told: Told) -> list[str]:
    filled = round(BAR * told["done"] / told["size"]) if told["size"] else BAR
    lines = [f"[{'#' * filled}{'.' * (BAR - filled)}]  {_line(told)}"]
    trouble = _troubles(told)
    if trouble:
        rest = len(trouble) - WORST_SHOWN
        more = [f"{rest} more"] if rest > 0 else []
        lines.append("    " + ", ".join([*trouble[:WORST_SHOWN], *more]))
    return lines


def _troubles(told: Told) -> list[str]:
    """Return a few words on each server that is no help."""
    return [
        f"{server['name']} {_state(server)}"
        for server in told["servers"]
        if server["state"] in ("silent", "replaced", "failed")
    ]


def _state(server: Told) -> str:
    if server["state"] == "replaced":
        return f"silent, replaced by share {server['replaced_by']}"
    return str(server["why"] if server["state"] == "failed" else server["state"])


def _paint(lines: Iterable[str], *, first: bool = False) -> None:
    """Show *lines* in place of those before, cut to what the terminal holds."""
    width, height = shutil.get_terminal_size()
    shown = [safe(line)[: width - 1] + CLEAR_LINE for line in lines][: height - 1]
    start = CLEAR_ALL + HOME if first else HOME
    sys.stdout.write(start + "\n".join(shown) + "\n" + CLEAR_BELOW)
    sys.stdout.flush()
