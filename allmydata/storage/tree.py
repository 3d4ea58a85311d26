"""Where share files lie, and the only code that makes, moves and removes their directories.

    <storedir>/shares/<p>/<si>/<shnum>            finished shares
    <storedir>/shares/incoming/<si>.<shnum>       shares being written

si is the storage index in base 32, p its first two characters.  Everything here waits
for the disk: it runs in threads.  What every write needs is in strings: making paths took a
third of the processor time of a small share.  Format: docs/formats/container.md.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Protocol

from twisted.logger import Logger

from allmydata.errors import BadShareError, ConflictError
from allmydata.storage.disk import NO_DESCRIPTOR, Calls
from allmydata.storage.inventory import Held, Key
from allmydata.storage.shares import ShareFile
from allmydata.util.base32 import b2a
from allmydata.util.fileutil import free_space

log = Logger()

LARGEST_SHNUM = 255
NUM_LOCKS = 256  # one for each first byte of a storage index: a prefix lies under one lock
MOST_REMEMBERED = 10_000

_SHARE_NAME = re.compile(r"0|[1-9][0-9]{0,2}")


class Note(Protocol):
    """Who hears of each change of a share file, with the lock still in hand."""

    def __call__(
        self, key: Key, before: Held | None, after: Held | None, *, renewed: bool = False
    ) -> None:
        """Hear what a file was and is: :meth:`allmydata.storage.ledger.Ledger.note`."""


def _no_note(
    key: Key, before: Held | None, after: Held | None, *, renewed: bool = False
) -> None:
    pass


class ShareTree:
    """The directories of one server's shares.

    :param note: hears of every change; whoever changes a file without help of this calls it
    """

    def __init__(self, storedir: Path, calls: Calls, note: Note = _no_note) -> None:
        self.shares = storedir / "shares"
        self._top = str(self.shares)
        self._incoming = f"{self._top}/incoming"
        self.calls = calls
        self.note = note
        self._locks = [Lock() for _ in range(NUM_LOCKS)]
        self._durable: set[str] = set()  # directories whose names are known to be on disk
        self._named: set[Path] = set()  # unusable files the log knows already

    def prepare(self) -> None:
        """Make what is missing, and clear away what a crash left in ``incoming``."""
        missing = [p for p in (self.shares, *self.shares.parents) if not p.exists()]
        self.shares.mkdir(parents=True, exist_ok=True)
        for path in missing:
            self.calls.sync_directory(path.parent)
        if os.path.exists(self._incoming):
            shutil.rmtree(self._incoming)
        os.mkdir(self._incoming)

    def bucket(self, storage_index: bytes) -> Path:
        """Return the directory of the finished shares of one file."""
        return Path(self._bucket(storage_index))

    def _bucket(self, storage_index: bytes) -> str:
        name = _name(storage_index)
        return f"{self._top}/{name[:2]}/{name}"

    def lock(self, storage_index: bytes) -> Lock:
        """Return what to hold while leases, names or directories of a file change."""
        return self._locks[storage_index[0]]

    # ---- reading -------------------------------------------------------------------------

    def numbers(self, storage_index: bytes) -> dict[int, Path]:
        """Return every share number that has a file, good or not, in order."""
        bucket = self._bucket(storage_index)
        try:
            names = os.listdir(bucket)
        except (FileNotFoundError, NotADirectoryError):
            return {}
        numbers = sorted(int(name) for name in names if _SHARE_NAME.fullmatch(name))
        return {n: Path(f"{bucket}/{n}") for n in numbers if n <= LARGEST_SHNUM}

    def open_all(
        self, storage_index: bytes, *, writable: bool = False
    ) -> Iterator[tuple[int, ShareFile]]:
        """Open the immutable shares of one file, one after another."""
        for shnum, path in self.numbers(storage_index).items():
            share = self.open(path, writable=writable)
            if share:
                yield shnum, share

    def open(self, path: Path, *, writable: bool = False) -> ShareFile | None:
        """Open one immutable share; None if it is gone, mutable, or can't be used.

        A file that can't be parsed or read is named in the log, once, and left alone.

        :raises OSError: the process has no descriptor left, which says nothing of the share
        """
        try:
            return ShareFile.open(path, self.calls, writable=writable)
        except FileNotFoundError:
            return None
        except BadShareError as e:
            self._name_in_log(path, e)
        except OSError as e:
            if e.errno in NO_DESCRIPTOR:
                raise
            self._name_in_log(path, e)
        return None

    def free_space(self) -> int:
        """Return the bytes that may still be written here."""
        return free_space(self.shares)

    def _name_in_log(self, path: Path, error: Exception) -> None:
        if path not in self._named:
            if len(self._named) >= MOST_REMEMBERED:
                self._named.clear()
            self._named.add(path)
            log.warn("left alone, not a share: {path}: {error}", path=path, error=error)

    # ---- changing ------------------------------------------------------------------------

    def incoming(self, storage_index: bytes, shnum: int) -> str:
        """Return where a share is written; no directories to make and remove for each."""
        return f"{self._incoming}/{_name(storage_index)}.{shnum}"

    def place(self, incoming: str, key: Key, held: Held) -> None:
        """Move a written and synced share to where it is served from, durably.

        :param held: what it is
        :raises ConflictError: something lies there
        :raises OSError: the share is still in its old place, or gone
        """
        bucket = self._bucket(key[0])
        home = f"{bucket}/{key[1]}"
        with self.lock(key[0]):
            if not _made(bucket) and os.path.lexists(home):
                raise ConflictError(f"share {key[1]} is there already")
            self.calls.rename(incoming, home)
            fresh = bucket not in self._durable
            if fresh:  # under the lock: who finds the directory may count on its name
                self._sync(home, self._unsynced(bucket))
            self.note(key, None, held, renewed=True)
        if not fresh:
            self._sync_late(home, key, held)

    def prune(self, storage_index: bytes) -> None:
        """Remove a file's directory if its last share is gone; hold the lock."""
        bucket = self._bucket(storage_index)
        self._durable.discard(bucket)
        with suppress(OSError):  # it still holds something
            os.rmdir(bucket)

    def _unsynced(self, bucket: str) -> list[str]:
        """Return the directories to sync for a share in *bucket* to outlast a crash.

        Directories found at the first use of a process count as new: who made them may
        have been killed before it synced them.
        """
        prefix = os.path.dirname(bucket)
        above = [] if prefix in self._durable else [self._top]
        return [bucket, prefix, *above]

    def _sync_late(self, home: str, key: Key, held: Held) -> None:
        try:
            self._sync(home, [os.path.dirname(home)])
        except OSError:
            with self.lock(key[0]):
                self.note(key, held, None)
            raise

    def _sync(self, home: str, directories: list[str]) -> None:
        try:
            for path in directories:
                self.calls.sync_directory(path)
        except OSError:
            delete(home)
            raise
        if len(self._durable) > MOST_REMEMBERED:
            self._durable.clear()
        self._durable.update(directories[:2])


def _made(directory: str) -> bool:
    """Make *directory* and what is above it, unless it is there; tell which."""
    try:
        os.mkdir(directory)
    except FileExistsError:
        return False
    except FileNotFoundError:
        os.makedirs(directory, exist_ok=True)
    return True


def delete(path: str) -> None:
    """Delete a file, if it is there."""
    with suppress(FileNotFoundError):
        os.unlink(path)


@lru_cache(maxsize=64)  # a call asks several times
def _name(storage_index: bytes) -> str:
    return b2a(storage_index)
