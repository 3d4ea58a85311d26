"""Deletes the shares that nobody wants any more, as an ExpiryPolicy says.

The lease index tells which files to look at.  What decides is the file itself, read again
under its lock: one that was renewed a moment ago stays.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from attrs import asdict, define, evolve, field
from twisted.logger import Logger

from allmydata.errors import GridError
from allmydata.storage.disk import Disk
from allmydata.storage.expiry import ExpiryPolicy, Reaped
from allmydata.storage.inventory import Held, Key, look
from allmydata.storage.leaseindex import LeaseIndex
from allmydata.storage.ledger import Ledger
from allmydata.storage.tree import ShareTree
from allmydata.util.fileutil import write_atomically

log = Logger()

HISTORY_NAME = "expiry.history.json"
MOST_HISTORY = 100  # cycles told in the file
AT_A_TIME = 100  # files in one go of a thread


@define
class Reaper:
    """Looks for doomed shares when it is told to.

    :param wall: seconds since 1970, by a clock that may jump
    :param on_delete: called, on the reactor's thread, with the path of a deleted file
    """

    policy: ExpiryPolicy
    _tree: ShareTree
    _ledger: Ledger
    _disk: Disk
    _wall: Callable[[], float]
    _on_delete: Callable[[Path], None]
    last: Reaped | None = field(default=None, init=False)
    reclaimed: int = field(default=0, init=False)  # bytes, since the server started

    async def cycle(self) -> Reaped:
        """Look once at all that the index says is over.

        :raises GridError: the disk failed; what was done until then is done
        """
        reaped = await self._disk.run(self._mark)
        if self._ledger.is_true:
            doomed = await self._disk.run(self._doomed)
            reaped = evolve(reaped, doomed=len(doomed))
            for start in range(0, len(doomed), AT_A_TIME):
                part = doomed[start : start + AT_A_TIME]
                reaped = await self._reap(reaped, part)
        self.last = reaped
        await self._disk.run(self._write_down, reaped)
        return reaped

    async def _reap(self, reaped: Reaped, part: list[Key]) -> Reaped:
        if self.policy.dry_run:
            return reaped
        sizes: dict[Path, int] = {}
        try:
            await self._disk.run(self._delete, part, sizes)
        finally:
            for path in sizes:
                self._on_delete(path)
            self.reclaimed += sum(sizes.values())
        return evolve(
            reaped,
            deleted=reaped.deleted + len(sizes),
            deleted_bytes=reaped.deleted_bytes + sum(sizes.values()),
            spared=reaped.spared + len(part) - len(sizes),
        )

    # ---- in a thread --------------------------------------------------------------------

    def _mark(self) -> Reaped:
        now, running = self._wall(), self._ledger.running_time()
        over = self.policy.over(now)
        self._ledger.flush()

        def mark(index: LeaseIndex) -> int:
            index.mark(over, running)
            return index.count_doomed(running)[0]

        expired = self._ledger.ask(mark)
        return Reaped(now, running, expired=expired, dry_run=self.policy.dry_run)

    def _doomed(self) -> list[Key]:
        since = self._limit()
        return [one.key for one in self._ledger.ask(lambda index: index.doomed(since))]

    def _limit(self) -> float:
        """Return the running time until which a share must have been seen to be over."""
        return self._ledger.running_time() - self.policy.grace_s

    def _delete(self, keys: list[Key], deleted: dict[Path, int]) -> None:
        for key in keys:
            storage_index, shnum = key
            with self._tree.lock(storage_index):
                held = self._condemned(key)
                if held:
                    path = self._tree.bucket(storage_index) / str(shnum)
                    path.unlink()
                    self._tree.prune(storage_index)
                    self._ledger.note(key, held, None)
                    deleted[path] = held.size

    def _condemned(self, key: Key) -> Held | None:
        """Return what a share is, if the file too says that it is over; hold the lock."""
        since = self._ledger.ask(lambda index: index.doomed_since(key))
        if self._ledger.waits(key) or since is None or since > self._limit():
            return None  # something happened to it meanwhile
        held = look(self._tree.bucket(key[0]) / str(key[1]), self._tree.calls)
        return held if self.policy.over(self._wall()).covers(held) else None

    def _write_down(self, reaped: Reaped) -> None:
        path = self._tree.shares.parent / HISTORY_NAME
        history = [*read_history(path.parent), asdict(reaped)][-MOST_HISTORY:]
        data = json.dumps(history, indent=1).encode()
        try:
            write_atomically(path, data)
        except OSError as e:
            raise GridError("the history of expiry can't be written") from e


def read_history(storedir: Path) -> list[dict[str, float]]:
    """Return what the last cycles did, the oldest first; none where that can't be read."""
    try:
        history = json.loads((storedir / HISTORY_NAME).read_bytes())
    except (OSError, ValueError):
        return []
    entries = history if isinstance(history, list) else []
    return [one for one in entries if isinstance(one, dict)]
