"""Finding out who holds which share of a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from allmydata.errors import GridError
from allmydata.grid.patience import GIVE_UP_S
from allmydata.grid.server import StorageServerProxy as Server
from allmydata.util.deferreds import drop, start, timeout

AT_ONCE = 10  # servers asked together; more are asked when these don't suffice


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
    ) -> None:
        self._unasked = list(servers)
        self._storage_index = storage_index
        self._clock = clock
        self._found = found
        self._news = news
        self.silent: dict[Server, Deferred[None]] = {}  # asked, and no answer yet
        self.failed: dict[Server, str] = {}
        self._stopped = False

    def ask(self, num_servers: int = AT_ONCE) -> bool:
        """Ask the next few; return False when there is nobody left to wait for."""
        batch, self._unasked = self._unasked[:num_servers], self._unasked[num_servers:]
        for server in batch:
            asking = self.silent[server] = start(self._ask(server))
            drop(asking)
        return bool(self.silent)

    @property
    def all_asked(self) -> bool:
        """Tell whether there is nobody left to ask."""
        return not self._unasked

    def stop(self) -> None:
        """Wait for no more answers."""
        self._stopped = True
        for asking in list(self.silent.values()):
            asking.cancel()

    async def _ask(self, server: Server) -> None:
        try:
            asking = server.get_buckets(self._storage_index)
            buckets = await timeout(asking, GIVE_UP_S, self._clock)
            if not self._stopped:
                self._found(server, buckets)
        except GridError as e:
            self.failed[server] = e.message
        except Exception as e:
            self.failed[server] = f"no answer: {type(e).__name__}"
        self.silent.pop(server, None)
        if not self._stopped:
            self._news()
