"""Years of many files, simulated, beside what allmydata/coding/durability.py says of them.

    python misc/simulators/durability.py [--years 100000] [--seed 1] [--picture FILE.svg]

Events: a server goes for good; a server is away for a while; a zone goes with all that
stand in it; the shares of what went are regenerated, each so many days after it went, but
not before enough servers are up to read from.  The numbers are much worse than those of a
real grid, or nothing would happen in a simulated lifetime.
"""

from __future__ import annotations

import argparse
import heapq
import math
import random
import sys
from pathlib import Path

from attrs import define, field, frozen

from allmydata.coding.durability import ServerOdds, nines, yearly_loss

YEAR_DAYS = 365.0


@frozen
class Setting:
    """A file on a grid.

    :param shares: how many shares each server holds
    :param zones: where each server stands; empty: nowhere in particular
    :param losses: how often in a year a server goes for good
    :param repair_days: how long a lost share stays lost; None: for ever, and each file is
        watched for one year
    :param outages: how often in a year a server is away
    :param outage_days: for how long
    """

    name: str
    k: int
    shares: tuple[int, ...]
    losses: float
    repair_days: float | None
    zones: str = ""
    zone_losses: float = 0.0
    outages: float = 0.0
    outage_days: float = 0.0

    @property
    def up(self) -> float:
        """The part of the time that a server answers."""
        return 1 / (1 + self.outages * self.outage_days / YEAR_DAYS)

    def estimate(self) -> float:
        """Return what the model says."""
        numbers = iter(range(sum(self.shares)))
        holdings = {i: [next(numbers) for _ in range(n)] for i, n in enumerate(self.shares)}
        zones = self.zones or " " * len(self.shares)
        years = self.outage_days / YEAR_DAYS
        servers = {
            i: ServerOdds(self.losses, self.up, years, zone=zones[i].strip())
            for i in holdings
        }
        repair = None if self.repair_days is None else self.repair_days / YEAR_DAYS
        return yearly_loss(self.k, holdings, servers, repair, self.zone_losses)


SETTINGS = (
    Setting("3-of-10 on ten servers", 3, (1,) * 10, 3.0, 30),
    Setting("1-of-3, three copies", 1, (1,) * 3, 1.0, 14),
    Setting("3-of-10 on five servers", 3, (2,) * 5, 1.0, 21),
    Setting("2-of-6 in three zones", 2, (1,) * 6, 0.5, 30, "aabbcc", 0.2),
    Setting(
        "3-of-6, servers away a third of the time", 3, (1,) * 6, 0.5, 10, "", 0, 12, 15
    ),
    Setting("3-of-10, never repaired", 3, (1,) * 10, 0.7, None),
)


@define
class Life:
    """One file, from when it is whole."""

    setting: Setting
    rng: random.Random
    now: float = 0.0  # days
    _events: list[tuple[float, int, str, int]] = field(factory=list)
    _here: list[bool] = field(factory=list)  # whether each server's shares are there
    _up: list[bool] = field(factory=list)
    _waiting: list[int] = field(factory=list)  # whose repair has come, with too few up
    _order: int = 0

    def run(self, most_days: float) -> bool:
        """Return whether it is lost in that time."""
        setting = self.setting
        num = len(setting.shares)
        self._here, self._up = [True] * num, [True] * num
        for i in range(num):
            self._later(setting.losses, "loss", i)
            if setting.outages:
                if self.rng.random() > setting.up:
                    self._up[i] = False
                    self._later(YEAR_DAYS / setting.outage_days, "back", i)
                else:
                    self._later(setting.outages, "away", i)
        for zone in range(len(set(setting.zones))):
            self._later(setting.zone_losses, "zone", zone)
        while self._events:
            self.now, _, what, which = heapq.heappop(self._events)
            if self.now > most_days:
                self.now = most_days
                return False
            getattr(self, what)(which)
            if self._num(self._here) < setting.k:
                return True
        return False

    # ---- events

    def loss(self, i: int) -> None:
        """Let a server go; another takes its place, which is empty."""
        self._later(self.setting.losses, "loss", i)
        self._lose(i)

    def zone(self, zone: int) -> None:
        """Let a zone go."""
        self._later(self.setting.zone_losses, "zone", zone)
        name = sorted(set(self.setting.zones))[zone]
        for i in [i for i, one in enumerate(self.setting.zones) if one == name]:
            self._lose(i)

    def away(self, i: int) -> None:
        """Let a server be silent."""
        self._up[i] = False
        self._later(YEAR_DAYS / self.setting.outage_days, "back", i)

    def back(self, i: int) -> None:
        """Let it answer again."""
        self._up[i] = True
        self._later(self.setting.outages, "away", i)
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            self.repair(one)

    def repair(self, i: int) -> None:
        """Regenerate what was lost with a server, if that is possible now."""
        readable = [here and up for here, up in zip(self._here, self._up, strict=True)]
        if self._num(readable) < self.setting.k:
            self._waiting.append(i)
        else:
            self._here[i] = True

    # ---- inside

    def _lose(self, i: int) -> None:
        if self._here[i]:
            self._here[i] = False
            if self.setting.repair_days is not None:
                self._push(self.setting.repair_days, "repair", i)

    def _num(self, flags: list[bool]) -> int:
        pairs = zip(self.setting.shares, flags, strict=True)
        return sum(num for num, flag in pairs if flag)

    def _later(self, rate: float, what: str, which: int) -> None:
        if rate:
            self._push(self.rng.expovariate(rate / YEAR_DAYS), what, which)

    def _push(self, delay: float, what: str, which: int) -> None:
        self._order += 1
        heapq.heappush(self._events, (self.now + delay, self._order, what, which))


