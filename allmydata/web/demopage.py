"""``/_/demo``: servers to be killed, revived, frozen and corrupted while a film plays.

It is there only for the client of ``tahoe demo``.  What its buttons do are acts of
``POST /_/do``, which leads back here.  Format: docs/pages.md.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

from attrs import frozen

from allmydata.errors import NotFoundError, UsageError
from allmydata.interfaces import IClient
from allmydata.interfaces.node import IDemo
from allmydata.util.mathutil import div_ceil
from allmydata.web.guard import check_own
from allmydata.web.livepage import live_facts
from allmydata.web.pages import count, page, path_of
from allmydata.web.paths import PRIVATE, Place
from allmydata.web.reply import Reply
from allmydata.web.request import Request

HERE = "/_/demo"
VERBS = ("kill", "revive", "freeze", "corrupt")
_DONE = {
    "kill": "{} is dead: its ports and connections are closed.",
    "revive": "{} lives again.",
    "freeze": "{} is frozen: its connections are open, and it answers nothing.",
    "corrupt": "{} has bits flipped in every share it holds.",
}
_BUTTONS = {  # what can be done to a server in each state
    "up": ("kill", "freeze", "corrupt"),
    "killed": ("revive", "corrupt"),
    "frozen": ("revive", "kill", "corrupt"),
}


@frozen
class DemoCard:
    """One server of a demo, and what can be done to it."""

    number: int
    name: str
    state: str
    is_connected: bool
    num_shares: int
    num_bytes: int
    buttons: tuple[str, ...]

    @classmethod
    def of(cls, told: dict[str, Any]) -> DemoCard:
        """Read what a demo's status tells of a server."""
        state = told["state"]
        return cls(
            told["number"],
            told["name"],
            state,
            told["connected"],
            told["shares"],
            told["bytes"],
            _BUTTONS[state],
        )


class DemoPage:
    """The page, and what its forms do."""

    def __init__(self, client: IClient) -> None:
        self._client = client
        self.acts: dict[str, Callable[[Request], Awaitable[str]]] = {
            f"demo-{verb}": self._act(verb) for verb in VERBS
        } | {"demo-film": self._put_film}

    async def page(self, request: Request) -> Reply:
        """Answer ``GET``."""
        demo = self._demo()
        status = await demo.status()
        name = demo.film_name()
        return page(
            "demo.html",
            cards=[DemoCard.of(one) for one in status["servers"]],
            prospect=prospect(status),
            notice=_notice(request, status["servers"]),
            film=path_of(Place(PRIVATE, [name])) if name else "",
            has_demo=True,
            **live_facts(self._client.transfers),
        )

    def _demo(self) -> IDemo:
        demo: IDemo | None = self._client.demo
        if demo is None:
            raise NotFoundError("this node is not the client of a demo", fix="tahoe demo")
        return demo

    # ---- the acts; each returns where to go on

    def _act(self, verb: str) -> Callable[[Request], Awaitable[str]]:
        async def act(request: Request) -> str:
            check_own(request)
            number = _number(request)
            await getattr(self._demo(), verb)([number])
            return f"{HERE}?{urlencode({'did': verb, 'server': number})}#server{number}"

        return act

    async def _put_film(self, request: Request) -> str:
        check_own(request)
        await self._demo().put_film()
        return f"{HERE}#film"


def _number(request: Request) -> int:
    text = request.argument("server") or ""
    if not (text.isascii() and text.isdigit() and len(text) < 5):
        raise UsageError("server= must be the number of a server")
    return int(text)


def _notice(request: Request, servers: list[dict[str, Any]]) -> str:
    """Return what was just done, as the address tells; nothing if it tells nonsense."""
    number = request.argument("server") or ""
    words = _DONE.get(request.argument("did") or "", "")
    names = [one["name"] for one in servers if str(one["number"]) == number]
    return words.format(names[0]) if words and names else ""


def prospect(status: dict[str, Any]) -> tuple[bool, str]:
    """Return whether the film can go on, and what it takes, in one sentence."""
    shares, servers = status["shares"], status["servers"]
    num_up = sum(one["state"] == "up" for one in servers)
    each = max(1, shares["total"] // len(servers))  # shares that each server holds
    wanted = div_ceil(shares["needed"], each)
    are = "is" if num_up == 1 else "are"
    words = f"{num_up} of {count(len(servers), 'server')} {are} up; any {wanted} will do"
    if num_up < wanted:
        return False, f"{words}: the film stops until you revive some."
    spare = num_up - wanted
    return True, f"{words}: {f'{spare} more may fail' if spare else 'none may fail now'}."
