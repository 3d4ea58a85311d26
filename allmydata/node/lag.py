"""How late the reactor comes to what was planned: the sign of too much to do."""

from __future__ import annotations

from typing import Any

from twisted.application.service import Service
from twisted.internet.task import LoopingCall

EVERY_S = 0.25


class ReactorLag(Service):
    """Looks four times a second how late it is.

    :param clock: the reactor
    """

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self._look = LoopingCall(self._measure)
        self._look.clock = clock
        self._planned = 0.0
        self._last = self._worst = 0.0

    def startService(self) -> None:  # noqa: N802
        """Begin to look."""
        super().startService()  # type: ignore[no-untyped-call]
        self._planned = self._clock.seconds()
        self._look.start(EVERY_S)

    def stopService(self) -> None:  # noqa: N802
        """Look no more."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._look.running:
            self._look.stop()

    def figures(self) -> tuple[float, float]:
        """Return the seconds late at the last look, and the most since this was asked.

        What is late right now, and has not been looked at yet, counts too.
        """
        late = max(0.0, self._clock.seconds() - self._planned)
        last, worst = max(self._last, late), max(self._worst, late)
        self._worst = 0.0
        return last, worst

    def _measure(self) -> None:
        now = self._clock.seconds()
        self._last = max(0.0, now - self._planned)
        self._worst = max(self._worst, self._last)
        self._planned = now + EVERY_S
