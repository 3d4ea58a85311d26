"""The file of the keeper's list: SQLite, made, opened and checked.

What was added outlasts a crash of the machine; what was seen of files, that of the process.
A file that is damaged, or something else, is refused and left alone.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from allmydata.errors import CorruptError, GridError, NoSpaceError
from allmydata.keeper.schedule import State

APPLICATION_ID = 0x616B6570  # "akep", in the file's head
VERSION = 1
PATIENCE_S = 10.0
CHECKED_SIZE = 2**28  # a file up to this size is read through when it is opened

SCHEMA = f"""
    CREATE TABLE files (
        number INTEGER PRIMARY KEY,
        idx BLOB NOT NULL, seal BLOB NOT NULL,
        k INTEGER NOT NULL, n INTEGER NOT NULL, size INTEGER NOT NULL,
        state INTEGER NOT NULL DEFAULT 0,
        held BLOB NOT NULL DEFAULT x'', bad BLOB NOT NULL DEFAULT x'',
        num_good INTEGER, spare INTEGER, loss REAL,
        due REAL NOT NULL DEFAULT 0, weak_since REAL,
        checked REAL, verified REAL, sampled INTEGER NOT NULL DEFAULT 0,
        repaired REAL, repaired_from INTEGER, wanted INTEGER NOT NULL DEFAULT 0,
        failures INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '',
        UNIQUE (idx, seal, k, n, size)
    );
    CREATE INDEX files_due ON files (due) WHERE state != {State.WEAK:d};
    CREATE INDEX files_weak ON files (spare, num_good, number) WHERE state = {State.WEAK:d};
    CREATE INDEX files_sampled ON files (number) WHERE sampled = 1;
    CREATE TABLE servers (
        number INTEGER PRIMARY KEY,
        nodeid TEXT NOT NULL UNIQUE,
        renewed REAL NOT NULL DEFAULT 0,
        reached INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE notes (name TEXT PRIMARY KEY, value REAL NOT NULL) WITHOUT ROWID;
    PRAGMA application_id = {APPLICATION_ID};
    PRAGMA user_version = {VERSION};
"""


def connect(path: Path) -> sqlite3.Connection:
    """Return a connection to the file *path*, which is made where there is none."""
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    db = sqlite3.connect(
        path, timeout=PATIENCE_S, isolation_level=None, check_same_thread=False
    )
    try:
        _prepare(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    try:
        for setting in ("trusted_schema = OFF", "cell_size_check = ON"):
            db.execute(f"PRAGMA {setting}")
        if not path.stat().st_size:
            db.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT;")
        (application,) = db.execute("PRAGMA application_id").fetchone()
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if (application, version) != (APPLICATION_ID, VERSION):
            raise _unusable(path, "it holds something else, or is of a later version")
        elif path.stat().st_size <= CHECKED_SIZE:
            (says,) = db.execute("PRAGMA quick_check(1)").fetchone()
            if says != "ok":
                raise _unusable(path, str(says).replace("\n", " "))
        db.execute("PRAGMA journal_mode = WAL")
    except sqlite3.DatabaseError as e:
        if isinstance(_explain(e), CorruptError):
            raise _unusable(path, str(e)) from e
        raise


def _unusable(path: Path, why: str) -> CorruptError:
    fix = "move it away, then give the keeper its files again: tahoe keeper add"
    return CorruptError(f"the keeper can't use {path}", why=why, fix=fix)


@contextmanager
def explained() -> Iterator[None]:
    """Say in our words what SQLite says."""
    try:
        yield
    except sqlite3.Error as e:
        raise _explain(e) from e


def _explain(error: sqlite3.Error) -> GridError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return NoSpaceError("the disk that holds the keeper's list is full")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        fix = "move private/keeper.sqlite away, then: tahoe keeper add"
        return CorruptError("the keeper's list is damaged", fix=fix)
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    return GridError(f"the keeper's list failed: {name}")
