"""A storage node is killed (SIGKILL) in the middle of an upload, again and again.

    python misc/shows/kill9.py [--rounds 10] [--size 30] [--seed N]

Each round: an upload begins, one of five storage nodes is killed at a random moment, the
upload must end well and the file come back right; the node is started again, and must
hold no partial share and nothing under incoming/.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))
import workload

from allmydata.uri import from_string
from allmydata.util import base32


class Round:
    """One upload with one murder."""

    def __init__(self, grid: workload.Grid, rng: random.Random, size: int) -> None:
        self.grid = grid
        self.rng = rng
        self.data = rng.randbytes(size)
        self.victim = f"storage{rng.randrange(5)}"
        self.cap = ""
        self.problem: Exception | None = None

    def run(self, upload_s: float) -> float:
        """Do it; return the seconds the upload took."""
        uploading = threading.Thread(target=self.upload)
        began = time.monotonic()
        uploading.start()
        time.sleep(self.rng.uniform(0, upload_s))
        process = self.grid.procs[self.victim]
        process.kill()
        process.wait()
        uploading.join()
        took = time.monotonic() - began
        if self.problem:
            raise SystemExit(f"WRONG: the upload failed: {self.problem}")
        self.must_come_back("with the node dead")
        self.restart()
        self.must_hold_nothing_partial()
        self.must_come_back("with the node back")
        return took

    def upload(self) -> None:
        """Put the file; runs in a thread."""
        try:
            self.cap = self.grid.web("PUT", "/uri", self.data)[1].decode()
        except Exception as e:
            self.problem = e

    def must_come_back(self, when: str) -> None:
        """Get the file and compare."""
        if self.grid.web("GET", "/uri/" + quote(self.cap, safe=""))[1] != self.data:
            raise SystemExit(f"WRONG: other bytes came back {when}")

    def restart(self) -> None:
        """Start the node again and wait until the client is connected to it."""
        self.grid.start(self.victim)
        running = Path(self.grid.base, self.victim, "private", "control.furl")
        end = time.monotonic() + 30
        while time.monotonic() < end:
            answer = self.grid.web("GET", "/?t=json")[1]
            if running.exists() and answer.count(b'"Connected to') >= 6:
                return
            time.sleep(0.05)
        raise SystemExit(f"WRONG: {self.victim} did not come back in 30 s")

    def must_hold_nothing_partial(self) -> None:
        """Look at what the killed node has on its disk."""
        store = Path(self.grid.base, self.victim, "storage", "shares")
        left = [path for path in (store / "incoming").rglob("*") if path.is_file()]
        if left:
            raise SystemExit(f"WRONG: {len(left)} files under incoming/")
        name = base32.b2a(from_string(self.cap).storage_index)
        shares = Path(self.grid.base).glob(f"storage*/storage/shares/{name[:2]}/{name}/*")
        sizes = {path.stat().st_size for path in shares}
        if len(sizes) != 1:
            raise SystemExit(f"WRONG: shares of sizes {sizes}")


def main() -> int:
    """Run all rounds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--size", type=int, default=30, help="MB")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    options = parser.parse_args()
    print(f"seed {options.seed}")
    rng = random.Random(options.seed)
    tahoe = os.path.join(os.path.dirname(sys.executable), "tahoe")
    args = SimpleNamespace(k=3, happy=4, n=5, servers=5, protocol="foolscap")
    with tempfile.TemporaryDirectory(prefix="show-kill9-") as base:
        grid = workload.Grid(args, base, tahoe)
        try:
            grid.build()
            began = time.monotonic()
            grid.web("PUT", "/uri", rng.randbytes(options.size * 10**6))
            upload_s = time.monotonic() - began
            for i in range(options.rounds):
                one = Round(grid, rng, options.size * 10**6)
                took = one.run(upload_s)
                print(
                    f"round {i + 1}: {one.victim} killed; upload ended after {took:.1f} s"
                )
        finally:
            grid.stop()
    print(f"{options.rounds} uploads survived a kill -9; nothing partial was left")
    return 0


if __name__ == "__main__":
    sys.exit(main())
