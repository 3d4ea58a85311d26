"""Signed announcements: the newest of each key and service, and who wants to hear of them.

Nothing is kept on disk and nothing expires: publishers come again when they reconnect.
Protocol: docs/protocols/introducer.md.
"""

from __future__ import annotations

from typing import Any

from attrs import define, field
from twisted.logger import Logger

from allmydata.errors import CorruptError
from allmydata.formats.announcement import Announcement, Signed
from allmydata.util.deferreds import log_failure, start

log = Logger()

MAX_KEPT = 10_000  # announcements: more than any grid has, less than fills memory
PER_CALL = 100


@define(eq=False)
class Board:
    """All announcements, each told to those who subscribed to its service."""

    _kept: dict[tuple[str, str], Announcement] = field(factory=dict)
    _subscribers: dict[tuple[str, Any], _Subscriber] = field(factory=dict)

    def publish(self, signed: object) -> None:
        """Take an announcement, if it is signed and newer than what is known.

        One that is not is dropped without a word to who sent it, as Tahoe-LAFS does.
        """
        try:
            told = Announcement.open(signed)
        except CorruptError as e:
            log.warn("an announcement is dropped: {why}", why=e.message)
            return
        known = self._kept.get(told.index)
        if known is not None and not told.replaces(known):
            return
        if known is None and len(self._kept) >= MAX_KEPT:
            log.warn("an announcement is dropped: {num} are known", num=MAX_KEPT)
            return
        self._kept[told.index] = told
        for (service, _), subscriber in list(self._subscribers.items()):
            if service == told.service:
                subscriber.tell([told])

    def subscribe(self, listener: Any, service: str) -> None:
        """Tell *listener*, an RIIntroducerSubscriberClient_v2, all there is and will be."""
        if (service, listener) in self._subscribers:
            return
        subscriber = self._subscribers[service, listener] = _Subscriber(listener)
        listener.notifyOnDisconnect(self._subscribers.pop, (service, listener), None)
        subscriber.tell([one for one in self._kept.values() if one.service == service])

    @property
    def num_announcements(self) -> int:
        """How many are kept."""
        return len(self._kept)


@define(eq=False)
class _Subscriber:
    """A listener, and what it has yet to be told; one call at a time is under way."""

    _listener: Any
    _news: dict[tuple[str, str], Signed] = field(factory=dict)
    _is_telling: bool = False

    def tell(self, announcements: list[Announcement]) -> None:
        self._news |= {one.index: one.signed for one in announcements}
        if self._news and not self._is_telling:
            log_failure(start(self._tell_news()), log, "telling a node of servers")

    async def _tell_news(self) -> None:
        self._is_telling = True
        try:
            while self._news:
                batch = {index: self._news[index] for index in list(self._news)[:PER_CALL]}
                for index in batch:
                    del self._news[index]
                await self._listener.callRemote("announce_v2", set(batch.values()))
        except Exception as e:  # lost, or it refuses: neither may hurt the others
            log.info("a node can't be told of servers: {why}", why=type(e).__name__)
        finally:
            self._is_telling = False
