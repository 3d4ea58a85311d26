"""Sleep that ends early when something happens."""

from __future__ import annotations

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime

from allmydata.util.deferreds import sleep


@define
class Alarm:
    """Wakes everybody at once."""

    _clock: IReactorTime
    _asleep: list[Deferred[None]] = field(factory=list)

    async def wait(self, seconds: float) -> None:
        """Return after *seconds*, or when it rings."""
        waking: Deferred[None] = Deferred()
        self._asleep.append(waking)
        timer = sleep(seconds, self._clock)
        timer.addCallbacks(lambda _: _fire(waking), lambda f: f.trap(CancelledError))
        try:
            await waking
        finally:
            self._asleep = [one for one in self._asleep if one is not waking]
            timer.cancel()

    def ring(self) -> None:
        """Wake whoever sleeps."""
        asleep, self._asleep = self._asleep, []
        for waking in asleep:
            _fire(waking)


def _fire(waking: Deferred[None]) -> None:
    if not waking.called:
        waking.callback(None)
