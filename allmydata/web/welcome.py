"""Who we are, whom we see, and whether that is enough to store something."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from attrs import frozen

from allmydata import __version__
from allmydata.coding.geometry import DEFAULT_MAX_SEGMENT_SIZE
from allmydata.interfaces import IClient
from allmydata.web.errors import HTTPError
from allmydata.web.pages import ago, count, page
from allmydata.web.reply import Reply, as_json
from allmydata.web.request import Request
from allmydata.web.session import Standing

Server = dict[str, Any]


class Welcome:
    """The pages about the node itself."""

    def __init__(self, client: IClient) -> None:
        self._client = client

    async def page(self, request: Request) -> Reply:
        """Answer ``GET /``: a page for people, or with ``t=json`` one for programs."""
        kind = request.argument("t")
        if kind == "json":
            return as_json(200, self._summary())
        if kind:
            raise HTTPError(400, "GET /: the only t= known here is json")
        return page("welcome.html", **self._links(request), **self.state())

    def grid(self) -> Reply:
        """Return the page of all servers."""
        return page("grid.html", **self.state())

    async def health(self, request: Request) -> Reply:
        """Answer ``GET /healthz``: whoever answers is alive."""
        return as_json(200, {"healthy": True})

    async def readiness(self, request: Request) -> Reply:
        """Answer ``GET /readyz``: 200 when an upload could be happy now, else 503."""
        is_ready, why = self._client.readiness()
        return as_json(200 if is_ready else 503, {"ready": is_ready, "why": why})

    def _summary(self) -> dict[str, Any]:
        k, happy, n = self._client.encoding_parameters()
        return {
            "introducers": {"statuses": self._client.introducer_statuses()},
            "servers": self._client.server_statuses(),
            "encoding": {
                "needed": k,
                "happy": happy,
                "total": n,
                "segment_size": DEFAULT_MAX_SEGMENT_SIZE,
            },
        }

    def _links(self, request: Request) -> dict[str, bool]:
        """Return what may be offered to whoever asks."""
        is_own = request.standing is Standing.OWNER
        return {"has_drive": is_own and self._has_drive(), "is_own": is_own}

    def _has_drive(self) -> bool:
        try:
            self._client.getService("vdrive")
        except KeyError:
            return False
        return True

    def state(self) -> dict[str, Any]:
        """Return what the pages about the node are made of."""
        servers = sorted(self._client.server_statuses(), key=_name)
        introducers = self._client.introducer_statuses()
        is_ready, why = self._client.readiness()
        outlook = Outlook.of(servers, self._client.encoding_parameters())
        now = time.time()
        return {
            "nickname": self._client.nickname or "a node without a name",
            "nodeid": self._client.nodeid,
            "version": __version__,
            "is_ready": is_ready,
            "why": why,
            "outlook": outlook,
            "cards": [_card(server, outlook, now) for server in servers],
            "num_connected": _count(one["connection_status"] for one in servers),
            "num_servers": len(servers),
            "num_introducers_connected": _count(introducers),
            "introducers": introducers,
            "has_demo": self._client.demo is not None,
        }


@frozen
class Outlook:
    """What this node's files would bear, from what is connected.

    :param happy: servers that each file was spread over at least
    :param num_writable: connected servers that take new shares
    :param num_down: known servers that are not connected
    """

    needed: int
    happy: int
    total: int
    num_writable: int
    num_down: int

    @classmethod
    def of(cls, servers: Iterable[Server], parameters: tuple[int, int, int]) -> Outlook:
        """Look at servers under (k, happy, n)."""
        up = [one for one in servers if _is_up(one)]
        writable = sum(not one["readonly"] for one in up)
        return cls(*parameters, writable, sum(not _is_up(one) for one in servers))

    @property
    def spare(self) -> int:
        """How many servers a file may lose and still be there."""
        return max(0, self.happy - self.needed)

    @property
    def promise(self) -> str:
        """What a file bears, in one sentence."""
        any_of = f"Any {self.needed} of the {count(self.total, 'share')} of a file"
        if not self.spare:
            return f"{any_of} bring it back, but it may be lost with a single server."
        lost = f"it bears the loss of {count(self.spare, 'server')} at least"
        return f"{any_of} bring it back: {lost}."

    @property
    def verdict(self) -> tuple[bool, str]:
        """Whether the files are safe as far as connections tell, in one line."""
        if not self.num_down and self.spare:
            return True, "Every server is there: no file should be in danger."
        if self.num_down > self.spare:
            return False, f"{_are(self.num_down)} down: some files may be unreadable."
        left = count(self.spare - self.num_down, "more server")
        safe = f"{_are(self.num_down)} down: every file is there"
        if self.num_down < self.spare:
            return True, f"{safe}, and stays so if {left} go down."
        if self.num_down:
            return False, f"{safe}, but may be lost with one more."
        return False, "Every server is there, but a file may be lost with a single one."

    def if_it_dies(self, server: Server) -> list[tuple[bool, str]]:
        """Return what happens when *server* is gone, and whether that is well.

        Of one that is gone already, what that means now.
        """
        is_up = _is_up(server)
        down = self.num_down + is_up
        writable = self.num_writable - (is_up and not server["readonly"])
        return [self._of_reading(down), self._of_storing(writable)]

    def _of_reading(self, down: int) -> tuple[bool, str]:
        if down <= self.spare:
            return True, "every file stays readable"
        with_others = "" if down == 1 else f", with {count(down, 'server')} down"
        return False, f"some files may be unreadable until it is back{with_others}"

    def _of_storing(self, writable: int) -> tuple[bool, str]:
        if writable >= self.happy:
            return True, "new files can be stored"
        return False, f"nothing new can be stored: {writable} of {self.happy} are left"


@frozen
class Card:
    """What is told of one server.

    :param then: what happens if it dies; each with whether that is well
    """

    name: str
    status: str
    is_up: bool
    readonly: bool
    space: int | None
    shares: int | None
    num_damages: int
    zone: str
    version: str
    heard: str
    then: list[tuple[bool, str]]


def _are(number: int) -> str:
    return f"{count(number, 'server')} {'is' if number == 1 else 'are'}"


def _card(server: Server, outlook: Outlook, now: float) -> Card:
    heard = server["last_received_data"]
    return Card(
        _name(server),
        server["connection_status"],
        _is_up(server),
        server["readonly"],
        server["available_space"],
        server["shares_held"],
        server.get("advisories", 0),
        server["zone"],
        server["version"] or "",
        "" if heard is None else ago(now - heard),
        outlook.if_it_dies(server),
    )


def _name(server: Server) -> str:
    return str(server["nickname"] or server["nodeid"])


def _is_up(server: Server) -> bool:
    return bool(_count([server["connection_status"]]))


def _count(statuses: Iterable[str]) -> int:
    return sum(status.lower().startswith("connected") for status in statuses)
