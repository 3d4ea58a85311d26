"""What is to be done with a file, and when: decisions, without a clock or a grid.

A look at a file finds shares on servers that answer.  Of those that don't, what was seen
there last is remembered: while such a server is merely away, what it has is hoped for, and
nothing is repaired, unless the file could not bear one more loss meanwhile.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import IntEnum
from math import ceil

from attrs import define, field, frozen

from allmydata.coding.survival import num_readable, spare_servers
from allmydata.uri import CHKFileVerifierURI

Holdings = Mapping[str, Collection[int]]  # share numbers by the node id of a server

LOST_FRACTION = 0.01  # of its shares; a server that lost so many is to be found …
CERTAINTY = 0.99  # … in one round, as surely as this
RETRY_S = 600.0  # after a repair that did not help; twice as long each time
SOONEST_S = 1.0
SHARE_OVERHEAD = 1024  # bytes of a share that are hashes and such, in small files


class State(IntEnum):
    """How a file is."""

    NEW = 0  # not looked at yet
    WELL = 1
    WAITING = 2  # some shares are on servers that may come back
    WEAK = 3  # to be repaired
    UNREADABLE = 4  # fewer shares than needed answer now


@frozen
class Rules:
    """What the owner wants; seconds.

    :param bandwidth: bytes a second that may be moved in the mean; 0: any number
    :param patience_s: how long a server may be away before its shares count as lost
    """

    bandwidth: int = 1_000_000
    check_every_s: float = 86400.0
    verify_every_s: float = 7 * 86400.0
    patience_s: float = 4 * 3600.0
    renew_every_s: float = 7 * 86400.0

    @property
    def repair_years(self) -> float:
        """How long, in the mean, a lost share stays lost while the keeper keeps up."""
        return (self.check_every_s / 2 + self.patience_s) / (365 * 86400)


@frozen
class Watched:
    """A file that is kept, as it was last known.

    :param held: good shares by server, also of servers that are away
    :param bad: shares that were read and found wrong
    :param weak_since: when shares were first missing; None: none are
    """

    number: int
    cap: CHKFileVerifierURI
    state: State = State.NEW
    held: Holdings = field(factory=dict)
    bad: Holdings = field(factory=dict)
    spare: int = 0
    weak_since: float | None = None
    checked: float | None = None
    failures: int = 0
    due: float = 0.0  # when to look at it next


@frozen
class Surroundings:
    """What is known of servers.

    :param away_s: how long each that does not answer has been away
    :param drained: those that shall hold nothing any more
    """

    away_s: Mapping[str, float]
    drained: frozenset[str] = frozenset()


@frozen
class Judgement:
    """How a file is, and when to turn to it again."""

    state: State
    num_good: int
    spare: int
    due: float
    weak_since: float | None = None


def remember(
    old: Holdings, found: Holdings, answered: Collection[str]
) -> dict[str, frozenset[int]]:
    """Return what is held where: *found* on those that answered, *old* on the others."""
    kept = {server: old[server] for server in old if server not in answered}
    return {s: frozenset(held) for s, held in (kept | dict(found)).items() if held}


def judge(
    file: Watched,
    answered: Collection[str],
    held: Holdings,
    around: Surroundings,
    rules: Rules,
    now: float,
) -> Judgement:
    """Decide what to do with a file after a look at it.

    :param answered: the servers that did
    :param held: what is held where, those that are away included
    """
    k, n = file.cap.needed_shares, file.cap.total_shares
    here = {server: set(held[server]) for server in held if server in answered}
    num_good, spare = num_readable(here), spare_servers(here, k)
    staying = _numbers(here, without=around.drained)
    if len(staying) >= n:
        return Judgement(State.WELL, num_good, spare, _next_check(file, rules, now))
    since = now if file.weak_since is None else file.weak_since
    if num_good < k:
        retry = min(rules.check_every_s, RETRY_S)
        return Judgement(State.UNREADABLE, num_good, spare, now + retry, since)
    left_s = since + rules.patience_s - now
    missing = set(range(n)) - staying
    if spare >= 1 and left_s > 0 and _is_hoped_for(missing, file, held, around, rules):
        due = now + max(SOONEST_S, min(left_s, rules.check_every_s))
        return Judgement(State.WAITING, num_good, spare, due, since)
    return Judgement(State.WEAK, num_good, spare, now, since)


def _is_hoped_for(
    missing: set[int],
    file: Watched,
    held: Holdings,
    around: Surroundings,
    rules: Rules,
) -> bool:
    """Return whether all that is missing may be on servers that are merely away."""
    away = {s for s, time in around.away_s.items() if time < rules.patience_s}
    away -= around.drained
    if not away:
        return False
    seen = {shnum for shares in held.values() for shnum in shares}
    if len(seen) < file.cap.total_shares and file.state in (State.NEW, State.WAITING):
        return True  # nobody knows yet what those have that were never asked
    return missing <= _numbers({server: held.get(server, ()) for server in away})


def _numbers(held: Holdings, without: Collection[str] = ()) -> set[int]:
    return {i for server in held if server not in without for i in held[server]}


def _next_check(file: Watched, rules: Rules, now: float) -> float:
    """Return when to look again: not all files of one day at the same time of the next."""
    lot = file.cap.storage_index[0] / 255
    return now + rules.check_every_s * (0.8 + 0.2 * lot)


def retry_at(failures: int, rules: Rules, now: float) -> float:
    """Return when to try again what failed so often."""
    wait_s: float = RETRY_S * 2 ** min(20, max(0, failures - 1))
    return now + min(rules.check_every_s, wait_s)


# ---- what it costs -----------------------------------------------------------------------


def mend_cost(cap: CHKFileVerifierURI, num_missing: int) -> int:
    """Return the bytes that a repair moves: k shares read, the missing ones written."""
    return (cap.needed_shares + max(1, num_missing)) * share_size(cap)


def verify_cost(cap: CHKFileVerifierURI, held: Holdings) -> int:
    """Return the bytes that are read when every share is."""
    return share_size(cap) * sum(map(len, held.values()))


def share_size(cap: CHKFileVerifierURI) -> int:
    """Return about how many bytes a share of a file has."""
    return ceil(cap.size / cap.needed_shares) + SHARE_OVERHEAD


# ---- which shares to read ----------------------------------------------------------------


def sample_size(
    num_shares: int, fraction: float = LOST_FRACTION, certainty: float = CERTAINTY
) -> int:
    """Return how many of a server's shares to read in a round.

    So many that, if *fraction* of all are bad, one of the sample is, with *certainty*:
    drawing without putting back (hypergeometric).
    """
    num_bad = ceil(num_shares * fraction)
    missed, size = 1.0, 0
    while size < num_shares and missed > 1 - certainty:
        missed *= max(0, num_shares - num_bad - size) / (num_shares - size)
        size += 1
    return size


@define
class Sampler:
    """Chooses files, offered in random order, until every server's quota is met.

    The files chosen that a server holds begin with its first ones in that order, so they
    are a fair sample of what it holds.
    """

    _left: dict[str, int]

    @classmethod
    def for_servers(cls, num_held: Mapping[str, int]) -> Sampler:
        """Begin a round.

        :param num_held: how many files each server holds shares of
        """
        return cls({server: sample_size(num) for server, num in num_held.items() if num})

    @property
    def is_done(self) -> bool:
        """Whether no more are wanted."""
        return not self._left

    def wants(self, servers: Collection[str]) -> bool:
        """Return whether the file that *servers* hold is chosen; it counts then."""
        if not any(server in self._left for server in servers):
            return False
        for server in servers:
            left = self._left.pop(server, 0) - 1
            if left > 0:
                self._left[server] = left
        return True
