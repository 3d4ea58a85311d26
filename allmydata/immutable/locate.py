"""Finding out who holds which share of a file.

Servers that were late or gave bad shares lately are asked when the others don't suffice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from allmydata.errors import GridError
from allmydata.grid.pace import Paces
from allmydata.grid.patience import GIVE_UP_S
from allmydata.grid.server import StorageServerProxy as Server
from allmydata.util.deferreds import drop, start, timeout

AT_ONCE = 10  # servers asked together; more are asked when these don't suffice
SILENCE_S = 0.25  # when more are asked although some have not answered; until it is known


class ShareLocator:
    """Asks servers what they hold, in the file's order, as long as shares are wanted.

    :param servers: connected, in the order of the storage index
    :param found: is given each server that answered and its readers by share number
    :param news: is called after each answer or failure
    """

    def __init__(
        self,
        servers: Iterable[Server],
        storage_index: bytes,
        clock: IReactorTime,
        found: Callable[[Server, dict[int, Any]], None],
        news: Callable[[], None],
        paces: Paces[Server],
    ) -> None:
        now = clock.seconds()
        self._unasked: list[Server] = []
        self._last: list[Server] = []
        for server in servers:
            is_last = paces.is_late(server, now) or server.trust.is_low(now)
            (self._last if is_last else self._unasked).append(server)
        self._paces = paces
        self._storage_index = storage_index
        self._clock = clock
        self._found = found
        self._news = news
        self._overdue_at: dict[Server, float] = {}
        self.silent: dict[Server, Deferred[None]] = {}  # asked, and no answer yet
        self.failed: dict[Server, str] = {}
        self._reminder: IDelayedCall | None = None
        self._stopped = False

    def ask(self, num_servers: int = AT_ONCE) -> bool:
        """Ask the next few, unless others may still answer in their usual time.

        :return: False when there is nobody left to wait for
        """
        now = self._clock.seconds()
        if all(now >= self._overdue_at[server] for server in self.silent):
            for server in self._next(num_servers):
                limit = self._paces.limit(server, "find", SILENCE_S)
                self._overdue_at[server] = now + limit
                asking = self.silent[server] = start(self._ask(server))
                drop(asking)
            self._remind()
        return bool(self.silent)

    def _next(self, num_servers: int) -> list[Server]:
        if not self._unasked:
            self._unasked, self._last = self._last, []
        batch, self._unasked = self._unasked[:num_servers], self._unasked[num_servers:]
        return batch

    def _remind(self) -> None:
        """Have those who wait look again when all who were asked are overdue."""
        self._forget_reminder()
        if self.silent and (self._unasked or self._last):
            at = max(self._overdue_at[server] for server in self.silent)
            delay = max(0.0, at - self._clock.seconds()) + 0.001
            self._reminder = self._clock.callLater(delay, self._news)

    def _forget_reminder(self) -> None:
        if self._reminder is not None and self._reminder.active():
            self._reminder.cancel()

    def stop(self) -> None:
        """Wait for no more answers; whoever is overdue is asked last the next time."""
        self._stopped = True
        self._forget_reminder()
        now = self._clock.seconds()
        for server, asking in list(self.silent.items()):
            if now >= self._overdue_at[server]:
                self._paces.late(server, now)
            asking.cancel()

    async def _ask(self, server: Server) -> None:
        began = self._clock.seconds()
        try:
            asking = server.get_buckets(self._storage_index)
            buckets = await timeout(asking, GIVE_UP_S, self._clock)
            now = self._clock.seconds()
            self._paces.took(server, "find", now - began, now)
            if not self._stopped:
                self._found(server, buckets)
        except GridError as e:
            self.failed[server] = e.message
        except Exception as e:
            self.failed[server] = f"no answer: {type(e).__name__}"
        self.silent.pop(server, None)
        if not self._stopped:
            self._news()
