"""Show: two clients write one mutable file at once, and each time one wins.

    python misc/shows/mutable_race.py [--rounds 500] [--changes 50] [--format SDMF]

Starts a grid with ``tahoe demo``, and beside it three clients, each a node with connections
of its own.  Two of them race: in each round both write at the same moment what is to be the
same next version of one file.  The history is checked by the third: one of them was told
that it won and the other that it did not, and what is there is what the winner wrote,
whole.  Where both are told that they lost, what is there must be the old version or one of
the new.  Then both change the file as fast as they can, each from what it finds there, and
every change must be in it, once and in its order.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from allmydata.errors import UncoordinatedWriteError
from allmydata.node.client import Client
from allmydata.node.create import Answers, create
from allmydata.streams import uploadable
from allmydata.util.deferreds import gather, settle

SIZE = 3000  # bytes of each version
results: list[bool] = []


def main() -> int:
    """Start a grid, or do the show on the one that runs."""
    options = parse_options()
    if not options.inside:
        words = ["demo", "--servers", "10", "--", sys.executable, __file__, "--inside"]
        tahoe = [sys.executable, "-m", "allmydata.cli.main"]
        os.execv(sys.executable, [*tahoe, *words, *sys.argv[1:]])
    with tempfile.TemporaryDirectory(prefix="tahoe-show-") as place:
        clients = [make_client(Path(place, f"c{i}")) for i in range(3)]
        waiting = Deferred.fromCoroutine(show(clients, options))
        waiting.addErrback(lambda failure: print(f"WRONG: {failure.getErrorMessage()}"))
        waiting.addBoth(lambda _: stop(clients))
        reactor.run()
    return 0 if results == [True, True] else 1


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=500, help="of two writes each")
    parser.add_argument("--changes", type=int, default=50, help="that each client makes")
    parser.add_argument("--format", default="SDMF", choices=["SDMF", "MDMF"])
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def make_client(basedir: Path) -> Client:
    """Make a client of the demo's grid, to be started with the reactor."""
    introducer = Path(os.environ["TAHOE_NODE_DIRECTORY"]).parent / "introducer"
    furl = (introducer / "private" / "introducer.furl").read_text().strip()
    create(basedir, Answers("client", introducer=furl, webport="none", listen=False))
    client = Client.from_basedir(basedir)
    reactor.callWhenRunning(client.startService)
    return client


def stop(clients: list[Client]) -> None:
    """Stop all, then the reactor."""
    stopping = Deferred.fromCoroutine(gather([one.stopService() for one in clients]))
    stopping.addBoth(lambda _: reactor.stop())


async def show(clients: list[Client], options: argparse.Namespace) -> None:
    """Make a file, and let two clients race for it."""
    for client in clients:
        await client.when_running()
        await client.wait_for_servers(10)
    *writers, reader = clients
    made = await reader.getService("mutable").create(options.format, content(0, 0))
    results.append(await race(writers, reader, made.get_uri(), options.rounds))
    results.append(await change(writers, reader, made.get_uri(), options.changes))


def content(turn: int, who: int) -> bytes:
    """Return what a client writes in a round; a mixture of two is none of them."""
    return random.Random(2 * turn + who).randbytes(SIZE)


async def race(writers: list[Client], reader: Client, cap: str, rounds: int) -> bool:
    """Let both write the same version, and check what comes of it, so many times."""
    node = reader.getService("mutable").node_for(cap)
    held, seqnum = content(0, 0), 1
    outcomes: Counter[str] = Counter()
    began = time.monotonic()
    for turn in range(1, rounds + 1):
        written = [content(turn, who) for who in range(2)]
        told = await settle(
            one.getService("uploader").upload_ssk(
                cap, seqnum + 1, uploadable.Data(data, b"")
            )
            for one, data in zip(writers, written, strict=True)
        )
        found = await node.download_to_data()
        verdict = judge(told, held, written, found)
        outcomes[verdict] += 1
        if verdict.startswith("WRONG"):
            print(f"  round {turn}: {verdict}")
        held = found
        survey = await reader.getService("mutable").survey(node.cap, everywhere=True)
        seqnum = survey.next_seqnum() - 1
    took = time.monotonic() - began
    print(f"{2 * rounds} writes by two clients at once, in {took:.1f} s")
    for verdict, number in outcomes.most_common():
        print(f"  {number:5} rounds: {verdict}")
    return not any(verdict.startswith("WRONG") for verdict in outcomes)


def judge(told: list[Any], held: bytes, written: list[bytes], found: bytes) -> str:
    """Return what came of a round."""
    failures = [one for one in told if isinstance(one, Failure)]
    strange = [one for one in failures if not one.check(UncoordinatedWriteError)]
    if strange:
        return f"WRONG: {strange[0].getErrorMessage()}"
    won = [data for data, one in zip(written, told, strict=True) if one not in failures]
    if len(won) > 1:
        return "WRONG: both were told that they won"
    if won:
        if found != won[0]:
            return "WRONG: the winner's version is not there"
        return "one won, and the other was told of a conflict"
    if found not in (held, *written):
        return "WRONG: a mixture"
    return "both were told of a conflict"


async def change(writers: list[Client], reader: Client, cap: str, number: int) -> bool:
    """Let both add lines to what is there, and look for every one."""
    node = reader.getService("mutable").node_for(cap)
    await node.overwrite(b"")
    began = time.monotonic()

    async def add(client: Client, who: int) -> None:
        mine = client.getService("mutable").node_for(cap)
        for turn in range(number):
            line = b"%d %d\n" % (who, turn)
            await mine.modify(lambda old, line=line: old + line)

    await gather([add(one, who) for who, one in enumerate(writers)])
    took = time.monotonic() - began
    lines = (await node.download_to_data()).decode().splitlines()
    wanted = [[f"{who} {turn}" for turn in range(number)] for who in range(2)]
    kept = [[line for line in lines if line.startswith(f"{who} ")] for who in range(2)]
    is_right = kept == wanted and len(lines) == 2 * number
    print(f"{2 * number} changes by both, each from what it found, in {took:.1f} s")
    print(f"  in the file: {len(lines)}, in order: {'yes' if kept == wanted else 'NO'}")
    return is_right


if __name__ == "__main__":
    sys.exit(main())
