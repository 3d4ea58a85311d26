"""Who we are, whom we see, and whether that is enough to store something."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

from allmydata import __version__
from allmydata.interfaces import IClient
from allmydata.util.humanize import size as human_size
from allmydata.web.errors import HTTPError
from allmydata.web.reply import HTML, Reply, as_json
from allmydata.web.request import Request

# programs look for the first "Connected to <span>N</span>": that of the servers
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{nickname} - allmydata</title>
<style>
body {{ font: 16px/1.5 sans-serif; max-width: 50em; margin: 2em auto; padding: 0 1em }}
table {{ border-collapse: collapse }}
th, td {{ text-align: left; padding: .2em 1em .2em 0 }}
</style>
</head>
<body>
<h1>{nickname}</h1>
<p>allmydata {version}, node {nodeid}. {readiness}</p>
<h2>Connected to <span>{num_connected}</span>
of <span>{num_servers}</span> known storage servers</h2>
<table>
<tr><th>Server</th><th>Connection</th><th>Free</th></tr>
{servers}
</table>
<h2>Connected to <span>{num_introducers_connected}</span>
of <span>{num_introducers}</span> introducers</h2>
<ul>
{introducers}
</ul>
</body>
</html>
"""


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
        return Reply(200, self._html().encode(), HTML)

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
                "segment_size": self._client.getService("uploader").max_segment_size,
            },
        }

    def _html(self) -> str:
        servers = self._client.server_statuses()
        introducers = self._client.introducer_statuses()
        is_ready, why = self._client.readiness()
        return PAGE.format(
            nickname=escape(self._client.nickname or "a node without a name"),
            version=__version__,
            nodeid=escape(self._client.nodeid),
            readiness="Ready to store." if is_ready else f"Not ready: {escape(why)}.",
            num_connected=_count(server["connection_status"] for server in servers),
            num_servers=len(servers),
            servers="\n".join(map(_row, servers)),
            num_introducers_connected=_count(introducers),
            num_introducers=len(introducers),
            introducers="\n".join(f"<li>{escape(status)}</li>" for status in introducers),
        )


def _count(statuses: Iterable[str]) -> int:
    return sum(status.lower().startswith("connected") for status in statuses)


def _row(server: dict[str, Any]) -> str:
    space = server["available_space"]
    free = "" if space is None else human_size(space)
    name = server["nickname"] or server["nodeid"]
    cells = (name, server["connection_status"], free)
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
