"""How a node finds the others: it says hello to an introducer and hears of its peers.

An introducer of Tahoe-LAFS hears no hello: there the node publishes what it offers and
subscribes to what others do, and at one of ours it does both.  What was heard is kept in
files, so that a node which starts while its introducer is down still finds the peers it
knew.  Protocol: docs/protocols/introducer.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from attrs import define, field
from foolscap.api import Referenceable, RemoteException, Violation
from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from allmydata.errors import ServerLostError
from allmydata.formats.announcement import STORAGE, Announcement
from allmydata.interfaces import RIIntroducer, RIIntroducerClient
from allmydata.introducer.server import GRID_V1, PROTOCOL_V2
from allmydata.introducer.subscription import Canary, Hearsay, Listener
from allmydata.util.deferreds import Gate, log_failure, settle, start, timeout
from allmydata.util.fileutil import write_atomically
from allmydata.util.wire import serves

log = Logger()

Advice = tuple[int, int, int]  # k, happy, n

MAX_SHARES = 256
MAX_PEERS = 10_000
FORGET_S = 60 * 86400  # a peer of which no introducer spoke for so long is not kept
FRESH_S = 86400  # a date in the file is not renewed before it is this old
ANSWER_S = 10.0  # how long an introducer is waited for when it is asked something


class Link(Protocol):
    """A connection to one FURL that is made anew whenever it breaks."""

    def status(self) -> str:
        """Return its state as one line: ``Connected to … via …``."""

    def stop(self) -> None:
        """Make no new connections."""


Connect = Callable[[str, Callable[[Any], None]], Link]


class IntroducerClient(Service):
    """This node's connection to one introducer.

    :param furl: the introducer's
    :param own_furl: of this node's RIClient; empty if nobody can connect to it
    :param connect: begins a connection that keeps coming back
    :param add_peer: is told each FURL that is heard
    :param news: what publishes and subscribes in the way of Tahoe-LAFS, if anybody does
    """

    def __init__(
        self,
        furl: str,
        own_furl: bytes,
        connect: Connect,
        add_peer: Callable[[bytes], None],
        cache: PeerCache,
        news: NewsDesk | None = None,
    ) -> None:
        self._news = news
        self.advice: Advice | None = None
        self._furl = furl
        self._own_furl = own_furl
        self._connect = connect
        self._add_peer = add_peer
        self._cache = cache
        self._ears = _Ears(self)
        self._link: Link | None = None
        self._refused = ""
        self._rref: Any = None  # to the RIIntroducer, while it is connected
        self._is_connected = Gate()

    def startService(self) -> None:  # noqa: N802
        """Begin to connect."""
        Service.startService(self)
        if self._news:
            self._news.hearsay.load()
        self._link = self._connect(self._furl, self._connected)

    def stopService(self) -> None:  # noqa: N802
        """Stop connecting."""
        Service.stopService(self)
        if self._link:
            self._link.stop()
            self._link = None

    def status(self) -> str:
        """Return the state of the connection as one line: ``Connected to … via …``."""
        if self._link is None:
            return "Not started"
        text = self._link.status()
        if self._refused and text.startswith("Connected"):
            return f"Refused: {self._refused}"
        return text

    async def vdrive_furl(self) -> str:
        """Return where this grid's vdrive server is; empty if the introducer knows none.

        It waits for the introducer as long as the caller lets it.
        """
        await self._is_connected.wait()
        try:
            furl: bytes = await self._rref.callRemote("get_vdrive_furl")
        except (RemoteException, Violation):  # it is older than this call
            return ""
        return furl.decode("ascii", "replace")

    def heard_peers(self, furls: set[bytes]) -> None:
        """Take in what the introducer said of who is there."""
        self._cache.keep_peers(furls)
        for furl in sorted(furls):
            self._add_peer(furl)

    def heard_advice(self, parameters: Advice) -> None:
        """Take in the parameters the introducer recommends, if they make sense."""
        if not _is_possible(parameters):
            log.warn("an introducer advises impossible {advice}", advice=parameters)
            return
        self.advice = parameters
        self._cache.keep_advice(parameters)

    def _connected(self, rref: Any) -> None:
        log_failure(start(self._hello(rref)), log, "saying hello to an introducer")

    async def _hello(self, rref: Any) -> None:
        self._refused = ""
        if rref.tracker.interface is not RIIntroducer:
            self._refused = "its FURL is not that of an introducer"
            log.error("introducer.furl: {why}", why=self._refused)
            return
        self._rref = rref
        self._is_connected.open()
        rref.notifyOnDisconnect(self._lost, rref)
        try:
            await self._join(rref)
        except (RemoteException, Violation):
            self._refused = "it answers our hello with an error"
            log.warn("introducer: {why}", why=self._refused)
        except Exception as e:  # the connection broke, one way or another
            log.info("lost the introducer ({why})", why=type(e).__name__)
        else:
            log.info("connected to an introducer")

    async def _join(self, rref: Any) -> None:
        """Say hello to one of ours, publish and subscribe at one of Tahoe-LAFS, or both."""
        speaks = await _protocols(rref)
        if PROTOCOL_V2 not in speaks or GRID_V1 in speaks:
            await rref.callRemote("hello", self._ears, self._own_furl)
        if PROTOCOL_V2 in speaks and self._news:
            await self._news.join(rref)

    def _lost(self, rref: Any) -> None:
        if self._rref is rref:
            self._rref = None
            self._is_connected.shut()


async def _protocols(rref: Any) -> set[bytes]:
    """Return the names of what an introducer speaks; the oldest can't say."""
    try:
        return set(await rref.callRemote("get_version"))
    except (RemoteException, Violation):
        return set()


