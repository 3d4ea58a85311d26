"""Before, while and after a large file moves, unused memory goes back to the system."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.application.service import Service

from allmydata.immutable.transfers import Transfers
from allmydata.interfaces.node import ITransfer

LARGE = 4 * 2**20  # bytes of a file; below, little is left behind
BETWEEN = 64 * 2**20  # bytes of a file that move between two times; else its peak grows on
HUGE, OFTENER = 2**30, 4  # bytes of a file from which it is done so many times as often
SOON_S = 0.01  # by then whoever moved it has let go of its last pieces


class Tidying(Service):
    """Watches transfers.

    :param clock: the reactor
    :param give_back: what returns memory; :func:`allmydata.util.malloc.give_back`
    """

    name = "tidying"

    def __init__(
        self, transfers: Transfers, clock: Any, give_back: Callable[[], object]
    ) -> None:
        self._transfers = transfers
        self._clock = clock
        self._give_back = give_back
        self._end_watch: Callable[[], None] | None = None
        self._due: Any = None  # a delayed call
        self._done: dict[
            int, int
        ] = {}  # by transfer: the bytes moved when it was last done

    def startService(self) -> None:  # noqa: N802
        """Begin to watch."""
        super().startService()  # type: ignore[no-untyped-call]
        self._end_watch = self._transfers.observe(self._changed)

    def stopService(self) -> None:  # noqa: N802
        """Watch no more."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._end_watch:
            self._end_watch()
            self._end_watch = None
        if self._due:
            self._due.cancel()
            self._due = None

    def _changed(self, transfer: ITransfer) -> None:
        if transfer.size < LARGE:
            return
        if transfer.ended is not None:
            self._done.pop(transfer.number, None)
        elif transfer.num_bytes - self._done.get(transfer.number, -BETWEEN) >= _step(
            transfer
        ):
            self._done[transfer.number] = transfer.num_bytes
        else:
            return
        if not self._due:
            self._due = self._clock.callLater(SOON_S, self._tidy)

    def _tidy(self) -> None:
        self._due = None
        self._give_back()


def _step(transfer: ITransfer) -> int:
    return BETWEEN // OFTENER if transfer.size >= HUGE else BETWEEN
