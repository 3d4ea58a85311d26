"""``tahoe ls``: what is in a directory, for people and for programs."""

from __future__ import annotations

import json
import time
from typing import Any

import click

from allmydata.cli.aliases import about, find, url_path
from allmydata.cli.completion import Place
from allmydata.cli.printing import emit
from allmydata.cli.session import Session, json_option, pass_session
from allmydata.webapi import RemoteNodeError

HALF_A_YEAR_S = 182 * 86400

Child = tuple[str, str, dict[str, Any]]  # name, kind, and what the gateway tells of it


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
    with about(target):
        answer = session.node().ask("GET", url_path(target) + "?t=json")
    if as_json:
        emit(answer.decode("utf-8", "replace"))
        return
    children = _children(target.name, answer)
    now = time.time()
    rows = []
    for name, kind, told in children:
        mutable = kind == "filenode" and told.get("mutable")
        mark = "/" if kind == "dirnode" else "*" if mutable else ""
        row = [_mode(kind, told), _size(kind, told), _time(told, now)] if long else []
        row.append(name + mark if classify else name)
        caps = [told.get("rw_uri") or told.get("ro_uri") or "-"] if uri else []
        caps += [told.get("ro_uri") or "-"] if readonly_uri else []
        rows.append((row, caps))
    emit(*_aligned(rows) if long or uri or readonly_uri else (row[0] for row, _ in rows))


def _children(name: str, answer: bytes) -> list[Child]:
    """Return what is to be listed: the children, or the one file of that name."""
    try:
        kind, told = json.loads(answer)
        if kind != "dirnode":
            return [(name, kind, told)]
        return [(name, *told["children"][name]) for name in sorted(told["children"])]
    except (ValueError, KeyError, TypeError) as e:
        raise RemoteNodeError("failed", "the node describes this in no known way") from e


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
    recent = now - HALF_A_YEAR_S < changed < now + 86400
    return time.strftime("%b %d %H:%M" if recent else "%b %d  %Y", time.localtime(changed))


def _aligned(rows: list[tuple[list[str], list[str]]]) -> list[str]:
    """Return a line each: columns right-aligned, then capabilities as they are."""
    widths = [
        max(map(len, column)) for column in zip(*(row for row, _ in rows), strict=True)
    ]
    return [
        " ".join([*(f"{x:>{w}}" for x, w in zip(row, widths, strict=True)), *caps])
        for row, caps in rows
    ]
