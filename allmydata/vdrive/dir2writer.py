"""Changes of directories that lie in files: as many in one rewrite as are waiting.

To rewrite a file costs a look at all its servers and a version on each, however little is
changed.  While one rewrite is under way, changes of the same directory gather; the next
takes them all.  Where somebody else wrote meanwhile, the same changes are made of what is
there now, so a change may be asked for several times.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from allmydata.errors import BusyError, GridError, UncoordinatedWriteError
from allmydata.util.deferreds import log_failure, start
from allmydata.vdrive.dir2table import Entries, pack, unpack

# Changes the children it is given, or raises a GridError and changes nothing.
Change = Callable[[Entries], None]
Waiting = tuple[Change, "Deferred[None]"]

log = Logger()


@define(eq=False)
class Rewrites:
    """Changes that wait, by the directory they are of."""

    _waiting: dict[str, list[Waiting]] = field(factory=dict, init=False)

    def make(self, file: Any, change: Change) -> Deferred[None]:
        """Return a Deferred that fires when a change of the directory in *file* is made.

        It fails with what *change* raised last, or with why the file can't be written.

        :param file: an IMutableFileNode that can be written
        """
        outcome: Deferred[None] = Deferred()
        key = file.get_refresh_capability()
        if key in self._waiting:
            self._waiting[key].append((change, outcome))
        else:
            self._waiting[key] = [(change, outcome)]
            log_failure(start(self._work(key, file)), log, "changing a directory")
        return outcome

    async def _work(self, key: str, file: Any) -> None:
        while group := self._waiting[key]:
            self._waiting[key] = []
            found = await _together(file, [change for change, _ in group])
            for (_, outcome), error in zip(group, found, strict=True):
                _answer(outcome, error)
        del self._waiting[key]


async def _together(file: Any, changes: Sequence[Change]) -> Sequence[Exception | None]:
    """Make changes in one rewrite; return of each what went wrong, if anything did."""
    outcomes: list[GridError | None] = []

    def rewrite(content: bytes) -> bytes | None:
        entries = unpack(content)
        before = dict(entries)
        outcomes[:] = [_try(change, entries) for change in changes]
        return pack(entries) if entries != before else None

    try:
        await file.modify(rewrite)
    except UncoordinatedWriteError as e:
        busy = BusyError(
            "others change this directory again and again", why=e.message, fix="try again"
        )
        busy.__cause__ = e
        return [busy] * len(changes)
    except Exception as e:  # nobody who waits may wait for ever
        return [e] * len(changes)
    return outcomes


def _try(change: Change, entries: Entries) -> GridError | None:
    try:
        change(entries)
    except GridError as e:
        return e
    return None


def _answer(outcome: Deferred[None], error: Exception | None) -> None:
    if outcome.called:  # its caller has cancelled it
        return
    if error is None:
        outcome.callback(None)
    else:
        outcome.errback(Failure(error))
