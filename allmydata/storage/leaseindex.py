"""The lease index: what every share file holds and until when, in one SQLite file.

    shares     storage_index, shnum; size, kind, num_leases, earliest, latest, accounts: as
               in :class:`~allmydata.storage.inventory.Held`; doomed: the running time at
               which the server first saw that all leases are over, or nothing
    accounts   number, tubid; seen: when it last came, in seconds since 1970
    facts      name, value: ``running`` time of the server in seconds; ``whole``, 1 when
               every share file was looked at; ``clean``, 1 when nothing was lost at the
               end; ``swept``, the running time when every file was last looked at

All SQL on leases is here.  The index can be deleted at any time: it is made again from the
share files, and nothing is ever deleted on its word alone.  Format: docs/formats/leases.md.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from attrs import define, field, frozen

from allmydata.storage.inventory import ALL, IMMUTABLE, MUTABLE, Held, Key, Over, Tally

APPLICATION_ID = 0x616C7365  # "alse", in the file's head
VERSION = 1
FILE_NAME = "leases.sqlite"
MEMORY = ":memory:"
PATIENCE_S = 10.0
SETTINGS = (
    "synchronous = OFF",  # after a crash of the machine it is made again
    "temp_store = MEMORY",
    "trusted_schema = OFF",
    "cell_size_check = ON",
    "journal_size_limit = 67108864",
)
SCHEMA = f"""
    CREATE TABLE shares (
        storage_index BLOB NOT NULL,
        shnum INTEGER NOT NULL,
        size INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        num_leases INTEGER NOT NULL,
        earliest INTEGER NOT NULL,
        latest INTEGER NOT NULL,
        accounts BLOB NOT NULL,
        doomed REAL,
        PRIMARY KEY (storage_index, shnum)
    ) WITHOUT ROWID;
    CREATE TABLE accounts (
        number INTEGER PRIMARY KEY, tubid TEXT NOT NULL, seen INTEGER NOT NULL
    );
    CREATE TABLE facts (name TEXT PRIMARY KEY, value REAL NOT NULL) WITHOUT ROWID;
    PRAGMA application_id = {APPLICATION_ID};
    PRAGMA user_version = {VERSION};
