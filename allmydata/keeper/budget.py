"""So many bytes a second in the mean, whoever asks for them.

Whoever takes bytes makes the next one wait until they are paid for: a large file is let
through whole, and then there is a pause.  What is owed outlasts a restart.
"""

from __future__ import annotations

from attrs import define
from twisted.internet.interfaces import IReactorTime

from allmydata.util.deferreds import sleep

SAVED_S = 1.0  # of unused time that may be made up for
LONGEST_DEBT_S = 7 * 86400.0  # more is taken for a clock that was set back
NAP_S = 60.0


@define
class Budget:
    """What may be moved.

    :param rate: bytes a second; 0: any number
    :ivar free_at: when all that was taken is paid for, by the clock
    """

    rate: int
    _clock: IReactorTime
    free_at: float = 0.0

    @property
    def wait_s(self) -> float:
        """How long until somebody may take more."""
        wait = self.free_at - self._clock.seconds()
        if wait > LONGEST_DEBT_S + NAP_S:
            self.free_at, wait = 0.0, 0.0
        return max(0.0, wait) if self.rate else 0.0

    async def take(self, num_bytes: int) -> None:
        """Wait until what was taken before is paid for, then take more."""
        while (wait := self.wait_s) > 0:
            await sleep(min(wait, NAP_S), self._clock)
        if self.rate:
            start = max(self.free_at, self._clock.seconds() - SAVED_S)
            self.free_at = start + min(num_bytes / self.rate, LONGEST_DEBT_S)
