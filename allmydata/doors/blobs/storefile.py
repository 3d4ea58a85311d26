"""The file of the index: SQLite, made, opened and checked.

It is a copy of what the grid holds, so it is not synced at each change: how far it has come
is written in it, and what is missing is fetched when it is opened.  One that is damaged is
put aside, and made again.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from twisted.logger import Logger

from allmydata.errors import GridError, NoSpaceError

log = Logger()

APPLICATION_ID = 0x61626C62  # "ablb", in the file's head
VERSION = 1
PATIENCE_S = 10.0

SCHEMA = f"""
    CREATE TABLE directories (
        number INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE, cap TEXT NOT NULL,
        sequence INTEGER, last INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE packs (
        number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, cap TEXT NOT NULL
    );
    CREATE TABLE contents (
        digest BLOB PRIMARY KEY, size INTEGER NOT NULL,
        data BLOB, cap TEXT, pack INTEGER, offset INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID;
    CREATE INDEX contents_pack ON contents (pack) WHERE pack IS NOT NULL;
    CREATE TABLE names (
        collection INTEGER NOT NULL, key BLOB NOT NULL, digest BLOB NOT NULL,
        size INTEGER NOT NULL, version INTEGER NOT NULL, time INTEGER NOT NULL,
        meta BLOB NOT NULL, PRIMARY KEY (collection, key)
    ) WITHOUT ROWID;
    CREATE INDEX names_digest ON names (digest);
    CREATE INDEX names_version ON names (collection, version);
    PRAGMA application_id = {APPLICATION_ID};
    PRAGMA user_version = {VERSION};
"""


def connect(path: Path) -> sqlite3.Connection:
    """Return a connection to the file *path*, which is made where there is no good one.

    :raises GridError: that can't be done
    """
    with explained():
        try:
            return _open(path)
        except sqlite3.DatabaseError as e:
            if not _is_damage(e):
                raise
        log.warn("the index of blobs is damaged: it is put aside, and made again")
        os.replace(path, path.with_name(path.name + ".damaged"))
        remove_traces(path)
        return _open(path)


def remove_traces(path: Path) -> None:
    """Remove what SQLite keeps beside *path*."""
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _open(path: Path) -> sqlite3.Connection:
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    db = sqlite3.connect(path, timeout=PATIENCE_S, isolation_level=None)
    try:
        _prepare(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    for setting in ("trusted_schema = OFF", "cell_size_check = ON", "synchronous = NORMAL"):
        db.execute(f"PRAGMA {setting}")
    if not path.stat().st_size:
        db.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT;")
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if (application, version) != (APPLICATION_ID, VERSION):
        raise _StrangeError("another file, or of another version")
    db.execute("PRAGMA journal_mode = WAL")


class _StrangeError(sqlite3.DatabaseError):
    """A file that is whole, and none of ours."""


def _is_damage(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    damage = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
    return isinstance(error, _StrangeError) or code in damage


@contextmanager
def explained() -> Iterator[None]:
    """Say in our words what SQLite and the system say."""
    try:
        yield
    except sqlite3.Error as e:
        code = getattr(e, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            raise NoSpaceError("the disk that holds the index of blobs is full") from e
        name = getattr(e, "sqlite_errorname", type(e).__name__)
        fix = "stop the node, move private/blobs.sqlite away, and start it"
        raise GridError(f"the index of blobs failed: {name}", fix=fix) from e
    except OSError as e:
        raise GridError("the index of blobs can't be opened", why=e.strerror or "") from e
