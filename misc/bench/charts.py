"""Curves as SVG: points joined by lines, on axes that count by tens.

chart("Speed", "file size, bytes", "MB/s", {"put": [(1e3, 0.1), (1e6, 20)]})
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

COLOURS = ("#06c", "#b30", "#1a6", "#a3a", "#a70", "#555")
DASHES = ("", "7 4", "2 3", "9 3 2 3", "4 4", "1 4")
WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 40, 55

Curves = Mapping[str, Sequence[tuple[float, float]]]


class _Axis:
    """From a figure to a place, by its logarithm."""

    def __init__(self, figures: Sequence[float], start: float, end: float) -> None:
        low, high = math.log10(min(figures)), math.log10(max(figures))
        self._low = math.floor(low + 1e-9)
        self._high = max(math.ceil(high - 1e-9), self._low + 1)
        self._start, self._end = start, end

    def place(self, figure: float) -> float:
        """Return where *figure* is."""
        part = (math.log10(figure) - self._low) / (self._high - self._low)
        return round(self._start + part * (self._end - self._start), 1)

    def ticks(self) -> list[float]:
        """Return what is written at the axis: the powers of ten."""
        return [10.0**power for power in range(self._low, self._high + 1)]


def chart(title: str, across: str, up: str, curves: Curves) -> str:
    """Return a picture of *curves*: of each, its name and its points (x, y), above 0."""
    points = [point for curve in curves.values() for point in curve]
    x = _Axis([one for one, _ in points], LEFT, WIDTH - RIGHT)
    y = _Axis([one for _, one in points], HEIGHT - BOTTOM, TOP + 18)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="13">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="20" font-weight="bold">{escape(title)}</text>',
        *_grid(x, y),
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 12}" '
        f'text-anchor="middle">{escape(across)}</text>',
        f'<text transform="translate(16 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" '
        f'text-anchor="middle">{escape(up)}</text>',
        *_legend(list(curves)),
    ]
    for i, curve in enumerate(curves.values()):
        parts += _curve(i, [(x.place(a), y.place(b)) for a, b in curve])
    return "\n".join([*parts, "</svg>", ""])


def _grid(x: _Axis, y: _Axis) -> list[str]:
    bottom = HEIGHT - BOTTOM
    lines = []
    for tick in x.ticks():
        at = x.place(tick)
        lines.append(f'<path d="M{at} {TOP + 18}V{bottom}" stroke="#ddd"/>')
        lines.append(
            f'<text x="{at}" y="{bottom + 18}" text-anchor="middle">{figure(tick)}</text>'
        )
    for tick in y.ticks():
        at = y.place(tick)
        lines.append(f'<path d="M{LEFT} {at}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        lines.append(
            f'<text x="{LEFT - 6}" y="{at + 4}" text-anchor="end">{figure(tick)}</text>'
        )
    return lines


def _curve(i: int, places: list[tuple[float, float]]) -> list[str]:
    colour = COLOURS[i % len(COLOURS)]
    path = "M" + "L".join(f"{a} {b}" for a, b in places)
    return [
        f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2" '
        f'stroke-dasharray="{DASHES[i % len(DASHES)]}"/>',
        *(f'<circle cx="{a}" cy="{b}" r="3.5" fill="{colour}"/>' for a, b in places),
    ]


def _legend(names: list[str]) -> list[str]:
    parts, at = [], float(LEFT)
    for i, name in enumerate(names):
        colour = COLOURS[i % len(COLOURS)]
        dash = DASHES[i % len(DASHES)]
        parts.append(
            f'<path d="M{at} {TOP}h22" stroke="{colour}" stroke-width="2" '
            f'stroke-dasharray="{dash}"/><text x="{at + 28}" y="{TOP + 4}">'
            f"{escape(name)}</text>"
        )
        at += 46 + 7.2 * len(name)
    return parts


def figure(value: float) -> str:
    """Return a power of ten as people write it: 1, 100, 10k, 1M."""
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:g}{letter}"
    return f"{value:g}"
