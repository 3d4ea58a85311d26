"""Which server is asked to hold which share, and whether that is safe enough.

Servers stand in a ring that is different for each file: by SHA-1 of the storage index
and the server's seed.  How safe a file is, is its *happiness*: the largest number of
different servers that can be paired with different shares they hold, a maximum matching.

Source: formats/introducer.md sections 4 and 5, after Tahoe-LAFS 1.20.  A server ``S``
is whatever the caller uses for one, as long as it can be a key of a dict.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from hashlib import sha1
from typing import Generic, TypeVar

from attrs import frozen

S = TypeVar("S")


def permute(
    storage_index: bytes, servers: Iterable[S], seed: Callable[[S], bytes]
) -> list[S]:
    """Return the servers in the order this file prefers them.

    :param seed: gives a server's permutation seed, normally its 20-byte Tub id
    """

    def position(server: S) -> tuple[bytes, bytes]:
        own = seed(server)
        return sha1(storage_index + own, usedforsecurity=False).digest(), own

    return sorted(servers, key=position)


def happiness(placements: Mapping[S, Collection[int]]) -> int:
    """Return how many servers can each be paired with a share of its own.

    :param placements: the share numbers each server holds
    """
    return len(_Matching(placements).pairs)


def happiness_without(placements: Mapping[S, Collection[int]], lost: S) -> int:
    """Return the happiness that remains if the server *lost* is gone."""
    return happiness({s: shares for s, shares in placements.items() if s != lost})


@frozen
class Placement(Generic[S]):
    """Where each share of a file shall lie.

    Every share number is in exactly one of ``new``, ``kept`` and ``unplaced``.
    """

    new: Mapping[int, S]  # share -> the server to upload it to
    kept: Mapping[int, S]  # share -> a server that holds it already
    unplaced: frozenset[int]  # nobody holds these, and nobody can be asked to
    happiness: int  # once all of new is uploaded; the most these servers can give

    def shares_on(self, server: S) -> set[int]:
        """Return the shares to ask *server* for room for; those it holds renew a lease."""
        both = [*self.new.items(), *self.kept.items()]
        return {share for share, where in both if where == server}


def plan(
    num_shares: int,
    writable: Sequence[S],
    readonly: Sequence[S] = (),
    held: Mapping[S, Collection[int]] | None = None,
    zones: Mapping[S, str] | None = None,
) -> Placement[S]:
    """Decide where shares 0 to *num_shares* - 1 go; the same answer for the same question.

    The happiness reached is the greatest these servers allow.  No share that somebody
    holds is uploaded again unless it takes that to reach it.  Servers nearer the front
    are preferred, except that shares spread over zones first.

    :param writable: servers that take shares, in the file's order
    :param readonly: servers that don't, but may hold some; full or refusing ones too
    :param held: the share numbers each of all these servers has
    :param zones: the failure zone of each server; one not named is in zone ""
    """
    planner = _Planner(num_shares, writable, readonly, held or {}, zones or {})
    planner.pair_the_rest()
    planner.keep_what_is_held()
    planner.give_out_leftovers()
    return planner.placement()


class _Planner(Generic[S]):
    """The steps of :func:`plan`, each adding to what the one before decided."""

    def __init__(
        self,
        num_shares: int,
        writable: Sequence[S],
        readonly: Sequence[S],
        held: Mapping[S, Collection[int]],
        zones: Mapping[S, str],
    ) -> None:
        shut = dict.fromkeys(readonly)  # a set that keeps its order
        self.writable = [s for s in dict.fromkeys(writable) if s not in shut]
        self.zones = zones
        servers = [*self.writable, *shut]
        shares = range(num_shares)
        self.held = {s: sorted(set(held.get(s, ())).intersection(shares)) for s in servers}
        self.holder = {x: s for s in reversed(servers) for x in self.held[s]}
        # Those that can take nothing else are paired first; pairing more never unpairs.
        matching = _Matching({s: self.held[s] for s in shut})
        matching.extend({s: self.held[s] for s in self.writable})
        self.kept = matching.pairs
        self.new: dict[int, S] = {}
        self.open = [x for x in shares if x not in self.kept]
        self.on_server = Counter(self.kept.values())
        self.in_zone = Counter(self._zone(s) for s in self.kept.values())

    def pair_the_rest(self) -> None:
        """Give each writable server with no share of its own yet one, while they last."""
        idle = self._zones_in_turn([s for s in self.writable if not self.on_server[s]])
        scarce_first = sorted(self.open, key=lambda share: share in self.holder)
        for share, server in zip(scarce_first, idle, strict=False):
            self.new[share] = server
            self._count(share, server)

    def keep_what_is_held(self) -> None:
        """Leave every other share somebody holds where it is."""
        for share in [share for share in self.open if share in self.holder]:
            self.kept[share] = self.holder[share]
            self._count(share, self.holder[share])

    def give_out_leftovers(self) -> None:
        """Spread shares beyond one for each server evenly, if any server takes them."""
        for share in self.open.copy() if self.writable else ():
            self.new[share] = min(self.writable, key=self._load)  # of equals, the first
            self._count(share, self.new[share])

    def placement(self) -> Placement[S]:
        """Return what was decided."""
        everything = defaultdict(set, {s: set(shares) for s, shares in self.held.items()})
        for share, server in self.new.items():
            everything[server].add(share)
        return Placement(self.new, self.kept, frozenset(self.open), happiness(everything))

    def _zones_in_turn(self, servers: Iterable[S]) -> list[S]:
        """Order servers so that each next one is of the zone with the fewest shares."""
        turns = self.in_zone.copy()
        turn: dict[S, int] = {}
        for server in servers:
            turn[server] = turns[self._zone(server)]
            turns[self._zone(server)] += 1
        return sorted(turn, key=turn.__getitem__)

    def _count(self, share: int, server: S) -> None:
        self.open.remove(share)
        self.on_server[server] += 1
        self.in_zone[self._zone(server)] += 1

    def _load(self, server: S) -> tuple[int, int]:
        return self.on_server[server], self.in_zone[self._zone(server)]

    def _zone(self, server: S) -> str:
        return self.zones.get(server, "")


class _Matching(Generic[S]):
    """A maximum matching of shares to servers, grown path by path (Berge, 1957).

    Sets of servers are the bits of an integer, so that one step of a search costs the
    same whether a share has one holder or five hundred.
    """

    def __init__(self, placements: Mapping[S, Collection[int]]) -> None:
        self._servers: list[S] = []
        self._holders: dict[int, int] = {}  # share -> bits of the servers that hold it
        self._free = 0  # bits of the servers not paired
        self._bit_of: dict[int, int] = {}  # paired share -> bit of its server
        self._share_of: dict[int, int] = {}  # and back
        self.extend(placements)

    def extend(self, placements: Mapping[S, Collection[int]]) -> None:
        """Add servers and pair more; who was paired stays so, perhaps with another."""
        for server, shares in placements.items():
            bit = 1 << len(self._servers)
            self._servers.append(server)
            self._free |= bit
            for share in shares:
                self._holders[share] = self._holders.get(share, 0) | bit
        hopeless = 0  # servers no search can lead on from any more
        for share in sorted(self._holders.keys() - self._bit_of.keys()):
            hopeless |= self._pair(share, hopeless)

    @property
    def pairs(self) -> dict[int, S]:
        """Return the server of each paired share, by share number."""
        bits = sorted(self._bit_of.items())
        return {share: self._servers[bit.bit_length() - 1] for share, bit in bits}

    def _pair(self, first: int, seen: int) -> int:
        """Pair the share *first*, moving others if need be.

        :return: 0, or the bits of servers seen in vain.  A search that fails leaves
            behind nothing a later one could use (a Hungarian tree): they are left out
            from then on.
        """
        offered: dict[int, int] = {}  # bit of a paired server -> a share it could take
        queue = deque([first])
        while queue:
            share = queue.popleft()
            found = self._holders[share] & ~seen
            if found & self._free:
                self._flip(_lowest(found & self._free), share, offered)
                return 0
            seen |= found
            while found:
                bit = _lowest(found)
                found ^= bit
                offered[bit] = share
                queue.append(self._share_of[bit])
        return seen

    def _flip(self, bit: int, share: int, offered: Mapping[int, int]) -> None:
        """Walk back along the path found: each server left takes what it was offered."""
        self._free ^= bit
        while True:
            left = self._bit_of.get(share)
            self._bit_of[share], self._share_of[bit] = bit, share
            if left is None:
                return
            bit, share = left, offered[left]


def _lowest(bits: int) -> int:
    return bits & -bits
