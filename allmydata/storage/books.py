"""Keeps a server's books in order: the index written, files looked at, shares expired.

Each second, what changed is written to the index.  At the start, unless it was closed
well, and once a week, since something else may have changed them, all files are looked at.
Each hour shares that nobody wants are looked for, if the owner wants that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from allmydata.errors import GridError
from allmydata.storage.disk import Disk
from allmydata.storage.ledger import Ledger
from allmydata.storage.reaper import Reaper
from allmydata.storage.sweep import Sweep
from allmydata.storage.tree import ShareTree
from allmydata.util.deferreds import Gate, settle, sleep, start

log = Logger()

WRITE_EVERY_S = 1
REAP_EVERY_S = 3600
SWEEP_EVERY_S = 7 * 86_400  # of running time
TRY_AGAIN_S = 60  # after the disk failed


@define(eq=False)
class Books:
    """The server's clerk: works by itself between :meth:`start` and :meth:`stop`."""

    _tree: ShareTree
    ledger: Ledger
    reaper: Reaper
    _disk: Disk
    _clock: IReactorTime
    _counted: Gate = field(factory=Gate, init=False)
    _naps: set[Deferred[None]] = field(factory=set, init=False)
    _work: list[Deferred[None]] = field(factory=list, init=False)
    _is_running: bool = field(default=False, init=False)
    _losses: int = field(default=0, init=False)  # of the ledger, that were dealt with
    _rest: Deferred[None] | None = field(default=None, init=False)  # of the one who looks

    def start(self) -> None:
        """Open the index and begin."""
        self._is_running = True
        opened = start(self._open())
        self._work = [start(self._write()), start(self._look(opened))]

    async def stop(self) -> None:
        """End the work; the ledger is to be closed when no file changes any more."""
        self._is_running = False
        for nap in list(self._naps):
            nap.cancel()
        await settle(self._work)
        self._work = []
        self._counted.shut()

    def when_counted(self) -> Deferred[None]:
        """Return a Deferred that fires when the sums of the ledger can be trusted."""
        return self._counted.wait()

    async def _open(self) -> None:
        await self._disk.run(self.ledger.open)
        if self.ledger.is_counted:
            self._counted.open()

    async def _write(self) -> None:
        while self._is_running:
            await self._try(self._flush)
            await self._nap(WRITE_EVERY_S)

    async def _flush(self) -> None:
        if self.ledger.has_changes:
            await self._disk.run(self.ledger.flush)
        if self.ledger.num_losses != self._losses:  # the index was lost: look again, now
            self._losses = self.ledger.num_losses
            self._counted.shut()
            if self._rest:
                self._rest.cancel()

    async def _look(self, opened: Deferred[None]) -> None:
        await opened
        while self._is_running:
            done = await self._try(self._sweep_and_reap)
            await self._nap(REAP_EVERY_S if done else TRY_AGAIN_S, is_rest=True)

    async def _sweep_and_reap(self) -> None:
        if not self.ledger.is_true or await self._disk.run(self._is_due):
            await self._sweep()
        if self.reaper.policy.enabled and self._is_running:
            await self.reaper.cycle()

    def _is_due(self) -> bool:
        return self.ledger.since_sweep() > SWEEP_EVERY_S

    async def _sweep(self) -> None:
        sweep = Sweep(self._tree, self.ledger)
        while self._is_running and await self._disk.run(sweep.go_on):
            pass
        if self.ledger.is_counted:
            self._losses = self.ledger.num_losses
            self._counted.open()

    async def _try(self, act: Callable[[], Awaitable[None]]) -> bool:
        """Do *act*; a failure is logged, and the clerk lives on."""
        try:
            await act()
        except GridError as e:
            log.warn("the books will be looked at again: {error}", error=e)
        except Exception:
            log.failure("while keeping the books")
        else:
            return True
        return False

    async def _nap(self, seconds: float, *, is_rest: bool = False) -> None:
        if not self._is_running:
            return
        nap = sleep(seconds, self._clock)
        self._naps.add(nap)
        self._rest = nap if is_rest else self._rest
        try:
            await nap
        except CancelledError:
            pass
        finally:
            self._naps.discard(nap)
            self._rest = None if is_rest else self._rest
