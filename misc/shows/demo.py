"""Store a file on a grid of servers, lose servers, and get every byte back.

    python misc/shows/demo.py [--servers 5] [--shares 3/4/5] [--size 5M] [--kill NUM]
    python misc/shows/demo.py --servers 10 --shares 3/7/10 --size 100M --one-more
    python misc/shows/demo.py --freeze --size 10M

Starts a grid with ``tahoe demo`` and runs itself beside it.  Servers are chosen at random.
By default as many are killed as the coding allows; ``--one-more`` kills another and wants
the file to be out of reach, honestly: exit code 13, the shares counted, no file left.
``--freeze`` lets one server hang instead: storing and fetching must not wait for it.
Exits with 0 if all went as it should, else with 1.
"""

from __future__ import annotations

import argparse
import filecmp
import io
import os
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from time import perf_counter

from allmydata.cli.main import main as tahoe_main
from allmydata.util.humanize import parse_size, size

UNRECOVERABLE = 13
PATIENCE_S = 3.0  # the longest that storing or fetching may take with a frozen server
PIECE = 1 << 20


class ShowError(Exception):
    """Something is not as it should be."""


def main() -> int:
    """Start a grid, or do the show on the one that runs."""
    options = parse_options()
    if not options.inside:
        words = ["demo", "--servers", str(options.servers), "--shares", options.shares]
        myself = [sys.executable, __file__, "--inside", *sys.argv[1:]]
        tahoe = [sys.executable, "-m", "allmydata.cli.main"]
        os.execv(sys.executable, [*tahoe, *words, "--", *myself])
    try:
        with tempfile.TemporaryDirectory(prefix="tahoe-show-") as place:
            freeze(options, Path(place)) if options.freeze else kill(options, Path(place))
    except ShowError as e:
        print(f"\nNot as it should be: {e}")
        return 1
    return 0


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--servers", type=int, default=5)
    parser.add_argument("--shares", default="3/4/5", metavar="K/HAPPY/N")
    parser.add_argument("--size", type=parse_size, default="5M", help="of the file")
    parser.add_argument("--kill", type=int, metavar="NUM", help="default: all but K")
    parser.add_argument("--one-more", action="store_true", help="then kill one too many")
    parser.add_argument("--freeze", action="store_true", help="freeze one instead")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


# ---- the shows -------------------------------------------------------------------------


def kill(options: argparse.Namespace, place: Path) -> None:
    """Lose as many servers as the file can bear, and perhaps one more."""
    needed = int(options.shares.split("/")[0])
    num_dead = options.servers - needed if options.kill is None else options.kill
    order = random.sample(range(1, options.servers + 1), options.servers)
    dead, others = order[:num_dead], order[num_dead:]
    original = random_file(place / "original", options.size)
    cap = store(original)
    print(f"Killing {num_dead} of {options.servers} servers: {sorted(dead)}")
    tell_demo("kill", dead)
    fetch(cap, original, place / "copy")
    print("  every byte is as it was")
    if options.one_more:
        one_too_many(cap, others[0], place / "nothing")
    print("\nThe file outlived the servers.")


def one_too_many(cap: str, server: int, target: Path) -> None:
    """Kill a server that the file can't spare."""
    print(f"Killing one more: [{server}]")
    tell_demo("kill", [server])
    with timed() as time:
        code, _, said = tahoe("get", cap, str(target))
    print(f"Fetching it … refused after {time():.2f} s, exit code {code}:")
    print("".join(f"    {line}\n" for line in said.splitlines()), end="")
    if code != UNRECOVERABLE:
        raise ShowError(f"exit code {code}, wanted {UNRECOVERABLE}")
    if "found" not in said or "missing" not in said:
        raise ShowError("it does not say which shares were found and which are missing")
    if list(target.parent.glob(f"*{target.name}*")):
        raise ShowError("it left a file")


def freeze(options: argparse.Namespace, place: Path) -> None:
    """Let a server hang that holds a share, and see that nobody waits for it."""
    original = random_file(place / "original", options.size)
    print("All servers answer.")
    cap = store(original)
    fetch(cap, original, place / "copy")
    server = random.randint(1, options.servers)
    print(f"Freezing one of {options.servers} servers: [{server}]")
    tell_demo("freeze", [server])
    times = [fetch(cap, original, place / "copy again")]
    other = random_file(place / "other", options.size)
    with timed() as time:
        cap = store(other)
        times.append(time())
    times.append(fetch(cap, other, place / "copy of the other"))
    if max(times) > PATIENCE_S:
        raise ShowError(f"it took {max(times):.1f} s, wanted {PATIENCE_S:.0f} s at most")
    print("\nNobody waited for the frozen server.")


# ---- steps -----------------------------------------------------------------------------


def random_file(path: Path, num_bytes: int) -> Path:
    """Make a file that nobody has seen before."""
    with open(path, "wb") as f:
        for start in range(0, num_bytes, PIECE):
            f.write(os.urandom(min(PIECE, num_bytes - start)))
    return path


def store(path: Path) -> str:
    """Put a file; return its capability."""
    num_bytes = path.stat().st_size
    with timed() as time:
        code, cap, said = tahoe("put", str(path))
    if code:
        raise ShowError(f"tahoe put left with {code}: {said}")
    print(f"Storing a file of {size(num_bytes)} … {time():.2f} s")
    return cap.strip()


def fetch(cap: str, original: Path, copy: Path) -> float:
    """Get a file and compare it; return the seconds that getting it took."""
    with timed() as time:
        code, _, said = tahoe("get", cap, str(copy))
    seconds = time()
    if code:
        raise ShowError(f"tahoe get left with {code}: {said}")
    if not filecmp.cmp(original, copy, shallow=False):
        raise ShowError("what came back is not what was stored")
    print(f"Fetching it … {seconds:.2f} s")
    return seconds


def tell_demo(action: str, servers: list[int]) -> None:
    """Do something to servers of the grid."""
    code, _, said = tahoe("demo", action, *map(str, servers))
    if code:
        raise ShowError(f"tahoe demo {action} left with {code}: {said}")


def tahoe(*words: str) -> tuple[int, str, str]:
    """Run a command; return its exit code and what it wrote.

    It runs in this process: the arguments of another could be read by everybody.
    """
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = tahoe_main(words)
    return code, out.getvalue(), err.getvalue()


@contextmanager
def timed() -> Iterator[Callable[[], float]]:
    """Give a function that returns the seconds since, up to the end of the block."""
    start, end = perf_counter(), None

    def seconds() -> float:
        return (end or perf_counter()) - start

    yield seconds
    end = perf_counter()


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    sys.exit(main())
