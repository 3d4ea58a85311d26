"""Which shares of a file exist, on which servers, and whether every byte of them is right.

From a verify capability alone, which holds no key.  To *check* is to ask every connected
server what it holds, and to believe it; to *verify* is to read all it holds too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from attrs import field, frozen
from twisted.application.service import Service
from twisted.internet.defer import DeferredSemaphore, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from allmydata.coding.placement import happiness
from allmydata.coding.survival import num_readable, spare_servers
from allmydata.errors import BadCapError, CorruptError, GridError
from allmydata.grid.broker import StorageBroker
from allmydata.grid.patience import GIVE_UP_S
from allmydata.grid.server import StorageServerProxy as Server
from allmydata.immutable.verify import Damage, ShareCheck
from allmydata.uri import (
    Cap,
    CHKFileURI,
    CHKFileVerifierURI,
    LiteralFileURI,
    from_string,
)
from allmydata.util import base32
from allmydata.util.deferreds import as_deferred, drop, gather, settle, start, timeout
from allmydata.util.workers import Workers

AT_ONCE = 4  # shares of one file that are read together
DOUBT_S = 60.0  # a server that did not answer is given less time this long
SHORT_S = 1.0  # namely this

Found = dict[Server, dict[int, Any]]  # RemoteReferences of RIBucketReaders


@frozen
class CheckReport:
    """What was found of one file.

    :param storage_index: in base 32; empty for a file that lies in its capability
    :param happy: on how many servers new files are spread at least
    :param holdings: good shares by server, which is known by its node id
    :param damages: shares that are there and wrong
    :param silent: why servers did not answer, by node id
    :param names: what people call a server, by node id
    :param was_verified: whether the shares were read, not just counted
    """

    storage_index: str
    needed: int
    happy: int
    total: int
    size: int
    holdings: Mapping[str, frozenset[int]] = field(factory=dict)
    damages: tuple[Damage, ...] = ()
    silent: Mapping[str, str] = field(factory=dict)
    names: Mapping[str, str] = field(factory=dict)
    was_verified: bool = False

    @property
    def is_literal(self) -> bool:
        """Whether it needs no server, because it lies in its capability."""
        return not self.storage_index

    @property
    def sharemap(self) -> dict[int, list[str]]:
        """The node ids of the servers that hold each good share."""
        numbers = sorted({n for shares in self.holdings.values() for n in shares})
        return {n: [s for s, held in self.holdings.items() if n in held] for n in numbers}

    @property
    def corrupt(self) -> list[tuple[int, str]]:
        """The number of each bad share, and the node id of its server."""
        return [(damage.shnum, damage.nodeid) for damage in self.damages]

    @property
    def num_good(self) -> int:
        """How many different good shares there are."""
        return num_readable(self.holdings)

    @property
    def happiness(self) -> int:
        """How many servers, each with a share of its own, could bring the file back."""
        return happiness({server: set(held) for server, held in self.holdings.items()})

    @property
    def is_healthy(self) -> bool:
        """Whether every share is there and good; there may be bad copies beside."""
        return self.is_literal or self.num_good >= self.total

    @property
    def is_recoverable(self) -> bool:
        """Whether the shares suffice."""
        return self.num_good >= self.needed

    @property
    def spare(self) -> int:
        """How many servers, whichever they are, may die; -1 for a file that is lost now."""
        return spare_servers(self.holdings, self.needed)


class Checker(Service):
    """Looks at files; ``getService("checker")`` of a client.

    :param happy: tells on how many servers new files are spread at least
    """

    name = "checker"

    def __init__(
        self,
        broker: StorageBroker,
        workers: Workers,
        clock: IReactorTime,
        happy: Callable[[], int],
    ) -> None:
        self._broker = broker
        self._workers = workers
        self._clock = clock
        self._happy = happy
        self._doubted_until: dict[bytes, float] = {}

    @as_deferred
    async def check(
        self, uri: str, verify: bool = False, *, add_lease: bool = False
    ) -> CheckReport:
        """Look at the file named by *uri*: a read or verify capability, or a literal.

        :param verify: whether to read every byte of every share
        :param add_lease: whether to have this node's leases renewed where shares are
        :raises BadCapError: it is no such capability
        """
        cap = verify_cap_of(uri)
        if isinstance(cap, LiteralFileURI):
            return literal_report(cap, verify)
        return (await self.survey(cap, verify=verify, add_lease=add_lease)).report

    async def survey(
        self, cap: CHKFileVerifierURI, *, verify: bool, add_lease: bool = False
    ) -> Survey:
        """Return the report, with what a repair would go on with."""
        servers = self._broker.for_index(cap.storage_index)
        found, silent = await self._ask(cap, servers)
        if add_lease:
            holders = [server for server, shares in found.items() if shares]
            await renew_leases(holders, cap.storage_index, self._clock)
        damages: list[Damage] = []
        if verify:
            damages = await self._verify(cap, found, silent)
        bad = {(damage.shnum, damage.nodeid) for damage in damages}
        holdings = {
            server.nodeid: frozenset(n for n in shares if (n, server.nodeid) not in bad)
            for server, shares in found.items()
        }
        report = CheckReport(
            base32.b2a(cap.storage_index),
            cap.needed_shares,
            self._happy(),
            cap.total_shares,
            cap.size,
            {server: held for server, held in holdings.items() if held},
            tuple(damages),
            {server.nodeid: why for server, why in silent.items()},
            {server.nodeid: server.name for server in servers},
            verify,
        )
        return Survey(report, servers, found)

    async def _ask(
        self, cap: CHKFileVerifierURI, servers: list[Server]
    ) -> tuple[Found, dict[Server, str]]:
        """Ask everybody; return the readers of those who answer, and why others don't."""
        asking = (self._get(server, cap) for server in servers)
        answers = dict(zip(servers, await settle(asking), strict=True))
        silent = {s: _reason(why) for s, why in answers.items() if isinstance(why, Failure)}
        return {
            server: {i: rref for i, rref in shares.items() if i < cap.total_shares}
            for server, shares in answers.items()
            if not isinstance(shares, Failure)
        }, silent

    @as_deferred
    async def _get(self, server: Server, cap: CHKFileVerifierURI) -> dict[int, Any]:
        now = self._clock.seconds()
        is_doubted = now < self._doubted_until.get(server.tubid, now)
        limit = min(SHORT_S, GIVE_UP_S) if is_doubted else GIVE_UP_S
        try:
            asking = server.get_buckets(cap.storage_index)
            shares = await timeout(asking, limit, self._clock)
        except TimeoutError:
            self._doubted_until[server.tubid] = self._clock.seconds() + DOUBT_S
            raise
        self._doubted_until.pop(server.tubid, None)
        return shares

    async def _verify(
        self, cap: CHKFileVerifierURI, found: Found, silent: dict[Server, str]
    ) -> list[Damage]:
        """Read every share; one whose server stops answering counts for nothing."""
        turn = DeferredSemaphore(AT_ONCE)
        damages: list[Damage] = []

        async def look(server: Server, shnum: int, rref: Any) -> None:
            try:
                check = ShareCheck(cap, shnum, rref, self._workers, self._clock)
                await turn.run(start, check.run())
            except CorruptError as e:
                damages.append(Damage(shnum, server.nodeid, e.message))
                blame(server, cap.storage_index, shnum, e.message, self._clock)
            except Exception as e:
                silent[server] = _reason(Failure(e))
                found[server].pop(shnum, None)

        pairs = [(s, i, rref) for s, held in found.items() for i, rref in held.items()]
        await gather(look(*pair) for pair in pairs)
        return sorted(damages, key=lambda damage: (damage.shnum, damage.nodeid))


