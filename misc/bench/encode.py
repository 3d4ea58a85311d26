"""Encode to nowhere: what this machine's arithmetic allows, without a network or a disk.

The real Encoder, convergent, with writers that drop what they get::

    python misc/bench/encode.py [--size 100] [--runs 5] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time

from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import react

from allmydata.coding.erasure import coder
from allmydata.immutable.encode import Encoder
from allmydata.immutable.encrypt import EncryptedUploadable
from allmydata.streams.uploadable import Data
from allmydata.util.workers import Workers


class Nowhere:
    """A writer that takes everything and keeps nothing."""

    def __getattr__(self, name):
        return lambda *_: succeed(None)


async def encode(data: bytes, k: int, n: int, workers: Workers) -> float:
    """Return the seconds that one convergent encoding of *data* takes."""
    began = time.perf_counter()
    encoder = Encoder(workers, reactor)
    encoder.set_params((k, 1, n))
    await encoder.set_encrypted_uploadable(EncryptedUploadable(Data(data, b"", workers)))
    encoder.set_shareholders({i: Nowhere() for i in range(n)})
    await encoder.start()
    return time.perf_counter() - began


async def measure(options: argparse.Namespace) -> dict:
    """Run all cases; return MB/s by case."""
    workers = Workers(2, "segments")
    workers.start()
    data = os.urandom(options.size * 1_000_000)
    results = {}
    for k, n in (3, 10), (7, 10), (25, 100):
        await encode(data[:5_000_000], k, n, workers)
        times = [await encode(data, k, n, workers) for _ in range(options.runs)]
        rates = sorted(options.size / seconds for seconds in times)
        results[f"{k}-of-{n}"] = {
            "backend": coder(k, n).backend,
            "median_MBps": round(statistics.median(rates), 1),
            "min_MBps": round(rates[0], 1),
            "max_MBps": round(rates[-1], 1),
        }
    workers.stop()
    return results


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=100, help="MB of random bytes")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    def run(_reactor):
        return Deferred.fromCoroutine(measure(options)).addCallback(show)

    def show(results: dict) -> None:
        if options.json:
            json.dump(results, sys.stdout, indent=1)
            print()
            return
        print(f"encode to nowhere, convergent, {options.size} MB, {os.cpu_count()} cores")
        for case, row in results.items():
            print(
                f"  {case:>10}  {row['backend']:>5}  {row['median_MBps']:7.1f} MB/s"
                f"   ({row['min_MBps']} - {row['max_MBps']})"
            )

    react(run)


if __name__ == "__main__":
    main()
