"""A record of uploads and downloads: those that run, and the last hundred that ended.

Pure bookkeeping, for pages, metrics and ``tahoe top``.  The data path tells it of each
segment, so what happens then is a few additions; whoever wants to know more asks for
:meth:`Transfer.as_json`.  Of a storage index it keeps the first letters, of a capability
nothing.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

from attrs import define, field
from twisted.internet import defer
from zope.interface import implementer

from allmydata.errors import GridError
from allmydata.interfaces.node import ITransfer, ITransfers
from allmydata.util import base32

RECENT = 100
PREFIX = 5  # letters of a storage index: enough to tell files apart, not to find one
COLUMNS = 64  # of a picture, at most
RUNNING = "running"
DONE = "done"

Kind = Literal["upload", "download"]
Observer = Callable[[ITransfer], None]


@define(eq=False)
class Part:
    """What one server has to do with one transfer.

    ``asked``, and when it moved something ``active``; ``silent``; ``replaced`` once
    another share was asked for in its place; ``late`` while an upload goes on without
    waiting for it; ``failed``
    """

    name: str
    nodeid: str
    state: str = "asked"
    shares: list[int] = field(factory=list)
    num_segments: int = 0
    num_bytes: int = 0
    replaced_by: int | None = None  # the number of that share
    why: str = ""
    cells: int = 0  # bit i: blocks of column i were given or taken

    def as_json(self, columns: int) -> dict[str, Any]:
        """Return everything."""
        return {
            "name": self.name,
            "nodeid": self.nodeid,
            "state": self.state,
            "shares": self.shares,
            "segments": self.num_segments,
            "bytes": self.num_bytes,
            "cells": f"{self.cells:0{columns}b}"[::-1] if columns else "",
            "replaced_by": self.replaced_by,
            "why": self.why,
        }


@implementer(ITransfer)
@define(eq=False)
class Transfer:
    """One upload or download.  A *holder* is whatever the data path uses for a server.

    :param size: bytes of the file that are to move
    """

    number: int
    kind: Kind
    storage_index: str  # the first letters
    size: int
    _now: Callable[[], float]
    _changed: Observer
    began: float = field(init=False)
    ended: float | None = None
    outcome: str = RUNNING
    first_segment: int = 0
    num_segments: int = 0
    num_bytes: int = 0  # of the file, done
    _parts: dict[Any, Part] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.began = self._now()

    # ---- what the data path tells --------------------------------------------------------

    def asked(
        self, holder: Any, shnum: int, instead_of: Iterable[tuple[int, Any]] = ()
    ) -> None:
        """Hear that a share is wanted from or for *holder*.

        :param instead_of: shares that are silent, with their holders
        """
        part = self._part(holder)
        if shnum not in part.shares:
            part.shares.append(shnum)
        for _, silent in instead_of:
            left = self._part(silent)
            if left is not part and left.state == "silent":
                left.state, left.replaced_by = "replaced", shnum
        self._changed(self)

    def got(self, holder: Any, segments: range, num_bytes: int) -> None:
        """Hear that *holder* gave or took blocks of these segments.

        Nobody is told of it before :meth:`advance`.
        """
        part = self._part(holder)
        if part.state != "late":
            part.state = "active"
        part.num_segments += len(segments)
        part.num_bytes += num_bytes
        for column in {self._column(segnum) for segnum in segments}:
            part.cells |= 1 << column

    def advance(self, num_bytes: int) -> None:
        """Hear that so many bytes more of the file are done."""
        self.num_bytes += num_bytes
        self._changed(self)

    def silent(self, holder: Any) -> None:
        """Hear that *holder* does not answer while others do."""
        part = self._part(holder)
        if part.state in ("asked", "active"):
            part.state = "silent"
            self._changed(self)

    def late(self, holder: Any) -> None:
        """Hear that *holder* is to get its share, but is not waited for."""
        part = self._part(holder)
        if part.state in ("asked", "active", "silent"):
            part.state = "late"
            self._changed(self)

    def settled(self, holder: Any) -> None:
        """Hear that *holder*, which was late, has all it was to get."""
        part = self._part(holder)
        if part.state == "late":
            part.state = "active"
            self._changed(self)

    def lost(self, holder: Any, why: str) -> None:
        """Hear that a share of *holder* is not used any more."""
        part = self._part(holder)
        part.state, part.why = "failed", why
        self._changed(self)

    def _part(self, holder: Any) -> Part:
        part = self._parts.get(holder)
        if part is None:
            name = getattr(holder, "name", None) or str(holder)
            part = self._parts[holder] = Part(name, getattr(holder, "nodeid", ""))
        return part

    @property
    def num_columns(self) -> int:
        """How many columns a picture of it has; a column stands for a segment or more."""
        return min(self.num_segments, COLUMNS)

    def _column(self, segnum: int) -> int:
        at = segnum - self.first_segment
        return max(0, at * self.num_columns // max(1, self.num_segments))

    # ---- what others ask -----------------------------------------------------------------

    def as_json(self) -> dict[str, Any]:
        """Return everything; sizes in bytes, times in seconds."""
        until = self._now() if self.ended is None else self.ended
        return {
            "id": self.number,
            "kind": self.kind,
            "storage_index": self.storage_index,
            "size": self.size,
            "done": self.num_bytes,
            "segments": self.num_segments,
            "began": self.began,
            "ended": self.ended,
            "seconds": round(until - self.began, 3),
            "outcome": self.outcome,
            "servers": [part.as_json(self.num_columns) for part in self._parts.values()],
        }


@implementer(ITransfers)
class Transfers:
    """All transfers of one node.

    :param now: seconds since the epoch
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._number = 0
        self._running: dict[int, Transfer] = {}
        self._ended: deque[Transfer] = deque(maxlen=RECENT)
        self._observers: list[Observer] = []
        self.num_files: Counter[str] = Counter()
        self.num_bytes: Counter[str] = Counter()
        self.num_failures: Counter[tuple[str, str]] = Counter()

    @contextmanager
    def running(self, kind: Kind, size: int, storage_index: bytes) -> Iterator[Transfer]:
        """Record a transfer that lasts as long as the block, and how that ends."""
        self._number += 1
        index = base32.b2a(storage_index)[:PREFIX]
        transfer = Transfer(self._number, kind, index, size, self._now, self._tell)
        self._running[transfer.number] = transfer
        self._tell(transfer)
        try:
            yield transfer
        except BaseException as e:
            self._end(transfer, _code(e))
            raise
        self.count(kind, transfer.num_bytes)
        self._end(transfer, DONE)

    def count(self, kind: Kind, num_bytes: int) -> None:
        """Count a file that moved whole; one that lies in its capability takes no time."""
        self.num_files[kind] += 1
        self.num_bytes[kind] += num_bytes

    def active(self) -> list[ITransfer]:
        """Return those that run, the oldest first."""
        return list(self._running.values())

    def recent(self) -> list[ITransfer]:
        """Return the last that ended, the newest first."""
        return list(reversed(self._ended))

    def observe(self, observer: Observer) -> Callable[[], None]:
        """Call *observer* at each change from now on; what is returned ends that."""
        self._observers.append(observer)
        return lambda: self._observers.remove(observer)

    def _tell(self, transfer: ITransfer) -> None:
        for observer in self._observers:
            observer(transfer)

    def _end(self, transfer: Transfer, outcome: str) -> None:
        if outcome != DONE:
            self.num_failures[transfer.kind, outcome] += 1
        transfer.ended, transfer.outcome = self._now(), outcome
        del self._running[transfer.number]
        self._ended.append(transfer)
        self._tell(transfer)


def unrecorded() -> Transfer:
    """Return a transfer that nobody asks about."""
    return Transfer(0, "download", "", 0, lambda: 0.0, lambda _: None)


def _code(error: BaseException) -> str:
    if isinstance(error, (defer.CancelledError, GeneratorExit)):
        return "cancelled"
    return error.code if isinstance(error, GridError) else "failed"
