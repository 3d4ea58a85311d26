"""Writing a version to servers, so that one of several writers wins and never a mixture.

Each server compares what it holds with what the writer believes to be there, and writes
only where that is so.  A version that replaces another goes to one server first, the same
for all writers who see the same servers: whoever loses there has written nothing at all.
All shares that one server is to hold travel in one call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import define, field
from twisted.internet.defer import CancelledError, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from allmydata.crypto.mutable_keys import MutableKeys
from allmydata.errors import (
    GridError,
    NotEnoughServersError,
    UncoordinatedWriteError,
    UsageError,
)
from allmydata.grid.patience import Doubts, Questions
from allmydata.grid.server import StorageServerProxy as Server
from allmydata.interfaces import MAX_SLOT_DATA
from allmydata.mutable.edition import Edition
from allmydata.mutable.servermap import LONGEST_CHECKSTRING, ServerMap
from allmydata.util.deferreds import start, timeout

log = Logger()

WRITE_S = 30.0  # how long a server may take to write, as long as nobody is quicker
PER_BYTE_S = 1e-5  # and this much more for each byte
HEADS = [(0, LONGEST_CHECKSTRING)]

Plan = dict[Server, set[int]]


@define(eq=False)
class Publication:
    """One version on its way.

    :param found: what was there just before
    """

    found: ServerMap
    edition: Edition
    _keys: MutableKeys = field(repr=False)
    _clock: IReactorTime
    _doubts: Doubts
    placed: dict[int, list[Server]] = field(factory=dict, init=False)
    _failed: dict[Server, str] = field(factory=dict, init=False)

    async def run(self) -> None:
        """Write it.

        :raises UncoordinatedWriteError: somebody else did, too
        :raises NotEnoughServersError: not as many shares could be placed as bring it back
        """
        if self.edition.largest > MAX_SLOT_DATA:
            raise UsageError(
                f"a share of {self.edition.largest:,} bytes; {MAX_SLOT_DATA:,} is the most",
                fix="store such a file as an immutable one",
            )
        plan = self.old_places()
        new = self._new_places(self._missing_in(plan), plan)
        await self._lead(plan)
        await self._write_all(_merged(plan, new))
        while missing := self._missing_in(self._held()):
            again = self._new_places(missing, self._held())
            if not again:
                break
            await self._write_all(again)
        self._check_enough()

    # ---- who gets what -------------------------------------------------------------------

    def old_places(self) -> Plan:
        """Return who holds shares now, good or bad: those are replaced where they are."""
        plan: Plan = {}
        for server, shnum in self.found.places():
            if shnum in self.edition.writes:
                plan.setdefault(server, set()).add(shnum)
        order = {server: i for i, server in enumerate(self.found.answered)}
        return dict(sorted(plan.items(), key=lambda item: order[item[0]]))

    def _missing_in(self, plan: Plan) -> set[int]:
        """Return the shares that would be nowhere; servers being emptied don't count."""
        lasting = {one: held for one, held in plan.items() if not one.is_drained}
        return set(self.edition.writes) - _numbers(lasting)

    def _new_places(self, missing: set[int], held: Plan) -> Plan:
        """Give missing shares to servers with the fewest, in the order of the file."""
        takers = [one for one in self.found.answered if self._takes(one)]
        if not self.edition.is_whole:
            return {}
        counts = {one: len(held.get(one, ())) for one in takers}
        plan: Plan = {}
        for shnum in sorted(missing) if takers else ():
            taker = min(takers, key=lambda one: counts[one])  # the first of the smallest
            counts[taker] += 1
            plan.setdefault(taker, set()).add(shnum)
        return plan

    def _takes(self, server: Server) -> bool:
        is_full = server.readonly or server.max_share_size == 0
        is_silent = server in self._failed or self._doubts.about(server.tubid)
        return server.connected and not is_full and not is_silent

    def _held(self) -> Plan:
        held: Plan = {}
        for shnum, servers in self.placed.items():
            for server in servers:
                held.setdefault(server, set()).add(shnum)
        return held

    # ---- writing -------------------------------------------------------------------------

    async def _lead(self, plan: Plan) -> None:
        """Write to the first server that lets us: who loses there has lost."""
        for server in list(plan):
            await self._write(server, plan.pop(server))
            if server not in self._failed:
                return

    async def _write_all(self, plan: Plan) -> None:
        def enough(answers: Mapping[Server, Any]) -> bool:
            is_half = len(answers) * 2 >= len(plan)
            return is_half and len(self.placed) >= self.edition.prefix.k

        limit = self._limit(sum(map(len, plan.values())))
        questions: Questions[Server] = Questions(self._clock, enough, give_up_s=limit)
        questions.ask([(one, start(self._try(one, plan[one]))) for one in plan])
        await questions.wait()
        for server, writing in list(questions.pending.items()):
            self._doubts.raise_about(server.tubid)
            self._failed[server] = "no answer"
            writing.cancel()
        for failure in questions.failures.values():
            if not failure.check(CancelledError):
                failure.raiseException()
        conflicts = [one for one in questions.answers.values() if one is not None]
        if conflicts:
            raise conflicts[0]

    async def _try(
        self, server: Server, shnums: set[int]
    ) -> UncoordinatedWriteError | None:
        """Let every server be asked before a conflict ends the work."""
        try:
            await self._write(server, shnums)
        except UncoordinatedWriteError as e:
            return e
        return None

    async def _write(self, server: Server, shnums: set[int]) -> None:
        index = self.found.storage_index
        writes = {n: (self._test(server, n), self.edition.writes[n], None) for n in shnums}
        enabler = self._keys.write_enabler(server.tubid)
        try:
            asking = server.write_slots(index, enabler, writes, HEADS)
            done, told = await timeout(asking, self._limit(len(shnums)), self._clock)
        except (GridError, TimeoutError) as e:
            if isinstance(e, TimeoutError):
                self._doubts.raise_about(server.tubid)
            why = f"{e.message}: {e.why}" if isinstance(e, GridError) else "no answer"
            self._failed[server] = why
            log.info("{name} did not take a share: {why}", name=server.name, why=why)
            return
        self._check_told(server, done, shnums, told)
        for shnum in shnums:
            self.placed.setdefault(shnum, []).append(server)

    def _limit(self, num_shares: int) -> float:
        return WRITE_S + PER_BYTE_S * num_shares * self.edition.largest

    def _test(self, server: Server, shnum: int) -> list[tuple[int, int, bytes, bytes]]:
        old = self.found.checkstring((server, shnum))
        if not old:
            return [(0, 1, b"eq", b"")]
        return [(0, len(old), b"eq", old)]

    def _check_told(
        self, server: Server, done: bool, shnums: Iterable[int], told: dict[int, Any]
    ) -> None:
        """Compare what was there with what was believed to be.

        :raises UncoordinatedWriteError: somebody else has written
        """
        if done and not any(map(self._is_strange, _others(told, shnums))):
            return
        raise UncoordinatedWriteError(
            "somebody else is writing to this file",
            why=f"{server.name} holds another version than a moment ago",
            fix="look at what they wrote, and try again",
        )

    def _is_strange(self, head: bytes) -> bool:
        """Tell whether a share that we did not write is no older than ours."""
        ours = self.edition.prefix.version
        theirs = int.from_bytes(head[1:9], "big"), head[9:41]
        return theirs[0] >= ours[0] and theirs != ours

    def _check_enough(self) -> None:
        needed, total = self.edition.prefix.k, self.edition.prefix.n
        if len(self.placed) < needed:
            raise NotEnoughServersError(
                f"only {len(self.placed)} of {total} shares could be placed",
                why=f"{needed} bring the file back; {len(self._failed)} servers failed",
                fix="see  tahoe servers  and try again",
            )
        if len(self.placed) < total:
            log.warn("{num} of {total} shares placed", num=len(self.placed), total=total)


def _others(told: Mapping[int, list[bytes]], shnums: Iterable[int]) -> list[bytes]:
    """Return the first bytes of the shares that were not written just now."""
    return [heads[0] for shnum, heads in told.items() if shnum not in shnums]


def _numbers(plan: Plan) -> set[int]:
    return {n for numbers in plan.values() for n in numbers}


def _merged(first: Plan, second: Plan) -> Plan:
    servers = [*first, *(one for one in second if one not in first)]
    return {one: first.get(one, set()) | second.get(one, set()) for one in servers}
