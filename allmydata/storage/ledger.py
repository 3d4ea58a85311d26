"""What a server holds, and for whom: sums in memory, each file in the lease index.

Whoever changes a share file says so with :meth:`Ledger.note`, in any thread, with the lock
of the tree in hand; that costs microseconds.  The index is written once a second.  If it
fails, a new one begins, and all files are looked at again (:mod:`allmydata.storage.sweep`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from threading import Lock, RLock
from typing import TypeVar

from attrs import define, field
from twisted.logger import Logger

from allmydata.storage.inventory import ALL, Held, Holdings, Key, Tally
from allmydata.storage.leaseindex import Change, LeaseIndex

log = Logger()
T = TypeVar("T")

MOST_CHANGES = 10_000  # that wait to be written; then whoever brings one writes them
MOST_ACCOUNTS = 10_000  # whose Tub ids are remembered
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


@define(eq=False)
class Ledger:
    """The books of one server.

    :param path: where the index lies
    :param monotonic: seconds that go on evenly, whatever is done to the clock
    """

    _path: Path
    _monotonic: Callable[[], float]
    _index: LeaseIndex | None = field(default=None, init=False)
    _index_lock: RLock = field(factory=RLock, init=False)
    _lock: Lock = field(factory=Lock, init=False)
    _changes: dict[Key, Change] = field(factory=dict, init=False)
    _seen: dict[int, tuple[str, int]] = field(factory=dict, init=False)
    _known_accounts: set[int] = field(factory=set, init=False)
    # Sums: of the index, of what is being written to it, and of what waits.
    _written: Tally = field(factory=Tally, init=False)
    _writing: Tally = field(factory=Tally, init=False)
    _waiting: Tally = field(factory=Tally, init=False)
    _ran_before: float = field(default=0.0, init=False)
    _since: float = field(default=0.0, init=False)
    is_counted: bool = field(default=False, init=False)  # every file counts, or once did
    is_true: bool = field(default=False, init=False)  # nothing happened that it may lack
    num_losses: int = field(default=0, init=False)  # how often the index began anew

    # ---- begin and end: in a thread -----------------------------------------------------

    def open(self) -> None:
        """Open the index; it is true if it was closed well."""
        with self._index_lock:
            self._since = self._monotonic()
            self._index = LeaseIndex.open(self._path)
            self._do(self._take_over)

    def _take_over(self, index: LeaseIndex) -> None:
        self._ran_before = index.fact("running")
        self._known_accounts = set(index.accounts())
        self._written = index.tally()
        self.is_counted = bool(index.fact("whole"))
        self.is_true = self.is_counted and bool(index.fact("clean"))
        index.set_facts(clean=0)

    def close(self) -> None:
        """Write what waits, and close the index."""
        with self._index_lock:
            if self._index:
                self.flush()
                clean = self.is_true
                self._do(lambda index: index.set_facts(clean=clean))
                self._index.close()
                self._index = None

    def swept(self, losses: int) -> bool:
        """Take note that every file was looked at; tell whether it is so.

        :param losses: ``num_losses`` before the first was looked at
        """
        with self._index_lock:
            self.flush()
            self._do(lambda index: index.set_facts(whole=1, swept=self.running_time()))
            self.is_counted = self.is_true = self.num_losses == losses
            return self.is_true

    def since_sweep(self) -> float:
        """Return the running time since every file was last looked at."""
        return self.running_time() - self.ask(lambda index: index.fact("swept"))

    def running_time(self) -> float:
        """Return for how many seconds the server ran, since the index began."""
        return self._ran_before + self._monotonic() - self._since

    # ---- what changes: in any thread ----------------------------------------------------

    def note(
        self, key: Key, before: Held | None, after: Held | None, *, renewed: bool = False
    ) -> None:
        """Take note of what a file is now; hold its lock.

        :param before: what it was, if that is known; equal to *after* where it is not
        :param after: None if it is gone
        :param renewed: a client asked for it to be kept
        """
        with self._lock:
            last = self._changes.get(key)
            renewed = renewed or (last is not None and last.renewed)
            self._changes[key] = Change(after, renewed)
            if before != after:
                self._waiting.count(before, -1)
                self._waiting.count(after)
            is_full = len(self._changes) >= MOST_CHANGES
        if is_full:
            self.flush()

    def saw(self, account: int, tubid: str, now: int) -> None:
        """Take note of whom an account's number stands for."""
        with self._lock:
            known = account in self._known_accounts
            if known or len(self._known_accounts) < MOST_ACCOUNTS:
                self._known_accounts.add(account)
                self._seen[account] = tubid, now

    def flush(self) -> None:
        """Write what waits."""
        with self._index_lock:
            if self._index is None:
                return  # not open yet: it waits
            with self._lock:
                changes, self._changes = self._changes, {}
                seen, self._seen = self._seen, {}
                self._writing, self._waiting = self._waiting, Tally()
            running = self.running_time()
            difference = self._do(lambda index: index.write(changes, running))
            if seen:
                self._do(lambda index: index.see_accounts(seen))
            with self._lock:
                self._written.merge(difference)
                self._writing = Tally()

    @property
    def has_changes(self) -> bool:
        """Tell whether something waits to be written."""
        return bool(self._changes)

    # ---- what is asked ------------------------------------------------------------------

    def held(self, account: int = ALL) -> Holdings:
        """Return what one account has here, or all together; true once it is counted."""
        with self._lock:
            sums = self._written.of(account), self._writing.of(account)
            return sums[0].plus(sums[1]).plus(self._waiting.of(account))

    def waits(self, key: Key) -> bool:
        """Tell whether something was noted of a file that the index does not have yet."""
        with self._lock:
            return key in self._changes

    def ask(self, question: Callable[[LeaseIndex], T]) -> T:
        """Put *question* to the index; in a thread."""
        return self._do(question)

    def _do(self, f: Callable[[LeaseIndex], T]) -> T:
        with self._index_lock:
            if self._index is None:
                raise RuntimeError("the lease index is not open")
            try:
                return f(self._index)
            except sqlite3.Error as e:
                self._begin_again(e)
            return f(self._index)

    def _begin_again(self, error: sqlite3.Error) -> None:
        """Begin another index: on the disk if the old one was damaged, else in memory."""
        log.warn("the lease index failed and is made again: {error}", error=error)
        if self._index is None:
            raise error
        self._index.delete()
        damaged = getattr(error, "sqlite_errorcode", 0) & 0xFF in DAMAGED
        opened = LeaseIndex.open(self._path) if damaged else LeaseIndex.in_memory()
        self._index = opened
        self._written = Tally()
        self._ran_before, self._since = 0.0, self._monotonic()
        self.is_counted = self.is_true = False
        self.num_losses += 1
