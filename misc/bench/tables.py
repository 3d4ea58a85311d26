"""How fast a vdrive server takes and gives rows, over TCP, to one client.

    python misc/bench/tables.py [--entries 1000 100000] [--json]

The server is a process of its own on this machine; each change is synced to its disk
before it is answered.  Rows are as large as those of a directory of files.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import react

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
import vdrive_server

from allmydata.formats.dirtable import Row, pack_rows, unpack_rows
from allmydata.node.tub import NodeTub, make_certificate
from allmydata.util.deferreds import gather

ENABLER = b"w" * 32
NAME_SIZE, CAP_SIZE = 28 + 16, 28 + 97  # a name of 16 bytes, a CHK capability
REPEAT = 100
AT_ONCE = 64


def row() -> Row:
    """Return a row of random bytes."""
    return Row(os.urandom(32), os.urandom(NAME_SIZE), b"", os.urandom(CAP_SIZE))


def parts(one: Row) -> tuple[bytes, ...]:
    """Return the arguments that ``set`` has for a row."""
    return one.key, one.name, one.write, one.read


async def median_ms(act: Callable[[], Awaitable[Any]], repeat: int = REPEAT) -> float:
    """Return the median of *repeat* times, one after another."""
    times = []
    for _ in range(repeat):
        began = time.perf_counter()
        await act()
        times.append(1000 * (time.perf_counter() - began))
    return round(statistics.median(times), 2)


async def measure(server: Any, num_entries: int) -> dict[str, float]:
    """Fill a directory and measure."""
    index = num_entries.to_bytes(32, "big")
    await server.callRemote("create_directory", index, ENABLER)
    keys: list[bytes] = []

    async def set_many() -> None:
        rows = [row() for _ in range(1000)]
        keys.extend(one.key for one in rows)
        await server.callRemote("set_many", index, ENABLER, pack_rows(rows), True)

    async def set_one() -> None:
        await server.callRemote("set", index, ENABLER, *parts(row()))

    async def set_at_once() -> None:
        await gather([set_one() for _ in range(AT_ONCE)])

    async def get_one() -> None:
        await server.callRemote("get", index, keys[len(keys) // 2])

    async def first_page() -> None:
        unpack_rows((await server.callRemote("list_page", index, b"", 1000))[0])

    fill_ms = await median_ms(set_many, max(1, num_entries // 1000))
    result = {
        "get_ms": await median_ms(get_one),
        "list_page_ms": await median_ms(first_page, 20),
        "set_ms": await median_ms(set_one),
    }
    result["set_rows_s"] = round(1000 / result["set_ms"])
    at_once_ms = await median_ms(set_at_once, 10)
    result["set_64_at_once_rows_s"] = round(1000 * AT_ONCE / at_once_ms)
    result["set_many_rows_s"] = round(1_000_000 / fill_ms)
    result["list_all_rows_s"] = await list_all(server, index)
    return result


async def list_all(server: Any, index: bytes) -> float:
    """Return the rows a second of a listing in pages."""
    began = time.perf_counter()
    num_rows, after = 0, b""
    while after or not num_rows:
        packed, after = await server.callRemote("list_page", index, after, 1000)
        num_rows += len(unpack_rows(packed))
    return round(num_rows / (time.perf_counter() - began))


async def run(options: argparse.Namespace) -> None:
    """Measure and print."""
    results = {}
    with tempfile.TemporaryDirectory(prefix="bench-tables-") as base:
        process, furl = vdrive_server.begin(Path(base))
        tub = NodeTub(make_certificate(), clock=reactor)
        tub.startService()
        try:
            server = await tub.tub.getReference(furl)
            for num_entries in options.entries:
                results[num_entries] = await measure(server, num_entries)
        finally:
            process.kill()
            process.communicate()
            await tub.stopService()
    if options.json:
        print(json.dumps(results))
        return
    for num_entries, result in results.items():
        print(f"a directory of {num_entries:,} entries")
        for name, value in result.items():
            print(f"  {name:24}{value:>12,}")


def main() -> int:
    """Measure at each size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entries", type=int, nargs="+", default=[1000, 100_000])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    react(lambda _: Deferred.fromCoroutine(run(options)), ())
    return 0


if __name__ == "__main__":
    sys.exit(main())
