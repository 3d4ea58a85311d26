"""Sixteen processes put one alias at once: one of them wins, fifteen are told so.

python misc/shows/hive_race.py [--rounds 20] [--racers 16] [--size 5000]
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
from pathlib import Path

from hive_node import hive_node
from under_demo import ShowError, run_beside_demo

RACER = """
import sys, wrpme
client = wrpme.RawClient(sys.argv[1], int(sys.argv[2]))
for line in sys.stdin:
    alias, me = line.split()
    try:
        client.put(alias, f"{me} of {alias}".ljust(int(sys.argv[3])))
        print("won", flush=True)
    except wrpme.AliasAlreadyExists:
        print("AliasAlreadyExists", flush=True)
"""


def race(racers: list[subprocess.Popen], alias: str) -> int:
    """Let all of them put *alias*; return who won.

    :raises ShowError: not exactly one
    """
    for number, racer in enumerate(racers):
        racer.stdin.write(f"{alias} racer-{number}\n")
    for racer in random.sample(racers, len(racers)):
        racer.stdin.flush()
    outcomes = [racer.stdout.readline().strip() for racer in racers]
    lost = outcomes.count("AliasAlreadyExists")
    if (outcomes.count("won"), lost) != (1, len(racers) - 1):
        raise ShowError(f"{alias}: {outcomes}")
    return outcomes.index("won")


def main() -> int:
    """Race."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--racers", type=int, default=16)
    parser.add_argument("--size", type=int, default=5000)
    options = parser.parse_args()

    def show(place: Path) -> None:
        import wrpme

        with hive_node(place) as node:
            host, port = node.place
            command = [sys.executable, "-c", RACER, host, str(port), str(options.size)]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
            racers = [subprocess.Popen(command, **pipes) for _ in range(options.racers)]
            client = wrpme.RawClient(host, port)
            winners = []
            for number in range(options.rounds):
                winners.append(race(racers, f"race-{number}"))
                held = client.get(f"race-{number}").strip()
                if held != f"racer-{winners[-1]} of race-{number}".encode():
                    raise ShowError(f"racer {winners[-1]} won, the hive has {held!r}")
            for racer in racers:
                racer.stdin.close()
                racer.wait()
        lost = options.racers - 1
        print(f"{options.rounds} rounds: in each 1 winner, {lost} AliasAlreadyExists")
        print(f"winners: {' '.join(map(str, winners))}")

    return run_beside_demo(show)


if __name__ == "__main__":
    sys.exit(main())
