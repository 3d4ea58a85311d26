"""When a share's time is over: decisions, without clock or disk.

A share goes when all its leases are over by the clock, and were seen to be over for all of
a grace in which the server itself was running.  A clock that jumps, or a server that was
off for a year, so takes nothing from clients that still renew.  For people: docs/leases.md.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from attrs import frozen

from allmydata.formats.container import LEASE_DURATION_S
from allmydata.storage.inventory import IMMUTABLE, MUTABLE, Over

DAY_S = 86_400
GRACE_S = 30 * DAY_S


@frozen
class ExpiryPolicy:
    """What the server's owner wants done with shares that nobody renews.

    :param mode: ``age``: a lease is over some time after it was last renewed;
        ``cutoff-date``: if that was before a date
    :param duration_s: that time; None for as long as the lease says, which is 31 days
    :param cutoff: that date, in seconds since 1970
    :param immutable, mutable: the kinds of shares that may go
    :param grace_s: running time between the end of a share's last lease and its own
    :param dry_run: delete nothing, and tell what would go
    """

    enabled: bool = False
    mode: Literal["age", "cutoff-date"] = "age"
    duration_s: int | None = None
    cutoff: int | None = None
    immutable: bool = True
    mutable: bool = True
    grace_s: int = GRACE_S
    dry_run: bool = False

    def over(self, now: float) -> Over:
        """Return which shares nobody wants any more, *now*."""
        kinds = (IMMUTABLE,) if self.immutable else ()
        return Over(self._threshold(now), kinds + ((MUTABLE,) if self.mutable else ()))

    def _threshold(self, now: float) -> float:
        """Return before what a lease ends that is over."""
        if self.mode == "cutoff-date":
            return float("-inf") if self.cutoff is None else self.cutoff + LEASE_DURATION_S
        if self.duration_s is None:
            return now
        return now - self.duration_s + LEASE_DURATION_S

    def words(self) -> str:
        """Say when a lease is over, for people."""
        if not (self.immutable or self.mutable):
            return "never: expire.immutable and expire.mutable are false"
        if self.mode == "cutoff-date":
            if self.cutoff is None:
                return "never: there is no expire.cutoff_date"
            date = datetime.fromtimestamp(self.cutoff, UTC)
            return f"when it was last renewed before {date:%Y-%m-%d}"
        days = (self.duration_s or LEASE_DURATION_S) / DAY_S
        return f"{days:g} days after it was last renewed"


NO_EXPIRY = ExpiryPolicy()


@frozen
class Reaped:
    """What one cycle did, or in a dry run would have done."""

    when: float  # seconds since 1970
    running: float  # running time of the server
    expired: int = 0  # shares whose leases are over
    doomed: int = 0  # those of them whose grace was over too
    deleted: int = 0
    deleted_bytes: int = 0
    spared: int = 0  # doomed, and found leased when the file itself was read
    dry_run: bool = False
