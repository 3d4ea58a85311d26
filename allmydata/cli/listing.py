"""``tahoe ls``: what is in a directory, for people and for programs."""

from __future__ import annotations

import time
from codecs import iterdecode
from collections.abc import Iterable, Iterator
from functools import lru_cache
from operator import itemgetter
from typing import Any

import click
from attrs import frozen

from allmydata.cli import members
from allmydata.cli.aliases import about, find, url_path
from allmydata.cli.completion import Place
from allmydata.cli.printing import emit, emit_all
from allmydata.cli.session import Session, json_option, pass_session
from allmydata.webapi import ANSWER_LIMIT_S

HALF_A_YEAR_S = 182 * 86400

Row = tuple[str, tuple[str, ...], tuple[str, ...]]  # name, columns, capabilities


@frozen
class Columns:
    """What is printed of each child."""

    now: float
    long: bool
    classify: bool
    uri: bool
    readonly_uri: bool

    def row(self, child: members.Child) -> Row:
        """Return what is printed of *child*; the texts, not what they were made from."""
        name, kind, told = child
        shown = name + _mark(kind, told) if self.classify else name
        cells: tuple[str, ...] = (shown,)
        if self.long:
            cells = (_mode(kind, told), _size(kind, told), _time(told, self.now), shown)
        caps = [told.get("rw_uri") or told.get("ro_uri") or "-"] if self.uri else []
        caps += [told.get("ro_uri") or "-"] if self.readonly_uri else []
        return name, cells, tuple(caps)


@click.command()
@click.argument("place", type=Place(), default="")
@click.option("-l", "--long", is_flag=True, help="Mode, size and time of each.")
@click.option("-F", "--classify", is_flag=True, help="Append / to directories.")
@click.option("--uri", is_flag=True, help="Print the capability of each.")
@click.option("--readonly-uri", is_flag=True, help="Print the capability that only reads.")
@json_option
@pass_session
def ls(
    session: Session,
    place: str,
    long: bool,
    classify: bool,
    uri: bool,
    readonly_uri: bool,
    as_json: bool,
) -> None:
    """List the directory at PLACE, one name a line; without it, that of the alias tahoe.

    PLACE is ALIAS:PATH, a capability, or CAP/PATH.  The time of -l is that of the name's
    last change.
    """
    target = find(session, place)
    pieces = session.node().content(url_path(target) + "?t=json", ANSWER_LIMIT_S)
    if as_json:
        with about(target):
            answer = [*pieces]  # all of it, before the first of it is printed
        _print_as_it_is(answer)
    elif not (long or classify or uri or readonly_uri):
        with about(target):
            names = sorted(members.names(target.name, pieces))
        emit_all(names)
    else:
        columns = Columns(time.time(), long, classify, uri, readonly_uri)
        with about(target):
            rows = [*map(columns.row, members.children(target.name, pieces))]
        emit_all(_aligned(sorted(rows, key=itemgetter(0))))


def _print_as_it_is(answer: Iterable[bytes]) -> None:
    for text in iterdecode(answer, "utf-8", "replace"):
        emit(text, end="")
    emit("")


def _mark(kind: str, told: dict[str, Any]) -> str:
    if kind == "dirnode":
        return "/"
    return "*" if kind == "filenode" and told.get("mutable") else ""


def _mode(kind: str, told: dict[str, Any]) -> str:
    first = {"dirnode": "d", "filenode": "-"}.get(kind, "?")
    read = "r" if "ro_uri" in told or "rw_uri" in told else "-"
    return first + read + ("w" if "rw_uri" in told else "-") + "-x"[kind == "dirnode"]


def _size(kind: str, told: dict[str, Any]) -> str:
    return "-" if kind == "dirnode" else str(told.get("size", "?"))


def _time(told: dict[str, Any], now: float) -> str:
    changed = told.get("metadata", {}).get("tahoe", {}).get("linkmotime")
    if changed is None:
        return "-"
    return _date(changed, now - HALF_A_YEAR_S < changed < now + 86400)


@lru_cache  # names that were set together have one time
def _date(changed: float, is_recent: bool) -> str:
    form = "%b %d %H:%M" if is_recent else "%b %d  %Y"
    return time.strftime(form, time.localtime(changed))


def _aligned(rows: list[Row]) -> Iterator[str]:
    """Yield a line each: columns right-aligned, if there are others, then capabilities."""
    if not rows:
        return
    num = len(rows[0][1])
    widths = [max(len(cells[i]) for _, cells, _ in rows) for i in range(num)]
    is_column = num > 1 or bool(rows[0][2])
    for _, cells, caps in rows:
        if is_column:
            cells = tuple(f"{x:>{w}}" for x, w in zip(cells, widths, strict=True))
        yield " ".join((*cells, *caps))
