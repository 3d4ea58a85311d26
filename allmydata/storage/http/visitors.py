"""Whose connections there are, so that the uploads of a client that is gone end.

A client that shows its Tub's certificate stays connected while it writes: when its last
connection is lost, and it makes no other for some seconds, what it has half written is
thrown away, as over foolscap.  Of a client that shows none nobody knows when it is gone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from attrs import define, field, frozen
from twisted.internet.interfaces import IDelayedCall, IReactorTime

GRACE_S = 5.0  # to come back in


@define
class Visitors:
    """The clients that are connected, by Tub id."""

    _clock: IReactorTime
    _connections: Counter[str] = field(factory=Counter, init=False)
    _watchers: dict[str, list[Callable[[], None]]] = field(factory=dict, init=False)
    _calls: dict[str, IDelayedCall] = field(factory=dict, init=False)

    def came(self, tubid: str) -> None:
        """Take note of another connection of a client."""
        self._connections[tubid] += 1
        call = self._calls.pop(tubid, None)
        if call:
            call.cancel()

    def left(self, tubid: str) -> None:
        """Take note that one of its connections is gone."""
        self._connections[tubid] -= 1
        if self._connections[tubid]:
            return
        del self._connections[tubid]
        if tubid in self._watchers:
            self._calls[tubid] = self._clock.callLater(GRACE_S, self._gone, tubid)

    def watch(self, tubid: str, callback: Callable[[], None]) -> None:
        """Call *callback* once when that client is gone."""
        self._watchers.setdefault(tubid, []).append(callback)

    def unwatch(self, tubid: str, callback: Callable[[], None]) -> None:
        """Forget a :meth:`watch`, if it is still there."""
        watchers = self._watchers.get(tubid, [])
        if callback in watchers:
            watchers.remove(callback)
        if not watchers:
            self._watchers.pop(tubid, None)
            call = self._calls.pop(tubid, None)
            if call:
                call.cancel()

    def _gone(self, tubid: str) -> None:
        self._calls.pop(tubid, None)
        for callback in self._watchers.pop(tubid, []):
            callback()


@frozen
class Visitor:
    """A client, in the place of the canary that it would send over foolscap."""

    _visitors: Visitors
    _tubid: str

    def getRemoteTubID(self) -> str:  # noqa: N802 - foolscap's name
        """Return whose certificate it showed; empty if none."""
        return self._tubid

    def notifyOnDisconnect(self, callback: Callable[[], None]) -> Any:  # noqa: N802
        """Call *callback* once when the client is gone, where that can be known."""
        if self._tubid:
            self._visitors.watch(self._tubid, callback)
        return callback

    def dontNotifyOnDisconnect(self, callback: Any) -> None:  # noqa: N802
        """Forget that."""
        if self._tubid:
            self._visitors.unwatch(self._tubid, callback)
