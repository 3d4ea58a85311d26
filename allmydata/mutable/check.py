"""Which shares of a mutable file exist, whether they are right, and making it whole.

To *check* is to ask every connected server for the first bytes of what it holds, and to
believe signatures alone; to *verify* is to read all of the newest version's shares.  Both
need no more than a verify capability.  To *repair* is to write the newest version that can
be brought back anew, to every share: servers let nobody do that without the write key.
What lies on a server that is being emptied counts as missing then.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from attrs import evolve, field, frozen
from twisted.application.service import Service
from twisted.internet.defer import DeferredSemaphore, TimeoutError

from allmydata.coding.placement import happiness
from allmydata.coding.survival import spare_servers
from allmydata.errors import (
    BadCapError,
    CorruptError,
    GridError,
    NotCapableError,
    NotEnoughServersError,
    NotEnoughSharesError,
)
from allmydata.formats.mutable import Prefix
from allmydata.grid.patience import GIVE_UP_S
from allmydata.mutable.secret import check_key
from allmydata.mutable.servermap import FoundShare, ServerMap
from allmydata.mutable.service import AnyCap, Mutables
from allmydata.mutable.shares import ChangedError, ShareReader
from allmydata.uri import MutableFileURI, from_string
from allmydata.util import base32
from allmydata.util.deferreds import as_deferred, gather, settle, start, timeout

AT_ONCE = 4  # shares that are read together
RUN_SIZE = 2**20  # bytes of a share that are read in one call


@frozen
class Damage:
    """A share that is there and wrong.

    :param nodeid: of its server
    """

    shnum: int
    nodeid: str
    why: str


@frozen
class MutableReport:
    """What was found of one file.

    :param storage_index: in base 32
    :param version: the newest that can be brought back; None: there is none
    :param holdings: good shares of that version, by node id
    :param sharemap: node ids by what each version calls its shares: ``seq5-fmov-sh2``
    :param num_wrong: shares of other versions
    :param num_lost: newer versions that can't be brought back; or all, if none can
    :param silent: why servers did not answer, by node id
    :param names: what people call a server, by node id
    """

    storage_index: str
    version: Prefix | None
    happy: int
    holdings: Mapping[str, frozenset[int]] = field(factory=dict)
    sharemap: Mapping[str, list[str]] = field(factory=dict)
    num_wrong: int = 0
    num_recoverable: int = 0
    num_lost: int = 0
    damages: tuple[Damage, ...] = ()
    silent: Mapping[str, str] = field(factory=dict)
    names: Mapping[str, str] = field(factory=dict)
    was_verified: bool = False
    is_literal = False

    @property
    def needed(self) -> int:
        """How many shares bring it back."""
        return self.version.k if self.version else 3

    @property
    def total(self) -> int:
        """How many shares there should be."""
        return self.version.n if self.version else 10

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.version.size if self.version else 0

    @property
    def num_good(self) -> int:
        """How many different good shares of the version there are."""
        return len({n for shares in self.holdings.values() for n in shares})

    @property
    def corrupt(self) -> list[tuple[int, str]]:
        """The number of each bad share, and the node id of its server."""
        return [(damage.shnum, damage.nodeid) for damage in self.damages]

    @property
    def happiness(self) -> int:
        """How many servers, each with a share of its own, could bring the file back."""
        return happiness({server: set(held) for server, held in self.holdings.items()})

    @property
    def is_recoverable(self) -> bool:
        """Whether there is a version that can be brought back."""
        return self.version is not None and self.num_good >= self.needed

    @property
    def is_healthy(self) -> bool:
        """Whether all shares are there, and none of any other version."""
        is_whole = self.is_recoverable and self.num_good >= self.total
        return is_whole and not self.num_wrong and not self.num_lost

    @property
    def spare(self) -> int:
        """How many servers, whichever they are, may die; -1 for a file that is lost now."""
        return spare_servers(self.holdings, self.needed)


@frozen
class MutableRepair:
    """What a repair found, and what came of it.

    :param error: why the file is not whole now; None where it is
    """

    before: MutableReport
    after: MutableReport
    was_needed: bool = False
    error: GridError | None = None

    @property
    def is_success(self) -> bool:
        """Whether something was to be done, and was."""
        return self.was_needed and self.error is None


class MutableChecker(Service):
    """Looks at mutable files, and mends them; ``getService("mutable-checker")``."""

    name = "mutable-checker"

    def __init__(self, files: Mutables) -> None:
        self._files = files

    @as_deferred
    async def check(
        self, uri: str, verify: bool = False, *, add_lease: bool = False
    ) -> MutableReport:
        """Look at the file named by *uri*, a capability of any authority.

        :param verify: whether to read every byte of every share
        :param add_lease: whether to have this node's leases renewed where shares are
        :raises BadCapError: it is no capability of a mutable file
        """
        cap = _parse(uri)
        found = await self._files.survey(cap, everywhere=True)
        if add_lease:
            holders = {server for server, _ in found.places()}
            clock, index = self._files.clock, cap.storage_index
            await settle(timeout(one.add_lease(index), GIVE_UP_S, clock) for one in holders)
        return await self._report(cap, found, verify)

    @as_deferred
    async def repair(
        self, uri: str, *, verify: bool = False, add_lease: bool = False
    ) -> MutableRepair:
        """Look at a file; where it is not healthy, write its newest version anew.

        :raises NotCapableError: the capability can't change the file
        :raises NotEnoughSharesError: there is no version to go on from
        """
        cap = _parse(uri)
        drained = self._files.drained
        before = _without(await self.check(uri, verify, add_lease=add_lease), drained)
        if before.is_healthy and not before.damages:
            return MutableRepair(before, before)
        if not isinstance(cap, MutableFileURI):
            raise NotCapableError(
                "a mutable file is repaired with its write capability only",
                why="servers let nobody write a share who has not the write key",
            )
        async with self._files.memory.alone(cap.storage_index):
            found = await self._files.survey(cap, everywhere=True)
            if found.best() is None:
                raise NotEnoughSharesError(
                    "there is no version that can be brought back",
                    why=f"{len(found.silent)} servers do not answer",
                )
            error: GridError | None = None
            try:
                await self._files.rewrite(cap, found)
            except GridError as e:
                error = e
        after = _without(await self.check(uri), drained)
        if error is None and not after.is_healthy:
            error = _not_whole(after)
        return MutableRepair(before, after, True, error)

    # ---- inside --------------------------------------------------------------------------

    async def _report(self, cap: AnyCap, found: ServerMap, verify: bool) -> MutableReport:
        best = found.best()
        if verify and best:
            await self._verify(cap, found, best)
        shares = found.of(best) if best else []
        holdings: dict[str, set[int]] = {}
        for share in shares:
            holdings.setdefault(share.server.nodeid, set()).add(share.shnum)
        versions = found.versions()
        lost = [one for one in versions if not found.is_recoverable(one)]
        _, happy, _ = self._files.parameters()
        return MutableReport(
            base32.b2a(cap.storage_index),
            best,
            happy,
            {server: frozenset(held) for server, held in holdings.items()},
            _sharemap(found),
            len(found.shares) - len(shares),
            len(versions) - len(lost),
            len(lost),
            tuple(Damage(n, s.nodeid, bad.why) for (s, n), bad in found.bad.items()),
            {server.nodeid: why for server, why in found.silent.items()},
            {s.nodeid: s.name for s in [*found.answered, *found.silent]},
            verify,
        )

    async def _verify(self, cap: AnyCap, found: ServerMap, version: Prefix) -> None:
        turn = DeferredSemaphore(AT_ONCE)

        async def look(share: FoundShare) -> None:
            try:
                await turn.run(start, self._read(cap, found, share))
            except ChangedError:
                found.shares.pop((share.server, share.shnum), None)
            except CorruptError as e:
                found.condemn(share, e.message)
                tell: Any = share.server.advise_corrupt_share
                await settle(
                    [tell(cap.storage_index, share.shnum, e.message, is_mutable=True)]
                )
            except (GridError, TimeoutError):
                found.shares.pop((share.server, share.shnum), None)
                found.silent[share.server] = "it does not answer"

        await gather(look(share) for share in found.of(version))

    async def _read(self, cap: AnyCap, found: ServerMap, share: FoundShare) -> None:
        """Read all of a share that hashes or keys cover."""
        workers, clock = self._files.workers, self._files.clock
        reader = ShareReader(share, found.storage_index, workers, clock)
        geometry = reader.geometry
        run = max(1, RUN_SIZE // max(1, geometry.stride))
        await reader.fetch_leaves()
        for at in range(0, geometry.num_segments, run):
            await reader.pairs(at, min(run, geometry.num_segments - at))
        if isinstance(cap, MutableFileURI):
            await check_key(cap, reader)


def _parse(uri: str) -> AnyCap:
    cap = from_string(uri)
    if not isinstance(cap, AnyCap):
        raise BadCapError("this is not the capability of a mutable file")
    return cap


def _without(report: MutableReport, drained: Collection[str]) -> MutableReport:
    held = {one: shares for one, shares in report.holdings.items() if one not in drained}
    return evolve(report, holdings=held)


def _not_whole(report: MutableReport) -> NotEnoughServersError:
    return NotEnoughServersError(
        f"{report.num_good} of {report.total} shares are where they should be",
        why=f"{report.num_wrong} of other versions are left; "
        f"{len(report.silent)} servers do not answer",
        fix="see  tahoe servers  and try again",
    )


def _sharemap(found: ServerMap) -> dict[str, list[str]]:
    named: dict[str, list[str]] = {}
    for (server, shnum), share in found.shares.items():
        root = base32.b2a(share.version.root_hash)[:4]
        name = f"seq{share.version.seqnum}-{root}-sh{shnum}"
        named.setdefault(name, []).append(server.nodeid)
    return dict(sorted(named.items()))
