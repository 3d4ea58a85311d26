"""The index of contents and keys, in ``private/blobs.sqlite``: all SQL there is.

    directories   those on the grid: capability, how many changes of it are in here, and
                  the last version given
    contents      a digest's place: a capability, or a part of a pack
    packs         files that hold many contents
    names         the keys of each collection

What it says of capabilities is as good as the contents, so nobody but the node's owner may
read it.  Statements are short, and run on the reactor's thread.
Format: docs/formats/blobs.md.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import field, frozen

from allmydata.doors.blobs.pack import Packed
from allmydata.doors.blobs.record import Blob
from allmydata.doors.blobs.storefile import connect, explained, remove_traces

Note = Callable[["Store"], None]

_BLOB = "key, digest, size, version, time, meta"


@frozen
class Place:
    """Where a content lies: a file, or a part of one; a tiny one is here itself."""

    cap: str | None = field(repr=False)
    offset: int
    size: int
    data: bytes | None = field(repr=False)


@frozen
class Directory:
    """A directory of ours on the grid.

    :param sequence: changes of it that are in the index; None: that is not known
    """

    name: str
    cap: str = field(repr=False)
    sequence: int | None


class Store:
    """The file *path*, made when it is first used."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open: sqlite3.Connection | None = None
        self._numbers: dict[str, int] = {}

    def close(self) -> None:
        """Let go of the file; it is opened again when it is needed."""
        if self._open:
            self._open.close()
        self._open = None
        self._numbers.clear()

    def begin_anew(self) -> Store:
        """Return an empty store beside this one, for :meth:`become`."""
        path = self._path.with_name(self._path.name + ".new")
        path.unlink(missing_ok=True)
        remove_traces(path)
        return Store(path)

    def become(self, other: Store) -> None:
        """Take over what *other* holds, and forget all else."""
        other.close()
        self.close()
        with explained():
            remove_traces(self._path)
            os.replace(other._path, self._path)

    # ---- directories ---------------------------------------------------------------------

    def directories(self) -> dict[str, Directory]:
        """Return them by name."""
        rows = self._all("SELECT name, cap, sequence FROM directories")
        return {row[0]: Directory(*row) for row in rows}

    def keep_directory(self, one: Directory) -> None:
        """Note a directory, or how far the index has come with it."""
        words = """INSERT INTO directories (name, cap, sequence) VALUES (?, ?, ?)
            ON CONFLICT (name) DO UPDATE
            SET cap = excluded.cap, sequence = excluded.sequence"""
        with self.changing() as db:
            db.execute(words, (one.name, one.cap, one.sequence))

    def doubt(self, name: str) -> None:
        """Note that a directory may have been changed, and nobody knows."""
        with self.changing() as db:
            db.execute("UPDATE directories SET sequence = NULL WHERE name = ?", (name,))

    def apply(self, name: str, notes: Sequence[Note]) -> None:
        """Write down what one change of a directory meant: all of it, or nothing."""
        with self.changing() as db:
            for note in notes:
                note(self)
            words = "UPDATE directories SET sequence = sequence + 1 WHERE name = ?"
            db.execute(words, (name,))

    def next_version(self, name: str, at_least: int) -> int:
        """Return a number that grows each time it is asked for a collection."""
        words = """UPDATE directories SET last = max(last + 1, ?) WHERE name = ?
            RETURNING last"""
        with self.changing() as db:
            return int(db.execute(words, (at_least, name)).fetchone()[0])

    def _number(self, name: str) -> int:
        if name not in self._numbers:
            words = "SELECT number FROM directories WHERE name = ?"
            found = self._all(words, name)
            if not found:
                return 0  # none has it: such a collection is empty
            self._numbers[name] = found[0][0]
        return self._numbers[name]

    # ---- contents ------------------------------------------------------------------------

    def place_of(self, digest: bytes) -> Place | None:
        """Return where a content lies; None: it is not held."""
        words = """SELECT coalesce(contents.cap, packs.cap), offset, size, data
            FROM contents LEFT JOIN packs ON packs.number = pack WHERE digest = ?"""
        found = self._all(words, digest)
        return Place(*found[0]) if found else None

    def add_content(self, digest: bytes, size: int, cap: str) -> None:
        """Note a content that is a file of its own."""
        words = "INSERT OR REPLACE INTO contents (digest, size, cap) VALUES (?, ?, ?)"
        with self.changing() as db:
            db.execute(words, (digest, size, cap))

    def add_tiny(self, digest: bytes, content: bytes) -> None:
        """Note a content that is in the records of its keys."""
        words = "INSERT OR REPLACE INTO contents (digest, size, data) VALUES (?, ?, ?)"
        with self.changing() as db:
            db.execute(words, (digest, len(content), content))

    def add_pack(self, name: str, cap: str, contents: Sequence[Packed]) -> None:
        """Note a pack, and those contents in it that are nowhere else."""
        with self.changing() as db:
            words = "INSERT OR REPLACE INTO packs (name, cap) VALUES (?, ?)"
            number = db.execute(words, (name, cap)).lastrowid
            words = """INSERT OR IGNORE INTO contents (digest, size, pack, offset)
                VALUES (?, ?, ?, ?)"""
            rows = [(one.digest, one.size, number, one.offset) for one in contents]
            db.executemany(words, rows)

    def tiny(self, digest: bytes) -> bytes:
        """Return a content that is in the records of its keys."""
        place = self.place_of(digest)
        return (place.data if place else None) or b""

    def is_wanted(self, digest: bytes) -> bool:
        """Tell whether a key has this content."""
        return bool(self._all("SELECT 1 FROM names WHERE digest = ? LIMIT 1", digest))

    def unwanted(self, limit: int) -> list[bytes]:
        """Return digests of contents that no key has."""
        words = """SELECT digest FROM contents WHERE NOT EXISTS
            (SELECT 1 FROM names WHERE names.digest = contents.digest) LIMIT ?"""
        return [digest for (digest,) in self._all(words, limit)]

    def own_file(self, digest: bytes) -> bool:
        """Tell whether a content is a file of its own, with a row of its own."""
        words = "SELECT 1 FROM contents WHERE digest = ? AND cap IS NOT NULL"
        return bool(self._all(words, digest))

    def remove_content(self, digest: bytes) -> None:
        """Forget where a content lies."""
        with self.changing() as db:
            db.execute("DELETE FROM contents WHERE digest = ?", (digest,))

    def empty_packs(self) -> list[str]:
        """Return the names of packs of which nothing is held any more."""
        words = """SELECT name FROM packs WHERE NOT EXISTS
            (SELECT 1 FROM contents WHERE pack = packs.number)"""
        return [name for (name,) in self._all(words)]

    def remove_pack(self, name: str) -> None:
        """Forget a pack."""
        with self.changing() as db:
            db.execute("DELETE FROM packs WHERE name = ?", (name,))

    # ---- keys ----------------------------------------------------------------------------

    def find(self, name: str, key: bytes) -> Blob | None:
        """Return what a collection has under *key*."""
        words = f"SELECT {_BLOB} FROM names WHERE collection = ? AND key = ?"  # noqa: S608
        found = self._all(words, self._number(name), key)
        return Blob(*found[0]) if found else None

    def page(self, name: str, after: bytes, limit: int) -> list[Blob]:
        """Return what a collection has past *after*, in the order of its keys."""
        where = "collection = ? AND key > ? ORDER BY key LIMIT ?"
        words = f"SELECT {_BLOB} FROM names WHERE {where}"  # noqa: S608
        return [Blob(*row) for row in self._all(words, self._number(name), after, limit)]

    def changes(self, name: str, after: int, limit: int) -> list[Blob]:
        """Return what a collection has past a version, in their order."""
        where = "collection = ? AND version > ? ORDER BY version LIMIT ?"
        words = f"SELECT {_BLOB} FROM names WHERE {where}"  # noqa: S608
        return [Blob(*row) for row in self._all(words, self._number(name), after, limit)]

    def keep(self, name: str, blobs: Sequence[Blob]) -> None:
        """Note keys of a collection."""
        number = self._number(name)
        rows = [
            (number, one.key, one.digest, one.size, one.version, one.time, one.meta)
            for one in blobs
        ]
        with self.changing() as db:
            words = "INSERT OR REPLACE INTO names VALUES (?, ?, ?, ?, ?, ?, ?)"
            db.executemany(words, rows)
            words = "UPDATE directories SET last = max(last, ?) WHERE number = ?"
            last = max((one.version for one in blobs), default=0)
            db.execute(words, (last, number))

    def remove(self, name: str, key: bytes) -> None:
        """Forget a key."""
        words = "DELETE FROM names WHERE collection = ? AND key = ?"
        with self.changing() as db:
            db.execute(words, (self._number(name), key))

    def totals(self, name: str) -> tuple[int, int]:
        """Return how many keys a collection has, and the bytes of their contents."""
        words = "SELECT count(*), coalesce(sum(size), 0) FROM names WHERE collection = ?"
        number, size = self._all(words, self._number(name))[0]
        return number, size

    def counts(self) -> dict[str, int]:
        """Return how many contents and packs there are, and their bytes.

        ``missing``: keys whose content is not known.
        """
        words = "SELECT count(*), coalesce(sum(size), 0), count(pack) FROM contents"
        contents, size, packed = self._all(words)[0]
        ((packs,),) = self._all("SELECT count(*) FROM packs")
        words = """SELECT count(*) FROM names WHERE NOT EXISTS
            (SELECT 1 FROM contents WHERE contents.digest = names.digest)"""
        ((missing,),) = self._all(words)
        return {
            "contents": contents,
            "bytes": size,
            "packed": packed,
            "packs": packs,
            "missing": missing,
        }

    # ---- inside --------------------------------------------------------------------------

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """All that is done within is done, or nothing of it; it may be nested."""
        db = self._db()
        with explained():
            if db.in_transaction:
                yield db
                return
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    def _all(self, words: str, *values: Any) -> list[Any]:
        with explained():
            return self._db().execute(words, values).fetchall()

    def _db(self) -> sqlite3.Connection:
        if self._open is None:
            self._open = connect(self._path)
        return self._open
