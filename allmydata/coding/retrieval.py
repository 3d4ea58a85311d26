"""Which shares to fetch a file from: the cheapest k, and others when those fail.

A pure record of what is known.  A downloader adds each share it hears of, asks for the
best k, and tells what became of them::

    chooser = ShareChooser(k)
    chooser.add(4, server)
    for shnum, holder in chooser.pick(): ...        # fetch these
    chooser.fail(4, server, "wrong block hash")     # never offered again
    chooser.pick(having=good)                       # what to fetch beside the good ones

A holder ``S`` is whatever the caller uses for a server, as long as it can be a key of
a dict.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from typing import Generic, TypeVar

from attrs import define, field

from allmydata.errors import NoSharesError, NotEnoughSharesError

S = TypeVar("S")


@define
class ShareChooser(Generic[S]):
    """Knows who holds which share of one file, and picks k different ones.

    :param k: how many different share numbers bring the file back
    :param name: how an error calls a holder
    """

    k: int
    name: Callable[[S], str] = str
    _latency: dict[tuple[int, S], float] = field(factory=dict, init=False)
    _slowness: Counter[S] = field(factory=Counter, init=False)
    _failed: dict[tuple[int, S], str] = field(factory=dict, init=False)

    def add(self, shnum: int, holder: S, latency_s: float = 0.0) -> None:
        """Offer a share.  One that failed stays out; of equals, the first added leads.

        :param latency_s: how long *holder* takes to answer; added again, it is updated
        """
        if (shnum, holder) not in self._failed:
            self._latency[shnum, holder] = latency_s

    def fail(self, shnum: int, holder: S, why: str) -> None:
        """Drop one share for good, because it is bad or could not be read."""
        self._latency.pop((shnum, holder), None)
        self._failed.setdefault((shnum, holder), why)

    def lose(self, holder: S, why: str) -> None:
        """Drop every share of a holder that is gone."""
        for shnum, of in [pair for pair in self._latency if pair[1] == holder]:
            self.fail(shnum, of, why)

    def slow(self, shnum: int, holder: S) -> None:
        """Put a holder's shares behind those of others, each time further.

        They are still picked where there is nothing else.
        """
        if (shnum, holder) in self._latency:
            self._slowness[holder] += 1

    def pick(
        self,
        *,
        having: Collection[tuple[int, S]] = (),
        exclude: Collection[tuple[int, S]] = (),
    ) -> list[tuple[int, S]]:
        """Return the best shares that make k different ones together with *having*.

        First from holders that are not slow; of those, primaries (numbers below k, that
        need no decoding), then holders that serve the fewest, then the quickest.  Fewer
        are returned if there are no more: see :meth:`shortage`.

        :param having: shares in hand or on their way; their holders count as busy
        :param exclude: shares to pass over this time, such as those waited for too long
        """
        numbers = {shnum for shnum, _ in having}
        busy = Counter(holder for _, holder in having)
        passed_over = set(exclude)
        left = [pair for pair in self._latency if pair not in passed_over]
        picked: list[tuple[int, S]] = []
        while len(numbers) < self.k:
            left = [pair for pair in left if pair[0] not in numbers]
            if not left:
                break
            best = min(left, key=lambda pair: self._cost(pair, busy))  # the first added
            picked.append(best)
            numbers.add(best[0])
            busy[best[1]] += 1
        return picked

    @property
    def num_available(self) -> int:
        """Return how many different share numbers can still be picked."""
        return len({shnum for shnum, _ in self._latency})

    @property
    def tried(self) -> list[str]:
        """Return a line for every share that failed, in the order they did."""
        return [
            f"share {shnum} from {self.name(holder)}: {why}"
            for (shnum, holder), why in self._failed.items()
        ]

    def shortage(self) -> NotEnoughSharesError:
        """Return the error to raise when too few shares are left, naming every failure."""
        if not self._latency and not self._failed:
            return NoSharesError(f"no share was found, {self.k} are needed")
        left = sorted({shnum for shnum, _ in self._latency})
        return NotEnoughSharesError(
            f"{len(left)} good shares were found {left}, {self.k} are needed",
            why="; ".join(self.tried),
        )

    def _cost(self, pair: tuple[int, S], busy: Counter[S]) -> tuple[float, ...]:
        shnum, holder = pair
        slowness, primary = self._slowness[holder], shnum < self.k
        return slowness, not primary, busy[holder], self._latency[pair]
