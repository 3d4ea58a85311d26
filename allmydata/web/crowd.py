"""How many connections there may be, and who goes when there are more.

A node needs descriptors for its servers and its disk too.  When all places are taken, who
comes gets that of the connection on which nothing has been asked for longest; so however
many sit idle, nobody who has something to ask waits for them.
"""

from __future__ import annotations

import resource
from typing import Protocol

from attrs import define, field

MOST = 10_000


class Guest(Protocol):
    """A connection."""

    def make_room(self) -> None:
        """Close at once: nothing is asked for on it."""


@define
class Crowd:
    """The connections that are open.

    :param most: how many there may be
    """

    most: int
    _idle: dict[Guest, None] = field(factory=dict, init=False)  # the longest idle first
    _busy: set[Guest] = field(factory=set, init=False)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._idle) + len(self._busy)

    def enter(self, guest: Guest) -> bool:
        """Give *guest* a place; False where everybody is busy and there is none."""
        if len(self) >= self.most:
            if not self._idle:
                return False
            oldest = next(iter(self._idle))
            del self._idle[oldest]
            oldest.make_room()
        self._idle[guest] = None
        return True

    def leave(self, guest: Guest) -> None:
        """Hear that a connection has ended; it may have left before."""
        self._idle.pop(guest, None)
        self._busy.discard(guest)

    def is_busy(self, guest: Guest) -> None:
        """Hear that something is asked for."""
        if guest in self._idle:
            del self._idle[guest]
            self._busy.add(guest)

    def is_idle(self, guest: Guest) -> None:
        """Hear that it is answered."""
        if guest in self._busy:
            self._busy.remove(guest)
            self._idle[guest] = None


def places() -> int:
    """Return how many connections this process can keep: half of its descriptors."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if soft == resource.RLIM_INFINITY else min(MOST, soft // 2)
