"""Leases of all that is kept, renewed server by server, thousands in one message."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field
from twisted.internet.defer import TimeoutError

from allmydata.errors import GridError
from allmydata.formats.renewals import Renewal
from allmydata.grid.server import StorageServerProxy
from allmydata.keeper.care import Care
from allmydata.util.deferreds import timeout

BATCH = 5000
ANSWER_S = 300.0
NAP_S = 60.0
DONE = (Renewal.RENEWED, Renewal.UNTOLD)


@define
class Renewer:
    """Renews.

    :param missed: called when a server was found to lack what it held
    """

    _care: Care
    _missed: Callable[[], None]
    num_renewed: int = field(default=0, init=False)

    async def turn(self) -> float:
        """Renew a batch on each server whose time has come; return how long to sleep."""
        store, is_busy = self._care.store, False
        if not store.is_there:
            return NAP_S
        for server in self._care.broker.connected():
            renewed, reached = await self._care.disk.run(store.renewal, server.nodeid)
            age = self._care.clock.seconds() - renewed
            if reached or not 0 <= age < self._care.rules.renew_every_s:
                is_busy = await self._renew(server, renewed, reached) or is_busy
        return 0.0 if is_busy else NAP_S

    async def _renew(
        self, server: StorageServerProxy, renewed: float, reached: int
    ) -> bool:
        """Renew the next batch on *server*; return whether there is more."""
        care, store = self._care, self._care.store
        files, last = await care.disk.run(store.held_by, server.nodeid, reached, BATCH)
        indexes = [file.cap.storage_index for file in files]
        try:
            waiting = server.renew_leases(indexes)
            answers = list(await timeout(waiting, ANSWER_S, care.clock)) if indexes else []
        except (GridError, TimeoutError):
            return False  # another time
        self.num_renewed += sum(answer in DONE for answer in answers)
        pairs = zip(files, answers, strict=False)
        gone = [file.number for file, answer in pairs if answer == Renewal.NO_SHARE]
        if gone:
            await care.disk.run(store.look_at, gone, care.clock.seconds())
            self._missed()
        if not last:
            renewed = care.clock.seconds()
        await care.disk.run(store.save_renewal, server.nodeid, renewed, last)
        return bool(last)
