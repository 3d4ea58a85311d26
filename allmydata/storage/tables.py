"""The vdrive server's tables: all SQL that there is, behind one class.

    directories   directory: its index; write_enabler; sequence: how often it changed
    children      directory, key: of the row; name, write, read: sealed; created, changed

A change is durable when :meth:`Tables.together` returns, or did not happen: SQLite keeps a
write-ahead log and syncs it at each commit.  Format: docs/formats/dirtable.md.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from functools import wraps
from hmac import compare_digest
from pathlib import Path
from typing import Any, ParamSpec, Self, TypeVar

from attrs import define, field

from allmydata.errors import (
    BadWriteEnablerError,
    ConflictError,
    GridError,
    NoSuchChildError,
)
from allmydata.formats.dirtable import Row
from allmydata.storage.tablefile import connect, copy_file, explain, open_file

P = ParamSpec("P")
T = TypeVar("T")

PAGE = """SELECT key, name, write, read, created, changed FROM children
    WHERE directory = ? AND key > ? AND length(key) = 32 ORDER BY key LIMIT ?"""
FIND = """SELECT key, name, write, read, created, changed FROM children
    WHERE directory = ? AND key IN (%s) ORDER BY key"""
INSERT = """INSERT INTO children
    (directory, key, name, write, read, created, changed) VALUES (?, ?, ?, ?, ?, ?, ?)"""
REPLACE = (
    INSERT
    + """ ON CONFLICT (directory, key) DO UPDATE SET name = excluded.name,
    write = excluded.write, read = excluded.read, changed = excluded.changed"""
)


def _explained(f: Callable[P, T]) -> Callable[P, T]:
    """Let *f* raise errors of ours where SQLite raises its own."""

    @wraps(f)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return f(*args, **kwargs)
        except sqlite3.Error as e:
            raise explain(e) from e

    return call


@define(eq=False)
class Tables:
    """One connection to the tables, for one thread at a time.

    What changes them must run inside :meth:`together`; several may read meanwhile, over
    connections of their own.
    """

    path: Path
    _db: sqlite3.Connection = field(repr=False)

    @classmethod
    @_explained
    def open(cls, path: Path) -> Self:
        """Open the tables in file *path*; where there is no such file, make it.

        :raises CorruptError: the file is damaged, or something else; it is left alone
        """
        return cls(path, open_file(path))

    @_explained
    def another(self) -> Tables:
        """Return another connection to the same tables."""
        return Tables(self.path, connect(self.path))

    def close(self) -> None:
        """Close the connection; nothing may be under way on it."""
        self._db.close()

    @_explained
    def backup_to(self, path: Path) -> None:
        """Write the tables as they are now to a new file; changes go on meanwhile.

        :param path: a file of that name must not exist; it is whole when this returns
        :raises ConflictError: it exists
        """
        copy_file(self.path, path)

    # ---- changing ------------------------------------------------------------------------

    def together(self, changes: Sequence[Callable[[], T]]) -> list[T | Exception]:
        """Make *changes* in their order, durable at once; return the outcome of each.

        One that fails leaves nothing behind and does not hinder the others: where the
        disk fails them all, each is tried by itself.

        :param changes: call methods of this object
        """
        try:
            return self._commit(changes)
        except Exception as e:
            if len(changes) == 1:  # whoever asked for it hears of it
                return [explain(e) if isinstance(e, sqlite3.Error) else e]
        return [self.together([change])[0] for change in changes]

    def _commit(self, changes: Sequence[Callable[[], T]]) -> list[T | Exception]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            outcomes = [self._attempt(change) for change in changes]
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # a full disk may have ended it
                self._db.execute("ROLLBACK")
            raise
        return outcomes

    def _attempt(self, change: Callable[[], T]) -> T | Exception:
        self._db.execute("SAVEPOINT change")
        outcome: T | Exception
        try:
            outcome = change()
        except GridError as e:
            outcome = e
            self._db.execute("ROLLBACK TO change")
        self._db.execute("RELEASE change")
        return outcome

    def create_directory(self, directory: bytes, write_enabler: bytes) -> None:
        """Make an empty directory; nothing changes where it is there already.

        :raises BadWriteEnablerError: it is there with another enabler
        """
        self._db.execute(
            "INSERT INTO directories VALUES (?, ?, 0) ON CONFLICT DO NOTHING",
            (directory, write_enabler),
        )
        self._check_enabler(directory, write_enabler)

    def put(
        self,
        directory: bytes,
        write_enabler: bytes,
        rows: Sequence[Row],
        now: int,
        *,
        replace: bool,
    ) -> None:
        """Put all *rows* in place, or none; of one that is replaced ``created`` stays.

        :param now: seconds since the epoch
        :raises ConflictError: a row of that key is there, and may not be replaced
        :raises BadWriteEnablerError, NoSuchChildError: see :meth:`delete`
        """
        self._check_enabler(directory, write_enabler)
        self._insert(REPLACE if replace else INSERT, directory, rows, now, now)
        self._count_change(directory)

    def delete(self, directory: bytes, write_enabler: bytes, key: bytes) -> None:
        """Take a row out.

        :raises BadWriteEnablerError: the directory was made with another enabler
        :raises NoSuchChildError: there is no such row, or no such directory
        """
        self._check_enabler(directory, write_enabler)
        self._take(directory, key)
        self._count_change(directory)

    def move(
        self,
        source: tuple[bytes, bytes, bytes],
        target: tuple[bytes, bytes],
        row: Row,
        now: int,
        *,
        replace: bool,
    ) -> None:
        """Take a row out here and put *row* in place there; it keeps ``created``.

        :param source: directory, write enabler, key
        :param target: directory, write enabler
        :raises ConflictError, BadWriteEnablerError, NoSuchChildError: as for the others
        """
        directory, write_enabler, key = source
        self._check_enabler(directory, write_enabler)
        self._check_enabler(*target)
        created = self._take(directory, key)
        if replace:
            self._delete(target[0], row.key)
        self._insert(INSERT, target[0], [row], created, now)
        for changed in {directory, target[0]}:
            self._count_change(changed)

    def _check_enabler(self, directory: bytes, write_enabler: bytes) -> None:
        sql = "SELECT write_enabler FROM directories WHERE directory = ?"
        if not compare_digest(self._of_directory(sql, directory), write_enabler):
            raise BadWriteEnablerError("this directory was made with another write enabler")

    def _take(self, directory: bytes, key: bytes) -> int:
        sql = "SELECT created FROM children WHERE directory = ? AND key = ?"
        created = self._value(sql, directory, key)
        if created is None:
            raise NoSuchChildError("no such row in this directory")
        self._delete(directory, key)
        return int(created)

    def _delete(self, directory: bytes, key: bytes) -> None:
        sql = "DELETE FROM children WHERE directory = ? AND key = ?"
        self._db.execute(sql, (directory, key))

    def _insert(
        self, sql: str, directory: bytes, rows: Sequence[Row], created: int, changed: int
    ) -> None:
        values = (
            (directory, row.key, row.name, row.write, row.read, created, changed)
            for row in rows
        )
        try:
            self._db.executemany(sql, values)
        except sqlite3.IntegrityError as e:
            raise ConflictError("there is a row of that key, and it may not go") from e

    def _count_change(self, directory: bytes) -> None:
        sql = "UPDATE directories SET sequence = sequence + 1 WHERE directory = ?"
        self._db.execute(sql, (directory,))

    # ---- reading -------------------------------------------------------------------------

    @_explained
    def page(self, directory: bytes, after: bytes, limit: int) -> list[Row]:
        """Return up to *limit* rows whose keys come after *after*, in their order.

        :raises NoSuchChildError: there is no such directory
        """
        self._sequence(directory)
        found = self._db.execute(PAGE, (directory, after, limit))
        return [Row(*values) for values in found]

    @_explained
    def find(self, directory: bytes, keys: Sequence[bytes]) -> list[Row]:
        """Return the rows of *keys* that are there, in the order of their keys.

        :raises NoSuchChildError: there is no such directory
        """
        self._sequence(directory)
        sql = FIND % ", ".join("?" * len(keys))
        return [Row(*values) for values in self._db.execute(sql, (directory, *keys))]

    @_explained
    def sequence(self, directory: bytes) -> int:
        """Return how many changes the directory has seen.

        :raises NoSuchChildError: there is no such directory
        """
        return self._sequence(directory)

    def _sequence(self, directory: bytes) -> int:
        sql = "SELECT sequence FROM directories WHERE directory = ?"
        return int(self._of_directory(sql, directory))

    def _of_directory(self, sql: str, directory: bytes) -> Any:
        value = self._value(sql, directory)
        if value is None:
            raise NoSuchChildError("no such directory on this server")
        return value

    def _value(self, sql: str, *args: bytes) -> Any:
        found = self._db.execute(sql, args).fetchone()
        return found and found[0]
