"""What one share file amounts to: its size, how long it is leased, and to whom.

The sums over all files are what a server holds, and what each account holds of it.  An
account is the owner number of leases; 0 stands for leases that name nobody.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from attrs import define, field, frozen

from allmydata.crypto.keys import FIRST_ACCOUNT
from allmydata.errors import BadShareError
from allmydata.formats.container import Container, Lease
from allmydata.formats.slot import SlotLease
from allmydata.storage.disk import NO_DESCRIPTOR, Calls
from allmydata.storage.shares import ShareFile
from allmydata.storage.slotfile import SlotFile

Key = tuple[bytes, int]  # storage index, share number

UNREADABLE, IMMUTABLE, MUTABLE = 0, 1, 2  # kinds of file
NOBODY = 0  # the account of leases that name none
ALL = -1  # in a Tally: every file once, however many lease it


@frozen
class Held:
    """One file in the place of a share; of one that is no share no leases."""

    size: int  # bytes of the whole file
    kind: int = UNREADABLE
    num_leases: int = 0
    earliest: int = 0  # when its first lease ends, in seconds since 1970; 0: it has none
    latest: int = 0  # when its last one does
    accounts: tuple[int, ...] = ()  # in order, each once

    @classmethod
    def of(cls, container: Container, leases: Iterable[Lease]) -> Held:
        """Describe an immutable share."""
        return cls._leased(container.file_size, IMMUTABLE, leases)

    @classmethod
    def of_slot(cls, file_size: int, leases: Iterable[SlotLease]) -> Held:
        """Describe a mutable share."""
        return cls._leased(file_size, MUTABLE, leases)

    @classmethod
    def _leased(cls, size: int, kind: int, leases: Iterable[Lease | SlotLease]) -> Held:
        leases = list(leases)
        ends = [lease.expires for lease in leases]
        owners = {account_of(lease.owner) for lease in leases}
        first, last = min(ends, default=0), max(ends, default=0)
        return cls(size, kind, len(ends), first, last, tuple(sorted(owners)))


@frozen
class Over:
    """Which files nobody wants any more.

    :param threshold: their last lease ended before, in seconds since 1970
    :param kinds: IMMUTABLE, MUTABLE, both or none
    """

    threshold: float
    kinds: tuple[int, ...]

    def covers(self, held: Held | None) -> bool:
        """Tell whether *held* is one; a file without leases tells nothing, and is none."""
        if held is None or held.kind not in self.kinds or not held.num_leases:
            return False
        return held.latest < self.threshold


def account_of(owner: int) -> int:
    """Return the account of a lease with that owner number."""
    return owner if owner >= FIRST_ACCOUNT else NOBODY


def look(path: Path, calls: Calls) -> Held | None:
    """Describe the file at *path*; None if it is gone.  Hold the lock of the tree.

    :raises OSError: the process has no descriptor left, which says nothing of the file
    """
    try:
        share = ShareFile.open(path, calls)
        if share:
            return Held.of(share.container, share.leases())
        return _look_at_slot(path, calls)
    except FileNotFoundError:
        return None
    except BadShareError:
        pass
    except OSError as e:
        if e.errno in NO_DESCRIPTOR:
            raise
    return _unreadable(path)


def _look_at_slot(path: Path, calls: Calls) -> Held:
    slot = SlotFile.open(path, calls)
    try:
        return Held.of_slot(os.fstat(slot.fd).st_size, slot.leases())
    finally:
        slot.close()


def _unreadable(path: Path) -> Held | None:
    try:
        return Held(path.lstat().st_size)
    except OSError:
        return None


@frozen
class Holdings:
    """What a server keeps: finished files, and the bytes of them."""

    num_shares: int = 0
    num_bytes: int = 0

    def plus(self, other: Holdings) -> Holdings:
        """Return the sum; the numbers of either may be negative."""
        num_bytes = self.num_bytes + other.num_bytes
        return Holdings(self.num_shares + other.num_shares, num_bytes)


@define
class Tally:
    """Files and their bytes, by account; each counts for every account that leases it."""

    _shares: Counter[int] = field(factory=Counter)
    _bytes: Counter[int] = field(factory=Counter)

    def count(self, held: Held | None, num: int = 1) -> None:
        """Add *num* times what *held* is; nothing for None."""
        if held:
            for account in (ALL, *held.accounts):
                self.add(account, num, num * held.size)

    def add(self, account: int, num_shares: int, num_bytes: int) -> None:
        """Add so much to one account; either may be negative."""
        self._shares[account] += num_shares
        self._bytes[account] += num_bytes

    def merge(self, other: Tally) -> None:
        """Add all that *other* has."""
        for account in other._shares:
            self.add(account, other._shares[account], other._bytes[account])

    def of(self, account: int = ALL) -> Holdings:
        """Return what one account has, or all together."""
        return Holdings(self._shares[account], self._bytes[account])

    def accounts(self) -> list[int]:
        """Return the accounts that have something, those with the most bytes first."""
        found = [one for one in self._shares if one != ALL and self._shares[one]]
        return sorted(found, key=lambda one: -self._bytes[one])