"""
KNOWN = "SELECT size, kind, num_leases, earliest, latest, accounts FROM shares"
PUT = """INSERT INTO shares VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)
    ON CONFLICT DO UPDATE SET size = excluded.size, kind = excluded.kind,
    num_leases = excluded.num_leases, earliest = excluded.earliest,
    accounts = excluded.accounts, latest = excluded.latest, doomed =
    CASE WHEN ? OR excluded.latest > latest THEN NULL ELSE doomed END"""
# A file without a lease, or one that can't be read, is nobody's to delete.
OVER = "kind IN (:immutable, :mutable) AND num_leases > 0 AND latest < :threshold"
DOOMED = """SELECT storage_index, shnum, size, latest, doomed FROM shares
    WHERE doomed IS NOT NULL"""

MARK = (
    f"UPDATE shares SET doomed = :running WHERE doomed IS NULL AND {OVER}",  # noqa: S608
    f"UPDATE shares SET doomed = NULL WHERE doomed NOTNULL AND NOT ({OVER})",  # noqa: S608
)
COUNT_OVER = f"SELECT count(*), coalesce(sum(size), 0) FROM shares WHERE {OVER}"  # noqa: S608
COUNT_DOOMED = """SELECT count(*), coalesce(sum(doomed <= ?), 0) FROM shares
    WHERE doomed IS NOT NULL"""


@frozen
class Doomed:
    """A share all of whose leases are over."""

    key: Key
    size: int
    latest: int  # when the last lease ended, in seconds since 1970
    since: float  # the running time at which that was seen first


@frozen
class Change:
    """What is now known of one file; None: it is gone."""

    held: Held | None
    renewed: bool  # a client asked for it to be kept


@define(eq=False)
class LeaseIndex:
    """One connection to the index, for one thread at a time.

    Every method but :meth:`open` raises sqlite3.Error where the file is damaged or the
    disk fails.
    """

    path: Path | None  # None: it is in memory, for want of a disk that takes it
    _db: sqlite3.Connection = field(repr=False)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the index in *path*, or begin a new one; a damaged one is deleted.

        Where the disk takes none, it is kept in memory until the server stops.
        """
        for attempt in (_reopen, _create):
            try:
                return cls(path, attempt(path))
            except (sqlite3.Error, OSError, ValueError):
                _delete(path)
        return cls.in_memory()

    @classmethod
    def in_memory(cls) -> Self:
        """Return an index that ends with the process."""
        return cls(None, _make(MEMORY))

    @classmethod
    def open_to_read(cls, path: Path) -> Self:
        """Open an index that another process may be using.

        :raises sqlite3.Error, ValueError: there is none, or none that can be read
        """
        db = _connect(f"{path.absolute().as_uri()}?mode=ro")
        try:
            _check(db)
        except BaseException:
            db.close()
            raise
        return cls(path, db)

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def delete(self) -> None:
        """Close the connection and delete the file."""
        self._db.close()
        if self.path:
            _delete(self.path)

    # ---- facts ---------------------------------------------------------------------------

    def fact(self, name: str) -> float:
        """Return one fact; 0 if it was never set."""
        found = self._one("SELECT value FROM facts WHERE name = ?", name)
        return float(found or 0)

    def set_facts(self, **facts: float) -> None:
        """Set facts by their names."""
        sql = "INSERT OR REPLACE INTO facts VALUES (?, ?)"
        self._db.executemany(sql, facts.items())

    def see_accounts(self, seen: Mapping[int, tuple[str, int]]) -> None:
        """Remember what Tub ids account numbers stand for, and when they came."""
        sql = "INSERT OR REPLACE INTO accounts VALUES (?, ?, ?)"
        self._db.executemany(sql, ((n, *one) for n, one in seen.items()))

    def accounts(self) -> dict[int, tuple[str, int]]:
        """Return the Tub id of each account that was seen, and when it last came."""
        rows = self._db.execute("SELECT number, tubid, seen FROM accounts")
        return {number: (tubid, seen) for number, tubid, seen in rows}

    # ---- files ---------------------------------------------------------------------------

    def write(self, changes: Mapping[Key, Change], running: float) -> Tally:
        """Take in *changes* together; return by how much the sums changed."""
        difference = Tally()
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for key, change in changes.items():
                difference.count(self.held(key), -1)
                difference.count(change.held)
                self._put(key, change)
            self.set_facts(running=running)
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        return difference

    def _put(self, key: Key, change: Change) -> None:
        held = change.held
        if held is None:
            sql = "DELETE FROM shares WHERE storage_index = ? AND shnum = ?"
            self._db.execute(sql, key)
            return
        ends = held.num_leases, held.earliest, held.latest
        accounts = _pack(held.accounts)
        row = (*key, held.size, held.kind, *ends, accounts, change.renewed)
        self._db.execute(PUT, row)

    def held(self, key: Key) -> Held | None:
        """Return what is known of one file; None if nothing."""
        sql = f"{KNOWN} WHERE storage_index = ? AND shnum = ?"
        found = self._db.execute(sql, key).fetchone()
        if found is None:
            return None
        size, kind, num_leases, earliest, latest, accounts = found
        return Held(size, kind, num_leases, earliest, latest, _unpack(accounts))

    def between(self, first: bytes, last: bytes) -> set[Key]:
        """Return the files of storage indexes from *first* to *last*."""
        sql = "SELECT storage_index, shnum FROM shares WHERE storage_index BETWEEN ? AND ?"
        return set(self._db.execute(sql, (first, last)))

    def tally(self) -> Tally:
        """Return the sums over all files."""
        sql = "SELECT accounts, count(*), sum(size) FROM shares GROUP BY accounts"
        total = Tally()
        for packed, num_shares, num_bytes in self._db.execute(sql):
            for account in (ALL, *_unpack(packed)):
                total.add(account, num_shares, num_bytes)
        return total

    # ---- what is over --------------------------------------------------------------------

    def mark(self, over: Over, running: float) -> None:
        """Note of each share whether it is *over*.

        One that is keeps the running time at which that was seen first.
        """
        values = _values(over) | {"running": running}
        for sql in MARK:
            self._db.execute(sql, values)

    def doomed(self, since: float | None = None, limit: int = -1) -> list[Doomed]:
        """Return the shares noted as over, the first noted first.

        :param since: only those noted at this running time or before
        """
        before = "" if since is None else "AND doomed <= :since"
        sql = f"{DOOMED} {before} ORDER BY doomed, storage_index, shnum LIMIT :limit"
        rows = self._db.execute(sql, {"since": since, "limit": limit})
        return [Doomed((row[0], row[1]), *row[2:]) for row in rows]

    def doomed_since(self, key: Key) -> float | None:
        """Return since which running time one share is noted as over, or None."""
        sql = "SELECT doomed FROM shares WHERE storage_index = ? AND shnum = ?"
        found = self._one(sql, *key)
        return None if found is None else float(found)

    def count_over(self, over: Over) -> tuple[int, int]:
        """Return the number and the bytes of shares that are *over*."""
        return tuple(self._db.execute(COUNT_OVER, _values(over)).fetchone())

    def count_doomed(self, since: float) -> tuple[int, int]:
        """Return how many are noted as over, and how many of them were before *since*."""
        return tuple(self._db.execute(COUNT_DOOMED, (since,)).fetchone())

    def _one(self, sql: str, *values: Any) -> Any:
        found = self._db.execute(sql, values).fetchone()
        return found and found[0]


