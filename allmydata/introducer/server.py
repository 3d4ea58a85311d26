"""The introducer: remembers who is connected, and tells everyone of each newcomer.

Nothing is kept on disk: a node that is connected says hello, and one that has gone is
forgotten.  Nodes of Tahoe-LAFS publish and subscribe instead, on the same object; a node
of ours does both.  Protocol: docs/protocols/introducer.md.
"""

from __future__ import annotations

import re
from typing import Any

from attrs import define, field
from foolscap.api import Referenceable
from twisted.logger import Logger

from allmydata.errors import UsageError
from allmydata.interfaces import RIIntroducer
from allmydata.introducer.board import Board
from allmydata.util.deferreds import drop, log_failure, start
from allmydata.util.wire import serves

log = Logger()

MAX_FURL_SIZE = 1000
PEERS_PER_CALL = 200  # FURLs in one new_peers
PROTOCOL_V2 = b"http://allmydata.org/tahoe/protocols/introducer/v2"
GRID_V1 = b"allmydata-grid-v1"  # hello, and where the vdrive server is

_FURL = re.compile(rb"pb://([a-z2-7]{32})@[^/\s]*/[^/\s]+")


@serves(RIIntroducer)
class Introducer(Referenceable):
    """What every node of a grid is connected to.

    :param advice: the (k, happy, n) recommended to clients that set none, or None
    :ivar vdrive_furl: where the grid's vdrive server is, told to whoever asks; empty if
        there is none
    """

    def __init__(
        self,
        advice: tuple[int, int, int] | None = None,
        vdrive_furl: bytes = b"",
        version: str = "",
    ) -> None:
        self.vdrive_furl = vdrive_furl
        self.board = Board()
        self._version = version
        self._advice = advice
        self._subscribers: dict[Any, _Subscriber] = {}  # by RemoteReference

    @property
    def num_clients(self) -> int:
        """How many nodes are connected."""
        return len(self._subscribers)

    def remote_hello(self, node: Any, furl: bytes) -> None:
        """Take in *node* and tell it of everyone, and everyone of it.

        :param node: RemoteReference of an RIIntroducerClient
        :param furl: where its RIClient is; empty if nobody can connect to it
        :raises UsageError: *furl* is no FURL, or that of another node
        """
        if furl:
            _check_furl(furl, node.getRemoteTubID())
        is_new = furl not in self._known()
        if node not in self._subscribers:
            self._subscribers[node] = _Subscriber(node)
            node.notifyOnDisconnect(self._forget, node)
        newcomer = self._subscribers[node]
        newcomer.furl = furl
        newcomer.tell(self._known())
        if self._advice:
            drop(node.callRemote("set_encoding_parameters", self._advice))
        if furl and is_new:
            for other in self._subscribers.values():
                if other is not newcomer:
                    other.tell({furl})
        log.info("{num} nodes are connected", num=self.num_clients)

    def remote_get_version(self) -> dict[bytes, Any]:
        """Return what this introducer can do."""
        return {
            PROTOCOL_V2: {},
            GRID_V1: {},
            b"application-version": f"allmydata/{self._version}".encode(),
        }

    def remote_publish_v2(self, announcement: Any, canary: Any) -> None:
        """Pass a signed announcement on to those who subscribed to its service."""
        self.board.publish(announcement)

    def remote_subscribe_v2(
        self, subscriber: Any, service_name: bytes, subscriber_info: dict[bytes, Any]
    ) -> None:
        """Tell *subscriber* of all servers of a service, now and later."""
        self.board.subscribe(subscriber, service_name.decode("utf-8", "replace"))

    def remote_get_vdrive_furl(self) -> bytes:
        """Return where the grid's vdrive server is, empty if there is none."""
        return self.vdrive_furl

    def _known(self) -> set[bytes]:
        return {one.furl for one in self._subscribers.values() if one.furl}

    def _forget(self, node: Any) -> None:
        if self._subscribers.pop(node, None) is not None:
            log.info("a node has left; {num} are connected", num=self.num_clients)


def _check_furl(furl: bytes, tubid: str) -> None:
    """Let nobody say where somebody else is to be found."""
    found = _FURL.fullmatch(furl)
    if not found or len(furl) > MAX_FURL_SIZE:
        raise UsageError(f"hello: not a FURL: {len(furl)} bytes")
    if found.group(1) != tubid.encode():
        raise UsageError("hello: the FURL is not the caller's own")


@define(eq=False)
class _Subscriber:
    """A connected node, its FURL, and what it has yet to be told.

    One call at a time is under way, so that a node that does not answer costs no more
    memory than the names of its peers.
    """

    _node: Any  # RemoteReference of an RIIntroducerClient
    furl: bytes = b""
    _news: set[bytes] = field(factory=set)
    _is_telling: bool = False

    def tell(self, furls: set[bytes]) -> None:
        """Let the node know of *furls*, now or when it has answered."""
        self._news |= furls
        if not self._is_telling:
            log_failure(start(self._tell_news()), log, "telling a node of its peers")

    async def _tell_news(self) -> None:
        self._is_telling = True
        try:
            while self._news:
                batch = set(sorted(self._news)[:PEERS_PER_CALL])
                self._news -= batch
                await self._node.callRemote("new_peers", batch)
        except Exception as e:  # lost, or it refuses: neither may hurt the others
            log.info("a node can't be told of its peers: {why}", why=type(e).__name__)
        finally:
            self._is_telling = False
