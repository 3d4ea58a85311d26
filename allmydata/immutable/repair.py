"""Missing and bad shares of a file made again, bit for bit, and given to other servers.

From a verify capability alone: what is read, decoded and encoded again is ciphertext, and
before a share is kept, its hashes must be those that the capability seals.  Segments are
those of the file, whatever is usual today.

A bad share stays where it is until its server's operator deletes it: it is in the way
there, and only there.  Whatever else is found on the way to be wrong is made again too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any

from attrs import define, evolve, field, frozen
from twisted.application.service import Service
from twisted.internet.defer import DeferredLock
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from allmydata.coding.geometry import Geometry
from allmydata.errors import (
    GridError,
    NoSharesError,
    NotEnoughServersError,
    NotEnoughSharesError,
)
from allmydata.grid.buckets import WriteBucketProxy, write_size_for
from allmydata.grid.server import StorageServerProxy as Server
from allmydata.grid.shape import ShareShape
from allmydata.immutable.check import (
    Checker,
    CheckReport,
    Survey,
    blame,
    literal_report,
    renew_leases,
    verify_cap_of,
)
from allmydata.immutable.decode import ShareFetcher
from allmydata.immutable.encode import Encoder
from allmydata.immutable.reread import StoredCiphertext
from allmydata.immutable.vacancies import Holders, Room, Vacancies
from allmydata.immutable.verify import Damage
from allmydata.uri import CHKFileVerifierURI, LiteralFileURI
from allmydata.util.deferreds import as_deferred, sleep
from allmydata.util.workers import Workers

log = Logger()

RETRY_AFTER_S = (0.0, 0.5, 2.0)  # before servers that refused are asked again


@frozen
class RepairReport:
    """What a repair found, and what came of it.

    :param before: without the servers that were to be avoided
    :param after: the same, with what was placed, and what was found bad on the way
    :param placed: share number to the node id of the server that got it
    :param error: why the file is not whole now; None where it is
    """

    before: CheckReport
    after: CheckReport
    placed: Mapping[int, str] = field(factory=dict)
    was_needed: bool = False
    error: GridError | None = None

    @property
    def is_success(self) -> bool:
        """Whether something was to be done, and all of it was."""
        return self.was_needed and self.error is None


class Repairer(Service):
    """Mends files; ``getService("repairer")`` of a client."""

    name = "repairer"

    def __init__(self, checker: Checker, workers: Workers, clock: IReactorTime) -> None:
        self._checker = checker
        self._workers = workers
        self._clock = clock
        self._locks: dict[bytes, DeferredLock] = {}

    @as_deferred
    async def repair(
        self,
        uri: str,
        *,
        verify: bool = False,
        avoid: Collection[str] = (),
        happy: int | None = None,
        add_lease: bool = False,
    ) -> RepairReport:
        """Look at the file named by *uri*, and make again what is missing.

        :param verify: whether to read every byte of every share first
        :param avoid: node ids of servers that count as gone: nothing is given to them,
            and what they hold is read, but made again elsewhere
        :param happy: spread a file further that lies on fewer servers, each with a share
            of its own, although no share is missing; None: such a file is well enough
        :param add_lease: whether to renew leases where nothing is missing, too
        :raises BadCapError: it is not the capability of a file
        """
        cap = verify_cap_of(uri)
        if isinstance(cap, LiteralFileURI):
            report = literal_report(cap, verify)
            return RepairReport(report, report)
        async with self._alone(cap.storage_index):
            survey = await self._checker.survey(cap, verify=verify, add_lease=add_lease)
            before = _without(survey.report, avoid)
            if before.is_healthy and before.happiness >= (happy or 0):
                return RepairReport(before, before)
            job = _Job.begin(cap, survey, before)
            error: GridError | None = None
            try:
                await self._mend(job, avoid)
            except GridError as e:
                error = e
            return job.report(error)

    @asynccontextmanager
    async def _alone(self, storage_index: bytes) -> AsyncIterator[None]:
        """Let one repair of a file wait for another."""
        lock = self._locks.setdefault(storage_index, DeferredLock())
        await lock.acquire()
        try:
            yield
        finally:
            lock.release()
            if not lock.locked:
                self._locks.pop(storage_index, None)

    # ---- the steps -----------------------------------------------------------------------

    async def _mend(self, job: _Job, avoid: Collection[str]) -> None:
        """Make and place shares until none is missing, or nothing more can be done."""
        original = await self._open(job)
        for server in job.holders.servers:
            if server.nodeid in avoid:
                job.holders.closed[server] = "is to be avoided"
            elif server.readonly or server.max_share_size < original.share_size:
                job.holders.closed[server] = "takes no share of this size"
        for wait_s in RETRY_AFTER_S:
            await sleep(wait_s, self._clock)
            job.holders.refused.clear()
            while await self._write(job, original):
                pass
            if not (job.holders.refused and job.holders.missing()):
                break
        holders = [server for server, held in job.holders.held.items() if held]
        await renew_leases(holders, job.cap.storage_index, self._clock)

    async def _open(self, job: _Job) -> _Original:
        """Learn from any good share how the file is laid out.

        :raises NotEnoughSharesError: there are too few to bring it back
        """
        fetcher = self._fetcher(job)
        if fetcher.chooser.num_available < job.cap.needed_shares:
            raise _lost(job.cap, fetcher.chooser.num_available)
        geometry = await fetcher.geometry()
        shape = ShareShape(geometry, oldest=min(fetcher.layout_versions))
        return _Original(geometry, shape, fetcher.extension)

    def _fetcher(self, job: _Job) -> ShareFetcher:
        """Return what reads the shares found, but for those that are bad."""

        def condemn(shnum: int, server: Server, why: str) -> None:
            job.condemn(shnum, server, why)
            blame(server, job.cap.storage_index, shnum, why, self._clock)

        def name(server: Server) -> str:
            return server.name

        fetcher = ShareFetcher(job.cap, self._workers, self._clock, name=name)
        fetcher.on_bad = condemn
        now = self._clock.seconds()
        for server, rrefs in job.readers.items():
            for shnum, rref in rrefs.items():
                if (shnum, server) not in job.holders.barred:
                    fetcher.add(shnum, server, rref)
                    if server.trust.is_low(now):
                        fetcher.chooser.slow(shnum, server)
        return fetcher

    async def _write(self, job: _Job, original: _Original) -> bool:
        """Make what can be placed now; tell whether that was anything.

        :raises NotEnoughSharesError: the file can't be read after all
        :raises CorruptError: it was never whole
        """
        index, size = job.cap.storage_index, original.share_size
        rooms = await Vacancies(job.holders, index, size, self._clock).find()
        if not rooms:
            return False
        source = StoredCiphertext(self._fetcher(job), original.geometry, index)
        encoder = Encoder(self._workers, self._clock, still_happy=bool)
        encoder.set_original(original.geometry, original.extension)
        try:
            await encoder.set_encrypted_uploadable(source)
            encoder.set_shareholders(self._writers(rooms, original))
            await encoder.start()
        except NotEnoughServersError:
            pass  # all of them were lost; others are tried
        finally:
            source.close()
        job.take(rooms, encoder)
        return True

    def _writers(self, rooms: Mapping[int, Room], of: _Original) -> dict[int, Any]:
        size = write_size_for(len(rooms))
        return {
            shnum: WriteBucketProxy(
                room.rref, of.shape, self._clock, size, room.server.max_write
            )
            for shnum, room in rooms.items()
        }


@frozen
class _Original:
    """What is known of the shares that were stored first.

    :param extension: the URI extension, as it was sealed
    """

    geometry: Geometry
    shape: ShareShape
    extension: bytes

    @property
    def share_size(self) -> int:
        """Bytes of each share."""
        return self.shape.layout.total_size(len(self.extension))


@define
class _Job:
    """One file being mended."""

    cap: CHKFileVerifierURI
    before: CheckReport
    readers: Mapping[Server, Mapping[int, Any]]
    holders: Holders
    damages: list[Damage]
    placed: dict[int, Server] = field(factory=dict)

    @classmethod
    def begin(cls, cap: CHKFileVerifierURI, survey: Survey, before: CheckReport) -> _Job:
        """Start from what was found; servers that did not answer are left alone."""
        servers = {server.nodeid: server for server in survey.servers}
        holders = Holders(
            cap.total_shares,
            survey.servers,
            {servers[nodeid]: set(held) for nodeid, held in before.holdings.items()},
            {(one.shnum, servers[one.nodeid]) for one in before.damages},
            {servers[nodeid]: why for nodeid, why in before.silent.items()},
        )
        return cls(cap, before, survey.readers, holders, list(before.damages))

    def condemn(self, shnum: int, server: Server, why: str) -> None:
        """Take note of a share that is bad."""
        if (shnum, server) not in self.holders.barred:
            self.holders.condemn(shnum, server)
            self.damages.append(Damage(shnum, server.nodeid, why))

    def take(self, rooms: Mapping[int, Room], encoder: Encoder) -> None:
        """Take note of what was written, and of servers that did not take it after all."""
        written = encoder.get_shares_placed()
        for shnum, room in rooms.items():
            if shnum in written:
                self.holders.held.setdefault(room.server, set()).add(shnum)
                self.placed[shnum] = room.server
            else:
                why = encoder.lost.get(shnum, "did not take it")
                self.holders.closed[room.server] = why

    def report(self, error: GridError | None) -> RepairReport:
        """Tell what came of it."""
        held = self.holders.held.items()
        after = evolve(
            self.before,
            holdings={
                server.nodeid: frozenset(shares) for server, shares in held if shares
            },
            damages=tuple(sorted(self.damages, key=lambda one: (one.shnum, one.nodeid))),
        )
        placed = {shnum: server.nodeid for shnum, server in self.placed.items()}
        if error is None and not after.is_healthy:
            error = self._unplaced()
        return RepairReport(self.before, after, placed, True, error)

    def _unplaced(self) -> NotEnoughServersError:
        missing = sorted(self.holders.missing())
        shut = {**self.holders.closed, **self.holders.refused}
        reasons = [f"{server.name}: {why}" for server, why in shut.items()]
        reasons += [
            f"{server.name} has a bad share {shnum}, which is in the way there"
            for shnum, server in sorted(self.holders.barred, key=lambda one: one[0])
            if shnum in missing
        ]
        return NotEnoughServersError(
            f"there is no server for {len(missing)} shares: {_list(missing)}",
            why="; ".join(reasons),
            fix="start more servers, or delete the bad shares where they are",
        )


def _without(report: CheckReport, avoid: Collection[str]) -> CheckReport:
    holdings = {one: held for one, held in report.holdings.items() if one not in avoid}
    return evolve(report, holdings=holdings)


def _lost(cap: CHKFileVerifierURI, num_found: int) -> NotEnoughSharesError:
    k, n = cap.needed_shares, cap.total_shares
    kind = NotEnoughSharesError if num_found else NoSharesError
    return kind(
        f"{num_found} good shares were found and {k} of {n} are needed",
        fix="bring servers back that hold the missing shares, and try again",
    )


def _list(numbers: list[int]) -> str:
    return " ".join(map(str, numbers))
