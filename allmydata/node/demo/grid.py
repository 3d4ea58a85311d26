"""The nodes of a demo, and what is done to them.

Each is a node as ``tahoe run`` would make it of the same directory; they share this
process and nothing else, and meet over TCP on the loopback interface.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred, DeferredLock, TimeoutError
from twisted.internet.threads import deferToThread
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from allmydata.errors import ConflictError, NodeNotReadyError, UsageError
from allmydata.interfaces.node import IDemo
from allmydata.node.base import Node
from allmydata.node.client import Client
from allmydata.node.config import read
from allmydata.node.demo import film, plan
from allmydata.node.demo.damage import damage_all, held
from allmydata.node.demo.plan import DemoPlan
from allmydata.node.introducer import IntroducerNode
from allmydata.streams.uploadable import Data
from allmydata.util.deferreds import Gate, as_deferred, gather, settle, timeout
from allmydata.web.session import login_path
from allmydata.webapi import NodeHTTP

log = Logger()

READY_S = 60.0
RECONNECT_S = 30.0  # a client notices much sooner that a server is back
UP, KILLED, FROZEN = "up", "killed", "frozen"


@define(eq=False)
class DemoServer:
    """One storage server; *number* counts from 1."""

    number: int
    node: Client
    nodeid: str
    state: str = UP

    @property
    def storage(self) -> Path:
        """Where its shares lie."""
        return self.node.config.storage_dir


@implementer(IDemo)
@define(eq=False)
class DemoGrid:
    """An introducer, storage servers, and a client with its gateway.

    :param clock: the reactor
    """

    root: Path
    plan: DemoPlan
    _clock: Any
    servers: list[DemoServer] = field(factory=list, init=False)
    _client: Client | None = field(default=None, init=False)
    _nodes: list[Node] = field(factory=list, init=False)  # all that were ever started
    _watches: list[tuple[Callable[[], bool], Gate]] = field(factory=list, init=False)
    _turn: DeferredLock = field(factory=DeferredLock, init=False)
    _film_name: str = field(default="", init=False)

    # ---- start and stop ------------------------------------------------------------------

    async def start(self) -> None:
        """Make the directories that are missing, start every node, and connect them.

        :raises GridError: a node does not start, or they don't meet in time
        """
        directory = plan.make_introducer(self.root, self.plan)
        introducer = IntroducerNode.from_basedir(directory)
        await self._start(introducer)
        storage, client = plan.make_others(self.root, self.plan, introducer.furl)
        self._client = Client.from_basedir(client)
        self._client.demo = self
        nodes = [Client.from_basedir(one) for one in storage]
        await gather(self._start(node) for node in (*nodes, self._client))
        self.servers = [
            DemoServer(number, node, node.nodeid) for number, node in enumerate(nodes, 1)
        ]
        assert self._client.broker
        self._client.broker.on_change.add(self._look)
        await self._wait_until_ready()

    async def stop(self) -> None:
        """Stop every node that runs."""
        await settle(node.stopService() for node in self._nodes)

    async def _start(self, node: Node) -> None:
        self._nodes.append(node)
        node.startService()
        await node.when_running()

    async def _wait_until_ready(self) -> None:
        """Wait until the gateway answers and the client is connected to every server."""
        wanted = self.plan.num_servers
        try:
            await timeout(self.client.wait_for_servers(wanted), READY_S, self._clock)
        except TimeoutError:
            raise NodeNotReadyError(
                f"the client reached {self.num_connected} of {wanted} servers",
                why=f"in {READY_S:.0f} s",
                fix="try fewer servers",
            ) from None
        await deferToThread(NodeHTTP(self.web).json, "/?t=json")

    # ---- what there is -------------------------------------------------------------------

    @property
    def client(self) -> Client:
        """The client node."""
        assert self._client is not None
        return self._client

    @property
    def web(self) -> str:
        """The URL of the gateway."""
        return (self.client.basedir / "node.url").read_text().strip()

    @property
    def login(self) -> str:
        """A new link to the gateway that signs browsers in while this process runs."""
        keys = self.client.gateway_keys
        assert keys is not None
        return self.web.rstrip("/") + login_path(keys.new_code(lasting=True))

    @property
    def num_connected(self) -> int:
        """How many servers the client is connected to."""
        broker = self.client.broker
        return len(broker.connected()) if broker else 0

    @as_deferred
    async def status(self) -> dict[str, Any]:
        """Return all that is known, for :mod:`json`."""
        shares = self.plan.shares
        return {
            "directory": str(self.root),
            "node_directory": str(self.client.basedir),
            "web": self.web,
            "shares": {
                "needed": shares.needed,
                "happy": shares.happy,
                "total": shares.total,
            },
            "connected": self.num_connected,
            "servers": [await self._describe(server) for server in self.servers],
        }

    async def _describe(self, server: DemoServer) -> dict[str, Any]:
        found = await deferToThread(held, server.storage)
        return {
            "number": server.number,
            "name": server.node.nickname,
            "state": server.state,
            "connected": self._sees(server),
            "shares": found.num_shares,
            "bytes": found.num_bytes,
        }

    # ---- what is done to it --------------------------------------------------------------

    @as_deferred
    async def kill(self, numbers: Sequence[int]) -> dict[str, Any]:
        """Stop servers: their ports and connections are closed.

        :raises UsageError: there is no such server
        """
        return await self._to_each(numbers, self._kill)

    @as_deferred
    async def revive(self, numbers: Sequence[int]) -> dict[str, Any]:
        """Start killed servers again, and let frozen ones go on; wait until all are seen.

        :raises UsageError: there is no such server
        :raises GridError: it does not start
        """
        return await self._to_each(numbers, self._revive)

    @as_deferred
    async def freeze(self, numbers: Sequence[int]) -> dict[str, Any]:
        """Let servers answer nothing more, while their connections and ports stay open.

        :raises UsageError: there is no such server
        :raises ConflictError: it was killed
        """
        killed = [one.number for one in self._named(numbers) if one.state == KILLED]
        if killed:
            raise ConflictError(
                f"server {killed[0]} was killed, so it can't be frozen",
                fix=f"tahoe demo revive {killed[0]}",
            )
        return await self._to_each(numbers, self._freeze)

    @as_deferred
    async def corrupt(self, numbers: Sequence[int]) -> dict[str, Any]:
        """Flip bits in every share that servers hold; the answer counts them.

        :raises UsageError: there is no such server
        """
        return await self._to_each(numbers, self._corrupt)

    async def _to_each(
        self, numbers: Sequence[int], do: Callable[[DemoServer], Any]
    ) -> dict[str, Any]:
        """Do it to all these servers, and nothing else meanwhile; return what to answer."""
        async with self._turn:
            servers = self._named(numbers)
            done: list[dict[str, Any]] = []
            outcomes = await settle(do(server) for server in servers)
            for server, outcome in zip(servers, outcomes, strict=True):
                if isinstance(outcome, Failure):
                    outcome.raiseException()
                done.append(await self._describe(server) | (outcome or {}))
        return {
            "servers": done,
            "connected": self.num_connected,
            "total": self.plan.num_servers,
        }

    def _named(self, numbers: Sequence[int]) -> list[DemoServer]:
        for number in numbers:
            if not 1 <= number <= len(self.servers):
                raise UsageError(
                    f"there is no server {number}",
                    why=f"they are numbered from 1 to {len(self.servers)}",
                )
        return [self.servers[number - 1] for number in dict.fromkeys(numbers)]

    async def _kill(self, server: DemoServer) -> None:
        if server.state == KILLED:
            return
        await server.node.stopService()
        server.state = KILLED
        log.info("killed server {number}", number=server.number)
        await self._until(lambda: not self._sees(server))

    async def _revive(self, server: DemoServer) -> None:
        if server.state == FROZEN:
            server.node.tub.thaw()
        elif server.state == KILLED:
            await self._start_again(server)
        server.state = UP
        log.info("revived server {number}", number=server.number)
        await self._until(lambda: self._sees(server))

    async def _start_again(self, server: DemoServer) -> None:
        self._nodes.remove(server.node)
        server.node = Client(read(server.node.basedir, "client"))
        try:
            await self._start(server.node)
        except BaseException:
            await server.node.stopService()
            raise

    async def _freeze(self, server: DemoServer) -> None:
        if server.state == UP:
            server.node.tub.freeze()
            server.state = FROZEN
            log.info("froze server {number}", number=server.number)

    async def _corrupt(self, server: DemoServer) -> dict[str, Any]:
        damaged = await deferToThread(damage_all, server.storage)
        log.info(
            "damaged {count} shares of server {number}", count=damaged, number=server.number
        )
        return {"damaged": damaged}

    # ---- something to watch --------------------------------------------------------------

    def film_name(self) -> str:
        """Return what the film is called in the private root; empty while there is none."""
        return self._film_name

    @as_deferred
    async def put_film(self) -> str:
        """Upload the film, give it a name in the private root, and return that."""
        root = await self.client.getService("vdrive").get_private_root()
        secret = self.client.getService("uploader").convergence
        await root.add_file(film.NAME, Data(await deferToThread(film.film), secret))
        self._film_name = film.NAME
        return self._film_name

    # ---- what the client sees ------------------------------------------------------------

    def _sees(self, server: DemoServer) -> bool:
        """Tell whether the client is connected to *server*."""
        broker = self.client.broker
        connected = broker.connected() if broker else []
        return any(one.nodeid == server.nodeid for one in connected)

    async def _until(self, condition: Callable[[], bool]) -> None:
        """Wait until *condition* holds; it changes with who is connected."""
        gate = Gate()
        self._watches.append((condition, gate))
        self._look()
        waiting: Deferred[None] = timeout(gate.wait(), RECONNECT_S, self._clock)
        try:
            await waiting
        except TimeoutError:
            raise NodeNotReadyError(
                f"the client did not notice within {RECONNECT_S:.0f} s"
            ) from None
        finally:
            self._watches = [watch for watch in self._watches if watch[1] is not gate]

    def _look(self) -> None:
        for condition, gate in self._watches:
            if condition():
                gate.open()
