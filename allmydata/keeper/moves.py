"""Which shares go where when a server is emptied, or files are spread again: no acting.

Nothing can be taken off a server: a share that was made again elsewhere stays where it was
until its leases run out there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator

from attrs import define, field

from allmydata.coding.placement import permute, plan
from allmydata.errors import ConflictError, NotFoundError
from allmydata.grid.server import StorageServerProxy as Server
from allmydata.keeper.schedule import Watched, share_size
from allmydata.keeper.store import KeeperStore

PAGE = 1000


@define
class Moves:
    """What is to be done.

    :ivar num_files: files that some server is to get a share of
    :ivar to: shares each server is to get, by node id
    :ivar bytes_to: their bytes
    :ivar num_stuck: files whose shares don't all find a place
    """

    num_files: int = 0
    num_bytes: int = 0
    num_stuck: int = 0
    to: Counter[str] = field(factory=Counter)
    bytes_to: Counter[str] = field(factory=Counter)
    numbers: list[int] = field(factory=list)

    def take(self, file: Watched, new: dict[int, Server], num_unplaced: int) -> None:
        """Count what is to be done for one file."""
        self.num_stuck += bool(num_unplaced)
        if not new:
            return
        self.num_files += 1
        self.numbers.append(file.number)
        size = share_size(file.cap)
        for server in new.values():
            self.num_bytes += size
            self.to[server.nodeid] += 1
            self.bytes_to[server.nodeid] += size


def plan_moves(
    store: KeeperStore, servers: Collection[Server], emptied: Collection[str]
) -> Moves:
    """Return what it takes to have every file spread as far as it can be.

    :param servers: those that are connected
    :param emptied: node ids of servers whose shares don't count
    """
    moves = Moves()
    for file in _all_files(store):
        if emptied and not any(nodeid in file.held for nodeid in emptied):
            continue
        placement = _place(file, servers, emptied)
        moves.take(file, *placement)
    return moves


def _all_files(store: KeeperStore) -> Iterator[Watched]:
    after = 0
    while page := store.files(after, PAGE):
        yield from page
        after = page[-1].number


def _place(
    file: Watched, servers: Iterable[Server], emptied: Collection[str]
) -> tuple[dict[int, Server], int]:
    in_order = permute(
        file.cap.storage_index,
        (one for one in servers if one.nodeid not in emptied),
        seed=lambda server: server.seed,
    )
    held = {one: file.held.get(one.nodeid, frozenset()) for one in in_order}
    writable = [one for one in in_order if not one.readonly]
    readonly = [one for one in in_order if one.readonly]
    zones = {one: one.zone for one in in_order}
    placed = plan(file.cap.total_shares, writable, readonly, held, zones)
    return dict(placed.new), len(placed.unplaced)


def find_server(servers: Iterable[Server], name: str) -> Server:
    """Return the server that is called *name*, or whose node id begins so.

    :raises NotFoundError: there is none
    :raises ConflictError: there are several
    """
    every = list(servers)
    found = [one for one in every if name in (one.name, one.nodeid)]
    found = found or [one for one in every if name and one.nodeid.startswith(name)]
    if not found:
        fix = "see what there is:  tahoe servers"
        raise NotFoundError(f"no server is called {name[:60]!r}", fix=fix)
    if len(found) > 1:
        ids = " ".join(one.nodeid[:8] for one in found)
        fix = f"say which by the begin of its node id: {ids}"
        raise ConflictError(f"{len(found)} servers are called {name[:60]!r}", fix=fix)
    return found[0]
