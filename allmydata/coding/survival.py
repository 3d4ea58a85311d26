"""How many servers may still die before a file is lost: arithmetic on who holds what.

A file is readable while k different shares are left, whoever holds them.  What counts is
servers, not shares: two shares on one server die together, and one share on two servers
dies with the second.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Iterator, Mapping
from itertools import combinations
from math import comb
from typing import TypeVar

S = TypeVar("S", bound=Hashable)

MOST_TRIALS = 200_000  # sets of servers to try before an estimate has to do


def num_readable(holdings: Mapping[S, Collection[int]]) -> int:
    """Return how many different shares there are.

    :param holdings: server to the numbers of the good shares it holds
    """
    return len({shnum for shares in holdings.values() for shnum in shares})


def spare_servers(holdings: Mapping[S, Collection[int]], k: int) -> int:
    """Return how many servers, whichever they are, may die and leave k different shares.

    Exact where no share is on two servers, and for some twenty servers otherwise; beyond
    that it is never too high.

    :param holdings: server to the numbers of the good shares it holds
    :param k: how many different shares bring the file back; 0: nothing is needed
    :return: -1 when there are fewer than k already
    """
    num_surplus = num_readable(holdings) - k
    if num_surplus < 0:
        return -1
    held = [set(shares) for shares in holdings.values() if shares]
    if k == 0:
        return len(held)
    holders = Counter(shnum for shares in held for shnum in shares)
    fewest = _fewest(sorted(map(len, held), reverse=True), num_surplus)
    if max(holders.values(), default=1) == 1:
        return fewest
    for num_dead in _sizes(fewest, len(held)):
        if any(
            _is_fatal(dead, holders, num_surplus) for dead in combinations(held, num_dead)
        ):
            return num_dead - 1
        fewest = num_dead
    return fewest


def _fewest(sizes: list[int], num_surplus: int) -> int:
    """Return how many servers may go if each share that goes was the only one."""
    lost = 0
    for num_dead, size in enumerate(sizes):
        lost += size
        if lost > num_surplus:
            return num_dead
    return len(sizes)


def _sizes(fewest: int, num_servers: int) -> Iterator[int]:
    """Yield the sizes of the sets worth trying, as long as they can all be tried."""
    trials = 0
    for num_dead in range(fewest + 1, num_servers + 1):
        trials += comb(num_servers, num_dead)
        if trials > MOST_TRIALS:
            return
        yield num_dead


def _is_fatal(dead: tuple[set[int], ...], holders: Counter[int], num_surplus: int) -> bool:
    gone = Counter(shnum for shares in dead for shnum in shares)
    return sum(holders[shnum] == count for shnum, count in gone.items()) > num_surplus
