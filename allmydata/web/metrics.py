"""``GET /metrics``: the node in numbers, in the text format of Prometheus.

    # HELP allmydata_uploads_total Files uploaded whole since the node started.
    # TYPE allmydata_uploads_total counter
    allmydata_uploads_total 48

Version 0.0.4 of the format: https://prometheus.io/docs/instrumenting/exposition_formats/
Names: docs/operations.md.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any, Literal

from attrs import frozen

from allmydata import __version__
from allmydata.interfaces import IClient
from allmydata.web.reply import Reply
from allmydata.web.request import Request

TYPE = "text/plain; version=0.0.4; charset=utf-8"

KEPT = {
    "keeper_files": "Files the keeper looks after.",
    "keeper_bytes": "Bytes of these files.",
    "keeper_expected_losses": "How many of them will be lost in a year, in the mean.",
    "keeper_repair_bytes": "Bytes of the files that wait for a repair.",
    "keeper_files_to_read": "Files still to be read in this round.",
}
KEEPING = {
    "keeper_looks": "Looks at files.",
    "keeper_reads": "Files read whole.",
    "keeper_repairs": "Files repaired.",
    "keeper_placed": "Shares made again.",
    "keeper_renewals": "Leases renewed.",
}

Sample = tuple[dict[str, str], float]


@frozen
class Metric:
    """One number of the node, or several that labels tell apart."""

    name: str
    kind: Literal["counter", "gauge"]
    words: str  # what it says
    samples: list[Sample]

    def lines(self) -> Iterator[str]:
        """Yield what a scraper reads."""
        yield f"# HELP {self.name} {_escape(self.words)}"
        yield f"# TYPE {self.name} {self.kind}"
        for labels, value in self.samples:
            pairs = ",".join(f'{key}="{_quote(text)}"' for key, text in labels.items())
            yield f"{self.name}{{{pairs}}} {value}" if pairs else f"{self.name} {value}"


class Metrics:
    """Answers with what there is to count."""

    def __init__(self, client: IClient) -> None:
        self._client = client
        self._since = time.monotonic()

    async def page(self, request: Request) -> Reply:
        """Answer ``GET /metrics``."""
        kept = await self._client.storage_figures()
        found = [*self._node(), *self._transfers(), *_storage(kept or {})]
        found += [*self._keeper(), *self._process()]
        lines = [line for metric in found if metric.samples for line in metric.lines()]
        return Reply(200, "".join(f"{line}\n" for line in lines).encode(), TYPE)

    def _node(self) -> Iterator[Metric]:
        servers = self._client.server_statuses()
        introducers = self._client.introducer_statuses()
        up = sum(_is_up(server["connection_status"]) for server in servers)
        yield Metric(
            "allmydata_build_info",
            "gauge",
            "Always 1; its label says which version runs.",
            [({"version": __version__}, 1)],
        )
        yield _gauge(
            "ready", "1 where an upload could be happy now.", self._client.readiness()[0]
        )
        yield _gauge("servers_connected", "Storage servers connected.", up)
        yield _gauge("servers_known", "Storage servers ever heard of.", len(servers))
        yield _gauge(
            "introducers_connected", "Introducers connected.", sum(map(_is_up, introducers))
        )
        yield _gauge("introducers_known", "Introducers configured.", len(introducers))

    def _transfers(self) -> Iterator[Metric]:
        moves = self._client.transfers
        kinds = [one.as_json()["kind"] for one in moves.active()]
        for kind in ("upload", "download"):
            files, size = moves.num_files[kind], moves.num_bytes[kind]
            yield _counter(f"{kind}s", f"Files {kind}ed whole.", files)
            yield _counter(f"{kind}_bytes", f"Bytes of the files {kind}ed whole.", size)
            words = f"{kind.capitalize()}s that run now."
            yield _gauge(f"{kind}s_running", words, kinds.count(kind))
        yield Metric(
            "allmydata_transfer_failures_total",
            "counter",
            "Uploads and downloads that failed, by the code of the error.",
            [
                ({"kind": kind, "code": code}, number)
                for (kind, code), number in sorted(moves.num_failures.items())
            ],
        )

    def _keeper(self) -> Iterator[Metric]:
        """Yield how the files are that the node looks after."""
        try:
            health: Any = self._client.getService("health")
        except KeyError:
            return
        numbers = health.numbers()
        for name, words in KEPT.items():
            if name in numbers:
                yield _gauge(name, words, numbers[name])
        for name, words in KEEPING.items():
            if f"{name}_total" in numbers:
                yield _counter(name, words, numbers[f"{name}_total"])
        states = [({"state": name}, float(n)) for name, n in health.files().items()]
        yield Metric(
            "allmydata_keeper_state_files",
            "gauge",
            "Files the keeper looks after, by how they are.",
            [sample for sample in states if sample[0]["state"] not in ("kept", "bytes")],
        )

    def _process(self) -> Iterator[Metric]:
        lag, worst = self._client.reactor_lag()
        yield _gauge("reactor_lag_seconds", "How late the reactor was last.", lag)
        words = "The latest it was since this was asked last."
        yield _gauge("reactor_lag_max_seconds", words, worst)
        cpu, uptime = time.process_time(), time.monotonic() - self._since
        yield _counter("process_cpu_seconds", "Processor time used.", cpu)
        yield _gauge("process_uptime_seconds", "Time since the gateway was made.", uptime)
        yield _gauge("process_resident_bytes", "Memory that the process uses.", _memory())


def _storage(kept: dict[str, Any]) -> Iterator[Metric]:
    """Yield what the node keeps for others; nothing where it keeps nothing."""
    for name, words in {
        "shares": "Shares held for others.",
        "bytes": "Bytes of the shares held for others.",
        "available": "Bytes of shares this node would still take.",
        "uploads": "Shares that are being written now.",
        "expired": "Shares that nobody leases any more, and that are still here.",
        "doomed": "Those of them whose grace is over.",
        "reclaimed": "Bytes of such shares deleted since the node started.",
    }.items():
        suffix = "_bytes" if name in ("available", "reclaimed") else ""
        yield _gauge(f"storage_{name}{suffix}", words, kept.get(name))


def _counter(name: str, words: str, value: float) -> Metric:
    return Metric(f"allmydata_{name}_total", "counter", words, [({}, value)])


def _gauge(name: str, words: str, value: float | None) -> Metric:
    samples: list[Sample] = [] if value is None else [({}, float(value))]
    return Metric(f"allmydata_{name}", "gauge", words, samples)


def _is_up(status: str) -> bool:
    return status.lower().startswith("connected")


def _memory() -> int | None:
    """Return the bytes of this process that lie in memory, where the system tells."""
    try:
        with open("/proc/self/statm", encoding="ascii") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _quote(text: str) -> str:
    return _escape(text).replace('"', '\\"')
