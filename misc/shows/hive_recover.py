"""The index of the hive is lost: it is made again from the grid, entry for entry.

    python misc/shows/hive_recover.py [--entries 300]

Then the whole node is lost, but for the capability of its private root; and another node,
which is given that, has all entries too.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
from pathlib import Path

import wrpme
from hive_node import HiveNode, hive_node
from under_demo import ShowError, run_beside_demo

PORT = "tcp:0:interface=127.0.0.1"
SIZES = [0, 10, 500, 1500, 30_000, 200_000, 1_500_000]


def fill(node: HiveNode, entries: int) -> dict[str, bytes]:
    """Put, replace and delete; return what is there."""
    rng, there = random.Random(1), {}
    with wrpme.RawClient(*node.place) as client:
        for number in range(entries):
            alias = rng.choice(["", "é/", "a b/", "😀" * 60]) + str(number)
            weights = [10, 50, 50, 30, 10, 3, 1]
            there[alias] = os.urandom(rng.choices(SIZES, weights)[0])
            client.put(alias, there[alias])
        for alias in rng.sample(sorted(there), entries // 5):
            there[alias] = b"replaced " + alias.encode()
            client.update(alias, there[alias])
        for alias in rng.sample(sorted(there), entries // 5):
            client.delete(alias)
            del there[alias]
    return there


def entries_of(node: HiveNode) -> list[dict]:
    """Return what the index says, all of it."""
    return [
        json.loads(line)
        for line in node.tahoe("blobs", "list", "hive", "--json").splitlines()
    ]


def must_be(node: HiveNode, listed: list[dict], there: dict[str, bytes]) -> None:
    """Want these entries and these contents.

    :raises ShowError: something differs
    """
    if entries_of(node) != listed:
        raise ShowError("the entries are not those of before")
    with wrpme.RawClient(*node.place) as client:
        for alias, content in there.items():
            if client.get(alias) != content:
                raise ShowError(f"{alias!r} has another content")


def main() -> int:
    """Lose it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entries", type=int, default=300)
    options = parser.parse_args()

    def show(place: Path) -> None:
        with hive_node(place) as node:
            there = fill(node, options.entries)
            listed = entries_of(node)
            print(f"{len(listed)} entries: digest, size, version and time of each")
            node.tahoe("stop")
            for path in (node.directory / "private").glob("blobs.sqlite*"):
                path.unlink()
            node.tahoe("start")
            must_be(node, listed, there)
            print("index deleted, node started: the same entries, the same contents")
            print(node.tahoe("blobs", "recover").strip())
            must_be(node, listed, there)
            print("tahoe blobs recover, while it runs: the same")
            root = (node.directory / "private/my_vdrive.uri").read_bytes()
            node.tahoe("stop")
            shutil.rmtree(node.directory)
            node.make(PORT)
            (node.directory / "private/my_vdrive.uri").write_bytes(root)
            node.tahoe("start")
            must_be(node, listed, there)
            print("another node, with the private root's capability alone: the same")

    return run_beside_demo(show)


if __name__ == "__main__":
    sys.exit(main())
