"""Show: any seven of ten servers may die, and no eight; and the checker says so.

    python misc/shows/subsets.py [--step 1]

A grid of ten servers in this process, without sockets; a file 3-of-10, and one whose
shares lie on fewer servers.  Every set of seven dead servers, and every set of eight, is
tried: with seven the file comes back, with eight there is an error that names what is
missing, soon.  For every set of dead servers, the figure of how many more may die is
compared with what is found by trying all of them.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from twisted.internet import reactor, task
from twisted.internet.defer import Deferred
from under_demo import ShowError

from allmydata.errors import NotEnoughSharesError
from allmydata.util.deferreds import timeout
from tests.support.grid import LocalGrid

SERVERS, NEEDED = 10, 3
SOON_S = 30.0


class Dead:
    """Servers that are dead for the time of a ``with``."""

    def __init__(self, grid: LocalGrid, numbers: tuple[int, ...]) -> None:
        self.grid, self.numbers = grid, numbers
        self.kept = {i: grid.proxies[i]._rref for i in numbers}

    def __enter__(self) -> None:
        """Let them die: nobody can ask them."""
        for i in self.numbers:
            self.grid.proxies[i].detach()

    def __exit__(self, *_: object) -> None:
        """Let them come back."""
        for i, rref in self.kept.items():
            self.grid.proxies[i].attach(rref, self.grid.proxies[i].version)


def spare_by_trial(holdings: list[frozenset[int]]) -> int:
    """Return how many more may die, by trying all sets of them."""
    for num_dead in range(len(holdings) + 1):
        for left in combinations(holdings, len(holdings) - num_dead):
            if len(frozenset().union(*left)) < NEEDED:
                return num_dead - 1
    return len(holdings)


def subsets(num_dead: int, step: int) -> Iterator[tuple[int, ...]]:
    """Yield sets of servers, each *step*-th."""
    for number, chosen in enumerate(combinations(range(SERVERS), num_dead)):
        if number % step == 0:
            yield chosen


async def show(step: int) -> None:
    """Try them all."""
    data = random.Random(7).randbytes(20_000)
    with tempfile.TemporaryDirectory(prefix="tahoe-subsets-") as place:
        grid = LocalGrid(Path(place), SERVERS, (NEEDED, 7, 10))
        await grid.start()
        try:
            cap = await grid.put(data)
            await reading(grid, cap, data, step)
            await figures(grid, cap, step)
            with Dead(grid, (6, 7, 8, 9)):
                doubled = await grid.put(data[:10_000], happy=1)
            await grid.repairer.repair(doubled, happy=8)  # some shares are on two servers
            await figures(grid, doubled, step)
        finally:
            await grid.stop()


async def reading(grid: LocalGrid, cap: str, data: bytes, step: int) -> None:
    """Fetch the file with every seven dead, and try to with every eight."""
    began, num_read, num_refused, slowest = time.monotonic(), 0, 0, 0.0
    for dead in subsets(SERVERS - NEEDED, step):
        with Dead(grid, dead):
            if await timeout(grid.get(cap), SOON_S, reactor) != data:
                raise ShowError(f"wrong bytes with {dead} dead")
        num_read += 1
    for dead in subsets(SERVERS - NEEDED + 1, step):
        at = time.monotonic()
        with Dead(grid, dead):
            try:
                await timeout(grid.get(cap), SOON_S, reactor)
                raise ShowError(f"the file came back with {dead} dead")
            except NotEnoughSharesError as e:
                words = f"{e.message}; {e.why}"
        if "2 good shares were found and 3 of 10" not in words or "missing: " not in words:
            raise ShowError(f"the error does not say what is missing: {words}")
        num_refused += 1
        slowest = max(slowest, time.monotonic() - at)
    print(
        f"{num_read} sets of 7 dead: read; {num_refused} sets of 8: a clean error that "
        f"names what is missing, within {slowest:.2f} s ({time.monotonic() - began:.0f} s)",
        flush=True,
    )


async def figures(grid: LocalGrid, cap: str, step: int) -> None:
    """Compare the checker's figure with a trial, for all sets of dead servers."""
    num_right = 0
    for num_dead in range(SERVERS + 1):
        for dead in subsets(num_dead, step):
            with Dead(grid, dead):
                report = await grid.checker.check(cap)
            wanted = spare_by_trial(list(report.holdings.values()))
            if report.spare != wanted:
                raise ShowError(f"{dead} dead: {report.spare} may die, not {wanted}")
            num_right += 1
    print(f"{num_right} sets of dead servers: how many more may die is right for each")


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--step", type=int, default=1, help="every so many sets only")
    options = parser.parse_args()
    task.react(lambda _: Deferred.fromCoroutine(show(options.step)))


if __name__ == "__main__":
    main()