def verify_cap_of(uri: str) -> CHKFileVerifierURI | LiteralFileURI:
    """Return what *uri* can be checked by.

    :raises BadCapError: it is not the capability of a file
    """
    cap: Cap = from_string(uri)
    if isinstance(cap, CHKFileURI):
        return cap.get_verify_cap()
    if isinstance(cap, CHKFileVerifierURI | LiteralFileURI):
        return cap
    raise BadCapError("only files can be checked by themselves")


def literal_report(cap: LiteralFileURI, verify: bool) -> CheckReport:
    """Return what is to be said of a file that lies in its capability."""
    return CheckReport("", 0, 0, 0, len(cap.data), was_verified=verify)


def blame(server: Server, index: bytes, shnum: int, why: str, clock: IReactorTime) -> None:
    """Take note that *server* gave a bad share, and tell its owner."""
    server.trust.lose(clock.seconds())
    drop(server.advise_corrupt_share(index, shnum, why))


async def renew_leases(
    servers: Iterable[Server], index: bytes, clock: IReactorTime
) -> None:
    """Have this node's leases renewed; a server that does not is asked again next time."""
    await settle(timeout(one.add_lease(index), GIVE_UP_S, clock) for one in servers)


def _reason(failure: Failure) -> str:
    error = failure.value
    if isinstance(error, GridError):
        return error.message
    return "it does not answer" if failure.check(TimeoutError) else type(error).__name__


@frozen
class Survey:
    """A report, with the connections it was made over.

    :param servers: connected, in the file's order
    :param readers: of the shares found, bad ones too, by server and share number
    """

    report: CheckReport
    servers: list[Server]
    readers: Found
