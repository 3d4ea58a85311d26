"""Changes of one directory on the grid, each followed by what it means for the index.

Changes that wait share the next call, so that many cost little more than one.  The index is
told when the grid has answered, and in the same order; so it knows by a number how many
changes it has seen, and when it is opened it is noticed that one is missing.
Docs: docs/doors/blobs.md.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from attrs import field, frozen
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from allmydata.doors.blobs.record import Caps
from allmydata.doors.blobs.store import Note, Store
from allmydata.errors import NodeNotReadyError, NoSuchChildError
from allmydata.util.deferreds import Gate, log_failure, start

log = Logger()

MOST_ROWS = 500  # in one call


@frozen(eq=False)
class _Change:
    row: str
    caps: Caps | None = field(repr=False)  # None: take the row out
    note: Note
    done: Deferred[None]


class Rows:
    """Writes into a directory, in the order in which it is told to.

    :param directory: an IDirectoryNode that may be changed
    """

    def __init__(self, name: str, directory: Any, store: Store) -> None:
        self._name = name
        self._directory = directory
        self._store = store
        self._queue: deque[_Change] = deque()
        self._free, self._idle, self._has_done_all = Gate(), Gate(), Gate()
        for gate in (self._free, self._idle, self._has_done_all):
            gate.open()
        self._is_stopped = False

    async def put(self, row: str, caps: Caps, note: Note) -> None:
        """Put a row in place, on the grid and in the index.

        :raises GridError: the grid did not say that it was done; it may be, though
        """
        await self._do(row, caps, note)

    async def delete(self, row: str, note: Note) -> None:
        """Take a row out, on the grid and in the index; it may be gone already."""
        await self._do(row, None, note)

    async def pause(self) -> None:
        """Begin nothing more until :meth:`resume`; wait for what was begun."""
        self._free.shut()
        await self._idle.wait()

    def resume(self) -> None:
        """Go on."""
        self._free.open()

    async def stop(self) -> None:
        """Do what was asked for, and nothing more."""
        self._is_stopped = True
        self._free.open()
        await self._has_done_all.wait()

    # ---- inside --------------------------------------------------------------------------

    async def _do(self, row: str, caps: Caps | None, note: Note) -> None:
        if self._is_stopped:
            raise NodeNotReadyError("the node is stopping")
        change = _Change(row, caps, note, Deferred())
        self._queue.append(change)
        if self._has_done_all.is_open:
            self._has_done_all.shut()
            log_failure(start(self._work()), log, "writing rows of blobs")
        await change.done

    async def _work(self) -> None:
        try:
            while self._queue:
                await self._free.wait()
                batch = self._take()
                self._idle.shut()
                outcome = await self._try(batch)
                self._idle.open()
                for one in batch:
                    one.done.callback(outcome)  # a Failure is one
        finally:
            self._idle.open()
            self._has_done_all.open()

    def _take(self) -> list[_Change]:
        """Return the first change, and those after it that can go with it."""
        batch = [self._queue.popleft()]
        taken = {batch[0].row}
        while batch[0].caps is not None and self._queue and len(batch) < MOST_ROWS:
            following = self._queue[0]
            if following.caps is None or following.row in taken:
                break
            taken.add(following.row)
            batch.append(self._queue.popleft())
        return batch

    async def _try(self, batch: list[_Change]) -> Failure | None:
        try:
            if await self._write(batch):
                self._store.apply(self._name, [one.note for one in batch])
            else:
                with self._store.changing():
                    batch[0].note(self._store)
        except Exception:
            failure = Failure()
            self._store.doubt(self._name)
            return failure
        return None

    async def _write(self, batch: list[_Change]) -> bool:
        """Return whether the directory changed."""
        caps = {one.row: one.caps for one in batch}
        if batch[0].caps is not None:
            await self._directory.set_children(caps)
            return True
        try:
            await self._directory.delete(batch[0].row)
        except NoSuchChildError:
            return False
        return True