@define(eq=False)
class NewsDesk:
    """What a node publishes, and where it puts what it hears.

    :param announcements: returns those to publish
    :param info: what it says of itself when it subscribes
    """

    hearsay: Hearsay
    _announcements: Callable[[], list[Announcement]]
    _info: dict[bytes, Any]
    _listener: Listener = field(init=False)
    _canary: Canary = field(factory=Canary, init=False)

    def __attrs_post_init__(self) -> None:
        self._listener = Listener(self.hearsay)

    async def join(self, rref: Any) -> None:
        """Publish and subscribe at a newly connected introducer."""
        for one in self._announcements():
            await rref.callRemote("publish_v2", one.signed, self._canary)
        service = STORAGE.encode()
        await rref.callRemote("subscribe_v2", self._listener, service, self._info)


async def ask_for_vdrive(introducers: list[IntroducerClient], clock: IReactorTime) -> str:
    """Return the FURL of a vdrive server that one of *introducers* names, else no text.

    :raises ServerLostError: none of them answers
    """
    waiting = [timeout(one.vdrive_furl(), ANSWER_S, clock) for one in introducers]
    answers = await settle(waiting)
    furls = [answer for answer in answers if isinstance(answer, str)]
    if introducers and not furls:
        raise ServerLostError(
            "where the vdrive server is can't be asked: no introducer answers",
            why=introducers[0].status(),
            fix="see that the introducer runs, and can be reached from here",
        )
    return max(furls, default="", key=bool)


def _is_possible(parameters: Advice) -> bool:
    k, happy, n = parameters
    return 1 <= k <= n <= MAX_SHARES and 1 <= happy <= n


@serves(RIIntroducerClient)
class _Ears(Referenceable):
    """What an introducer calls."""

    def __init__(self, client: IntroducerClient) -> None:
        self._client = client

    def remote_new_peers(self, furls: set[bytes]) -> None:
        """Take in FURLs of other nodes, and of this one."""
        self._client.heard_peers(furls)

    def remote_set_encoding_parameters(self, parameters: Advice) -> None:
        """Take in the advised (k, happy, n)."""
        self._client.heard_advice(parameters)


@define(eq=False)
class PeerCache:
    """What introducers said, kept in a file over restarts.

    The file is JSON, ``{"peers": {FURL: when}, "advice": [k, happy, n]}``; *when* is in
    seconds since the epoch, of the last time somebody spoke of that peer.  It holds
    addresses that let their reader use the grid, so it is nobody else's to read.
    A damaged one is as good as none.
    """

    _path: Path
    _clock: IReactorTime
    _heard: dict[str, float] = field(factory=dict, init=False)
    advice: Advice | None = field(default=None, init=False)

    def load(self) -> list[bytes]:
        """Read the file; return the FURLs in it, the newest last."""
        try:
            said = json.loads(self._path.read_bytes())
            oldest = self._clock.seconds() - FORGET_S
            peers = {str(furl): float(when) for furl, when in said["peers"].items()}
            self._heard = {furl: when for furl, when in peers.items() if when > oldest}
            k, happy, n = map(int, said.get("advice") or (0, 0, 0))
            self.advice = (k, happy, n) if _is_possible((k, happy, n)) else None
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as e:
            log.warn("{path} is not used: {why}", path=self._path, why=type(e).__name__)
        return [furl.encode() for furl in sorted(self._heard, key=self._heard.__getitem__)]

    def keep_peers(self, furls: set[bytes]) -> None:
        """Add *furls*; the longest unheard give way when there are too many."""
        now = self._clock.seconds()
        heard = {furl.decode("ascii"): now for furl in furls if furl.isascii()}
        if all(now - self._heard.get(furl, 0.0) < FRESH_S for furl in heard):
            return
        known = (self._heard | heard).items()
        self._heard = dict(sorted(known, key=lambda item: -item[1])[:MAX_PEERS])
        self._save()

    def keep_advice(self, advice: Advice) -> None:
        """Remember *advice*."""
        if advice != self.advice:
            self.advice = advice
            self._save()

    def _save(self) -> None:
        said = {"peers": self._heard, "advice": self.advice}
        write_atomically(self._path, json.dumps(said, indent=1).encode(), private=True)
