"""This and Tahoe-LAFS 1.20 side by side: the same works on two grids, turn about.

    python misc/bench/side_by_side.py [--rounds 5] [--size 100M] [--only web,small] [--json]

Ten storage nodes each, 3-of-10, every node a process on loopback; five, 3/4/5, where one
is frozen.  In each round a work is done on one system and then on the other, and the next
round begins with the other, so that a drift of the machine touches both.  Figures are
medians over the rounds; the ratio is that of the medians, its spread that of the rounds.
Exit code 1 where a floor of goals.py is not held.  ``make .venv-peer/installed`` installs
the peer.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import profiles
import workload
from goals import as_text, compare, missed
from grids import FIVE, OURS, PEER, Processes, running, ten
from machine import heading, versions
from works import WORKS, System, Turn

GRIDS = ("ten", "five", "none")


class Bench:
    """All rounds of all works."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.size = workload.parse_size(options.size)
        self.rounds = {"ours": defaultdict(list), "peer": defaultdict(list)}
        self.protocols: dict[str, list[str]] = {}

    def run(self) -> None:
        """Measure each work on the grids that it wants."""
        for on in GRIDS:
            names = [name for name in self.options.only if WORKS[name].on == on]
            if not names:
                continue
            with self._both(on) as systems:
                first = [name for name in names if WORKS[name].is_first]
                self._do(first, systems)
                if systems[0].grid:
                    for system in systems:
                        system.warm_up()
                self._do([name for name in names if name not in first], systems)
                if self.options.profile and on == "ten":
                    profiles.record(systems, self.size, self.options)

    def _do(self, names: list[str], systems: list[System]) -> None:
        for number in range(self.options.rounds):
            turn = Turn(number, self.size, self.options.count)
            for name in names:
                for system in systems if number % 2 == 0 else systems[::-1]:
                    say(f"round {number + 1}: {name}, {system.name}")
                    for row, figure in WORKS[name].do(system, turn).items():
                        self.rounds[system.name][row].append(figure)

    @contextmanager
    def _both(self, on: str) -> Iterator[list[System]]:
        options = self.options
        systems = [System("ours", options.ours), System("peer", PEER)]
        protocols = {"ours": options.our_protocol, "peer": options.peer_protocol}
        with ExitStack() as stack:
            for system in systems if on != "none" else []:
                say(f"building a grid of {on}: {system.name}")
                place = stack.enter_context(tempfile.TemporaryDirectory(prefix="side-"))
                named = Path(place) / system.name
                named.mkdir()
                protocol, kept = protocols[system.name], profiles.of_nodes(options)
                shape = ten(options.servers) if on == "ten" else FIVE
                grid = Processes(named, system.tahoe, protocol, shape, kept)
                system.grid = stack.enter_context(running(grid))
                self.protocols[system.name] = grid.protocols()
            yield systems

    def result(self) -> dict:
        """Return all that was found."""
        options = self.options
        return {
            **heading(),
            "versions": versions(),
            "protocols": self.protocols,
            "rounds": options.rounds,
            "servers": options.servers,
            "size": self.size,
            "count": options.count,
            "figures": self.rounds,
            "lines": compare(self.rounds, f"{self.size / 1e6:g} MB"),
        }


def say(text: str) -> None:
    """Tell how far it is, apart from the result."""
    print(text, file=sys.stderr, flush=True)


def tell(found: dict) -> None:
    """Print the table and what is not held."""
    spoken = "; ".join(
        f"{one} over {', '.join(how)}" for one, how in found["protocols"].items()
    )
    print(f"medians of {found['rounds']} rounds; {spoken or 'no grid'}")
    print(as_text(found["lines"]))
    broken = missed(found["lines"])
    print(f"not held: {', '.join(broken)}" if broken else "every floor is held")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", default="100M", help="of the large file")
    parser.add_argument("--servers", type=int, default=10, help="of the larger grid")
    parser.add_argument("--count", type=int, default=40, help="small files a round")
    parser.add_argument("--only", default=",".join(WORKS), metavar="NAMES")
    parser.add_argument("--list", action="store_true", help="print the works and end")
    protocols = ("foolscap", "http", "default")
    parser.add_argument("--peer-protocol", choices=protocols, default="foolscap")
    parser.add_argument("--our-protocol", choices=protocols, default="default")
    parser.add_argument("--ours", type=Path, default=OURS, help="another tahoe as ours")
    parser.add_argument("--profile", choices=profiles.HOW, help="also profile put and get")
    parser.add_argument("--profiles", type=Path, default=Path("build/profiles"))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--out", type=Path, help="write the JSON there")
    options = parser.parse_args()
    options.only = options.only.split(",")
    if unknown := set(options.only) - set(WORKS):
        parser.error(f"there are {', '.join(WORKS)}; not {', '.join(sorted(unknown))}")
    return options


def main() -> int:
    """Measure and print; 1 if a floor is not held."""
    options = parse()
    if options.list:
        for name, work in WORKS.items():
            print(f"{name:12} {work.do.__doc__.splitlines()[0]}")
        return 0
    if not PEER.exists():
        raise SystemExit("the peer is not installed: make .venv-peer/installed")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    bench = Bench(options)
    bench.run()
    found = bench.result()
    if options.out:
        options.out.write_text(json.dumps(found, indent=1))
    if options.json:
        print(json.dumps(found))
    else:
        tell(found)
    return 1 if missed(found["lines"]) else 0


if __name__ == "__main__":
    sys.exit(main())