# ---- the file ----------------------------------------------------------------------------


def _connect(where: str) -> sqlite3.Connection:
    db = sqlite3.connect(
        where,
        uri=where.startswith("file:"),
        timeout=PATIENCE_S,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        for setting in SETTINGS:
            db.execute(f"PRAGMA {setting}")
    except BaseException:
        db.close()
        raise
    return db


def _make(where: str) -> sqlite3.Connection:
    db = _connect(where)
    db.executescript(f"BEGIN; {SCHEMA} COMMIT;")
    return db


def _create(path: Path) -> sqlite3.Connection:
    path.touch(0o600)
    db = _make(path.absolute().as_uri())
    db.execute("PRAGMA journal_mode = WAL")
    return db


def _reopen(path: Path) -> sqlite3.Connection:
    """Return the index that is there.

    :raises ValueError, sqlite3.Error: it is none, or damaged
    """
    db = _connect(f"{path.absolute().as_uri()}?mode=rw")
    try:
        _check(db)
        if not db.execute("SELECT 1 FROM facts WHERE name = 'clean' AND value").fetchone():
            (says,) = db.execute("PRAGMA quick_check(1)").fetchone()
            if says != "ok":
                raise ValueError(says)
        db.execute("PRAGMA journal_mode = WAL")
    except BaseException:
        db.close()
        raise
    return db


def _check(db: sqlite3.Connection) -> None:
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if (application, version) != (APPLICATION_ID, VERSION):
        raise ValueError("it holds something else")


def _delete(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        try:
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        except OSError:
            return  # a directory, or not ours to delete


def _values(over: Over) -> dict[str, float]:
    kinds = {"immutable": IMMUTABLE, "mutable": MUTABLE}
    wanted = {name: kind if kind in over.kinds else -1 for name, kind in kinds.items()}
    return wanted | {"threshold": over.threshold}


def _pack(accounts: Iterable[int]) -> bytes:
    numbers = tuple(accounts)
    return struct.pack(f">{len(numbers)}L", *numbers)


def _unpack(packed: bytes) -> tuple[int, ...]:
    return struct.unpack(f">{len(packed) // 4}L", packed)
