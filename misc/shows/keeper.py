"""A server's folder is deleted; a keeper that can't read the files makes all whole again.

    python misc/shows/keeper.py [--files 1000] [--kills 20] [--bandwidth 80k] [--seed N]

Starts a grid with ``tahoe demo`` and runs itself beside it.  One client stores the files.
A second node, in a process of its own, is given their verify capabilities and keeps them.
One server's shares are deleted, and of some files more shares elsewhere.  While the keeper
repairs, it is killed (SIGKILL) and started again; each time its memory is searched for
read keys, and in the end its disk.  Wanted: every file whole, the weakest first, no more
bytes a second than allowed, and no key anywhere.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from under_demo import BIN, ShowError, Step, must_be_equal, run_beside_demo, tahoe

from allmydata.uri import CHKFileURI, from_string
from allmydata.util import base32
from allmydata.util.humanize import parse_size, size

CLIENT = Path(os.environ.get("TAHOE_NODE_DIRECTORY", ""))
K, N = 3, 10
SHARE_OVERHEAD = 1024  # that the keeper reckons with, for each share
AT_ONCE = 4  # files it repairs together
LOST = "storage3"
PIECE = 1 << 20  # bytes searched at a time
CONFIG = """
[keeper]
bandwidth = {bandwidth}
check_every = 1 d
verify_every = 30 d
"""


class KeeperNode:
    """A node of its own, in a process that is killed and started again."""

    def __init__(self, place: Path, bandwidth: int) -> None:
        self.basedir = place / "keeper"
        self.bandwidth = bandwidth
        self.process: subprocess.Popen[bytes] | None = None
        text = (CLIENT / "private" / "introducers.yaml").read_text()
        furl = re.search(r"pb://\S+", text)[0].strip("'\"")
        port = "tcp:0:interface=127.0.0.1"
        tahoe("create-client", "-i", furl, "-p", port, self.basedir)
        with open(self.basedir / "tahoe.cfg", "a") as f:
            f.write(CONFIG.format(bandwidth=bandwidth))

    def start(self) -> None:
        """Run it, and wait until it answers."""
        (self.basedir / "node.url").unlink(missing_ok=True)
        command = [BIN / "tahoe", "run", "--allow-stdin-close", self.basedir]
        log = open(self.basedir.parent / "keeper.log", "ab")
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                self.status()
                return
            except ShowError:
                time.sleep(0.1)
        raise ShowError("the keeper does not start")

    def kill(self) -> None:
        """End it without a word."""
        self.process.kill()
        self.process.wait()

    def tahoe(self, *words: object) -> str:
        """Run a command of this node."""
        return tahoe("-d", self.basedir, *words)

    def status(self) -> dict:
        """Return what it says of its files."""
        return json.loads(self.tahoe("keeper", "status", "--json"))

    def files(self) -> list[dict]:
        """Return what it knows of each."""
        return [json.loads(x) for x in self.tahoe("keeper", "list", "--json").splitlines()]

    def memory(self) -> bytes:
        """Return all that lies in its memory."""
        pieces = []
        with (
            open(f"/proc/{self.process.pid}/maps") as maps,
            open(f"/proc/{self.process.pid}/mem", "rb", 0) as memory,
        ):
            for line in maps:
                first, last = (int(x, 16) for x in line.split()[0].split("-"))
                if " rw" not in line:
                    continue
                try:
                    memory.seek(first)
                    pieces.append(memory.read(last - first))
                except OSError:
                    continue
        return b"".join(pieces)


def store(place: Path, num_files: int, rng: random.Random) -> list[CHKFileURI]:
    """Store the files; return their capabilities."""
    home = place / "home"
    home.mkdir()
    for i in range(num_files):
        (home / f"f{i:05}").write_bytes(rng.randbytes(rng.randrange(1000, 20_000)))
    tahoe("cp", "-r", f"{home}/", "tahoe:kept")
    lines = tahoe("manifest", "--json", "tahoe:kept").splitlines()
    entries = [json.loads(line) for line in lines]
    return [from_string(one["cap"]) for one in entries if one["type"] == "file"]


def lose(caps: list[CHKFileURI], rng: random.Random) -> int:
    """Delete one server's shares, and more of every tenth file; return how many."""
    shares = CLIENT.parent / LOST / "storage" / "shares"
    num_lost = len(list(shares.glob("??/*/*")))
    for path in shares.glob("??/*"):
        if "incoming" not in path.parts:
            shutil.rmtree(path)
    for cap in rng.sample(caps, len(caps) // 10):
        left = sorted(share_files(cap))
        doomed = rng.sample(left, rng.randrange(1, len(left) - K + 1))
        for path in doomed:
            path.unlink()
        num_lost += len(doomed)
    return num_lost


def share_files(cap: CHKFileURI) -> list[Path]:
    """Return where the shares of a file lie."""
    name = base32.b2a(cap.storage_index)
    return list(CLIENT.parent.glob(f"storage*/storage/shares/{name[:2]}/{name}/*"))


# ---- what is wanted ----------------------------------------------------------------------


class Keys:
    """Read keys to be searched for, as bytes or as text, at any place."""

    def __init__(self, caps: list[CHKFileURI]) -> None:
        texts = [base32.b2a(cap.key).encode() for cap in caps]
        self.patterns = [*(cap.key for cap in caps), *texts]
        self.begins = {int.from_bytes(one[:8], sys.byteorder) for one in self.patterns}

    def must_not_be_in(self, data: bytes, where: str) -> None:
        """Want none of them in *data*.

        :raises ShowError: there is one
        """
        for start in range(0, len(data), PIECE):
            piece = data[start : start + PIECE + 32]
            if piece.strip(b"\0") and self._may_be_in(piece):
                if any(one in piece for one in self.patterns):
                    raise ShowError(f"a read key is in {where}")

    def _may_be_in(self, piece: bytes) -> bool:
        for shift in range(8):
            words = memoryview(piece[shift : len(piece) - (len(piece) - shift) % 8])
            if not self.begins.isdisjoint(words.cast("Q")):
                return True
        return False


def keys_are_found(cap: CHKFileURI) -> None:
    """Want the search to find a key where there is one, as bytes and as text."""
    for form in (cap.key, base32.b2a(cap.key).encode()):
        try:
            Keys([cap]).must_not_be_in(b"\0" * (PIECE - 5) + form + b"x" * 99, "")
        except ShowError:
            continue
        raise ShowError("the search finds no keys at all")


def must_be_searchable(data: bytes, caps: list[CHKFileURI]) -> None:
    """Want something in memory that must be there, so that a search means something."""
    if not any(cap.storage_index in data for cap in caps):
        raise ShowError("not even a storage index is found in the keeper's memory")


def must_be_whole(caps: list[CHKFileURI]) -> None:
    """Want each share of each file on some server, and once."""
    for cap in caps:
        numbers = sorted(int(path.name) for path in share_files(cap))
        if sorted(set(numbers)) != list(range(N)):
            raise ShowError(f"a file has the shares {numbers}")


def must_be_weakest_first(files: list[dict]) -> int:
    """Want no file repaired before one weaker by more than those repaired together."""
    order = sorted((one for one in files if one["repaired"]), key=lambda x: x["repaired"])
    weakness = [one["repaired_from"] for one in order]
    for i, spare in enumerate(weakness):
        if spare < max(weakness[: max(0, i - AT_ONCE)], default=0):
            raise ShowError(f"repair {i} was of a file weaker than one before: {weakness}")
    return len(order)


def bytes_of(files: list[dict]) -> int:
    """Return what repairing them cost, as the keeper reckons."""
    return sum(
        (K + N - K - one["repaired_from"]) * (-(-one["size"] // K) + SHARE_OVERHEAD)
        for one in files
        if one["repaired"]
    )


def must_be_within_budget(files: list[dict], elapsed_s: float, bandwidth: int) -> int:
    """Want no more bytes moved than that time allows; return how many were."""
    moved = bytes_of(files)
    longest = max(bytes_of([one]) for one in files if one["repaired"])
    if moved - AT_ONCE * longest > bandwidth * (elapsed_s + 1):
        raise ShowError(f"{moved} bytes in {elapsed_s:.1f} s, allowed {bandwidth} a second")
    return moved


# ---- the show ----------------------------------------------------------------------------


def show(place: Path) -> None:
    """Do it."""
    options = parse_options()
    rng = random.Random(options.seed)
    print(f"seed {options.seed}", flush=True)
    with Step(f"{options.files} files stored"):
        caps = store(place, options.files, rng)
    (place / "caps").write_text(tahoe("manifest", "--verify-caps", "tahoe:kept"))
    with Step("one server's folder deleted, and more") as step:
        step.result = f"{lose(caps, rng)} shares lost"
    keeper = KeeperNode(place, options.bandwidth)
    keeper.start()
    try:
        keep(keeper, caps, options, rng)
    finally:
        keeper.kill()
    with Step("its disk searched for every key") as step:
        paths = [path for path in keeper.basedir.rglob("*") if path.is_file()]
        for path in paths:
            Keys(caps).must_not_be_in(path.read_bytes(), str(path))
        step.result = f"{len(paths)} files, {len(caps)} keys: none"
    with Step("every share is on some server"):
        must_be_whole(caps)
    with Step("all files fetched"):
        tahoe("cp", "-r", "tahoe:kept/", place / "back")
        must_be_equal(place / "home", place / "back")


def keep(
    keeper: KeeperNode,
    caps: list[CHKFileURI],
    options: argparse.Namespace,
    rng: random.Random,
) -> None:
    """Let the keeper work, and kill it now and then, until all is well."""
    began, keys = time.monotonic(), Keys(caps)
    keys_are_found(caps[0])
    keeper.tahoe("keeper", "add", "--file", keeper.basedir.parent / "caps")
    with Step("repaired") as step:
        num_kills, seen = 0, []
        while (files := keeper.status()["files"])["well"] < len(caps):
            must_not_take_for_ever(began, files)
            if num_kills == options.kills:
                time.sleep(0.5)
                continue
            time.sleep(rng.uniform(0, options.interval))
            memory = keeper.memory()
            keeper.kill()
            num_kills += 1
            keeper.start()
            seen.append(keeper.status()["files"]["well"])
            keys.must_not_be_in(memory, "the keeper's memory")
        elapsed = time.monotonic() - began
        step.result = f"killed {num_kills} times, with {' '.join(map(str, seen))} whole"
    if num_kills < options.kills:
        raise ShowError(f"it was done after {num_kills} kills: allow it less bandwidth")
    told = keeper.files()
    moved = must_be_within_budget(told, elapsed, options.bandwidth)
    rate = f"{size(int(moved / elapsed))}/s of {size(options.bandwidth)}/s"
    print(f"{'':11}{size(moved)} moved in {elapsed:.0f} s: {rate}")
    print(f"{'':11}{must_be_weakest_first(told)} files repaired, the weakest first")
    with Step("its memory searched for every key") as step:
        memory = keeper.memory()
        must_be_searchable(memory, caps)
        keys.must_not_be_in(memory, "the keeper's memory")
        step.result = f"{size(len(memory))}, {len(caps)} keys: none"


def must_not_take_for_ever(began: float, files: dict) -> None:
    """Give up after twenty minutes."""
    if time.monotonic() > began + 1200:
        raise ShowError(f"after twenty minutes: {files}")


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--interval", type=float, default=2.0, help="s between, at most")
    parser.add_argument("--bandwidth", type=parse_size, default="80k", help="a second")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    return parser.parse_args()


if __name__ == "__main__":
    parse_options()
    sys.exit(run_beside_demo(show, "--servers", "10", "--shares", "3/7/10"))
