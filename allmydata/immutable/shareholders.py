"""Finding those who will keep a file's shares.

The first n servers of the file's order are asked for room at once, as if nobody held
anything; the next n are asked what they hold.  The answers tell what is there already,
who is full, and who is silent; :func:`coding.placement.plan` decides again with that,
and what it wants differently is asked for, until nothing more can be gained.  On a
healthy grid that is one round trip.

Source: formats/introducer.md section 5.3, with its two questions made one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import partial
from typing import Any

from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from allmydata.coding.placement import Placement, happiness, plan
from allmydata.errors import GridError, NotEnoughServersError
from allmydata.grid.buckets import WriteBucketProxy, write_size_for
from allmydata.grid.pace import Paces
from allmydata.grid.patience import Questions
from allmydata.grid.remote import call
from allmydata.grid.server import StorageServerProxy as Server
from allmydata.grid.shape import ShareShape
from allmydata.util.deferreds import drop, settle, start

MOST_ROUNDS = 10
GIVE_BACK_S = 2.0  # how long servers are waited for that are told to forget the upload


@frozen
class Shareholders:
    """Who keeps what.

    :param held: shares that are there already, by server
    :param writers: share number to the writer of a new share
    :param servers: share number to the server the writer writes to
    :param silent: those that were asked and let us wait
    """

    held: Mapping[Server, set[int]]
    writers: Mapping[int, WriteBucketProxy]
    servers: Mapping[int, Server]
    silent: Collection[Server] = ()

    def happiness_of(self, written: Iterable[int]) -> int:
        """Return the file's happiness if just the shares *written* were written."""
        placements = {server: set(shares) for server, shares in self.held.items()}
        for shnum in written:
            placements.setdefault(self.servers[shnum], set()).add(shnum)
        return happiness(placements)


