"""How safe the files are, in words and in numbers, for people and for programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import frozen
from twisted.application.service import Service
from zope.interface import implementer

from allmydata.coding.durability import nines
from allmydata.grid.broker import StorageBroker
from allmydata.grid.uptime import Uptime
from allmydata.interfaces.node import IHealth
from allmydata.keeper.counts import Counts
from allmydata.keeper.schedule import State
from allmydata.keeper.service import Keeper
from allmydata.util import humanize
from allmydata.util.deferreds import as_deferred

WORDS = {
    State.NEW: "not looked at yet",
    State.WELL: "whole",
    State.WAITING: "waiting for a server that is away",
    State.WEAK: "to be repaired",
    State.UNREADABLE: "not readable now",
}


@implementer(IHealth)
class Health(Service):
    """Tells; ``getService("health")`` of a client.

    :param keeper: None where it is not enabled
    :param readiness: as that of the client
    """

    name = "health"

    def __init__(
        self,
        broker: StorageBroker,
        uptime: Uptime,
        keeper: Keeper | None,
        readiness: Callable[[], tuple[bool, str]],
    ) -> None:
        self._broker = broker
        self._uptime = uptime
        self._keeper = keeper
        self._readiness = readiness

    @property
    def num_kept(self) -> int:
        """How many files the keeper looks after."""
        return self._counts().num_files

    # ---- IHealth -------------------------------------------------------------------------

    def verdict(self) -> tuple[bool, str]:
        """Return whether all is well, and one line on how safe the files are."""
        trouble = self._keeper.trouble if self._keeper else ""
        if trouble:
            return False, f"The keeper can't work: {trouble}."
        counts = self._counts()
        if not counts.num_files:
            is_ready, why = self._readiness()
            words = "The keeper was given no files." if is_ready else f"Not ready: {why}."
            return is_ready, words
        return Outlook.of(counts).verdict

    def facts(self) -> list[tuple[str, str]]:
        """Return more of what is known: what it is of, and words on it."""
        counts = self._counts()
        if not counts.num_files:
            return [("Files kept", "none: give some to tahoe keeper add")]
        told = [("Files kept", f"{counts.num_files:,}, {humanize.size(counts.size)}")]
        told += [
            (f"… {WORDS[state]}", f"{counts.by_state[state]:,}")
            for state in State
            if counts.by_state.get(state)
        ]
        told += [("Loss within a year", Outlook.of(counts).odds)]
        done = self._keeper.figures() if self._keeper else {}
        if done.get("repairs"):
            told += [("Repaired since the start", f"{done['repairs']:,}")]
        for name in sorted(one.name for one in self._broker.servers() if one.is_drained):
            told += [("Being emptied", name)]
        return told

    # ---- for programs --------------------------------------------------------------------

    @as_deferred
    async def summary(self) -> dict[str, Any]:
        """Return all of it, counted now."""
        if self._keeper:
            await self._keeper.count()
        is_well, words = self.verdict()
        counts = self._counts()
        return {
            "well": is_well,
            "verdict": words,
            "facts": [list(fact) for fact in self.facts()],
            "files": self.files(),
            "spare": {str(n): num for n, num in sorted(counts.by_spare.items())},
            "durability": self._durability(counts),
            "servers": self._servers(),
            "keeper": self._keeping(counts),
        }

    def files(self) -> dict[str, int]:
        """Return how many files are how, by state, and in all."""
        counts = self._counts()
        by_state = {s.name.lower(): counts.by_state.get(s, 0) for s in State}
        return {"kept": counts.num_files, "bytes": counts.size, **by_state}

    def numbers(self) -> dict[str, float]:
        """Return what /metrics tells, by name."""
        counts = self._counts()
        done = self._keeper.figures() if self._keeper else {}
        return {
            "keeper_files": counts.num_files,
            "keeper_bytes": counts.size,
            "keeper_expected_losses": counts.losses,
            "keeper_repair_bytes": counts.missing,
            "keeper_files_to_read": counts.num_sampled,
            **{f"keeper_{name}_total": number for name, number in done.items()},
        }

    # ---- inside --------------------------------------------------------------------------

    def _counts(self) -> Counts:
        return self._keeper.counts if self._keeper else Counts({}, {})

    def _durability(self, counts: Counts) -> dict[str, float] | None:
        if not counts.num_files:
            return None
        return {
            "lost_in_a_year": counts.losses,
            "worst": counts.worst,
            "nines": round(nines(counts.worst), 1),
        }

    def _servers(self) -> list[dict[str, Any]]:
        told = []
        for server in sorted(self._broker.servers(), key=lambda one: one.name):
            record = self._uptime.of(server.nodeid)
            told.append(
                {
                    "name": server.name,
                    "nodeid": server.nodeid,
                    "zone": server.zone,
                    "connected": server.connected,
                    "drained": server.is_drained,
                    "uptime": record.uptime if record else None,
                    "watched_s": record.watched_s if record else 0.0,
                    "away_s": self._uptime.away_s(server),
                }
            )
        return told

    def _keeping(self, counts: Counts) -> dict[str, Any] | None:
        if not self._keeper:
            return None
        rules = self._keeper.rules
        return {
            "trouble": self._keeper.trouble,
            "bandwidth": rules.bandwidth,
            "check_every_s": rules.check_every_s,
            "verify_every_s": rules.verify_every_s,
            "patience_s": rules.patience_s,
            "oldest_check": counts.oldest_check,
            "to_repair_bytes": counts.missing,
            "to_read": counts.num_sampled,
            **self._keeper.figures(),
        }


@frozen
class Outlook:
    """What the numbers come to."""

    counts: Counts

    @classmethod
    def of(cls, counts: Counts) -> Outlook:
        """Look at *counts*."""
        return cls(counts)

    @property
    def verdict(self) -> tuple[bool, str]:
        """Whether all is well, and one line on it."""
        states, total = self.counts.by_state, self.counts.num_files
        lost, weak = states.get(State.UNREADABLE, 0), states.get(State.WEAK, 0)
        if lost:
            return False, f"{_files(lost)} of {total:,} can't be read now."
        least = min(self.counts.by_spare, default=0)
        if weak:
            bears = f"the weakest bears the loss of {_servers(least)}"
            return (
                False,
                f"{_files(weak)} of {total:,} {_are(weak)} being repaired; {bears}.",
            )
        if states.get(State.NEW):
            seen = total - states[State.NEW]
            return True, f"{seen:,} of {_files(total)} were looked at, and are safe."
        bears = f"each may lose {_servers(least)}, whichever they are"
        if total == 1:
            bears = f"it may lose {_servers(least)}, whichever they are"
        return True, f"{'All ' * (total > 1)}{_files(total)} {_are(total)} safe: {bears}."

    @property
    def odds(self) -> str:
        """How likely a loss is, in words."""
        loss = self.counts.losses
        if self.counts.worst >= 1:
            return "some files lack shares that are needed"
        if loss <= 1e-15:
            return "less than one file in 10^15 years"
        if loss < 0.01:
            return f"one file in {_rounded(1 / loss)} years ({nines(loss):.0f} nines)"
        return f"{loss:.2g} files"


def _rounded(number: float) -> str:
    return (
        f"{float(f'{number:.1g}'):,.0f}"
        if number < 1e6
        else f"10^{len(str(int(number))) - 1}"
    )


def _files(num: int) -> str:
    return f"{num:,} file{'s' * (num != 1)}"


def _servers(num: int) -> str:
    return f"{num} server{'s' * (num != 1)}" if num else "no server"


def _are(num: int) -> str:
    return "is" if num == 1 else "are"
