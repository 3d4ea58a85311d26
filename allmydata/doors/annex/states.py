"""``mode=state``: capabilities kept by git-annex itself, beside each key."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from allmydata.doors.annex.asking import Annex
from allmydata.doors.annex.contents import Tell, fetch, send
from allmydata.doors.annex.nodes import can_be_read
from allmydata.errors import NoSuchChildError, UsageError
from allmydata.webapi import NodeHTTP


@frozen
class States:
    """Files whose capabilities are states of keys.

    :param asks_servers: to be there, a file's shares must be too
    """

    _node: Callable[[], NodeHTTP]
    _annex: Annex
    _asks_servers: bool = True

    def store(self, key: str, path: str, tell: Tell) -> None:
        """Store the file *path*."""
        if not key:
            raise UsageError("a key is empty")
        self._annex.set_state(key, send(self._node(), path, tell))

    def retrieve(self, key: str, path: str, tell: Tell) -> None:
        """Bring the file to *path*, or the rest of it.

        :raises NoSuchChildError: nothing is known of it
        """
        cap = self.where(key)
        if not cap:
            raise NoSuchChildError("the git-annex branch holds no capability of it")
        fetch(self._node(), cap, path, tell)

    def is_there(self, key: str) -> bool:
        """Tell whether it is there; servers are asked, unless the owner does not want it.

        :raises GridError: that can't be known now
        """
        cap = self.where(key)
        if not cap or not self._asks_servers:
            return bool(cap)
        return can_be_read(self._node(), cap)

    def remove(self, key: str) -> None:
        """Forget the capability; shares live on for their time."""
        self._annex.set_state(key, "")

    def where(self, key: str) -> str:
        """Return the capability; empty where none is known."""
        cap = self._annex.state(key).strip() if key else ""
        return cap if cap.startswith("URI:") else ""
