"""What ``tahoe backup`` remembers: which files and directories are on the grid already.

SQLite, in ``private/backupdb.sqlite`` of the node.  It holds capabilities, so only its
owner may read it.  It may be lost: what it knew is learnt again from the last snapshot.

    files        path, size, times and inode: capability         an unchanged file
    contents     key of the content: capability                  a file moved or touched
    directories  hash of names and capabilities: capability      a directory of the same
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from attrs import define, field, frozen

from allmydata import uri
from allmydata.cli.copying.content import literal_key, parse
from allmydata.crypto.hashutil import tagged_hash
from allmydata.errors import CorruptError
from allmydata.util.netstring import netstring

VERSION = 1
_WAIT_S = 60.0  # for another backup that writes
_FRESH_NS = 2_000_000_000

_SCHEMA = """
CREATE TABLE files (
    path BLOB PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    ctime_ns INTEGER NOT NULL, inode INTEGER NOT NULL, cap TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE contents (
    key BLOB PRIMARY KEY, size INTEGER NOT NULL, k INTEGER NOT NULL, n INTEGER NOT NULL,
    cap TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX contents_by_size ON contents (size, k, n);
CREATE TABLE directories (hash BLOB PRIMARY KEY, cap TEXT NOT NULL) WITHOUT ROWID;
PRAGMA user_version = 1;
"""

Children = Mapping[str, tuple[str, str]]  # name: kind, as the gateway says it, and cap


@frozen
class Stamp:
    """What changes when a file does."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @classmethod
    def of(cls, found: os.stat_result) -> Stamp:
        """Return the stamp in what the system says of a file."""
        return cls(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)

    def is_settled(self, now_ns: int) -> bool:
        """Tell whether the file's next change will show: the clock has ticked since."""
        return self.ctime_ns < now_ns - _FRESH_NS


@define
class BackupDB:
    """The database, open; used by one thread."""

    _sql: sqlite3.Connection
    is_new: bool
    damaged: Path | None = field(default=None)

    @classmethod
    def opened(cls, path: Path) -> BackupDB:
        """Open the database at *path*, or make it.

        One that is damaged is moved aside; ``damaged`` then says where to.
        """
        if not path.exists() or not path.stat().st_size:
            return cls(_made(path), True)
        try:
            return cls(_checked(path), False)
        except sqlite3.DatabaseError as e:
            if isinstance(e, sqlite3.OperationalError) and "locked" in str(e):
                raise
        aside = path.with_name(f"{path.name}.damaged-{int(time.time())}")
        path.rename(aside)
        for end in ("-wal", "-shm"):
            path.with_name(path.name + end).unlink(missing_ok=True)
        return cls(_made(path), True, aside)

    # ---- what is known -------------------------------------------------------------------

    def file(self, path: str, stamp: Stamp) -> str | None:
        """Return the capability of the file at *path*, if it has not changed since."""
        with _damage_told():
            row = self._sql.execute(
                "SELECT cap FROM files WHERE path = ? AND size = ? AND mtime_ns = ?"
                " AND ctime_ns = ? AND inode = ?",
                (os.fsencode(path), *_columns(stamp)),
            ).fetchone()
        return row[0] if row else None

    def encodings(self, size: int) -> list[tuple[int, int]]:
        """Return each (k, n) in which some content of *size* bytes is stored."""
        with _damage_told():
            found = "SELECT DISTINCT k, n FROM contents WHERE size = ?"
            return self._sql.execute(found, (size,)).fetchall()

    def content(self, key: bytes) -> str | None:
        """Return the capability of the content whose key is *key*."""
        return self._one("SELECT cap FROM contents WHERE key = ?", key)

    def directory(self, children: Children) -> str | None:
        """Return the capability, which only reads, of a directory that holds *children*."""
        found = "SELECT cap FROM directories WHERE hash = ?"
        return self._one(found, directory_hash(children))

    def _one(self, question: str, key: bytes) -> str | None:
        with _damage_told():
            row = self._sql.execute(question, (key,)).fetchone()
        return row[0] if row else None

    # ---- what is learnt ------------------------------------------------------------------

    def learn_file(self, path: str, stamp: Stamp, cap: str) -> None:
        """Remember that the file at *path* is *cap* as long as it has this *stamp*."""
        with _damage_told():
            self._sql.execute(
                "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)",
                (os.fsencode(path), *_columns(stamp), cap),
            )

    def learn_content(self, cap: str) -> None:
        """Remember that the content *cap* is stored."""
        match parse(cap):
            case uri.CHKFileURI(key=key, size=size, needed_shares=k, total_shares=n):
                row = (key, size, k, n, cap)
            case uri.LiteralFileURI(data=data):
                row = (literal_key(data), len(data), 0, 0, cap)
            case _:
                return
        with _damage_told():
            self._sql.execute("INSERT OR REPLACE INTO contents VALUES (?, ?, ?, ?, ?)", row)

    def learn_directory(self, children: Children, cap: str) -> None:
        """Remember that *cap*, which only reads, is a directory that holds *children*."""
        with _damage_told():
            self._sql.execute(
                "INSERT OR REPLACE INTO directories VALUES (?, ?)",
                (directory_hash(children), cap),
            )

    def commit(self) -> None:
        """Keep what was learnt."""
        with _damage_told():
            self._sql.commit()

    def close(self) -> None:
        """Keep what was learnt, and close."""
        self.commit()
        self._sql.close()


def directory_hash(children: Children) -> bytes:
    """Return 32 bytes that only a directory of these children has."""
    parts = b"".join(
        netstring(name.encode("utf-8", "surrogatepass"))
        + netstring(kind.encode())
        + netstring(cap.encode())
        for name, (kind, cap) in sorted(children.items())
    )
    return tagged_hash(b"allmydata_backup_directory_v1", parts)


def _columns(stamp: Stamp) -> tuple[int, int, int, int]:
    return stamp.size, stamp.mtime_ns, stamp.ctime_ns, stamp.inode


def _made(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    sql = _connect(path)
    if not _version(sql):
        sql.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
    return sql


def _checked(path: Path) -> sqlite3.Connection:
    """Open the database at *path*.

    :raises sqlite3.DatabaseError: it is damaged, or none of ours
    """
    sql = _connect(path)
    if _version(sql) != VERSION or sql.execute("PRAGMA quick_check(1)").fetchone() != (
        "ok",
    ):
        raise sqlite3.DatabaseError("damaged")
    return sql


def _connect(path: Path) -> sqlite3.Connection:
    sql = sqlite3.connect(path, timeout=_WAIT_S)
    sql.execute("PRAGMA journal_mode = WAL")
    sql.execute("PRAGMA synchronous = NORMAL")
    return sql


def _version(sql: sqlite3.Connection) -> int:
    version: int = sql.execute("PRAGMA user_version").fetchone()[0]
    return version


@contextmanager
def _damage_told() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as e:
        raise CorruptError(
            "the backup database can't be used",
            why=str(e),
            fix="delete private/backupdb.sqlite: it is made again from the last snapshot",
        ) from e
