"""How long each server was seen up, while this node ran and was connected to anybody.

What nobody could see is not counted: time while the node was off, the first minute of a
server that is not connected yet, and time while no server at all was connected, which says
more of this node's own connection.  Kept over restarts in a file of JSON, ``{"servers":
{NODEID: {…}}}`` with the fields of a :class:`Record`.  A damaged one is as good as none.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from attrs import asdict, define, field, fields_dict
from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from allmydata.coding.durability import ServerOdds
from allmydata.grid.broker import StorageBroker
from allmydata.grid.server import StorageServerProxy
from allmydata.util.deferreds import log_failure
from allmydata.util.fileutil import write_atomically

log = Logger()

TICK_S = 60.0
START_UP_S = 60.0  # in which a server may not be connected yet
SAVE_EVERY = 30  # ticks
MOST_SERVERS = 10_000  # the longest unseen give way
YEAR_S = 365 * 86400.0


@define
class Record:
    """What was seen of one server.

    :ivar first, last: when it was first and last seen up, in seconds since the epoch
    :ivar watched_s: how long anybody could have seen it
    :ivar num_outages: how often it went away
    :ivar away_s: how long it has been away; 0.0 while it is up
    """

    first: float
    last: float
    watched_s: float = 0.0
    up_s: float = 0.0
    num_outages: int = 0
    away_s: float = 0.0

    def watch(self, seconds: float, was_up: bool) -> None:
        """Take note of another while, all of it in one state."""
        self.watched_s += seconds
        if was_up:
            self.up_s += seconds
        else:
            self.away_s += seconds

    def turn(self, was_up: bool, is_up: bool, now: float) -> None:
        """Take note of how it is now."""
        if is_up:
            self.last, self.away_s = now, 0.0
        elif was_up:
            self.num_outages += 1

    @property
    def uptime(self) -> float | None:
        """The part of the time that it was up; None where nobody looked yet."""
        return self.up_s / self.watched_s if self.watched_s else None


@define(eq=False, slots=False)
class Uptime(Service):
    """Watches the servers of a broker; ``getService("uptime")`` of a client."""

    _broker: StorageBroker
    _path: Path
    _clock: IReactorTime
    _records: dict[str, Record] = field(factory=dict, init=False)
    _up: set[str] = field(factory=set, init=False)  # who was, at the last tick
    _began: float = field(default=0.0, init=False)
    _ticked: float = field(default=0.0, init=False)
    _num_ticks: int = field(default=0, init=False)
    _loop: Any = field(default=None, init=False)
    _soon: IDelayedCall | None = field(default=None, init=False)

    name = "uptime"

    # ---- what is known -------------------------------------------------------------------

    def of(self, nodeid: str) -> Record | None:
        """Return what was seen of a server; None for one that was never seen up."""
        return self._records.get(nodeid)

    def away_s(self, server: StorageServerProxy) -> float:
        """Return how long a server has been away; 0 while it is connected."""
        record = self._records.get(server.nodeid)
        return 0.0 if server.connected or record is None else record.away_s

    def odds(self, server: StorageServerProxy) -> ServerOdds:
        """Return what is to be thought of a server."""
        record = self._records.get(server.nodeid)
        if record is None:
            return ServerOdds(zone=server.zone)
        return ServerOdds.observed(
            record.watched_s / YEAR_S,
            record.up_s / YEAR_S,
            record.num_outages,
            self.away_s(server) / YEAR_S,
            server.zone,
        )

    # ---- watching ------------------------------------------------------------------------

    def startService(self) -> None:  # noqa: N802
        """Read what was kept, and begin to watch."""
        Service.startService(self)
        self._records = _load(self._path)
        self._began = self._ticked = self._clock.seconds()
        self._loop = LoopingCall(self.tick)
        self._loop.clock = self._clock
        log_failure(self._loop.start(TICK_S, now=False), log, "watching servers")
        self._broker.on_change.add(self._tick_soon)
        self.tick()

    def stopService(self) -> None:  # noqa: N802
        """End that, and keep what was seen."""
        self.tick()
        Service.stopService(self)
        if self._loop.running:
            self._loop.stop()
        self._save()

    def _tick_soon(self) -> None:
        """Look once, however many servers come together."""
        if self.running and self._soon is None:
            self._soon = self._clock.callLater(0, self.tick)

    def tick(self) -> None:
        """Look who is up."""
        self._forget_soon()
        if not self.running:
            return
        now = self._clock.seconds()
        passed = min(max(0.0, now - self._ticked), 2 * TICK_S)  # a clock may jump
        self._ticked = now
        is_early = 0 <= now - self._began <= START_UP_S
        servers = self._broker.servers()
        for server in servers:
            nodeid, was_up = server.nodeid, server.nodeid in self._up
            record = self._records.get(nodeid)
            if record is None and server.connected:
                record = self._records[nodeid] = Record(now, now)
            if record is not None:
                if self._up and (was_up or not is_early):
                    record.watch(passed, was_up)
                record.turn(was_up, server.connected, now)
        self._up = {server.nodeid for server in servers if server.connected}
        self._num_ticks += 1
        if self._num_ticks % SAVE_EVERY == 0:
            self._save()

    def _forget_soon(self) -> None:
        soon, self._soon = self._soon, None
        if soon is not None and soon.active():
            soon.cancel()

    def _save(self) -> None:
        last = sorted(self._records.items(), key=lambda item: -item[1].last)
        self._records = dict(last[:MOST_SERVERS])
        told = {"servers": {name: asdict(one) for name, one in self._records.items()}}
        try:
            write_atomically(self._path, json.dumps(told).encode(), private=True)
        except OSError as e:
            log.warn("{path} can't be written: {why}", path=self._path, why=e.strerror)


def _load(path: Path) -> dict[str, Record]:
    try:
        said = json.loads(path.read_bytes())["servers"]
        return {str(nodeid): _record(words) for nodeid, words in said.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as e:
        log.warn("{path} is not used: {why}", path=path, why=type(e).__name__)
        return {}


def _record(words: dict[str, Any]) -> Record:
    values = {name: float(words[name]) for name in fields_dict(Record)}
    if not all(0 <= value < 1e12 for value in values.values()):
        raise ValueError("no such time")
    num_outages = int(values.pop("num_outages"))
    return Record(num_outages=num_outages, **values)
