"""What is held against a server: shares it gave that were not what was stored.

One bad share can happen to the best of disks.  So nothing is refused for it: for some
hours others are asked first, and new shares go there last.  A node that is started anew
remembers nothing of it; what its owner is told lies on the server itself.
"""

from __future__ import annotations

from attrs import define

LOW_S = 6 * 3600  # how long others are preferred after a bad share


@define
class Trust:
    """Of one server; times are seconds of the caller's clock.

    :ivar num_damages: bad shares seen, the same one again each time
    """

    num_damages: int = 0
    _last: float | None = None

    def lose(self, now: float) -> None:
        """Take note of a bad share."""
        self.num_damages += 1
        self._last = now

    def is_low(self, now: float) -> bool:
        """Tell whether others are to be preferred."""
        return self._last is not None and now < self._last + LOW_S
