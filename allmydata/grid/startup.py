"""The patience of a client that has just started: its servers take a while to connect."""

from __future__ import annotations

from attrs import define, field
from twisted.internet.defer import TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from allmydata.grid.broker import StorageBroker
from allmydata.util.deferreds import timeout

log = Logger()

TO_WRITE_S = 60.0  # a client this young waits for servers to write to
TO_READ_S = 5.0  # and this young for servers to read from


@define(eq=False)
class StartUp:
    """Waits for servers, as long as the client is young and never had that many.

    :param patience_s: of a client that starts now, unless :meth:`begin` says otherwise
    """

    _broker: StorageBroker
    _clock: IReactorTime
    _patience_s: float = TO_WRITE_S
    _most: int = field(default=0, init=False)  # that were connected together
    until: float = field(init=False)  # seconds

    def __attrs_post_init__(self) -> None:
        self.until = self._clock.seconds() + self._patience_s

    def begin(self, since: float) -> None:
        """Count from *since*, in seconds: the client may be older than this."""
        self.until = since + self._patience_s

    async def wait_for(self, num: int) -> None:
        """Return when *num* servers are connected, or it is not worth to wait for them."""
        self._most = max(self._most, len(self._broker.connected()))
        left = self.until - self._clock.seconds()
        if left <= 0 or self._most >= num:
            return
        try:
            await timeout(self._broker.when_connected(num), left, self._clock)
        except TimeoutError:
            log.info("going on with fewer than {num} servers", num=num)
