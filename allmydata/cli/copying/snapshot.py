"""A directory as it is now, kept on the grid; what is there already is not sent again."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from attrs import define, field, frozen

from allmydata.cli.backupdb import BackupDB, Stamp
from allmydata.cli.copying.content import Recogniser
from allmydata.cli.copying.crew import Crew
from allmydata.cli.copying.exclude import Exclusions
from allmydata.cli.copying.gateway import Gateway, Links
from allmydata.cli.copying.grid import read_only
from allmydata.cli.copying.local import kind_of, names_in, opened
from allmydata.cli.copying.report import Report
from allmydata.errors import CorruptError, GridError, UploadSourceError

_COMMIT_PERIOD_S = 2.0


@define
class Counts:
    """What became of everything."""

    files_uploaded: int = 0
    files_reused: int = 0
    files_skipped: int = 0
    directories_created: int = 0
    directories_reused: int = 0
    directories_skipped: int = 0


@define(eq=False)
class _Folder:
    """A directory whose children are not all known yet.

    :param path: here
    :param inner: the same from the top of the backup, with a slash at its end
    :param name: on the grid, in *parent*
    """

    path: str
    inner: str = ""
    name: str = ""
    parent: _Folder | None = None
    waiting: int = 0
    children: dict[str, tuple[str, str]] = field(factory=dict)


@frozen
class _Entry:
    """A name in a folder: a file or a directory, or what is wrong with it."""

    name: str
    path: str
    found: os.stat_result | GridError


@define
class Snapshot:
    """The keeping of one directory.

    :param dry: nothing is stored, only counted
    :param look_inside: files are read even if their times say that they have not changed
    :param in_files: directories are those of Tahoe-LAFS, in files that nobody can change
    """

    _crew: Crew
    _gateway: Gateway
    _recogniser: Recogniser
    _db: BackupDB
    _report: Report
    _exclusions: Exclusions = field(factory=Exclusions)
    dry: bool = False
    look_inside: bool = False
    in_files: bool = False
    counts: Counts = field(init=False, factory=Counts)
    _top: str | None = field(init=False, default=None)
    _committed: float = field(init=False, factory=time.monotonic)

    def keep(self, path: str) -> str:
        """Store what the directory *path* holds; return a capability that only reads it.

        What can't be read is told to the report, and the rest goes on.

        :raises GridError: nothing could go on; what was stored is remembered
        """
        self._open(_Folder(path))
        try:
            self._crew.run(self._tick)
        except BaseException:
            self._crew.break_off()
            raise
        finally:
            self._report.end()
            self._crew.stop()
            self._db.commit()
        if self._top is None:
            raise UploadSourceError(f"{path} could not be kept")
        return self._top

    def _tick(self) -> None:
        self._report.files_moved = self.counts.files_uploaded + self.counts.files_reused
        self._report.tick(self._crew.num_waiting)
        if time.monotonic() - self._committed > _COMMIT_PERIOD_S:
            self._db.commit()
            self._committed = time.monotonic()

    # ---- directories ---------------------------------------------------------------------

    def _open(self, folder: _Folder) -> None:
        def failed(error: GridError) -> None:
            self.counts.directories_skipped += 1
            self._report.problem(folder.path, error)
            self._left_out(folder)

        self._crew.give(partial(_entries, folder.path), partial(self._sort, folder), failed)

    def _left_out(self, folder: _Folder) -> None:
        if folder.parent:
            self._one_less(folder.parent)

    def _sort(self, folder: _Folder, entries: list[_Entry]) -> None:
        folder.waiting = 1  # until all are given
        for entry in entries:
            name = os.path.basename(entry.path)
            inner = folder.inner + name
            if not self._exclusions.leave_out(inner, name):
                self._take(folder, entry, inner)
        self._one_less(folder)

    def _take(self, folder: _Folder, entry: _Entry, inner: str) -> None:
        if isinstance(entry.found, GridError):
            self.counts.files_skipped += 1
            self._report.problem(entry.path, entry.found)
        elif stat.S_ISDIR(entry.found.st_mode):
            folder.waiting += 1
            self._open(_Folder(entry.path, inner + "/", entry.name, folder))
        elif stat.S_ISREG(entry.found.st_mode):
            self._file(folder, entry, Stamp.of(entry.found))
        else:
            is_link = stat.S_ISLNK(entry.found.st_mode)
            what = "a link" if is_link else kind_of(entry.found.st_mode)
            self.counts.files_skipped += 1
            if not self._report.keep:
                self._report.note(f"skipped: {entry.path} is {what}")

    def _one_less(self, folder: _Folder) -> None:
        """Take note that one thing less is waited for; the last one makes the directory."""
        folder.waiting -= 1
        if folder.waiting:
            return
        known = self._db.directory(folder.children)
        if known and known.startswith("URI:DIR2") == self.in_files:
            self.counts.directories_reused += 1
            self._have(folder, known)
        elif self.dry:
            self.counts.directories_created += 1
            self._have(folder, f"?{folder.path}")
        else:
            self._crew.give(
                partial(self._make, folder),
                partial(self._made, folder),
                partial(self._not_made, folder),
            )

    def _make(self, folder: _Folder) -> str:
        links: Links = {
            name: (kind, {"ro_uri": cap}) for name, (kind, cap) in folder.children.items()
        }
        if self.in_files:
            return self._gateway.make_immutable(links)
        # the right to change it is not kept, so that nobody can change the snapshot
        return read_only(self._gateway.make_filled(links))

    def _made(self, folder: _Folder, cap: str) -> None:
        self.counts.directories_created += 1
        self._db.learn_directory(folder.children, cap)
        self._have(folder, cap)

    def _not_made(self, folder: _Folder, error: GridError) -> None:
        self.counts.directories_skipped += 1
        self._report.problem(folder.path, error)
        self._left_out(folder)

    def _have(self, folder: _Folder, cap: str) -> None:
        if folder.parent is None:
            self._top = cap
        else:
            folder.parent.children[folder.name] = ("dirnode", cap)
            self._one_less(folder.parent)

    # ---- files ---------------------------------------------------------------------------

    def _file(self, folder: _Folder, entry: _Entry, stamp: Stamp) -> None:
        """Find out what *entry* is called on the grid, as cheaply as can be."""
        known = None if self.look_inside else self._db.file(entry.path, stamp)
        if known:
            self.counts.files_reused += 1
            folder.children[entry.name] = ("filenode", known)
            return
        folder.waiting += 1
        encodings = self._db.encodings(stamp.size)
        self._give_file(
            folder,
            entry,
            partial(self._keys, entry.path, stamp, encodings),
            partial(self._compare, folder, entry),
        )

    def _keys(
        self, path: str, stamp: Stamp, encodings: list[tuple[int, int]]
    ) -> tuple[list[bytes], Stamp | None]:
        """Return what keys the content has, and the stamp that it is known by from now."""
        now_ns = time.time_ns()
        keys = [self._recogniser.key(path, stamp.size, k, n) for k, n in encodings]
        steady = Stamp.of(os.stat(path)) == stamp and stamp.is_settled(now_ns)
        return [key for key in keys if key], stamp if steady else None

    def _compare(
        self, folder: _Folder, entry: _Entry, found: tuple[list[bytes], Stamp | None]
    ) -> None:
        keys, stamp = found
        known = next(filter(None, map(self._db.content, keys)), None)
        if known:
            self.counts.files_reused += 1
            self._named(folder, entry, known, stamp)
        elif self.dry:
            self.counts.files_uploaded += 1
            self._named(folder, entry, f"?{entry.path}", None)
        else:
            stored = partial(self._stored, folder, entry)
            self._give_file(folder, entry, partial(self._store, entry.path), stored)

    def _store(self, path: str) -> tuple[str, int, Stamp | None]:
        """Store the file; return its cap, its size, and its stamp if it kept still."""
        self._crew.check()
        with opened(path) as file:
            now_ns = time.time_ns()
            before = Stamp.of(os.fstat(file.fileno()))
            cap = self._gateway.store(file, before.size, self._count)
            steady = Stamp.of(os.fstat(file.fileno())) == before
        steady = steady and before.is_settled(now_ns)
        return cap, before.size, before if steady else None

    def _stored(
        self, folder: _Folder, entry: _Entry, done: tuple[str, int, Stamp | None]
    ) -> None:
        cap, size, stamp = done
        self.counts.files_uploaded += 1
        self._report.bytes_copied += size
        self._db.learn_content(cap)
        self._named(folder, entry, cap, stamp)

    def _named(self, folder: _Folder, entry: _Entry, cap: str, stamp: Stamp | None) -> None:
        if stamp and not self.dry:
            self._db.learn_file(entry.path, stamp, cap)
        folder.children[entry.name] = ("filenode", cap)
        self._one_less(folder)

    def _give_file(
        self,
        folder: _Folder,
        entry: _Entry,
        work: Callable[[], Any],
        then: Callable[[Any], None],
    ) -> None:
        def failed(error: GridError) -> None:
            self.counts.files_skipped += 1
            self._report.problem(entry.path, error)
            self._one_less(folder)

        self._crew.give(work, then, failed)

    def _count(self, num_bytes: int) -> None:
        self._crew.check()
        self._report.moved(num_bytes)


def _entries(path: str) -> list[_Entry]:
    entries = []
    for name, grid_name in names_in(path):
        full = os.path.join(path, name)
        found: os.stat_result | GridError
        if isinstance(grid_name, GridError):
            entries.append(_Entry(name, full, grid_name))
            continue
        try:
            found = os.lstat(full)
        except OSError as e:
            found = UploadSourceError(f"{full} can't be read", why=e.strerror or "")
        entries.append(_Entry(grid_name, full, found))
    return entries


@define
class Learning:
    """What an earlier snapshot tells: for a backup whose database was lost."""

    _crew: Crew
    _gateway: Gateway
    _db: BackupDB
    _report: Report
    _seen: set[str] = field(init=False, factory=set)

    def learn(self, cap: str) -> None:
        """Remember all files and directories of the snapshot *cap*."""
        self._visit(read_only(cap))
        try:
            self._crew.run(lambda: None)
        finally:
            self._crew.stop()
            self._db.commit()

    def _visit(self, cap: str) -> None:
        if cap in self._seen:
            return
        self._seen.add(cap)

        def failed(error: GridError) -> None:
            if not self._report.keep:
                self._report.note(f"a directory of the last snapshot: {error.message}")

        self._crew.give(
            partial(self._gateway.children, cap), partial(self._listed, cap), failed
        )

    def _listed(self, cap: str, children: dict[str, Any]) -> None:
        try:
            found = {
                name: (kind, said["ro_uri"]) for name, (kind, said) in children.items()
            }
        except (ValueError, KeyError, TypeError) as e:
            raise CorruptError("the last snapshot holds what no backup makes") from e
        self._db.learn_directory(found, cap)
        for kind, child in found.values():
            if kind == "dirnode":
                self._visit(child)
            else:
                self._db.learn_content(child)
