"""``/statistics`` and ``/status`` for programs, in the words of Tahoe-LAFS.

Only the first letters of a storage index are told.  Format: docs/operations.md.
"""

from __future__ import annotations

import time
from typing import Any

from allmydata.interfaces import IClient
from allmydata.interfaces.node import ITransfer
from allmydata.web.errors import HTTPError
from allmydata.web.reply import PLAIN, Reply, as_json
from allmydata.web.request import Request

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
NAMES = {  # of a kind's counters
    "upload": ("uploader.files_uploaded", "uploader.bytes_uploaded"),
    "download": ("downloader.files_downloaded", "downloader.bytes_downloaded"),
}


class Statistics:
    """Answers with counts since the node started, and with what is moving."""

    def __init__(self, client: IClient) -> None:
        self._client = client
        self._since = time.monotonic()

    async def counts(self, request: Request) -> Reply:
        """Answer ``GET /statistics``, with ``t=json`` or ``t=openmetrics``."""
        kind = request.argument("t")
        if kind not in ("json", "openmetrics"):
            raise HTTPError(400, "GET /statistics: t= is json or openmetrics")
        told: dict[str, dict[str, float]] = {
            "counters": self._counters(),
            "stats": await self._stats(),
        }
        if kind == "json":
            return as_json(200, told, PLAIN)
        lines = [
            f"tahoe_{group}_{name.replace('.', '_').replace('-', '_')} {value}\n"
            for group, values in told.items()
            for name, value in values.items()
        ]
        body = "".join([*sorted(lines), "# EOF\n"])
        return Reply(200, body.encode(), OPENMETRICS)

    async def status(self, request: Request) -> Reply:
        """Answer ``GET /status?t=json``: the transfers that run, and the last hundred."""
        if request.argument("t") != "json":
            raise HTTPError(400, "GET /status: the only t= known here is json")
        moves = self._client.transfers
        told = {
            "active": [_status(one) for one in moves.active()],
            "recent": [_status(one) for one in moves.recent()],
        }
        return as_json(200, told, "application/json")

    def _counters(self) -> dict[str, float]:
        moves = self._client.transfers
        found: dict[str, float] = {}
        for kind, (files, size) in NAMES.items():
            if moves.num_files[kind]:
                found[files] = moves.num_files[kind]
                found[size] = moves.num_bytes[kind]
        return found

    async def _stats(self) -> dict[str, float]:
        found = {
            "cpu_monitor.total": time.process_time(),
            "node.uptime": time.monotonic() - self._since,
        }
        kept = await self._client.storage_figures()
        if kept is not None and kept["available"] is not None:
            found["storage_server.disk_avail"] = kept["available"]
            accepts = int(kept["available"] > 0)
            found["storage_server.accepting_immutable_shares"] = accepts
        return found


def _status(transfer: ITransfer) -> dict[str, Any]:
    told = transfer.as_json()
    progress = told["done"] / told["size"] if told["size"] else 1.0
    status = {
        "type": told["kind"],
        "storage-index-string": told["storage_index"],
        "total-size": told["size"],
        "status": _words(told),
    }
    if told["kind"] == "download":
        return status | {"progress": progress}
    steps = ("hash", "ciphertext", "encode-push")
    return status | {f"progress-{step}": progress for step in steps}


def _words(told: dict[str, Any]) -> str:
    outcome = str(told["outcome"])
    return {"running": "Running", "done": "Finished"}.get(outcome, f"Failed: {outcome}")
