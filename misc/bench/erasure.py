"""How fast the erasure code runs: ISA-L beside zfec, in one run.

    python misc/bench/erasure.py [--seconds S] [--json]

Each line is one (k, n) and one block size.  Speeds are MB (10^6 bytes) of plaintext per
second: encoding to all n shares, and decoding with as few primaries as n allows.  The
last column is two threads encoding at once.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import shake_128
from time import perf_counter

from allmydata.coding.erasure import Coder, coder

SEGMENT = 2**20
CASES = [
    (1, 10, SEGMENT),
    (3, 5, SEGMENT),
    (3, 10, SEGMENT),
    (3, 10, 3 * 1024),
    (3, 10, 128 * 1024),
    (7, 10, SEGMENT),
    (10, 16, SEGMENT),
    (25, 100, SEGMENT),
    (25, 100, 25 * 1024),
    (128, 256, SEGMENT),
]
COLUMNS = (
    "  k   n  block size   encode: zfec    ISA-L  ratio   decode: zfec    ISA-L  ratio"
)


def main() -> None:
    """Print the table, or the same as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=0.3, help="for each figure")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = measure(options.seconds)
    if options.json:
        print(json.dumps(list(rows), indent=1))
        return
    print(f"{COLUMNS}   2 threads")
    for row in rows:
        print(as_line(row))


def measure(seconds: float) -> Iterator[dict[str, float]]:
    """Yield one row for each case, as each is done."""
    for k, n, size in CASES:
        slow, fast = coder(k, n, "zfec"), coder(k, n, "isa-l")
        row: dict[str, float] = {"k": k, "n": n, "block_size": size // k}
        for name, code in (("zfec", slow), ("isal", fast)):
            encode, decode = jobs(code, size // k)
            row[f"encode_{name}"] = k * (size // k) * rate(encode, seconds) / 1e6
            row[f"decode_{name}"] = k * (size // k) * rate(decode, seconds) / 1e6
        encode, _ = jobs(fast, size // k)
        row["encode_isal_2_threads"] = k * (size // k) * rate_of_two(encode, seconds) / 1e6
        yield row


def jobs(code: Coder, block_size: int) -> tuple[Callable[[], object], Callable[[], object]]:
    """Return what encodes, and what decodes from the highest share numbers."""
    data = bytearray(shake_128(b"bench").digest(code.k * block_size))
    view = memoryview(data)
    pieces = [view[num * block_size :][:block_size] for num in range(code.k)]
    blocks, last = code.encode(pieces), range(code.n - code.k, code.n)
    some = [blocks[number] for number in last]
    return lambda: code.encode(pieces), lambda: code.decode(some, last)


def rate(job: Callable[[], object], seconds: float) -> float:
    """Return how often *job* runs in a second."""
    times, start = 0, perf_counter()
    while perf_counter() - start < seconds:
        job()
        times += 1
    return times / (perf_counter() - start)


def rate_of_two(job: Callable[[], object], seconds: float) -> float:
    """Return the same for two threads together."""
    with ThreadPoolExecutor(2) as pool:
        return sum(pool.map(lambda _: rate(job, seconds), range(2)))


def as_line(row: dict[str, float]) -> str:
    """Set one row."""
    line = f"{row['k']:3} {row['n']:3} {row['block_size']:11}  "
    for work in ("encode", "decode"):
        slow, fast = row[f"{work}_zfec"], row[f"{work}_isal"]
        line += f"{slow:13.0f} {fast:8.0f} {fast / slow:5.0f}x "
    return line + f"{row['encode_isal_2_threads']:11.0f}"


if __name__ == "__main__":
    main()
