"""The file that holds the vdrive server's tables: made, opened, checked, copied.

SQLite with a write-ahead log, synced at every commit: what was committed outlasts a crash
of the machine.  A file that is damaged, or something else, is refused and left alone.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from allmydata.errors import ConflictError, CorruptError, GridError, NoSpaceError
from allmydata.util.fileutil import sync_directory

APPLICATION_ID = 0x61766472  # "avdr", in the file's head
VERSION = 1
CHECKED_SIZE = 2**28  # a file up to this size is read through when it is opened
PATIENCE_S = 10.0  # how long to wait for another process's lock
SETTINGS = (
    "synchronous = FULL",
    "temp_store = MEMORY",
    "trusted_schema = OFF",
    "cell_size_check = ON",
    "journal_size_limit = 67108864",  # what a large change leaves of the write-ahead log
)

# WITHOUT ROWID: a row lies in the tree at its key, so adding one changes one page.
SCHEMA = f"""
    CREATE TABLE directories (
        directory BLOB NOT NULL PRIMARY KEY,
        write_enabler BLOB NOT NULL,
        sequence INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE children (
        directory BLOB NOT NULL,
        key BLOB NOT NULL,
        name BLOB NOT NULL,
        write BLOB NOT NULL,
        read BLOB NOT NULL,
        created INTEGER NOT NULL,
        changed INTEGER NOT NULL,
        PRIMARY KEY (directory, key)
    ) WITHOUT ROWID;
    PRAGMA application_id = {APPLICATION_ID};
    PRAGMA user_version = {VERSION};
"""


def open_file(path: Path) -> sqlite3.Connection:
    """Connect to the tables in file *path*; where there is no such file, make it.

    :raises CorruptError: the file is damaged, or something else; it is left alone
    """
    if not path.exists():
        _make(path)
    try:
        db = connect(path)
        with _closed_on_error(db):
            _check(db, path)
            db.execute("PRAGMA journal_mode = WAL")
    except sqlite3.Error as e:
        error = explain(e)
        raise _unusable(path, str(e)) if isinstance(error, CorruptError) else error from e
    return db


def connect(path: Path) -> sqlite3.Connection:
    """Return a connection to a file that is there; one thread at a time may use it."""
    db = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=PATIENCE_S,
        isolation_level=None,
        check_same_thread=False,
    )
    db.text_factory = bytes  # a damaged row is for its reader to judge
    with _closed_on_error(db):
        for setting in SETTINGS:
            db.execute(f"PRAGMA {setting}")
    return db


@contextmanager
def _closed_on_error(db: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        db.close()
        raise


def copy_file(path: Path, to: Path) -> None:
    """Write what is committed in *path* to a new file; changes go on meanwhile.

    :raises ConflictError: *to* exists
    """
    try:
        _touch(to)
    except FileExistsError as e:
        raise ConflictError(f"{to} exists", fix="name a file that does not") from e
    with closing(connect(path)) as source, closing(connect(to)) as copy:
        source.backup(copy)
    _sync(to)
    sync_directory(to.parent)


def explain(error: sqlite3.Error) -> GridError:
    """Say in our words what SQLite said; the text names no path, for it goes to peers."""
    code = getattr(error, "sqlite_errorcode", 0)  # errors of Python's part have none
    if code & 0xFF == sqlite3.SQLITE_FULL or code == sqlite3.SQLITE_IOERR_SHMSIZE:
        return NoSpaceError("the vdrive server's disk is full")
    if code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return CorruptError("the vdrive server's tables are damaged")
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    return GridError(f"the vdrive server's tables failed: {name}")


# ---- making and checking -----------------------------------------------------------------


def _make(path: Path) -> None:
    """Make the file whole under another name: there is never half a one at *path*."""
    if path.with_name(f"{path.name}-wal").exists():
        raise _unusable(path, "it is gone, and its write-ahead log is still there")
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    _touch(new)
    with closing(connect(new)) as db:
        db.executescript(f"BEGIN; {SCHEMA} COMMIT;")
    _sync(new)
    new.rename(path)
    sync_directory(path.parent)


def _check(db: sqlite3.Connection, path: Path) -> None:
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise _unusable(path, "it holds something else")
    if version != VERSION:
        raise _unusable(path, f"it is of version {version}, wanted {VERSION}")
    if path.stat().st_size <= CHECKED_SIZE:
        (says,) = db.execute("PRAGMA quick_check(1)").fetchone()
        if says != b"ok":
            raise _unusable(path, says.decode("utf-8", "replace").replace("\n", " "))


def _unusable(path: Path, why: str) -> CorruptError:
    fix = "keep it for inspection, and put a backup in its place: tahoe vdrive restore"
    return CorruptError(f"the vdrive server can't use {path}", why=why, fix=fix)


def _touch(path: Path) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDWR)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
