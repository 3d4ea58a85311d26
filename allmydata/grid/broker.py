"""Who is connected, and in which order a file sees them.

A peer is known by its FURL, which names an RIClient, or an RIStorageServer where it was
announced in the way of Tahoe-LAFS; both of one Tub are one peer.  An RIClient is asked for
its storage service each time a connection is made; one that has none is no server and is
not listed.
Peers are never forgotten: each has a connection that keeps coming back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any, Protocol

from attrs import define, field
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from allmydata.coding.placement import permute
from allmydata.crypto.keys import LeaseSecrets
from allmydata.errors import ServerLostError, ServerRefusedError
from allmydata.formats.announcement import Announcement
from allmydata.formats.renewals import Renewal
from allmydata.grid.http.link import Events
from allmydata.grid.pace import Paces
from allmydata.grid.remote import call, serves
from allmydata.grid.server import (
    FOOLSCAP,
    HTTPS,
    ServerVersion,
    StorageServerProxy,
    ask_version,
)
from allmydata.interfaces import RIClient, RIStorageServer
from allmydata.util import base32
from allmydata.util.deferreds import as_deferred, log_failure, settle, start
from allmydata.util.observer import Observers, WhenEnough

log = Logger()

MAX_FURL_SIZE = 1000
MAX_FURLS = 3  # addresses kept of one peer, the newest first
MAX_VOICES = 3  # announcements kept of one peer: the first, and the newest of other keys
MAX_PEERS = 10_000

_FURL = re.compile(r"pb://([a-z2-7]{32})@[^/\s]*/[^/\s]+")


class Link(Protocol):
    """A connection to one FURL that is made anew whenever it breaks."""

    def status(self) -> str:
        """Return its state as one line: ``Connected to … via …``."""

    def reset(self) -> None:
        """Try again soon: something suggests that the other side is back."""

    def stop(self) -> None:
        """Make no new connections."""


Connect = Callable[[str, Callable[[Any], None]], Link]
ConnectHttps = Callable[[bytes, Sequence[str], Events], Link | None]


def tubid_of(furl: str) -> bytes:
    """Return the 20-byte Tub id in *furl*.

    :raises ValueError: it is no FURL; the message does not quote it
    """
    found = _FURL.fullmatch(furl)
    if not found or len(furl) > MAX_FURL_SIZE:
        raise ValueError(f"not a FURL: {len(furl)} characters")
    return base32.a2b(found.group(1))


@define(eq=False)
class _Peer:
    """A node that may have storage, and the ways to reach it."""

    server: StorageServerProxy
    offers_storage: bool = True  # until it says otherwise
    furls: list[str] = field(factory=list)
    links: dict[str, Link] = field(factory=dict)
    nurls: tuple[str, ...] = ()
    https: Link | None = None  # the way that is preferred, where there is one
    waits_for_https: bool = False  # until it was looked for once at its NURLs
    voices: dict[str, Announcement] = field(factory=dict)  # who spoke of it, by key

    def remember(self, furl: str) -> None:
        """Keep *furl* as the newest address."""
        if furl in self.furls:
            self.furls.remove(furl)
        self.furls.insert(0, furl)
        announced = self.server.announced
        for old in self.furls[MAX_FURLS:]:
            if announced and old == announced.furl:
                continue
            self.furls.remove(old)
            self.drop_link(old)

    def drop_link(self, furl: str) -> None:
        """Stop looking for it at *furl*."""
        link = self.links.pop(furl, None)
        if link:
            link.stop()

    def drop_links(self) -> None:
        """Stop looking for it over foolscap."""
        for furl in list(self.links):
            self.drop_link(furl)

    def keep_only(self, furl: str) -> None:
        """Stop looking elsewhere: it was found at *furl*."""
        for other in [known for known in self.links if known != furl]:
            self.drop_link(other)

    def status(self) -> str:
        """Return its state as one line, which begins with ``Connected`` exactly then."""
        links = [self.links[furl] for furl in self.furls if furl in self.links]
        if self.https and self.server.protocol != FOOLSCAP:
            links = [self.https]
        text = links[0].status() if links else ""
        if text.startswith("Connected") != self.server.connected:
            text = ""  # the link is up and storage not yet asked for, or the other way
        return text or ("Connected" if self.server.connected else "Trying to connect")


class StorageBroker(Service):
    """All storage servers this client has heard of.

    :param connect: begins a connection that keeps coming back: takes a FURL and what to
        call with the RemoteReference each time one is made
    :param secrets: this client's lease secrets
    :param connect_https: the same over HTTPS, for those that offer it; None for never
    :ivar paces: how long servers usually take
    """

    def __init__(
        self,
        connect: Connect,
        secrets: LeaseSecrets,
        connect_https: ConnectHttps | None = None,
    ) -> None:
        self.on_change = Observers()
        self._connect = connect
        self._connect_https = connect_https
        self._secrets = secrets
        self._peers: dict[bytes, _Peer] = {}
        self._num_connected = WhenEnough()
        self.drained: frozenset[str] = frozenset()
        self.paces: Paces[StorageServerProxy] = Paces()

    # ---- who is there ------------------------------------------------------------------

    def servers(self) -> list[StorageServerProxy]:
        """Return every server that is known, connected or not."""
        return [peer.server for peer in self._peers.values() if peer.offers_storage]

    def connected(self) -> list[StorageServerProxy]:
        """Return the servers that can be asked now."""
        return [server for server in self.servers() if server.connected]

    def for_index(self, storage_index: bytes) -> list[StorageServerProxy]:
        """Return the connected servers in the order of *storage_index*'s ring."""
        return permute(storage_index, self.connected(), seed=lambda server: server.seed)

    def when_connected(self, num_servers: int) -> Deferred[None]:
        """Return a Deferred that fires once so many are connected; it can be cancelled."""
        return self._num_connected.at_least(num_servers)

    def statuses(self) -> list[dict[str, Any]]:
        """Return the ``servers`` entries of the gateway's ``GET /?t=json``."""
        peers = [peer for peer in self._peers.values() if peer.offers_storage]
        return [_describe(peer) for peer in peers]

    @as_deferred
    async def renew(
        self, storage_indexes: Sequence[bytes]
    ) -> dict[StorageServerProxy, list[Renewal]]:
        """Have every connected server keep its shares of these files for another month.

        :return: by server, what became of each file; one that failed is left out
        """
        servers = self.connected()
        told = await settle([one.renew_leases(storage_indexes) for one in servers])
        for server, outcome in zip(servers, told, strict=True):
            if isinstance(outcome, Failure):
                why = outcome.getErrorMessage()
                log.warn("{name} renewed nothing: {why}", name=server.name, why=why)
        pairs = zip(servers, told, strict=True)
        return {server: one for server, one in pairs if not isinstance(one, Failure)}

    def drain(self, nodeids: Collection[str]) -> None:
        """Give no new shares to servers of these node ids, and to all others again."""
        self.drained = frozenset(nodeids)
        for peer in self._peers.values():
            peer.server.is_drained = peer.server.nodeid in self.drained

    # ---- getting to know them ----------------------------------------------------------

    def add_server(self, server: StorageServerProxy) -> None:
        """Take in a server that is connected already, such as one in this process."""
        self._peers[server.tubid] = _Peer(server)
        server.is_drained = server.nodeid in self.drained
        self._changed()

    def add_peer(self, furl: bytes, nurls: Sequence[str] | None = None) -> None:
        """Find the peer whose RIClient is at *furl* and stay connected to it.

        :param nurls: where it speaks HTTPS, if it says anything of that

        Known ones are welcome: that a peer is announced again means it was restarted.
        """
        try:
            text = furl.decode("ascii")
            tubid = tubid_of(text)
        except ValueError as e:
            log.warn("a peer is left out: {why}", why=str(e))
            return
        if tubid not in self._peers and len(self._peers) >= MAX_PEERS:
            log.warn("a peer is left out: {limit} are known", limit=MAX_PEERS)
            return
        peer = self._peers.get(tubid)
        if peer is None:
            peer = self._peers[tubid] = _Peer(StorageServerProxy(tubid, self._secrets))
            peer.server.is_drained = peer.server.nodeid in self.drained
        peer.remember(text)
        if nurls is not None:
            self._prefer_https(peer, nurls)
        if not peer.server.connected:
            self._look_for(peer)

    def add_announced(self, told: Announcement) -> None:
        """Find a server by its own announcement; one that is known already is the same.

        Who knows a server's FURL can announce it too, with a key of his own.  Whoever was
        first describes it; others can add addresses, and take none away.
        """
        if not told.furl:
            log.warn("a server that announces no FURL is left out")
            return
        tubid = tubid_of(told.furl)
        peer = self._peers.get(tubid)
        voices = _with_voice(peer.voices if peer else {}, told)
        nurls = dict.fromkeys(nurl for one in voices.values() for nurl in one.nurls)
        self.add_peer(told.furl.encode("ascii"), list(nurls))
        peer = self._peers.get(tubid)
        if peer is not None:
            peer.voices, peer.server.announced = voices, next(iter(voices.values()))
            self._changed()

    def stopService(self) -> None:  # noqa: N802
        """Stop looking for peers."""
        Service.stopService(self)
        for peer in self._peers.values():
            peer.drop_links()
            if peer.https:
                peer.https.stop()

    def _look_for(self, peer: _Peer) -> None:
        if peer.https:
            peer.https.reset()
        if peer.waits_for_https:
            return
        for furl in peer.furls:
            if furl in peer.links:
                peer.links[furl].reset()
            else:
                self._link(peer, furl)

    def _link(self, peer: _Peer, furl: str) -> None:
        def connected(rref: Any) -> None:
            log_failure(start(self._greet(peer, furl, rref)), log, "greeting a peer")

        peer.links[furl] = self._connect(furl, connected)

    async def _greet(self, peer: _Peer, furl: str, rref: Any) -> None:
        name = peer.server.nodeid[:8]
        try:
            storage = await _ask_for_storage(rref)
            version = await ask_version(storage)
        except ServerRefusedError as e:
            log.info("{name} is no storage server: {why}", name=name, why=e.why)
            peer.offers_storage = False
            self._changed()
            return
        except ServerLostError:
            log.info("lost {name} while it was greeted", name=name)
            return
        if furl not in peer.links or peer.server.connected:
            return
        peer.keep_only(furl)
        peer.offers_storage, peer.waits_for_https = True, False
        peer.server.attach(storage, version)
        storage.notifyOnDisconnect(self._lost, peer, storage)
        log.info("connected to storage server {name}", name=name)
        self._changed()

    def _lost(self, peer: _Peer, storage: Any) -> None:
        if not peer.server.is_attached_to(storage):
            return
        peer.server.detach()
        log.info("lost storage server {name}", name=peer.server.nodeid[:8])
        self._changed()
        if self.running:
            self._look_for(peer)

    # ---- over HTTPS --------------------------------------------------------------------

    def _prefer_https(self, peer: _Peer, nurls: Sequence[str]) -> None:
        """Look for a server at its NURLs first, and over foolscap if it is not there."""
        if self._connect_https is None or tuple(nurls) == peer.nurls:
            return
        if peer.https:
            peer.https.stop()
        peer.nurls, peer.https, peer.waits_for_https = tuple(nurls), None, False
        if not nurls:
            return
        calls = (self._found, self._lost, self._missed)
        events = Events(*(partial(one, peer) for one in calls))
        peer.waits_for_https = not peer.server.connected
        peer.https = self._connect_https(peer.server.tubid, nurls, events)
        if peer.https is None:
            peer.waits_for_https = False
        elif peer.waits_for_https:
            peer.drop_links()

    def _found(self, peer: _Peer, storage: Any, version: ServerVersion) -> None:
        is_new = not peer.server.is_attached_to(storage)
        peer.server.attach(storage, version, HTTPS)
        if is_new:
            peer.drop_links()  # calls under way over foolscap still come to their end
            peer.offers_storage, peer.waits_for_https = True, False
            log.info("found {name} over HTTPS", name=peer.server.nodeid[:8])
            self._changed()

    def _missed(self, peer: _Peer) -> None:
        """Hear that a server was not found at its NURLs: there is foolscap."""
        peer.waits_for_https = False
        if self.running and not peer.server.connected:
            for furl in peer.furls:
                if furl not in peer.links:
                    self._link(peer, furl)

    def _changed(self) -> None:
        self._num_connected.set(len(self.connected()))
        self.on_change.notify()


