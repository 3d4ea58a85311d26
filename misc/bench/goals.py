"""What is compared with Tahoe-LAFS 1.20, in which units, and how much is wanted.

A ratio says how many times better ours is: faster, or smaller.  ``first`` is what must be
held, ``then`` what is aimed at.  Where a limit is no ratio, it is one on our own figure.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from attrs import frozen

MORE, LESS = "more is better", "less is better"
Rounds = Mapping[str, Mapping[str, Sequence[float]]]  # system, row: one figure a round


@frozen
class Times:
    """So many times better than the peer."""

    least: float

    def is_held(self, ours: float, ratio: float | None) -> bool:
        """Tell whether it is."""
        return ratio is not None and ratio >= self.least

    def __str__(self) -> str:
        return f"{self.least:.3g} x"


@frozen
class AtMost:
    """Our own figure, no more than this."""

    most: float

    def is_held(self, ours: float, ratio: float | None) -> bool:
        """Tell whether it is."""
        return ours <= self.most

    def __str__(self) -> str:
        return f"≤ {self.most:.3g}"


Limit = Times | AtMost | None


@frozen
class Row:
    """One line of the table."""

    words: str
    unit: str
    better: str
    first: Limit = None
    then: Limit = None


NODE = Times(1 / 0.75), Times(1 / 0.65)
ROWS = {
    "web_put": Row("web PUT, {size}", "MB/s", MORE, Times(2.5), Times(4.5)),
    "web_get": Row("web GET, {size}", "MB/s", MORE, Times(2), Times(4)),
    "cli_put": Row("`tahoe put`, {size}", "MB/s", MORE),
    "cli_get": Row("`tahoe get`, {size}", "MB/s", MORE),
    "put_cpu_client": Row("processor time of a put: client", "ms/MB", LESS),
    "put_cpu_servers": Row("… of all servers", "ms/MB", LESS),
    "get_cpu_client": Row("processor time of a get: client", "ms/MB", LESS),
    "get_cpu_servers": Row("… of all servers", "ms/MB", LESS),
    "small_put": Row("4 KiB put, one after another", "files/s", MORE, Times(4), Times(10)),
    "small_put_8": Row("4 KiB put, 8 at once", "files/s", MORE),
    "small_get": Row("4 KiB got", "files/s", MORE),
    "small_put_cpu": Row("processor time of a 4 KiB put, all nodes", "ms", LESS),
    "range": Row("64 KiB read from anywhere in {size}", "ms", LESS),
    "mkdir": Row("mkdir", "ms", LESS),
    "add_child": Row("a child added to a directory of 1000", "ms", LESS),
    "list_json": Row("a directory of 1000 listed as JSON", "ms", LESS),
    "cli_cold": Row("`tahoe --version`, its files not in memory", "ms", LESS),
    "cli_warm": Row("`tahoe --version`", "ms", LESS),
    "cli_node": Row(
        "`tahoe get` of a literal, of a running node", "ms", LESS, Times(6), Times(10)
    ),
    "cli_ls": Row("`tahoe ls` of an empty directory", "ms", LESS, Times(6), Times(10)),
    "ready": Row(
        "client started to connected to all ten", "s", LESS, Times(2), Times(1 / 0.3)
    ),
    "idle_server": Row("idle server, RSS", "MB", LESS, *NODE),
    "idle_client": Row("idle client, RSS", "MB", LESS, *NODE),
    "put_peak_client": Row("client's peak, put", "MB", LESS, AtMost(100), AtMost(70)),
    "get_peak_client": Row("client's peak, get", "MB", LESS, AtMost(100), AtMost(70)),
    "put_peak_server": Row("a server's peak, put", "MB", LESS),
    "get_peak_server": Row("a server's peak, get", "MB", LESS),
    "healthy_put": Row("10 MB put, five servers, happy 4", "s", LESS),
    "frozen_put": Row("… one of them frozen", "s", LESS, Times(10)),
    "frozen_times": Row("… frozen beside healthy", "times", LESS, None, AtMost(1.5)),
    "encode_25_100": Row(
        "25-of-100 erasure code alone, in process", "MB/s", MORE, Times(30), Times(30)
    ),
}


def compare(rounds: Rounds, size: str) -> list[dict]:
    """Return the table's lines: medians, their ratio, its spread, and what was held.

    :param size: what the large file is called
    """
    known = (key for key in ROWS if key in rounds["ours"])
    return [_line(key, ROWS[key], rounds, size) for key in known]


def _line(key: str, row: Row, rounds: Rounds, size: str) -> dict:
    ours, peers = rounds["ours"][key], rounds["peer"].get(key, [])
    line = {"key": key, "words": row.words.format(size=size), "unit": row.unit}
    line["ours"] = statistics.median(ours)
    ratio = None
    if peers:
        line["peer"] = statistics.median(peers)
        ratio = _ratio(row, line["ours"], line["peer"])
        pairs = [_ratio(row, a, b) for a, b in zip(ours, peers, strict=True)]
        line |= {"ratio": ratio, "least": min(pairs), "most": max(pairs)}
    for name, limit in (("first", row.first), ("then", row.then)):
        if limit is not None:
            line[name] = str(limit)
            line[f"{name}_held"] = limit.is_held(line["ours"], ratio)
    return line


def _ratio(row: Row, ours: float, peers: float) -> float:
    better, worse = (ours, peers) if row.better == MORE else (peers, ours)
    return better / worse if worse else float("inf")


def missed(lines: Sequence[Mapping]) -> list[str]:
    """Return the rows whose ``first`` is not held."""
    return [line["key"] for line in lines if not line.get("first_held", True)]


def as_text(lines: Sequence[Mapping]) -> str:
    """Set the table for a terminal."""
    head = ("", "", "ours", "1.20", "ratio", "spread", "first", "then")
    cells = [head, *map(cells_of, lines)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    return "\n".join(
        "  ".join(
            text.ljust(width) if i < 2 else text.rjust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    )


def cells_of(line: Mapping) -> tuple[str, ...]:
    """Return one line's texts: words, unit, ours, the peer's, ratio, spread, limits."""
    has_peer = "peer" in line
    return (
        line["words"],
        line["unit"],
        number(line["ours"]),
        number(line["peer"]) if has_peer else "",
        f"{number(line['ratio'])} x" if has_peer else "",
        f"{number(line['least'])}–{number(line['most'])}" if has_peer else "",  # noqa: RUF001
        _judged(line, "first"),
        _judged(line, "then"),
    )


def _judged(line: Mapping, name: str) -> str:
    if name not in line:
        return ""
    return f"{line[name]} {'held' if line[f'{name}_held'] else 'MISSED'}"


def number(value: float) -> str:
    """Return three digits of *value*, or all before the point."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
