"""Copying files and trees, each between any two of this machine and the grid."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from attrs import define, field, frozen

from allmydata.cli.copying.content import Recogniser
from allmydata.cli.copying.crew import Crew
from allmydata.cli.copying.gateway import Gateway
from allmydata.cli.copying.grid import (
    GridDirectory,
    GridFile,
    GridPlace,
    GridSource,
    of_cap,
    sources_in,
)
from allmydata.cli.copying.landing import landed
from allmydata.cli.copying.links import Linker
from allmydata.cli.copying.local import (
    LocalDirectory,
    LocalFile,
    LocalPlace,
    LocalSource,
    are_equal,
    look,
    names_in,
    opened,
    pieces_of,
)
from allmydata.cli.copying.report import Report
from allmydata.errors import ConflictError, GridError, NotYetError

File = LocalFile | GridFile
Directory = LocalDirectory | GridDirectory
Place = LocalPlace | GridPlace
Entries = list[tuple[str, LocalSource | GridSource | GridError]]
Link = tuple[str, Mapping[str, str]]

ASK = object()  # nobody has looked yet what a place has of some name


@frozen
class _Visit:
    """A directory that was looked into: what is to be copied, and what is there."""

    place: Place
    made: bool
    entries: Entries
    there: Mapping[str, Any]


@define
class Copying:
    """One copy: what is given to it is done by :meth:`run`."""

    _crew: Crew
    _gateway: Gateway
    _recogniser: Recogniser
    _report: Report
    _linker: Linker = field()
    _targets: set[Any] = field(init=False, factory=set)  # identities of places

    @_linker.default
    def _(self) -> Linker:
        return Linker(self._crew, self._gateway, self._report)

    def run(self) -> None:
        """Copy.  What can't be copied is told to the report, and the rest goes on.

        :raises GridError: nothing could go on; what was stored has its name
        """
        try:
            self._crew.run(self._tick)
        except BaseException:
            self._crew.break_off()
            with suppress(GridError):
                self._linker.finish()
            raise
        finally:
            self._report.end()
            self._crew.stop()

    def problem(self, label: str, error: GridError) -> None:
        """Tell that what *label* names can't be copied, and why."""
        self._report.problem(label, error)

    def _tick(self) -> None:
        self._linker.tick()
        self._report.tick(self._crew.num_waiting)

    # ---- directories ---------------------------------------------------------------------

    def tree(self, source: Directory, place: Place) -> None:
        """Copy what is in *source* into *place*, which is there."""
        self._targets.add(place.identity)
        self._visit(source, lambda: (place, False), frozenset())

    def subtree(self, source: Directory, place: Place, name: str) -> None:
        """Copy *source* to the directory *name* in *place*."""
        self._targets.add(place.identity)
        self._visit(source, partial(self._made, place, name, ASK), frozenset())

    def _visit(self, source: Directory, open_place: Any, trail: frozenset[Any]) -> None:
        """Look into *source*, and have all in it copied.

        :param open_place: returns the place it goes to, and whether it was made just now
        :param trail: identities of the directories that we came through
        """
        if source.identity in trail:
            error = ConflictError(f"{source.label} is inside itself; it is left out")
            self._report.problem(source.label, error)
            return
        if source.identity in self._targets:
            error = ConflictError(f"{source.label} is what is copied to; it is left out")
            self._report.problem(source.label, error)
            return
        self._crew.give(
            partial(self._look, source, open_place),
            partial(self._enter, source, trail | {source.identity}),
            partial(self._report.problem, source.label),
        )

    def _look(self, source: Directory, open_place: Any) -> _Visit:
        place, made = open_place()
        if isinstance(source, GridDirectory):
            entries: Entries = list(sources_in(self._gateway, source))
        else:
            entries = list(_local_entries(source))
        there: Mapping[str, Any] = {}
        if isinstance(place, GridPlace) and not made:
            home = GridDirectory(place.label, place.cap, place.identity)
            there = dict(sources_in(self._gateway, home))
        return _Visit(place, made, entries, there)

    def _made(self, place: Place, name: str, there: Any) -> tuple[Place, bool]:
        """Return the directory *name* in *place*, and whether it was made just now."""
        if isinstance(place, LocalPlace):
            return LocalPlace.made(place.child(name))
        label = place.child_label(name)
        if there is ASK:
            there = self._probe(place, name)
        if isinstance(there, GridDirectory):
            return GridPlace(label, there.cap, there.identity), False
        if isinstance(there, GridFile):
            raise ConflictError(f"{label} is a file, where a directory is needed")
        return GridPlace.of(label, self._gateway.make_child(place.cap, name)), True

    def _probe(self, place: GridPlace, name: str) -> GridSource | None:
        cap = self._gateway.child_cap(place.cap, name)
        return of_cap(cap, place.child_label(name)) if cap else None

    def _enter(self, source: Directory, trail: frozenset[Any], visit: _Visit) -> None:
        if visit.place.identity == source.identity:
            error = ConflictError(f"{source.label} is where it would be copied to")
            self._report.problem(source.label, error)
            return
        self._targets.add(visit.place.identity)
        self._report.directories_made += visit.made
        files, directories = [], []
        for name, entry in visit.entries:
            if isinstance(entry, GridError):
                self._report.problem(f"{source.label.rstrip('/')}/{name}", entry)
            elif isinstance(entry, LocalDirectory | GridDirectory):
                directories.append((name, entry))
            else:
                files.append((name, entry))
        for name, directory in reversed(directories):
            there = visit.there.get(name)
            self._visit(directory, partial(self._made, visit.place, name, there), trail)
        for name, file in reversed(files):
            self.file(file, visit.place, name, visit.there.get(name))

    # ---- files ---------------------------------------------------------------------------

    def file(self, source: File, place: Place, name: str, there: Any = ASK) -> None:
        """Copy *source* to the name *name* in *place*.

        :param there: what a place on the grid has of that name: None, something, or ASK
        """
        if isinstance(place, GridPlace):
            self._linker.expect(place)
            self._crew.give(
                partial(self._to_grid, source, place, name, there),
                partial(self._stored, source, place, name),
                partial(self._not_stored, source, place, name),
            )
            return
        self._crew.give(
            partial(self._to_local, source, place, name),
            partial(self._fetched, source),
            partial(self._report.problem, source.label),
        )

    def _to_grid(
        self, source: File, place: GridPlace, name: str, there: Any
    ) -> Link | None:
        """Return what is to be linked under *name* in *place*; None: it is there."""
        self._crew.check()
        if there is ASK:
            there = self._probe(place, name)
        if isinstance(there, GridDirectory):
            label = place.child_label(name)
            raise ConflictError(f"{label} is a directory, where a file is to be")
        if isinstance(source, GridFile):
            same = isinstance(there, GridFile) and there.caps == source.caps
            return None if same else (source.kind, source.caps)
        if isinstance(there, GridFile) and self._recogniser.is_content(
            there.cap, source.path, source.size
        ):
            return None
        with opened(source.path) as file:
            size = os.fstat(file.fileno()).st_size
            return "filenode", {"ro_uri": self._gateway.store(file, size, self._count)}

    def _stored(self, source: File, place: GridPlace, name: str, link: Link | None) -> None:
        self._report.files_moved += 1
        self._report.files_same += link is None
        self._linker.came(place, name, link, source.size or 0)

    def _not_stored(
        self, source: File, place: GridPlace, name: str, error: GridError
    ) -> None:
        self._linker.came(place, name, None)
        self._report.problem(source.label, error)

    def _to_local(self, source: File, place: LocalPlace, name: str) -> bool:
        """Write the file, unless it is there; return whether it was written."""
        self._crew.check()
        there = place.file_at(name)
        if there is not None and self._is_same(source, there):
            return False
        with landed(place.child(name)) as target:
            for piece in self._pieces(source):
                target.write(piece)
        return True

    def _is_same(self, source: File, there: LocalFile) -> bool:
        if isinstance(source, GridFile):
            return self._recogniser.is_content(source.cap, there.path, there.size)
        return source.size == there.size and are_equal(source.path, there.path)

    def _pieces(self, source: File) -> Iterator[bytes]:
        if isinstance(source, GridFile):
            if source.kind != "filenode":
                raise NotYetError(f"{source.label} is of a kind this version can't read")
            yield from self._gateway.fetch(source.cap, source.size, self._count)
            return
        for piece in pieces_of(source.path):
            self._count(len(piece))
            yield piece

    def _fetched(self, source: File, written: bool) -> None:
        self._report.files_moved += 1
        self._report.files_copied += written
        self._report.files_same += not written
        self._report.bytes_copied += (source.size or 0) * written

    def _count(self, num_bytes: int) -> None:
        self._crew.check()
        self._report.moved(num_bytes)


def _local_entries(directory: LocalDirectory) -> Iterator[tuple[str, Any]]:
    for name, grid_name in names_in(directory.path):
        if isinstance(grid_name, GridError):
            yield name, grid_name
            continue
        try:
            yield grid_name, look(os.path.join(directory.path, name))
        except GridError as e:
            yield name, e
