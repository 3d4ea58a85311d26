"""Show: whatever rots in a share is found or harmless, and mended bit for bit.

    python misc/shows/rot.py [--random 10000] [--step 1] [--seed N]

A grid of servers in this process, without sockets.  Of a small share every bit is flipped
in turn, and every shorter length tried; then random damages are done to large shares.  Each
time the file is verified from its verify capability alone, and fetched.  A damage that
verify does not see must lie where nobody reads: the reserved tree of zeros, or the
container's own fields.  Then the bad share is deleted, as the operator of a server would
whose advisories tell of it, and the repair must bring back the identical share.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from twisted.internet import reactor, task
from twisted.internet.defer import Deferred
from under_demo import ShowError

from allmydata.formats.share import HEADER_SIZE, ShareLayout
from allmydata.uri import from_string
from tests.support.grid import LocalGrid

CONTAINER, LEASE = 12, 72  # bytes before and behind a share in its file
SMALL, LARGE = 100, 3_000_000


class Rot:
    """One file on a grid, and what is done to its shares."""

    def __init__(self, grid: LocalGrid, data: bytes, cap: str) -> None:
        self.grid, self.data, self.cap = grid, data, cap
        self.verify_cap = from_string(cap).get_verify_cap().to_string()
        self.whole = {path: path.read_bytes() for path in grid.share_files().values()}
        self.num_found = self.num_harmless = self.num_repairs = 0

    async def damage(self, path: Path, raw: bytes, what: str, is_harmless: bool) -> None:
        """Put *raw* in place of a share; look, fetch, and put things right."""
        path.write_bytes(raw)
        report = await self.grid.checker.check(self.verify_cap, verify=True)
        is_seen = report.num_good < len(self.whole)
        if not is_seen and not is_harmless:
            raise ShowError(f"{what} was not found")
        self.num_found += is_seen
        self.num_harmless += not is_seen
        if await self.grid.get(self.cap) != self.data:
            raise ShowError(f"{what}: a wrong byte was fetched")
        if not is_seen:
            path.write_bytes(self.whole[path])
            return
        path.unlink()
        mended = await self.grid.repairer.repair(self.verify_cap)
        if mended.error or not mended.was_needed:
            raise ShowError(f"{what} could not be mended: {mended.error}")
        self._compare(path, what)
        self.num_repairs += 1

    def _compare(self, lost: Path, what: str) -> None:
        """Want the share of *lost* to be back, wherever; put it where it was."""
        back = [p for p in self.grid.share_files().values() if p.name == lost.name]
        if [share_of(path.read_bytes()) for path in back] != [share_of(self.whole[lost])]:
            raise ShowError(f"{what}: the share that came back is another")
        back[0].unlink()
        lost.parent.mkdir(parents=True, exist_ok=True)
        lost.write_bytes(self.whole[lost])


def share_of(raw: bytes) -> bytes:
    """Return the share in a share file."""
    return raw[CONTAINER : len(raw) - LEASE * int.from_bytes(raw[8:12], "big")]


def harmless(raw: bytes) -> set[int]:
    """Return where nobody reads: reserved hashes, a length that is never read, leases."""
    layout = ShareLayout.parse(raw[CONTAINER : CONTAINER + HEADER_SIZE])
    spare = range(CONTAINER + layout.plaintext_hashes, CONTAINER + layout.crypttext_hashes)
    # a count of leases that is too small only shows spare bytes behind the share
    return {*range(4, 12), *spare, *range(len(raw) - LEASE, len(raw))}


def flips(raw: bytes, step: int) -> Iterator[tuple[str, bytes, int]]:
    """Yield every bit flipped, or each *step*-th."""
    for bit in range(0, 8 * len(raw), step):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        yield f"bit {bit}", bytes(changed), bit // 8


async def small(grid: LocalGrid, step: int) -> Rot:
    """Flip every bit of one small share, and cut it at every length."""
    data = random.Random(1).randbytes(SMALL)
    rot = Rot(grid, data, await grid.put(data))
    path, raw = next(iter(rot.whole.items()))
    spare = harmless(raw)
    for what, changed, byte in flips(raw, step):
        await rot.damage(path, changed, what, byte in spare)
    for length in range(0, len(raw), step):
        # what is cut off a lease leaves the share whole
        await rot.damage(path, raw[:length], f"length {length}", length >= len(raw) - LEASE)
    return rot


async def large(grid: LocalGrid, count: int, rng: random.Random) -> Rot:
    """Damage large shares at random: bits, runs of bytes, lengths, pieces exchanged."""
    data = rng.randbytes(LARGE)
    rot = Rot(grid, data, await grid.put(data))
    for number in range(count):
        path = rng.choice(list(rot.whole))
        raw = rot.whole[path]
        changed, at, end = bytearray(raw), rng.randrange(len(raw)), 0
        kind = rng.choice(("bit", "bytes", "cut", "piece"))
        if kind == "bit":
            changed[at] ^= 1 << rng.randrange(8)
        elif kind == "cut":
            del changed[at:]
        else:
            end = min(len(raw), at + rng.randrange(1, 5000))
            other = rng.randrange(len(raw) - (end - at))
            new = rng.randbytes(end - at)
            changed[at:end] = new if kind == "bytes" else raw[other : other + end - at]
        touched = {
            i for i in range(at, end or at + 1) if kind == "cut" or differs(raw, changed, i)
        }
        spare = harmless(raw)
        is_harmless = touched <= spare or bytes(changed) == raw
        if kind == "cut":
            is_harmless = at >= len(raw) - LEASE
        await rot.damage(
            path, bytes(changed), f"damage {number}, {kind} at {at}", is_harmless
        )
    return rot


def differs(raw: bytes, changed: bytearray, i: int) -> bool:
    """Tell whether byte *i* was changed."""
    return raw[i] != changed[i]


async def show(options: argparse.Namespace) -> None:
    """Do both campaigns, each on a grid of its own."""
    with tempfile.TemporaryDirectory(prefix="tahoe-rot-") as place:
        for name, parameters in (("small", (1, 1, 3)), ("large", (3, 7, 10))):
            grid = LocalGrid(Path(place) / name, parameters[2], parameters)
            await grid.start()
            began = time.monotonic()
            try:
                if name == "small":
                    rot = await small(grid, options.step)
                else:
                    rot = await large(grid, options.random, random.Random(options.seed))
            finally:
                await grid.stop()
            done = f"{rot.num_found} found, {rot.num_harmless} harmless"
            print(
                f"{name} shares: {done}; no wrong byte fetched; {rot.num_repairs} mended "
                f"bit for bit ({time.monotonic() - began:.0f} s)",
                flush=True,
            )


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--random", type=int, default=10_000, help="damages to large shares"
    )
    parser.add_argument("--step", type=int, default=1, help="every so many bits only")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    options = parser.parse_args()
    print(f"seed {options.seed}")
    task.react(lambda _: Deferred.fromCoroutine(show(options)))


if __name__ == "__main__":
    assert reactor
    main()