def _with_voice(
    voices: dict[str, Announcement], told: Announcement
) -> dict[str, Announcement]:
    """Return *voices* with one more; the first stays, and of the others the newest."""
    first, *others = {**voices, told.key: told}.items()
    return dict([first, *others[1 - MAX_VOICES :]])


async def _ask_for_storage(rref: Any) -> Any:
    """Return the RemoteReference of a peer's RIStorageServer, which may be *rref* itself.

    :raises ServerRefusedError: it is no peer, or has no storage
    """
    if serves(rref, RIStorageServer):
        return rref
    if not serves(rref, RIClient):
        raise ServerRefusedError("not a peer", why="its FURL is not that of an RIClient")
    storage = await call(rref, "get_service", "storageserver")
    if not serves(storage, RIStorageServer):
        raise ServerRefusedError("not storage", why="its storage is no RIStorageServer")
    return storage


def _describe(peer: _Peer) -> dict[str, Any]:
    server = peer.server
    return {
        "nodeid": server.nodeid,
        "nickname": server.nickname,
        "connection_status": peer.status(),
        "protocol": server.protocol,
        "available_space": server.available_space,
        "version": server.version.application,
        "last_received_data": server.last_received_data,
        "shares_held": None,
        "readonly": server.readonly,
        "zone": server.zone,
        "advisories": server.trust.num_damages,
        "drained": server.is_drained,
    }
