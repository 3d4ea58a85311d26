"""Room for the shares of a file that are to be made again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import define, field, frozen
from twisted.internet.interfaces import IReactorTime

from allmydata.coding.mending import Mending, plan_mending
from allmydata.errors import GridError
from allmydata.grid.patience import Questions
from allmydata.grid.remote import call
from allmydata.grid.server import StorageServerProxy as Server
from allmydata.util.deferreds import drop, start

MOST_ROUNDS = 5


@frozen
class Room:
    """A place for one share.

    :param rref: RemoteReference of an RIBucketWriter
    """

    server: Server
    rref: Any

    def give_back(self) -> None:
        """Have the server forget it."""
        drop(start(call(self.rref, "abort")))


@define
class Holders:
    """Who holds what of one file, as far as is known, and who takes more.

    :param servers: connected, in the file's order
    :param held: good shares, by server
    :param barred: bad ones: a number that a server has and does not take, and the server
    :param closed: servers that take nothing, and why
    """

    num_shares: int
    servers: list[Server]
    held: dict[Server, set[int]]
    barred: set[tuple[int, Server]]
    closed: dict[Server, str]
    refused: dict[Server, str] = field(factory=dict)  # for now: another may be writing

    def missing(self) -> set[int]:
        """Return the numbers of which there is no good share."""
        return set(range(self.num_shares)).difference(*self.held.values())

    def condemn(self, shnum: int, server: Server) -> None:
        """Take note that a share has gone bad."""
        self.held.get(server, set()).discard(shnum)
        self.barred.add((shnum, server))

    def plan(self, rooms: Mapping[int, Room], now: float) -> Mending[Server]:
        """Decide where the missing shares go, given what room there is already.

        Empty servers come first, and last those that gave bad shares lately.
        """
        held = {server: set(shares) for server, shares in self.held.items()}
        for shnum, room in rooms.items():
            held.setdefault(room.server, set()).add(shnum)
        shut = {**self.closed, **self.refused}
        writable = [server for server in self.servers if server not in shut]
        writable.sort(key=lambda one: (one.trust.is_low(now), bool(self.held.get(one))))
        zones = {server: server.zone for server in self.servers}
        return plan_mending(self.num_shares, writable, [*shut], held, self.barred, zones)


@define
class Vacancies:
    """Asks servers for room, until all shares that can be placed have some."""

    holders: Holders
    storage_index: bytes
    share_size: int
    clock: IReactorTime
    rooms: dict[int, Room] = field(factory=dict)

    async def find(self) -> dict[int, Room]:
        """Return a room for each share that is to be written."""
        try:
            for _ in range(MOST_ROUNDS):
                new = self.holders.plan(self.rooms, self.clock.seconds()).new
                if not new:
                    break
                await self._ask(new)
        except BaseException:
            for room in self.rooms.values():
                room.give_back()
            raise
        return self.rooms

    async def _ask(self, new: Mapping[int, Server]) -> None:
        asking: dict[Server, set[int]] = {}
        for shnum, server in new.items():
            asking.setdefault(server, set()).add(shnum)
        questions = Questions[Server](self.clock, lambda _: False)
        questions.ask(
            (server, server.allocate_buckets(self.storage_index, shares, self.share_size))
            for server, shares in asking.items()
        )
        await questions.wait(_give_back)
        for server, (already, rrefs) in questions.answers.items():
            self._take(server, asking[server], already, rrefs)
        for server, failure in questions.failures.items():
            error = failure.value
            why = error.message if isinstance(error, GridError) else "failed"
            self.holders.closed[server] = why
        for server in questions.pending:
            self.holders.closed[server] = "does not answer"

    def _take(
        self, server: Server, asked: set[int], already: set[int], rrefs: Mapping[int, Any]
    ) -> None:
        holders = self.holders
        good = {i for i in already if (i, server) not in holders.barred}
        held = holders.held.setdefault(server, set())
        held.update(i for i in good if i < holders.num_shares)
        self.rooms.update((shnum, Room(server, rref)) for shnum, rref in rrefs.items())
        if asked - good - rrefs.keys():
            holders.refused[server] = "has no room, or somebody is writing there"


def _give_back(server: Server, answer: Any) -> None:
    for rref in answer[1].values():
        Room(server, rref).give_back()
