"""Transfers as pictures: what ``/_/live`` shows of each, decided from what is told of it.

A picture has a row for each server and a column for each segment, or for several where
there are many.  A cell is filled where the server gave or took blocks of it, so one that
fell silent has a row that ends, and the one whose share replaced it a row that begins.
static/live.js draws the same as events come: change both.  Format: docs/operations.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from attrs import frozen

from allmydata.interfaces.node import ITransfers
from allmydata.util import humanize
from allmydata.web.pages import count, page
from allmydata.web.reply import Reply

_NUMBERS = re.compile(r"([0-9]{1,9})")
PICTURES = 4  # of those that ended; those that run have one each
_CALM = ("running", "done", "cancelled")
_ACTIVE = {
    ("upload", True): "takes",
    ("upload", False): "took its share",
    ("download", True): "gives",
    ("download", False): "gave",
}

Told = dict[str, Any]


@frozen
class Row:
    """What one server has to do with a transfer.

    :param state: ``asked``, ``active``, ``stand-in`` (active in place of another),
        ``late`` (active, though it was replaced, or not waited for), ``silent``,
        ``replaced`` or ``failed``
    :param path: an SVG path of the cells that are filled, each one unit wide
    """

    name: str
    shares: str
    state: str
    words: str
    path: str
    label: str


@frozen
class Picture:
    """One transfer.

    :param state: ``running``, ``done``, ``cancelled`` or ``failed``
    :param bed: an SVG path of all cells
    """

    number: int
    kind: str
    index: str
    outcome: str
    state: str
    columns: int
    sums: str
    bed: str
    rows: list[Row]

    @classmethod
    def of(cls, told: Told) -> Picture:
        """Draw what is told of a transfer."""
        columns = max((len(one["cells"]) for one in told["servers"]), default=0)
        return cls(
            told["id"],
            told["kind"],
            told["storage_index"],
            told["outcome"],
            told["outcome"] if told["outcome"] in _CALM else "failed",
            columns,
            sums(told),
            cells("1" * columns),
            rows(told),
        )


@frozen
class Line:
    """A transfer that has ended, as a row of the table."""

    kind: str
    index: str
    size: str
    took: str
    rate: str
    ended: str
    outcome: str
    state: str
    trouble: str

    @classmethod
    def of(cls, told: Told) -> Line:
        """Sum up what is told of a transfer."""
        when = datetime.fromtimestamp(told["ended"] or 0, UTC)
        return cls(
            told["kind"],
            told["storage_index"],
            humanize.size(told["size"]),
            humanize.duration(told["seconds"]),
            rate(told),
            f"{when:%H:%M:%S}",
            told["outcome"],
            told["outcome"] if told["outcome"] in _CALM else "failed",
            trouble(told),
        )


def live_page(moves: ITransfers, **facts: Any) -> Reply:
    """Return the page of what moves, and has moved."""
    return page("live.html", **live_facts(moves), **facts)


def live_facts(moves: ITransfers) -> dict[str, Any]:
    """Return what a page with pictures on it is made of."""
    active = [one.as_json() for one in moves.active()]
    recent = [one.as_json() for one in moves.recent()]
    drawn = [*reversed(active), *recent[:PICTURES]]
    return {
        "pictures": [Picture.of(told) for told in drawn],
        "most_pictures": PICTURES,
        "num_running": len(active),
        "lines": [Line.of(told) for told in recent],
    }


def rows(told: Told) -> list[Row]:
    """Return a row for each server, in the order of their names."""
    servers = sorted(told["servers"], key=lambda one: natural(one["name"]))
    replaced = {one["replaced_by"]: one for one in servers}
    return [_row(told, one, _replaces(one, replaced)) for one in servers]


def natural(name: str) -> list[str | int]:
    """Return what puts ``s2`` before ``s10``."""
    return [int(part) if i % 2 else part for i, part in enumerate(_NUMBERS.split(name))]


def _replaces(server: Told, replaced: dict[int, Told]) -> str:
    """Return the name of the server in whose place this one is, or nothing."""
    found = [replaced[n] for n in server["shares"] if n in replaced]
    return next((one["name"] for one in found if one is not server), "")


def _row(told: Told, server: Told, replaces: str) -> Row:
    state, words = _standing(told, server, replaces)
    label = f"{server['segments']} of {count(told['segments'], 'segment')}"
    path = cells(server["cells"])
    return Row(server["name"], _shares(server["shares"]), state, words, path, label)


def _standing(told: Told, server: Told, replaces: str) -> tuple[str, str]:
    """Return how a server does, as a class and in words."""
    state: str = server["state"]
    if server["replaced_by"] is not None and state in ("active", "replaced"):
        is_late = state == "active"
        took = f"{_replacement(told['servers'], server)} took its place"
        return ("late", f"late: {took}") if is_late else (state, f"silent: {took}")
    if state == "active" and not server["segments"]:
        return "asked", "at hand"
    if state == "active":
        words = _ACTIVE[told["kind"], told["outcome"] == "running"]
        return (
            ("stand-in", f"{words} in place of {replaces}") if replaces else (state, words)
        )
    if state == "late":
        return state, "late: not waited for"
    return state, f"failed: {server['why']}" if server["why"] else state


def _replacement(servers: Iterable[Told], server: Told) -> str:
    number = server["replaced_by"]
    holders = [one["name"] for one in servers if number in one["shares"]]
    others = [name for name in holders if name != server["name"]]
    return f"share {number}" + (f" on {others[0]}" if others else "")


def _shares(numbers: list[int]) -> str:
    if not numbers:
        return ""
    return f"share{'s' * (len(numbers) > 1)} {', '.join(map(str, sorted(numbers)))}"


def cells(marks: str) -> str:
    """Return the SVG path of those cells that *marks* has a 1 for."""
    gap = min(0.06, len(marks) / 400)  # about as wide however many cells there are
    shape = f"h{1 - 2 * gap:.4f}v1H"
    found = (i + gap for i, mark in enumerate(marks) if mark == "1")
    return "".join(f"M{x:.4f} 0{shape}{x:.4f}z" for x in found)


def sums(told: Told) -> str:
    """Return how far a transfer is, in one line."""
    done, size = told["done"], told["size"]
    part = 100 * done // size if size else 100
    words = [f"{humanize.size(done)} of {humanize.size(size)}", f"{part} %", rate(told)]
    return " · ".join(filter(None, [*words, humanize.duration(told["seconds"])]))


def rate(told: Told) -> str:
    """Return how quick it is, or was."""
    seconds = told["seconds"]
    return f"{humanize.size(int(told['done'] / seconds))}/s" if seconds else ""


def trouble(told: Told) -> str:
    """Return how many servers were no help."""
    states = [one["state"] for one in told["servers"]]
    kinds = ("silent", "late", "replaced", "failed")
    found = [f"{states.count(kind)} {kind}" for kind in kinds if kind in states]
    return ", ".join(found)
