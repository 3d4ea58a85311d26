"""Which server gets which share that is missing, where some are barred.

As :func:`allmydata.coding.placement.plan` decides, but for one thing: a server that holds
a share which has gone bad refuses that number, for it has it.  So that number goes to
another server, and what that one was to get to the first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Generic, TypeVar

from attrs import define, frozen

from allmydata.coding.placement import plan

S = TypeVar("S")


@frozen
class Mending(Generic[S]):
    """What is to be written.

    :param new: share number to the server that shall get it
    :param unplaced: numbers that nobody holds, and nobody can be asked to take
    """

    new: Mapping[int, S]
    unplaced: frozenset[int]


def plan_mending(
    num_shares: int,
    writable: Sequence[S],
    readonly: Sequence[S],
    held: Mapping[S, Collection[int]],
    barred: Collection[tuple[int, S]] = (),
    zones: Mapping[S, str] | None = None,
) -> Mending[S]:
    """Decide where shares go that nobody holds, and those that spread a file better.

    :param writable: servers that take shares, best first
    :param readonly: servers that don't, but may hold some
    :param held: the numbers of the good shares each of all these servers has
    :param barred: numbers that a server does not take, with the server
    """
    placement = plan(num_shares, writable, readonly, held, zones)
    mender = _Mender(dict(placement.new), list(writable), held, frozenset(barred))
    for shnum, server in placement.new.items():
        if (shnum, server) in mender.barred and mender.new.get(shnum) == server:
            mender.move(shnum)
    somewhere = {shnum for shares in held.values() for shnum in shares}
    missing = set(range(num_shares)) - somewhere - mender.new.keys()
    return Mending(mender.new, frozenset(missing))


@define
class _Mender(Generic[S]):
    new: dict[int, S]
    writable: list[S]
    held: Mapping[S, Collection[int]]
    barred: frozenset[tuple[int, S]]

    def move(self, shnum: int) -> None:
        """Find another server for *shnum*: an empty one, in exchange, or any."""
        server = self.new.pop(shnum)
        takers = [one for one in self.writable if self._may_take(one, shnum)]
        empty = [one for one in takers if not self._load(one)]
        if empty:
            self.new[shnum] = empty[0]
            return
        for other in self._exchanges(shnum, server):
            self.new[shnum], self.new[other] = self.new[other], server
            return
        if takers:
            self.new[shnum] = min(takers, key=self._load)  # of equals, the first

    def _exchanges(self, shnum: int, server: S) -> Iterator[int]:
        for other, where in self.new.items():
            if self._may_take(where, shnum) and self._may_take(server, other):
                yield other

    def _may_take(self, server: S, shnum: int) -> bool:
        return (shnum, server) not in self.barred and shnum not in self.held.get(server, ())

    def _load(self, server: S) -> int:
        given = sum(where == server for where in self.new.values())
        return len(self.held.get(server, ())) + given