@define
class ShareholderFinder:
    """Asks the servers of one file for room.

    :param servers: connected, in the order of the file's storage index
    :param happy: the happiness wanted
    """

    servers: list[Server]
    storage_index: bytes
    shape: ShareShape
    happy: int
    clock: IReactorTime
    paces: Paces[Server]
    was_refused: bool = False  # a server did not take a share it has room for
    _held: dict[Server, set[int]] = field(factory=dict)
    _rooms: dict[int, tuple[Server, Any]] = field(factory=dict)  # share: where, rref
    _closed: dict[Server, str] = field(factory=dict)  # takes no more shares, and why
    _asked: set[Server] = field(factory=set)
    _allocated: set[Server] = field(factory=set)  # those of them that were asked for room
    _silent: list[Server] = field(factory=list)

    async def find(self) -> Shareholders:
        """Return the shareholders: happy, or as many as there are servers for.

        :raises NotEnoughServersError: the happiness wanted can't be reached; nothing
            that was allocated is left behind
        """
        try:
            await self._find(self._candidates())
        except BaseException:
            # waited for: whoever tries again at once must not find its own old rooms
            given = start(settle(self._give_back(list(self._rooms))))
            await given.addTimeout(GIVE_BACK_S, self.clock, lambda *_: None)
            raise
        return Shareholders(self._held, self._writers(), self._servers(), self._silent)

    def first_plan(self) -> Placement[Server]:
        """Return where the shares would go if nobody held any; nobody is asked."""
        return self._plan(self._candidates())

    def _candidates(self) -> list[Server]:
        candidates = self.servers[: 2 * self.shape.geometry.n]
        for server in candidates:
            if server.readonly or server.max_share_size < self.shape.share_size:
                self._closed[server] = "takes no share of this size"
        return candidates

    async def _find(self, candidates: list[Server]) -> None:
        wanted = self._plan(candidates)
        for _ in range(MOST_ROUNDS):
            await self._ask(candidates, wanted)
            wanted = self._plan(candidates)
            self._give_back([i for i in self._rooms if not self._is_in(wanted, i)])
            if all(shnum in self._rooms for shnum in wanted.new):
                break
        if self._happiness() < self.happy:
            raise self._unhappy()
        self._renew()

    def _plan(self, candidates: list[Server]) -> Placement[Server]:
        """Place all shares, given what is held and what room was given."""
        n = self.shape.geometry.n
        writable = [s for s in candidates if s not in self._closed]
        # the first n are enough; one that was silent or gave bad shares lately comes last
        now = self.clock.seconds()
        writable.sort(key=lambda s: self._is_late(s) or s.trust.is_low(now))
        closed = [s for s in candidates if s in self._closed]
        held = {server: set(shares) for server, shares in self._held.items()}
        for shnum, (server, _) in self._rooms.items():
            held.setdefault(server, set()).add(shnum)
        zones = {server: server.zone for server in candidates}
        placement = plan(n, writable[:n], closed + writable[n:], held, zones)
        if not self._rooms:
            return placement
        rooms = {i: s for i, (s, _) in self._rooms.items() if placement.kept.get(i) == s}
        return Placement(
            {**placement.new, **rooms},
            {i: s for i, s in placement.kept.items() if i not in rooms},
            placement.unplaced,
            placement.happiness,
        )

    def _is_in(self, wanted: Placement[Server], shnum: int) -> bool:
        return wanted.new.get(shnum) == self._rooms[shnum][0]

    async def _ask(self, candidates: list[Server], wanted: Placement[Server]) -> None:
        asking: dict[Server, set[int]] = {}
        for shnum, server in wanted.new.items():
            if shnum not in self._rooms:
                asking.setdefault(server, set()).add(shnum)
        first = [s for s in candidates if s not in self._asked and s not in asking]
        self._asked.update(asking, first)
        self._allocated.update(asking)
        questions = Questions[Server](
            self.clock,
            lambda answers: self._happiness_with(answers) >= self.happy,
            self._is_late,
            paces=self.paces,
        )
        size = self.shape.share_size
        rooms = (
            (s, s.allocate_buckets(self.storage_index, shares, size))
            for s, shares in asking.items()
        )
        questions.ask(rooms, "room")
        questions.ask(((s, s.get_buckets(self.storage_index)) for s in first), "find")
        try:
            await questions.wait(_return_room)
        except BaseException:
            self._take_rooms(questions.answers)  # to be given back with the others
            raise
        self._take(questions, asking)

    def _take_rooms(self, answers: Mapping[Server, Any]) -> None:
        for server, answer in answers.items():
            for shnum, rref in _parts(answer)[1].items():
                self._rooms[shnum] = (server, rref)

    def _take(self, questions: Questions[Server], asking: dict[Server, set[int]]) -> None:
        self._take_rooms(questions.answers)
        for server, answer in questions.answers.items():
            already, rooms = _parts(answer)
            self._held.setdefault(server, set()).update(already)
            if asking.get(server, set()) - already - rooms.keys():
                self._closed[server] = "has no room"
                self.was_refused = True
        for server, failure in questions.failures.items():
            error = failure.value
            self._closed[server] = (
                error.message if isinstance(error, GridError) else "failed"
            )
        for server in questions.pending:
            self.paces.late(server, self.clock.seconds())
            self._closed[server] = "does not answer"
            self._silent.append(server)

    def _is_late(self, server: Server) -> bool:
        return self.paces.is_late(server, self.clock.seconds())

    def _renew(self) -> None:
        """Have leases renewed where it was only asked what is held."""
        size = self.shape.share_size
        for server in [s for s, shares in self._held.items() if shares]:
            if server not in self._allocated:
                drop(server.allocate_buckets(self.storage_index, set(), size))

    # ---- happiness ---------------------------------------------------------------------

    def _happiness(self) -> int:
        return self._happiness_with({})

    def _happiness_with(self, answers: Mapping[Server, Any]) -> int:
        placements = {server: set(shares) for server, shares in self._held.items()}
        for shnum, (server, _) in self._rooms.items():
            placements.setdefault(server, set()).add(shnum)
        for server, answer in answers.items():
            already, rooms = _parts(answer)
            placements.setdefault(server, set()).update(already, rooms)
        return happiness(placements)

    def _unhappy(self) -> NotEnoughServersError:
        reached = self._happiness()
        why = "; ".join(f"{server.name} {text}" for server, text in self._closed.items())
        return NotEnoughServersError(
            f"storing this file needs {self.happy} servers, only {reached} take shares",
            why=why or f"{len(self.servers)} servers are connected",
            fix=f"start more servers, or accept less safety now: --happy {max(1, reached)}",
        )

    # ---- what comes of it --------------------------------------------------------------

    def _writers(self) -> dict[int, WriteBucketProxy]:
        size = write_size_for(self.shape.geometry.n)
        writers = {
            shnum: WriteBucketProxy(rref, self.shape, self.clock, size, server.max_write)
            for shnum, (server, rref) in self._rooms.items()
        }
        for shnum, writer in writers.items():
            writer.on_answer = partial(self._answered, self._rooms[shnum][0])
        return writers

    def _answered(self, server: Server, kind: str, seconds: float) -> None:
        self.paces.took(server, kind, seconds, self.clock.seconds())

    def _servers(self) -> dict[int, Server]:
        return {shnum: server for shnum, (server, _) in self._rooms.items()}

    def _give_back(self, shnums: list[int]) -> list[Deferred[Any]]:
        rrefs = [self._rooms.pop(shnum)[1] for shnum in shnums]
        return [start(call(rref, "abort")).addErrback(lambda _: None) for rref in rrefs]


def _parts(answer: Any) -> tuple[set[int], dict[int, Any]]:
    """Return what is held and what room was given, from either question's answer."""
    if isinstance(answer, dict):
        return set(answer), {}
    already, rooms = answer
    return already, rooms


def _return_room(_: Server, answer: Any) -> None:
    for rref in _parts(answer)[1].values():
        drop(start(call(rref, "abort")))
