"""What a job in a thread costs: with our workers, and with Twisted's pool."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from allmydata.util.deferreds import start
from allmydata.util.workers import Workers

Run = Callable[..., Deferred[Any]]


async def measure(run: Run, num_jobs: int, at_once: int) -> float:
    """Return the processor's microseconds for a job that does nothing."""
    begun = time.process_time()
    for _ in range(num_jobs // at_once):
        for waiting in [run(len, b"") for _ in range(at_once)]:
            await waiting
    return (time.process_time() - begun) / num_jobs * 1e6


async def compare(num_jobs: int) -> dict[str, float]:
    """Measure both, each twice in turns; the better one counts."""
    ours, theirs = Workers(2, "ours"), ThreadPool(0, 2, "theirs")
    ours.start()
    theirs.start()  # type: ignore[no-untyped-call]

    def twisted(*job: Any) -> Deferred[Any]:
        return deferToThreadPool(reactor, theirs, *job)  # type: ignore[arg-type]

    found: dict[str, float] = {}
    for at_once in (1, 4, 1, 4):
        for name, run in (("workers", ours.run), ("Twisted's pool", twisted)):
            took = await measure(run, num_jobs, at_once)
            key = f"{name}, {at_once} at once"
            found[key] = round(min(took, found.get(key, took)), 1)
    ours.stop()
    theirs.stop()  # type: ignore[no-untyped-call]
    return found


def main() -> None:
    """Print the microseconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--json", action="store_true", help="print an object")
    options = parser.parse_args()
    found: dict[str, float] = {}

    async def run() -> None:
        try:
            found.update(await compare(options.jobs))
        finally:
            reactor.stop()  # type: ignore[attr-defined]

    reactor.callWhenRunning(lambda: start(run()))  # type: ignore[attr-defined]
    reactor.run()  # type: ignore[attr-defined]
    if options.json:
        print(json.dumps(found))
    else:
        for name, took in found.items():
            print(f"{name:28} {took:6.1f} us of a processor for each job")


if __name__ == "__main__":
    main()
