"""How long servers usually take to answer, and which of them let us wait lately.

Of each server and each kind of call, the usual time and its deviation are estimated as
TCP does for round trips.  A call that is under way for longer than both explain is
*late*: another server is asked beside it, or one goes on without it.  A server that was
late is asked last for a while, which ends as soon as it answers in time.

Kinds of calls: ``find`` who holds what, ``room`` for shares, ``open`` a share, ``read`` a
little of it or in ``bulk``, ``write`` and ``close``.

Source: RFC 6298, with a weight that falls with age; decision 39.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from attrs import define, field

S = TypeVar("S")

FLOOR_S = 0.03  # nothing is late before
DEVIATIONS = 4.0  # beyond the usual time
GAIN, DEVIATION_GAIN = 1 / 8, 1 / 4  # what a new answer counts
HALF_LIFE_S = 600.0  # after so long without an answer, a new one counts half at least
STRANGER = 2.0  # a server not asked yet gets this many times what all of them need
DOUBT_S = 60.0  # how long a server that was late is asked last
LONGEST_DOUBT_S = 960.0  # the same, after it was late again and again


@define
class Usual:
    """How long one kind of call takes."""

    mean_s: float
    deviation_s: float
    _heard: float

    @classmethod
    def first(cls, seconds: float, now: float) -> Usual:
        """Begin with the first answer."""
        return cls(seconds, seconds / 2, now)

    @property
    def limit_s(self) -> float:
        """Seconds after which a call is late."""
        return max(FLOOR_S, self.mean_s + DEVIATIONS * self.deviation_s)

    def take(self, seconds: float, now: float) -> None:
        """Learn from an answer; one that came too late counts as just in time.

        Else a server that froze once would be waited for the longer the next time.
        """
        seconds = min(seconds, self.limit_s)
        age = 1 - 0.5 ** (max(0.0, now - self._heard) / HALF_LIFE_S)
        off = abs(seconds - self.mean_s)
        self.deviation_s += max(DEVIATION_GAIN, age) * (off - self.deviation_s)
        self.mean_s += max(GAIN, age) * (seconds - self.mean_s)
        self._heard = now


@define
class _Doubt:
    """Why a server is asked last."""

    until: float
    length_s: float


@define
class Paces(Generic[S]):
    """Of all servers.

    A holder ``S`` is what the caller uses for one; times are seconds of its clock.
    """

    _usual: dict[tuple[S | None, str], Usual] = field(factory=dict)  # None: all together
    _doubts: dict[S, _Doubt] = field(factory=dict)

    def took(self, holder: S, kind: str, seconds: float, now: float) -> None:
        """Hear that *holder* answered; whoever does so in time is doubted no longer."""
        if seconds <= self.limit(holder, kind, FLOOR_S):
            self._doubts.pop(holder, None)
        for key in ((holder, kind), (None, kind)):
            if key in self._usual:
                self._usual[key].take(seconds, now)
            else:
                self._usual[key] = Usual.first(seconds, now)

    def limit(self, holder: S, kind: str, unknown_s: float) -> float:
        """Return the seconds after which a call to *holder* is late.

        :param unknown_s: while no server was asked that, in this process's life
        """
        usual, all_of_them = self._usual.get((holder, kind)), self._usual.get((None, kind))
        if usual is not None:
            return usual.limit_s
        return STRANGER * all_of_them.limit_s if all_of_them else unknown_s

    def late(self, holder: S, now: float) -> None:
        """Hear that a call to *holder* is late: others are asked first for a minute.

        Each time this comes true again without an answer, that is twice as long.
        """
        doubt = self._doubts.get(holder)
        if doubt is None:
            self._doubts[holder] = _Doubt(now + DOUBT_S, DOUBT_S)
        elif now >= doubt.until:
            doubt.length_s = min(LONGEST_DOUBT_S, 2 * doubt.length_s)
            doubt.until = now + doubt.length_s

    def is_late(self, holder: S, now: float) -> bool:
        """Tell whether *holder* was late lately and did not answer in time since."""
        doubt = self._doubts.get(holder)
        return doubt is not None and now < doubt.until
