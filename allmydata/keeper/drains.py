"""Servers emptied, and files spread again: planned, then left to the keeper."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.application.service import Service

from allmydata.errors import NotEnoughServersError, NotYetError
from allmydata.grid.server import StorageServerProxy as Server
from allmydata.keeper.care import Care
from allmydata.keeper.moves import Moves, find_server, plan_moves
from allmydata.keeper.service import Keeper
from allmydata.util.deferreds import as_deferred


class Drains(Service):
    """Empties servers; ``getService("drains")`` of a client.

    :param keeper: who repairs what lies there; None where it is not enabled
    :param keep: writes the node ids of drained servers down
    """

    name = "drains"

    def __init__(
        self,
        care: Care,
        keeper: Keeper | None,
        keep: Callable[[frozenset[str]], None],
    ) -> None:
        self._care = care
        self._broker = care.broker
        self._keeper = keeper
        self._keep = keep

    @as_deferred
    async def drain(self, name: str, *, dry_run: bool = False) -> dict[str, Any]:
        """Give a server nothing new, and have its shares made again elsewhere.

        :raises NotFoundError, ConflictError: not one server is called *name*
        :raises NotEnoughServersError: no other takes shares
        """
        server = find_server(self._broker.servers(), name)
        drained = self._broker.drained | {server.nodeid}
        takers = [s for s in self._broker.connected() if self._takes(s, drained)]
        if not takers:
            raise NotEnoughServersError(
                "no other server takes shares", fix="start more servers first"
            )
        moves = await self._plan(drained, only=frozenset({server.nodeid}))
        if not dry_run:
            self._set(drained)
            await self._mend(moves)
        return self._told(moves, server, dry_run=dry_run)

    @as_deferred
    async def undrain(self, name: str) -> dict[str, Any]:
        """Let a server have shares again.

        :raises NotFoundError, ConflictError: not one server is called *name*
        """
        server = find_server(self._broker.servers(), name)
        was_drained = server.nodeid in self._broker.drained
        self._set(self._broker.drained - {server.nodeid})
        return {"server": server.name, "nodeid": server.nodeid, "was_drained": was_drained}

    @as_deferred
    async def rebalance(self, *, dry_run: bool = False) -> dict[str, Any]:
        """Have files spread over as many servers, each with a share of its own, as can be.

        :raises NotYetError: there is no keeper
        """
        if self._keeper is None:
            raise NotYetError(
                "this node has no keeper",
                fix="set enabled = true in the section [keeper] of tahoe.cfg",
            )
        moves = await self._plan(self._broker.drained)
        if not dry_run:
            await self._mend(moves)
        return self._told(moves, None, dry_run=dry_run)

    @property
    def drained(self) -> frozenset[str]:
        """The node ids of servers that are being emptied."""
        return self._broker.drained

    # ---- inside --------------------------------------------------------------------------

    def _takes(self, server: Server, drained: frozenset[str]) -> bool:
        return server.nodeid not in drained and not server.version.readonly

    async def _plan(
        self, drained: frozenset[str], only: frozenset[str] = frozenset()
    ) -> Moves:
        servers = [one for one in self._broker.connected() if one.nodeid not in drained]
        return await self._care.disk.run(plan_moves, self._care.store, servers, only)

    async def _mend(self, moves: Moves) -> None:
        if self._keeper is not None and moves.numbers:
            await self._keeper.mend(moves.numbers)

    def _set(self, drained: frozenset[str]) -> None:
        self._keep(drained)
        self._broker.drain(drained)

    def _told(
        self, moves: Moves, server: Server | None, *, dry_run: bool
    ) -> dict[str, Any]:
        names = {one.nodeid: one.name for one in self._broker.servers()}
        told: dict[str, Any] = {
            "dry_run": dry_run,
            "files": moves.num_files,
            "shares": sum(moves.to.values()),
            "bytes": moves.num_bytes,
            "without_a_place": moves.num_stuck,
            "to": [
                {
                    "server": names.get(nodeid, nodeid[:8]),
                    "nodeid": nodeid,
                    "shares": num,
                    "bytes": moves.bytes_to[nodeid],
                }
                for nodeid, num in moves.to.most_common()
            ],
        }
        if server:
            told |= {"server": server.name, "nodeid": server.nodeid}
        return told
