"""Files that are on the grid and get their names: many in one change of a directory."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from attrs import define, field

from allmydata.cli.copying.crew import Crew
from allmydata.cli.copying.gateway import MAX_CHILDREN, Gateway
from allmydata.cli.copying.grid import GridPlace
from allmydata.cli.copying.report import Report
from allmydata.errors import GridError

PERIOD_S = 2.0  # what is stored has its name after so long, if other files take longer


@define(eq=False)
class _Batch:
    place: GridPlace
    expected: int = 0  # files on their way to here
    links: dict[str, tuple[str, Mapping[str, str]]] = field(factory=dict)
    sizes: dict[str, int] = field(factory=dict)
    since: float = 0.0


@define
class Linker:
    """Collects the names of files for each directory, and sets them in batches.

    A batch is sent when the directory's last file has come, when it is full, or when its
    first name has waited for PERIOD_S.
    """

    _crew: Crew
    _gateway: Gateway
    _report: Report
    _clock: Callable[[], float] = time.monotonic
    _batches: dict[str, _Batch] = field(init=False, factory=dict)
    _sent: list[_Batch] = field(init=False, factory=list)  # and not known to have come

    def expect(self, place: GridPlace) -> None:
        """Take note that one more file is on its way to *place*."""
        self._batches.setdefault(place.cap, _Batch(place)).expected += 1

    def came(
        self,
        place: GridPlace,
        name: str,
        link: tuple[str, Mapping[str, str]] | None,
        size: int = 0,
    ) -> None:
        """Take what became of an expected file.

        :param link: kind and capabilities; None: it needs no name, or there is no file
        """
        batch = self._batches[place.cap]
        batch.expected -= 1
        if link:
            if not batch.links:
                batch.since = self._clock()
            batch.links[name] = link
            batch.sizes[name] = size
        if not batch.expected:
            del self._batches[place.cap]
            self._send(batch)
        elif len(batch.links) >= MAX_CHILDREN:
            self._send(self._renewed(batch))

    def tick(self) -> None:
        """Send the batches that have waited for long enough."""
        due = self._clock() - PERIOD_S
        for batch in list(self._batches.values()):
            if batch.links and batch.since <= due:
                self._send(self._renewed(batch))

    def finish(self) -> None:
        """Set all names that wait, here and now: the copy ends before its time."""
        for batch in [*self._sent, *self._batches.values()]:
            if batch.links:
                self._gateway.set_children(batch.place.cap, batch.links)

    def _renewed(self, batch: _Batch) -> _Batch:
        """Put an empty batch in the place of *batch*, which is returned."""
        self._batches[batch.place.cap] = _Batch(batch.place, batch.expected)
        return batch

    def _send(self, batch: _Batch) -> None:
        if not batch.links:
            return

        def linked(_: None) -> None:
            self._sent.remove(batch)
            self._report.files_copied += len(batch.links)
            self._report.bytes_copied += sum(batch.sizes.values())

        def failed(error: GridError) -> None:
            self._sent.remove(batch)
            for name in batch.links:
                self._report.problem(batch.place.child_label(name), error)

        self._sent.append(batch)
        links = batch.links
        self._crew.give(
            lambda: self._gateway.set_children(batch.place.cap, links), linked, failed
        )
