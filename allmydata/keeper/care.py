"""One file: looked at, read, or repaired, and what was found kept."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from attrs import define, field
from twisted.internet.interfaces import IReactorTime

from allmydata.coding.durability import ServerOdds, yearly_loss
from allmydata.errors import CancelledError, GridError, ServerLostError
from allmydata.grid.broker import StorageBroker
from allmydata.grid.uptime import Uptime
from allmydata.keeper.schedule import (
    Holdings,
    Judgement,
    Rules,
    State,
    Surroundings,
    Watched,
    judge,
    remember,
    retry_at,
)
from allmydata.keeper.store import KeeperStore
from allmydata.util.workers import Workers

if TYPE_CHECKING:  # they are loaded when the first file is looked at
    from allmydata.immutable.check import Checker, CheckReport
    from allmydata.immutable.repair import Repairer

ODDS_S = 60.0  # how long what is thought of servers is used


@define
class Care:
    """What is done to files.

    :param disk: threads for the store
    :ivar num_looks, num_reads, num_repairs, num_placed: what was done since the start
    """

    store: KeeperStore
    broker: StorageBroker
    uptime: Uptime
    checker: Checker
    repairer: Repairer
    rules: Rules
    disk: Workers
    clock: IReactorTime
    is_stopping: bool = field(default=False, init=False)
    num_looks: int = field(default=0, init=False)
    num_reads: int = field(default=0, init=False)
    num_repairs: int = field(default=0, init=False)
    num_placed: int = field(default=0, init=False)
    _began: float = field(init=False)
    _odds: tuple[float, dict[str, ServerOdds]] = field(default=(0.0, {}), init=False)
    _loss: Any = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._began = self.clock.seconds()
        self._loss = lru_cache(4096)(self._yearly_loss)

    # ---- what is done --------------------------------------------------------------------

    async def look(self, file: Watched, *, read: bool = False) -> Judgement:
        """Ask who holds what of *file*; with *read*, read every byte of it too."""
        is_new = file.state == State.NEW
        report = await self.checker.check(file.cap.to_string(), read, add_lease=is_new)
        self.num_looks += 1
        self.num_reads += read
        found = await self._keep(file, report, self._answered(report), was_read=read)
        if read:
            await self._suspect(file, report)
        return found

    async def mend(self, file: Watched) -> Judgement:
        """Repair *file*, as if drained servers were not there."""
        drained = self.broker.drained
        report = await self.repairer.repair(
            file.cap.to_string(),
            verify=bool(file.bad),
            avoid=drained,
            happy=min(file.cap.total_shares, self._num_writable()),
        )
        if report.placed and not self.is_stopping:
            self.num_repairs += 1
            self.num_placed += len(report.placed)
            now = self.clock.seconds()
            await self.disk.run(self.store.save_repair, file, now)
        answered = self._answered(report.after) - drained
        was_read = bool(file.bad)
        found = await self._keep(
            file, report.after, answered, was_read=was_read, was_mended=True
        )
        if found.state == State.WEAK:
            await self.fail(file, report.error or GridError("shares are still missing"))
        return found

    async def fail(self, file: Watched, error: GridError) -> None:
        """Take note that nothing could be done with *file* now."""
        if self.is_stopping:
            return
        due = retry_at(file.failures + 1, self.rules, self.clock.seconds())
        words = "; ".join(filter(None, [error.message, error.why]))
        await self.disk.run(self.store.save_failure, file, due, words)

    # ---- what is known -------------------------------------------------------------------

    def around(self) -> Surroundings:
        """Return what is known of servers now."""
        away = {}
        for server in self.broker.servers():
            if not server.connected:
                known = self.uptime.of(server.nodeid)
                since = self.clock.seconds() - self._began
                away[server.nodeid] = self.uptime.away_s(server) if known else since
        return Surroundings(away, self.broker.drained)

    def odds(self) -> dict[str, ServerOdds]:
        """Return what is thought of each server."""
        made, odds = self._odds
        now = self.clock.seconds()
        if not odds or not 0 <= now - made < ODDS_S:
            odds = {one.nodeid: self.uptime.odds(one) for one in self.broker.servers()}
            self._odds = now, odds
            self._loss.cache_clear()
        return odds

    # ---- inside --------------------------------------------------------------------------

    async def _keep(
        self,
        file: Watched,
        report: CheckReport,
        answered: Collection[str],
        *,
        was_read: bool,
        was_mended: bool = False,
    ) -> Judgement:
        if self.is_stopping:
            raise CancelledError("the node stops")  # what came of it says nothing
        if not answered:
            raise ServerLostError("no server answers")
        now = self.clock.seconds()
        bad = _bad(file, report, answered, was_read=was_read)
        found = {
            server: frozenset(held) - bad.get(server, frozenset())
            for server, held in report.holdings.items()
            if server in answered
        }
        held = remember(file.held, found, answered)
        decided = judge(file, answered, held, self.around(), self.rules, now)
        self.odds()
        loss = self._loss(file.cap.needed_shares, _frozen(held))
        await self.disk.run(
            self.store.save_look,
            *(file, decided, held, bad, loss, now),
            verified=was_read,
            mended=was_mended,
        )
        return decided

    def _yearly_loss(
        self, k: int, holdings: frozenset[tuple[str, frozenset[int]]]
    ) -> float:
        repair = self.rules.repair_years
        return yearly_loss(k, dict(holdings), self._odds[1], repair)

    async def _suspect(self, file: Watched, report: CheckReport) -> None:
        """Have all files of a server read that gave a bad share nobody knew of."""
        for shnum, server in report.corrupt:
            if shnum in file.bad.get(server, ()):
                continue
            note, now = f"suspected {server}", self.clock.seconds()
            last = await self.disk.run(self.store.note, note)
            if not last <= now < last + self.rules.verify_every_s:
                await self.disk.run(self.store.save_note, note, now)
                await self.disk.run(self.store.suspect, server)

    def _answered(self, report: CheckReport) -> frozenset[str]:
        return frozenset(report.names) - frozenset(report.silent)

    def _num_writable(self) -> int:
        return sum(not server.readonly for server in self.broker.connected())


def _bad(
    file: Watched, report: CheckReport, answered: Collection[str], *, was_read: bool
) -> dict[str, frozenset[int]]:
    """Return the shares known to be bad: as read now, else as remembered if still there."""
    bad = {server: set(held) for server, held in file.bad.items()}
    for server in answered:
        if was_read:
            bad.pop(server, None)
        elif server in bad:
            bad[server] &= report.holdings.get(server, frozenset())
    for shnum, server in report.corrupt:
        bad.setdefault(server, set()).add(shnum)
    return {server: frozenset(held) for server, held in bad.items() if held}


def _frozen(held: Holdings) -> frozenset[tuple[str, frozenset[int]]]:
    return frozenset((server, frozenset(shares)) for server, shares in held.items())
