"""The pages about the node: ``/_/grid``, ``/_/live``, ``/_/health`` and ``/_/demo``.

What they say is decided in welcome.py, livepage.py and demopage.py.  Format: docs/pages.md.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from allmydata.interfaces import IClient
from allmydata.web.demopage import DemoPage
from allmydata.web.livepage import live_page
from allmydata.web.pages import page, static_file
from allmydata.web.reply import Reply
from allmydata.web.request import Request
from allmydata.web.welcome import Outlook, Welcome

Act = Callable[[Request], Awaitable[str | Reply]]


class NodePages:
    """Answers ``GET /_/NAME``."""

    def __init__(self, client: IClient, welcome: Welcome) -> None:
        self._client = client
        self._welcome = welcome
        self._demo = DemoPage(client)
        self.acts: Mapping[str, Act] = self._demo.acts  # of POST /_/do

    async def get(self, request: Request) -> Reply:
        """Answer with a page, or a file that pages are made with.

        :raises HTTPError: there is neither
        """
        match request.segments[-1]:
            case "grid":
                return self._welcome.grid()
            case "live":
                return live_page(self._client.transfers, has_demo=self._has_demo)
            case "health":
                return await self._health()
            case "demo" if self._has_demo:
                return await self._demo.page(request)
            case name:
                return static_file(name)

    @property
    def _has_demo(self) -> bool:
        return self._client.demo is not None

    async def _health(self) -> Reply:
        state = self._welcome.state()
        is_well, line, facts = self._verdict(state["outlook"])
        reports = await self._client.damage_reports()
        told = {"is_well": is_well, "line": line, "facts": facts, "reports": reports}
        return page("health.html", **state | told)

    def _verdict(self, outlook: Outlook) -> tuple[bool, str, list[tuple[str, str]]]:
        """Return what is known of how safe the files are, by whoever knows most."""
        try:
            health: Any = self._client.getService("health")
        except KeyError:
            return *outlook.verdict, []
        if not health.num_kept:
            return *outlook.verdict, []
        return *health.verdict(), health.facts()