@frozen
class Outcome:
    """What the model said, and what happened."""

    setting: Setting
    estimate: float
    simulated: float
    error: float  # twice the standard error
    num_lost: int
    years: float

    @property
    def agrees(self) -> bool:
        """Whether they are within a quarter, or within what chance allows."""
        off = abs(self.estimate - self.simulated)
        return off <= max(self.error * 1.5, 0.25 * self.simulated)


def simulate(setting: Setting, years: float, rng: random.Random) -> Outcome:
    """Let files live, one after another, for so many years in all."""
    lived, num_lost, num_lives = 0.0, 0, 0
    longest = YEAR_DAYS if setting.repair_days is None else YEAR_DAYS * 100
    while lived < years * YEAR_DAYS:
        life = Life(setting, rng)
        num_lost += life.run(longest)
        lived += life.now
        num_lives += 1
    spread = 2 * math.sqrt(max(1, num_lost))
    if setting.repair_days is None:
        found, error = num_lost / num_lives, spread / num_lives
    else:
        rate = num_lost / (lived / YEAR_DAYS)
        found, error = -math.expm1(-rate), spread / (lived / YEAR_DAYS)
    return Outcome(setting, setting.estimate(), found, error, num_lost, lived / YEAR_DAYS)


def table(outcomes: list[Outcome]) -> str:
    """Return the table of docs/durability.md."""
    lines = [
        "| setting | model | simulated | nines | lost in so many years |",
        "|---|---|---|---|---|",
    ]
    for one in outcomes:
        found = f"{one.simulated:.2g} ± {one.error:.1g}"
        lived = f"{one.num_lost:,} in {one.years:,.0f}"
        words = [one.setting.name, f"{one.estimate:.2g}", found]
        lines.append(
            "| " + " | ".join([*words, f"{nines(one.estimate):.1f}", lived]) + " |"
        )
    return "\n".join(lines)


# ---- the picture -------------------------------------------------------------------------

LEFT, TOP, WIDTH, ROW = 300, 34, 480, 40
LOWEST = 5  # the axis goes from 1 down to 10 to the minus this


def picture(outcomes: list[Outcome]) -> str:
    """Return an SVG: a row for each setting, with model and simulation on one axis."""
    bottom = TOP + ROW * len(outcomes)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 30} '
        f'{bottom + 70}" font-family="sans-serif" font-size="14">',
        "<title>Yearly odds of loss: the model, and simulated years</title>",
        f'<rect width="{LEFT + WIDTH + 30}" height="{bottom + 70}" fill="white"/>',
    ]
    for power in range(LOWEST + 1):
        x = _x(10.0**-power)
        parts.append(
            f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom}" stroke="#ddd"/>'
            f'<text x="{x:.1f}" y="{bottom + 20}" text-anchor="middle">'
            f"{10.0**-power:g}</text>"
        )
    for i, one in enumerate(outcomes):
        parts += _row(one, TOP + ROW * i + ROW / 2)
    parts += _legend(bottom + 50)
    return "\n".join([*parts, "</svg>", ""])


def _row(one: Outcome, y: float) -> list[str]:
    low, high = _x(max(1e-9, one.simulated - one.error)), _x(one.simulated + one.error)
    return [
        f'<text x="{LEFT - 15}" y="{y + 5}" text-anchor="end">{one.setting.name}</text>',
        f'<line x1="{low:.1f}" y1="{y}" x2="{high:.1f}" y2="{y}" stroke="#1a6" '
        'stroke-width="8" stroke-linecap="round" opacity="0.45"/>',
        f'<circle cx="{_x(one.simulated):.1f}" cy="{y}" r="5" fill="#1a6"/>',
        f'<path d="M{_x(one.estimate):.1f} {y - 12}v24" stroke="#b30" stroke-width="3"/>',
    ]


def _legend(y: float) -> list[str]:
    return [
        f'<path d="M{LEFT} {y - 12}v16" stroke="#b30" stroke-width="3"/>',
        f'<text x="{LEFT + 12}" y="{y}">model</text>',
        f'<circle cx="{LEFT + 100}" cy="{y - 5}" r="5" fill="#1a6"/>',
        f'<text x="{LEFT + 112}" y="{y}">simulated, with two standard errors</text>',
    ]


def _x(odds: float) -> float:
    power = max(-LOWEST, min(0.0, math.log10(odds)))
    return LEFT - WIDTH * power / LOWEST


def main() -> int:
    """Simulate all settings; return 1 if the model is off in one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--years", type=float, default=100_000, help="for each setting")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--picture", type=Path, metavar="FILE.svg")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    outcomes = [simulate(setting, options.years, rng) for setting in SETTINGS]
    print(table(outcomes))
    if options.picture:
        options.picture.write_text(picture(outcomes))
    wrong = [one.setting.name for one in outcomes if not one.agrees]
    print(f"the model is off: {', '.join(wrong)}" if wrong else "the model agrees")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
