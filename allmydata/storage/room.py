"""How much a server may still take: of the disk, of its own limit, of each account's quota.

What was promised to shares that are being written counts in full from the moment of the
promise.  Promises are made and ended on the reactor's side; the disk is asked in threads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial

from attrs import define, field

from allmydata.formats.container import Container
from allmydata.storage.accounts import Quotas
from allmydata.storage.ledger import Ledger
from allmydata.storage.tree import ShareTree


@define(eq=False)
class Room:
    """The room of one server, in bytes of share files.

    :param reserved_space: bytes of the disk that shares must leave free
    :param max_size: of all share files together; None for no limit
    """

    _tree: ShareTree
    _ledger: Ledger
    _quotas: Quotas
    _reserved_space: int
    _max_size: int | None
    _promised: Counter[int] = field(factory=Counter, init=False)  # by account

    @property
    def depends_on_counts(self) -> bool:
        """Tell whether all shares must have been counted before there is an answer."""
        return self._max_size is not None or self._quotas.are_set

    @property
    def num_promised(self) -> int:
        """The bytes that are promised now."""
        return self._promised.total()

    def promise(self, size: int, num: int, account: int) -> None:
        """Count *num* shares of *size* bytes of data as promised to *account*."""
        self._promised[account] += Container.plan(size).file_size * num

    def end(self, size: int, num: int, account: int) -> None:
        """Count them no longer: they are kept, or thrown away."""
        self._promised[account] -= Container.plan(size).file_size * num
        if not self._promised[account]:
            del self._promised[account]

    def left(self, promised: int) -> int:
        """Return the bytes left to all accounts together; asks the disk."""
        left = self._tree.free_space() - self._reserved_space - promised
        if self._max_size is not None:
            left = min(left, self._max_size - self._ledger.held().num_bytes - promised)
        return max(0, left)

    def left_to(self, account: int) -> Callable[[], int]:
        """Return what tells, in a thread, the bytes *account* may have beside promises."""
        promised = self._promised.total(), self._promised[account]
        return partial(self._left_to, account, *promised)

    def _left_to(self, account: int, promised: int, promised_to_it: int) -> int:
        left, quota = self.left(promised), self._quotas.limit(account)
        if quota is not None:
            held = self._ledger.held(account).num_bytes
            left = min(left, quota - held - promised_to_it)
        return max(0, left)
