"""Asking servers what they hold of a mutable file.

Readers ask the first servers of the file's ring, and all others only where those don't
suffice; writers ask everybody, since each share that is left out stays what it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import frozen
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from allmydata.errors import GridError
from allmydata.grid.broker import StorageBroker
from allmydata.grid.patience import GIVE_UP_S, Doubts, Questions
from allmydata.grid.server import StorageServerProxy as Server
from allmydata.mutable.servermap import HEAD_READ, ServerMap
from allmydata.util.deferreds import start, timeout

log = Logger()

AT_ONCE = 20  # servers that a reader asks first


@frozen
class Surveyor:
    """Makes server maps.

    :param doubts: about servers that were silent lately
    """

    _broker: StorageBroker
    _clock: IReactorTime
    doubts: Doubts

    async def look(
        self, storage_index: bytes, fingerprint: bytes, *, everywhere: bool
    ) -> ServerMap:
        """Return what servers say of one file.

        :param everywhere: ask all who are connected, and wait for each its time
        """
        found = ServerMap(storage_index, fingerprint)
        servers = self._broker.for_index(storage_index)
        first = servers if everywhere else servers[:AT_ONCE]
        await self._ask(found, first, patient=everywhere)
        rest = servers[len(first) :]
        if rest and (found.best() is None or found.newer_than(found.best())):
            await self._ask(found, rest, patient=True)
        place = {server: i for i, server in enumerate(servers)}
        found.answered.sort(key=place.__getitem__)
        return found

    async def _ask(
        self, found: ServerMap, servers: Sequence[Server], patient: bool
    ) -> None:
        def enough(_: Any) -> bool:
            best = found.best()
            return best is not None and not found.newer_than(best)

        def doubtful(server: Server) -> bool:
            return not patient and self.doubts.about(server.tubid)

        questions: Questions[Server] = Questions(self._clock, enough, doubtful)
        is_over = False

        async def ask(server: Server) -> None:
            asking = server.read_slots(found.storage_index, (), [(0, HEAD_READ)])
            heads = await timeout(asking, GIVE_UP_S, self._clock)
            self.doubts.drop_about(server.tubid)
            if not is_over:
                found.take(server, heads)

        questions.ask([(server, start(ask(server))) for server in servers])
        await questions.wait()
        is_over = True
        for server, asking in list(questions.pending.items()):
            self.doubts.raise_about(server.tubid)
            found.silent[server] = "it does not answer"
            asking.cancel()
        for server, failure in questions.failures.items():
            error = failure.value
            why = error.message if isinstance(error, GridError) else type(error).__name__
            found.silent.setdefault(server, why)
