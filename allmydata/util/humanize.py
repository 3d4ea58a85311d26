"""Sizes and durations, as people read and write them."""

from __future__ import annotations

import re

_UNITS = "KMGTPE"
_SIZE = re.compile(
    r"([0-9]{1,40}(?:\.[0-9]{1,40})?)\s*(?:([KMGTPE])(I)?)?B?", re.IGNORECASE | re.ASCII
)
_SECONDS = {
    "s": 1,
    "min": 60,
    "h": 3600,
    "d": 86_400,
    "w": 7 * 86_400,
    "mo": 31 * 86_400,
    "y": 365 * 86_400,
}
_LONG = dict(second="s", minute="min", hour="h", day="d", week="w", month="mo", year="y")
_DURATION = re.compile(r"([0-9]{1,9})\s*([a-z]*)")
_STEPS = ((86400, "d"), (3600, "h"), (60, "min"))


def parse_size(text: str) -> int:
    """Read ``5``, ``1G``, ``1.5 MB`` (powers of 1000) or ``1Gi`` (powers of 1024) as bytes.

    :raises ValueError: anything else
    """
    found = _SIZE.fullmatch(text.strip())
    if not found:
        raise ValueError(
            f"not a size: {text[:40]!r}; write a number with K, M, G, Ki, Mi, Gi …"
        )
    number, unit, binary = found.groups()
    power = _UNITS.index(unit.upper()) + 1 if unit else 0
    whole, _, part = number.partition(".")
    scale: int = (1024 if binary else 1000) ** power
    parts: int = 10 ** len(part)
    return int(whole + part) * scale // parts


def parse_duration(text: str) -> int:
    """Read ``90 s``, ``12h``, ``30 days``, ``2 mo`` (of 31 days), ``1 year`` as seconds.

    :raises ValueError: anything else
    """
    found = _DURATION.fullmatch(text.strip().lower())
    unit = found[2] if found else ""
    unit = _LONG.get(unit.removesuffix("s"), unit)
    if not found or unit not in _SECONDS:
        raise ValueError(f"not a time: {text[:40]!r}; write a number with s, h, d, mo or y")
    return int(found[1]) * _SECONDS[unit]


def size(num_bytes: int) -> str:
    """Return *num_bytes* for people: ``999 B``, ``1.5 MB``."""
    if num_bytes < 1000:
        return f"{num_bytes} B"
    value = float(num_bytes)
    for unit in _UNITS:
        value /= 1000
        if value < 999.95:
            return f"{value:.1f} {unit}B" if unit != "K" else f"{value:.1f} kB"
    return f"{value:.1f} {_UNITS[-1]}B"


def duration(seconds: float) -> str:
    """Return *seconds* for people: ``0.42 s``, ``3.1 min``, ``2.0 d``."""
    for length, name in _STEPS:
        if seconds >= length:
            return f"{seconds / length:.1f} {name}"
    return f"{seconds:.2f} s"
