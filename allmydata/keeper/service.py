"""The keeper: files given as verify capabilities, looked after by itself for years.

Four things go on at once, each in its own loop: looking (who holds what), mending (the
weakest first), reading (a sample of all shares in each round) and renewing leases.  What
is moved is paid for out of one budget.  Nothing is remembered but in the store, so that a
keeper that is killed goes on where it was.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Any

from attrs import field, frozen
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, DeferredLock
from twisted.logger import Logger

from allmydata.errors import GridError
from allmydata.keeper.alarm import Alarm
from allmydata.keeper.budget import Budget
from allmydata.keeper.care import Care
from allmydata.keeper.counts import Counts, Entry
from allmydata.keeper.renewal import Renewer
from allmydata.keeper.schedule import Sampler, State, Watched, mend_cost, verify_cost
from allmydata.uri import CHKFileVerifierURI
from allmydata.util.deferreds import as_deferred, drop, gather, settle, start

log = Logger()

LOOKS, MENDS, READS = 8, 4, 2  # files at once
NAP_S = 60.0  # the longest anybody sleeps
START_UP_S = 60.0  # how long servers are given to connect after the start
BREATH_S = 0.25  # before it is seen again whether all looks are done
YIELD_S = 5.0  # before it is seen again whether all repairs are
HOLD_S = 600.0  # how long repairs wait for looks that don't end
COUNT_S = 2.0  # how old a count of the files may be
DEBT, ROUND = "budget free at", "round began"  # names of notes


@frozen
class Tally:
    """What was counted, and when."""

    counts: Counts = field(factory=lambda: Counts({}, {}))
    at: float = -1.0


class Keeper(Service):
    """Looks after files; ``getService("keeper")`` of a client."""

    name = "keeper"

    def __init__(self, care: Care) -> None:
        self.care = care
        self.rules = care.rules
        self.trouble = ""  # why the list can't be used
        self._store, self._disk, self._clock = care.store, care.disk, care.clock
        self._budget = Budget(care.rules.bandwidth, care.clock)
        self._alarm = Alarm(care.clock)
        self._renewer = Renewer(care, lambda: self._alarm.ring())
        self._loops: list[Deferred[Any]] = []
        self._tally = Tally()
        self._locks: dict[int, DeferredLock] = {}
        self._num_looking = 0
        self._mended = care.clock.seconds()
        self._is_stopping = False

    # ---- for its owner -------------------------------------------------------------------

    @as_deferred
    async def add(self, caps: Collection[CHKFileVerifierURI]) -> int:
        """Keep files from now on; return how many of them are new."""
        num = await self._disk.run(self._store.add, caps)
        self._alarm.ring()
        return num

    @as_deferred
    async def remove(self, caps: Collection[CHKFileVerifierURI] | None) -> int:
        """Keep files no longer, or with None all; return how many were kept."""
        return await self._disk.run(self._store.remove, caps)

    def entries(self, after: int, limit: int) -> Deferred[list[Entry]]:
        """Return what is known of files, in the order they were added."""
        return self._disk.run(self._store.entries, after, limit)

    @as_deferred
    async def run_now(self, *, read: bool = False) -> None:
        """Look at every file now; with *read*, begin a round of reading too."""
        await self._disk.run(self._store.hasten, self._clock.seconds())
        if read and self._store.is_there:
            await self._disk.run(self._store.save_note, ROUND, 0.0)
        self._alarm.ring()

    @as_deferred
    async def look_again(self, *states: State) -> None:
        """Look now at files in *states*."""
        await self._disk.run(self._store.hasten, self._clock.seconds(), *states)
        self._alarm.ring()

    @as_deferred
    async def mend(self, numbers: Collection[int]) -> None:
        """Repair these files, whatever was found of them."""
        now = self._clock.seconds()
        await self._disk.run(self._store.mend, list(numbers), now)
        self._alarm.ring()

    @property
    def counts(self) -> Counts:
        """How many files are how, as counted some seconds ago."""
        return self._tally.counts

    @as_deferred
    async def count(self) -> Counts:
        """Count again, where that is possible."""
        try:
            counts = await self._disk.run(self._store.counts)
            self._tally = Tally(counts, self._clock.seconds())
        except GridError as e:
            self._tell(e)
        return self.counts

    def figures(self) -> dict[str, int]:
        """Return what was done since the node started."""
        care = self.care
        return {
            "looks": care.num_looks,
            "reads": care.num_reads,
            "repairs": care.num_repairs,
            "placed": care.num_placed,
            "renewals": self._renewer.num_renewed,
        }

    # ---- start and stop ------------------------------------------------------------------

    def startService(self) -> None:  # noqa: N802
        """Begin."""
        Service.startService(self)
        self.care.broker.on_change.add(self._servers_changed)
        self._loops = [start(self._begin())]

    @as_deferred
    async def stopService(self) -> None:  # noqa: N802
        """Leave everything as it is; what was begun is begun again next time."""
        Service.stopService(self)
        self._is_stopping = self.care.is_stopping = True
        for loop in self._loops:
            loop.cancel()
        await settle(self._loops)
        await self._disk.run(self._store.close)

    async def _begin(self) -> None:
        loops = (self._looking, self._mending, self._reading, self._renewer.turn)
        if not await self._until_ready():
            return
        self._mended = self._clock.seconds()
        self._loops += [start(self._for_ever(one)) for one in loops]
        for loop in self._loops[1:]:
            drop(loop)

    async def _until_ready(self) -> bool:
        """Wait until the servers that were up last have had time to connect."""
        if (await self.count()).num_files:
            self._budget.free_at = await self._disk.run(self._store.note, DEBT)
        until = self._clock.seconds() + START_UP_S
        while not self._is_stopping and self._clock.seconds() < until:
            servers = self.care.broker.servers()
            if servers and all(server.connected for server in servers):
                break
            await self._alarm.wait(min(5.0, START_UP_S))
        return not self._is_stopping

    async def _for_ever(self, turn: Callable[[], Awaitable[float]]) -> None:
        """Take one turn after another; each says how long to sleep after it."""
        while not self._is_stopping:
            try:
                pause_s = await turn() if self._is_connected() else NAP_S
            except CancelledError:
                return
            except GridError as e:
                self._tell(e)
                pause_s = NAP_S
            except Exception:  # the others' files must not suffer for it
                log.failure("the keeper stumbled")
                pause_s = NAP_S
            if pause_s and not self._is_stopping:
                await self._alarm.wait(pause_s)

    def _is_connected(self) -> bool:
        return bool(self.care.broker.connected())

    def _tell(self, error: GridError) -> None:
        if error.message != self.trouble:
            log.warn("the keeper can't go on: {why}", why=error.message)
        self.trouble = error.message

    def _servers_changed(self) -> None:
        self._alarm.ring()
        if self.running and self._store.is_there:
            drop(self.look_again(State.WAITING, State.UNREADABLE))

    # ---- the turns -----------------------------------------------------------------------

    async def _looking(self) -> float:
        now = self._clock.seconds()
        files = await self._disk.run(self._store.due, now, LOOKS)
        self.trouble = ""
        if not files:
            await self._count_soon()
            due = await self._disk.run(self._store.next_due)
            return NAP_S if due is None else min(NAP_S, max(1.0, due - now))
        self._num_looking = len(files)
        try:
            await gather(self._try(file, self.care.look) for file in files)
        finally:
            self._num_looking = 0
        if not await self._has_looks(now):
            self._alarm.ring()  # what was found is to be acted upon
        await self._count_soon()
        return 0.0

    async def _mending(self) -> float:
        now = self._clock.seconds()
        files = await self._disk.run(self._store.weakest, now, MENDS)
        if not files:
            self._mended = now
            return NAP_S
        urgent = [file for file in files if file.spare <= 0]
        if not urgent and now - self._mended < HOLD_S and await self._has_looks(now):
            return BREATH_S  # a weaker file may be found yet
        await gather(self._mend(file) for file in urgent or files)
        self._mended = self._clock.seconds()
        await self._count_soon()
        return 0.0

    async def _reading(self) -> float:
        now = self._clock.seconds()
        if await self._disk.run(self._store.weakest, now, 1):
            return YIELD_S  # the budget is for repairs as long as there are any
        files = await self._disk.run(self._store.sampled, READS)
        if not files:
            return 0.0 if await self._begin_round(now) else NAP_S
        await gather(self._read(file) for file in files)
        self._alarm.ring()
        await self._count_soon()
        return 0.0

    async def _begin_round(self, now: float) -> bool:
        """Choose what to read in a new round, if it is time for one."""
        began = await self._disk.run(self._store.note, ROUND)
        if not self._store.is_there or 0 <= now - began < self.rules.verify_every_s:
            return False
        if await self._has_looks(now):
            return False  # what is where is not known yet
        num_held = await self._disk.run(self._store.num_held)
        sampler = Sampler.for_servers(num_held)
        if sampler.is_done:
            return False
        await self._disk.run(self._store.sample, sampler.wants, lambda: sampler.is_done)
        await self._disk.run(self._store.save_note, ROUND, now)
        return True

    # ---- inside --------------------------------------------------------------------------

    async def _mend(self, file: Watched) -> None:
        held = {i for shares in file.held.values() for i in shares}
        await self._pay(mend_cost(file.cap, file.cap.total_shares - len(held)))
        await self._try(file, self.care.mend)

    async def _read(self, file: Watched) -> None:
        await self._pay(verify_cost(file.cap, file.held))
        await self._try(file, lambda file: self.care.look(file, read=True))

    async def _pay(self, num_bytes: int) -> None:
        await self._budget.take(num_bytes)
        await self._disk.run(self._store.save_note, DEBT, self._budget.free_at)

    async def _try(self, file: Watched, act: Callable[[Watched], Awaitable[Any]]) -> None:
        """Do something to *file*, alone; what fails is tried again later."""
        lock = self._locks.setdefault(file.number, DeferredLock())
        await lock.acquire()
        try:
            await act(file)
        except GridError as e:
            await self.care.fail(file, e)
        except CancelledError:
            raise
        except Exception as e:
            log.failure("the keeper could not look after a file")
            await self.care.fail(file, GridError(type(e).__name__))
        finally:
            lock.release()
            if not lock.locked:
                self._locks.pop(file.number, None)

    async def _has_looks(self, now: float) -> bool:
        return bool(self._num_looking or await self._disk.run(self._store.due, now, 1))

    async def _count_soon(self) -> None:
        if not 0 <= self._clock.seconds() - self._tally.at < COUNT_S:
            await self.count()
