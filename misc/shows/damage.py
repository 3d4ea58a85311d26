"""Shares damaged on disk, in every part and at random lengths: never a wrong byte.

    python misc/shows/damage.py [--truncations 100] [--seed N]

starts ``tahoe demo`` with ten servers, 3-of-10, and runs itself under it.  For each part
of a share: first one share is damaged there, then seven are, which leaves three good
ones; each time the file is fetched and compared.  Then one share, and six more, are cut
at random lengths.
"""

from __future__ import annotations

import argparse
import http.client
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote, urlsplit

from allmydata.formats.share import HEADER_SIZE, ShareLayout
from allmydata.uri import from_string
from allmydata.util import base32

CONTAINER = 12
SIZES = (3_000, 400_000, 5_000_000)


def parts_of(path: Path) -> dict[str, tuple[int, int]]:
    """Return, for each part of a share file, its first byte and its end."""
    layout = ShareLayout.parse(path.read_bytes()[CONTAINER : CONTAINER + HEADER_SIZE])
    edges = {
        "header": (0, 36),
        "data": (layout.data, layout.plaintext_hashes),
        "plaintext_hashes": (layout.plaintext_hashes, layout.crypttext_hashes),
        "crypttext_hashes": (layout.crypttext_hashes, layout.block_hashes),
        "block_hashes": (layout.block_hashes, layout.share_hashes),
        "share_hashes": (layout.share_hashes, layout.uri_extension),
        "extension": (layout.uri_extension, path.stat().st_size - CONTAINER - 72),
    }
    return {name: (a + CONTAINER, b + CONTAINER) for name, (a, b) in edges.items()}


class Campaign:
    """One file on the demo grid, and what is done to its shares."""

    def __init__(self, base: Path, url: str, size: int, rng: random.Random) -> None:
        self.rng = rng
        self.netloc = urlsplit(url).netloc
        self.data = rng.randbytes(size)
        self.cap = self.ask("PUT", "/uri", self.data)[1].decode()
        cap = from_string(self.cap)
        name = base32.b2a(cap.storage_index)
        found = base.glob(f"storage*/storage/shares/{name[:2]}/{name}/*")
        self.shares = {int(path.name): path for path in found}
        self.whole = {path: path.read_bytes() for path in self.shares.values()}
        self.gets = 0

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """Return status and body; the body of a connection cut short is what came."""
        connection = http.client.HTTPConnection(self.netloc, timeout=60)
        connection.request(method, path, body)
        answer = connection.getresponse()
        try:
            data = answer.read()
        except http.client.IncompleteRead as e:
            data = e.partial
        connection.close()
        return answer.status, data

    def must_be_right(self, what: str) -> None:
        """Fetch the file and compare it."""
        status, data = self.ask("GET", "/uri/" + quote(self.cap, safe=""))
        self.gets += 1
        if status != 200 or data != self.data:
            raise SystemExit(f"WRONG: {what}: {status}, {len(data)} bytes")

    def flip(self, shnum: int, part: str) -> None:
        """Flip one random bit of one part of one share."""
        path = self.shares[shnum]
        raw = bytearray(self.whole[path])
        first, end = parts_of(path)[part]
        raw[self.rng.randrange(first, end)] ^= 1 << self.rng.randrange(8)
        path.write_bytes(raw)

    def cut(self, shnum: int) -> None:
        """Cut one share at a random length."""
        path = self.shares[shnum]
        path.write_bytes(self.whole[path][: self.rng.randrange(len(self.whole[path]))])

    def mend(self) -> None:
        """Put every share back as it was."""
        for path, whole in self.whole.items():
            path.write_bytes(whole)

    def run(self, truncations: int) -> None:
        """Damage and fetch, many times."""
        numbers = sorted(self.shares)
        for part in parts_of(self.shares[0]):
            for shnum in numbers:
                self.flip(shnum, part)
                self.must_be_right(f"{part} of share {shnum} damaged")
                self.mend()
            for shnum in self.rng.sample(numbers, 7):
                self.flip(shnum, part)
            self.must_be_right(f"{part} of seven shares damaged")
            self.mend()
        for i in range(truncations):
            for shnum in self.rng.sample(numbers, 1 if i % 2 else 7):
                self.cut(shnum)
            self.must_be_right("shares cut")
            self.mend()


def main() -> int:
    """Start the demo, or, under it, do the damage."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--truncations", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    options = parser.parse_args()
    directory = os.environ.get("TAHOE_NODE_DIRECTORY")
    if not directory:
        tahoe = shutil.which("tahoe", path=os.path.dirname(sys.executable)) or "tahoe"
        again = [sys.executable, __file__, "--truncations", str(options.truncations)]
        again += ["--seed", str(options.seed)]
        demo = [tahoe, "demo", "--servers", "10", "--shares", "3/7/10", "--", *again]
        return subprocess.run(demo).returncode
    print(f"seed {options.seed}")
    url = (Path(directory) / "node.url").read_text().strip()
    for size in SIZES:
        campaign = Campaign(Path(directory).parent, url, size, random.Random(options.seed))
        campaign.run(options.truncations)
        print(f"{size} bytes: {campaign.gets} gets with damaged shares, every one right")
    return 0


if __name__ == "__main__":
    sys.exit(main())
