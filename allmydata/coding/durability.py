"""How likely it is that a file is lost within a year: arithmetic on who holds what.

Servers go for good, each at its own rate, and zones with all that stand in them.  What is
lost is regenerated elsewhere some time later.  A file is lost when, at one moment, fewer
than k different shares are left.  How often that happens is the sum, over servers and
zones, of how often each goes while it is just the one that must not.

Model and assumptions: docs/durability.md.  The sum: Birnbaum (1969) and Vesely (1970),
the failure frequency of a system whose parts fail and are mended independently.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from functools import reduce
from math import ceil, comb, expm1, log10
from typing import TypeVar

from attrs import frozen

S = TypeVar("S", bound=Hashable)
P = TypeVar("P")

# What is thought of a server nobody has watched, and how long it must be watched until
# what was seen counts as much.
PRIOR_LOSSES, PRIOR_LOSSES_YEARS = 0.1, 1.0
PRIOR_UP, PRIOR_UP_YEARS = 0.95, 1 / 12
PRIOR_OUTAGES, PRIOR_OUTAGE_YEARS = 12.0, 1 / 365  # how many a year, how long each
ZONE_LOSSES = 0.01  # fire, flood, or the end of a contract, in a year
MOST_NINES = 15.0

Odds = list[float]  # of 0, 1, 2 … shares lost, and at its end of too many


@frozen
class ServerOdds:
    """What is thought of one server.

    :param losses: how often in a year it goes for good, with all it holds
    :param up: the part of the time that it answers
    :param outage_years: how long it is away when it comes back
    :param gone: how likely it is that it is gone already
    :param zone: where it stands; servers without one have nothing in common
    """

    losses: float = PRIOR_LOSSES
    up: float = PRIOR_UP
    outage_years: float = PRIOR_OUTAGE_YEARS
    gone: float = 0.0
    zone: str = ""

    @classmethod
    def observed(
        cls,
        watched_years: float,
        up_years: float,
        num_outages: int = 0,
        away_years: float = 0.0,
        zone: str = "",
    ) -> ServerOdds:
        """Return what to think of a server that was watched for some time.

        :param up_years: how long of that it was up
        :param num_outages: how often it went away, and came back
        :param away_years: how long it has been away now; 0 when it is up
        """
        known = PRIOR_LOSSES_YEARS + up_years
        losses = PRIOR_LOSSES * PRIOR_LOSSES_YEARS / known
        up = (PRIOR_UP * PRIOR_UP_YEARS + up_years) / (PRIOR_UP_YEARS + watched_years)
        down_years = max(0.0, watched_years - up_years - away_years)
        outage = (PRIOR_OUTAGE_YEARS + down_years) / (1 + num_outages)
        rate = (PRIOR_OUTAGES + num_outages) / (1 + watched_years)
        fading = (1 + away_years / outage) ** -2  # most outages are short, some very long
        gone = losses / (losses + rate * fading) if away_years else 0.0
        return cls(losses, min(1.0, up), outage, gone, zone)


UNKNOWN = ServerOdds()


def yearly_loss(
    k: int,
    holdings: Mapping[S, Collection[int]],
    servers: Mapping[S, ServerOdds],
    repair_years: float | None,
    zone_losses: float = ZONE_LOSSES,
) -> float:
    """Return how likely it is that the file is lost within a year.

    A share on several servers counts on the best of them only, so that the answer is
    never too low on that account.

    :param k: how many different shares bring the file back
    :param holdings: server to the numbers of the good shares it holds
    :param servers: what is thought of each; of one not named, what is of any
    :param repair_years: how long a lost share stays lost; None: for ever
    :param zone_losses: how often in a year a zone goes with all that stands in it
    """
    parts = _weigh(holdings, servers)
    surplus = sum(part.weight for part in parts) - k
    if surplus < 0:
        return 1.0
    file = _File(surplus, _by_zone(parts), zone_losses)
    if repair_years is None:
        return file.failed(lambda rate: -expm1(-rate))
    wait = _patience(k, parts, repair_years)
    at_once = file.failed(lambda rate: 0.0)
    rate = file.failure_rate(lambda rate: rate * wait / (1 + rate * wait))
    return min(1.0, at_once - (1 - at_once) * expm1(-rate))


def readable_odds(
    k: int, holdings: Mapping[S, Collection[int]], servers: Mapping[S, ServerOdds]
) -> float:
    """Return how likely it is that enough of the servers answer at some moment."""
    return _readable(k, _weigh(holdings, servers))


def nines(loss: float) -> float:
    """Return a probability of loss as nines: 0.001 is three."""
    return MOST_NINES if loss <= 10**-MOST_NINES else max(0.0, -log10(loss))


# ---- what each server weighs -------------------------------------------------------------


@frozen
class _Part:
    """A server that holds *weight* shares nobody else is relied on for."""

    weight: int
    odds: ServerOdds


def _weigh(
    holdings: Mapping[S, Collection[int]], servers: Mapping[S, ServerOdds]
) -> list[_Part]:
    """Give each share to the best of its holders."""
    odds = {server: servers.get(server, UNKNOWN) for server in holdings}
    best_first = sorted(odds, key=lambda s: (odds[s].gone, odds[s].losses))
    taken: set[int] = set()
    parts = []
    for server in best_first:
        own = set(holdings[server]) - taken
        taken |= own
        if own:
            parts.append(_Part(len(own), odds[server]))
    return parts


def _by_zone(parts: Sequence[_Part]) -> list[list[_Part]]:
    """Return the servers zone by zone; each without one is alone."""
    zones: dict[object, list[_Part]] = {}
    for i, part in enumerate(parts):
        zones.setdefault(part.odds.zone or i, []).append(part)
    return list(zones.values())


def _patience(k: int, parts: Sequence[_Part], repair_years: float) -> float:
    """Return how long a lost share stays lost, waiting for servers to read from included.

    The fewer shares are left, the longer it takes until k are up together.  It is taken to
    take as long from the first lost share on as with the last that may be: what waits
    together is lost together, and simulation agrees.  All servers are like their mean.
    """
    num = len(parts)
    weight = sum(part.weight for part in parts) / num
    needed = min(num, ceil(k / weight))
    up = min(1 - 1e-9, sum(part.odds.up for part in parts) / num)
    outage = sum(part.odds.outage_years for part in parts) / num
    return repair_years + _delay(needed, needed, up, outage)


def _delay(needed: int, num: int, up: float, outage: float) -> float:
    """Return the mean time until *needed* of *num* servers are up, from any moment on."""
    if not outage:
        return 0.0
    terms = [comb(num, i) * up**i * (1 - up) ** (num - i) for i in range(num + 1)]
    silent = sum(terms[:needed])
    falls = terms[needed] * needed * (1 - up) / (up * outage)  # into silence, a year
    return silent * silent / falls if falls else 0.0


def _readable(k: int, parts: Sequence[_Part]) -> float:
    surplus = sum(part.weight for part in parts) - k
    if surplus < 0:
        return 0.0
    down = (((1 - part.odds.up), part.weight) for part in parts)
    return 1 - reduce(_add, down, _nothing_lost(surplus))[-1]


# ---- odds of so many shares lost ---------------------------------------------------------


@frozen
class _File:
    """A file that is lost with more than *surplus* of its shares."""

    surplus: int
    zones: list[list[_Part]]
    zone_losses: float

    def failed(self, down: Callable[[float], float]) -> float:
        """Return how likely it is that too much is down.

        :param down: how likely it is that what goes at some rate is down
        """
        return reduce(_join, self._zone_odds(down), _nothing_lost(self.surplus))[-1]

    def failure_rate(self, down: Callable[[float], float]) -> float:
        """Return how often in a year the file goes from not lost to lost."""
        nothing = _nothing_lost(self.surplus)
        odds = self._zone_odds(down)
        total = 0.0
        for zone, others in zip(
            self.zones, _without_each(odds, nothing, _join), strict=True
        ):
            total += self._rate_of_zone(zone, others, down)
            total += self._rate_of_servers(zone, others, down)
        alive = 1 - reduce(_join, odds, nothing)[-1]
        return total / alive if alive > 0 else float("inf")

    def _rate_of_servers(
        self, zone: list[_Part], others: Odds, down: Callable[[float], float]
    ) -> float:
        """Return how often one server of *zone* is the last straw."""
        pairs = [_down(part, down) for part in zone]
        zone_is_up = 1 - down(self._rate_of(zone))
        total = 0.0
        rests = _without_each(pairs, others, _add)
        for part, (is_down, weight), rest in zip(zone, pairs, rests, strict=True):
            critical = sum(rest[max(0, self.surplus + 1 - weight) : self.surplus + 1])
            total += part.odds.losses * (1 - is_down) * critical
        return total * zone_is_up

    def _rate_of_zone(
        self, zone: list[_Part], others: Odds, down: Callable[[float], float]
    ) -> float:
        """Return how often the whole of *zone* is."""
        rate = self._rate_of(zone)
        if not rate:
            return 0.0
        with_it = reduce(_add, (_down(part, down) for part in zone), others)[-1]
        without = _add(others, (1.0, sum(part.weight for part in zone)))[-1]
        return rate * (1 - down(rate)) * (without - with_it)

    def _zone_odds(self, down: Callable[[float], float]) -> list[Odds]:
        return [self._odds_of(zone, down) for zone in self.zones]

    def _odds_of(self, zone: list[_Part], down: Callable[[float], float]) -> Odds:
        nothing = _nothing_lost(self.surplus)
        each = reduce(_add, (_down(part, down) for part in zone), nothing)
        everything = _add(nothing, (1.0, sum(part.weight for part in zone)))
        q = down(self._rate_of(zone))
        return [(1 - q) * a + q * b for a, b in zip(each, everything, strict=True)]

    def _rate_of(self, zone: list[_Part]) -> float:
        return self.zone_losses if zone[0].odds.zone else 0.0


def _down(part: _Part, down: Callable[[float], float]) -> tuple[float, int]:
    is_up = (1 - part.odds.gone) * (1 - down(part.odds.losses))
    return 1 - is_up, part.weight


def _nothing_lost(surplus: int) -> Odds:
    return [1.0, *[0.0] * (surplus + 1)]


def _add(odds: Odds, part: tuple[float, int]) -> Odds:
    """Return *odds* with one more server that may be down."""
    q, weight = part
    most = len(odds) - 1
    found = [(1 - q) * p for p in odds]
    for lost, p in enumerate(odds):
        found[min(most, lost + weight)] += q * p
    return found


def _join(a: Odds, b: Odds) -> Odds:
    """Return the odds of what both lose together."""
    most = len(a) - 1
    found = [0.0] * len(a)
    for i, p in enumerate(a):
        for j, q in enumerate(b if p else ()):
            found[min(most, i + j)] += p * q
    return found


def _without_each(
    parts: Sequence[P], rest: Odds, join: Callable[[Odds, P], Odds]
) -> Iterator[Odds]:
    """Yield, for each of *parts*, *rest* joined with all the others."""
    if len(parts) == 1:
        yield rest
        return
    left, right = parts[: len(parts) // 2], parts[len(parts) // 2 :]
    yield from _without_each(left, reduce(join, right, rest), join)
    yield from _without_each(right, reduce(join, left, rest), join)
