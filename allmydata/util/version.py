"""Version numbers of nodes: parsed, compared, printed."""

from __future__ import annotations

import re

from attrs import field, frozen

_SHAPE = re.compile(r"(?:[\w.-]+/)?(\d+)(?:\.(\d+))?(?:\.(\d+))?(.*)", re.DOTALL)


@frozen(order=True)
class Version:
    """A dotted number with an optional tail, such as ``1.20.0.post3``.

    Two versions that differ in their tail only are of equal age.
    """

    major: int
    minor: int = 0
    micro: int = 0
    tail: str = field(default="", eq=False, order=False)

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read ``1``, ``1.2``, ``1.2.3``, or any of them after ``name/``.

        :raises ValueError: *text* has no number where one belongs
        """
        found = _SHAPE.fullmatch(text.strip())
        if not found:
            raise ValueError(f"not a version: {text[:40]!r}")
        major, minor, micro, tail = found.groups()
        return cls(int(major), int(minor or 0), int(micro or 0), tail)

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.micro}{self.tail}"
