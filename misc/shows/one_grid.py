"""Show: our nodes and those of Tahoe-LAFS 1.20 in one grid, over both protocols.

    theirs   their introducer and servers, with our client and theirs
    ours     our introducer and servers, with both clients
    half     our introducer, servers of both, both clients

In each, what one client stores the other reads, and the other way: files, ranges, check,
verify, repair of shares that are gone or wrong, mutable files made, replaced and updated,
mkdir, ls, cp -r.  Which protocol is spoken with each server is asked of both clients.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from peers import PEER, Client, MixedGrid, mixed_grid, wait_for
from under_demo import ShowError

KINDS = {"theirs": (False, [False] * 5), "ours": (True, [True] * 5)}
KINDS["half"] = (True, [False, True, False, True, True])
RANDOM = random.Random(20)


def uri(cap: str, rest: str = "") -> str:
    """Return the path of what *cap* names."""
    return f"/uri/{quote(cap.strip(), safe='')}{rest}"


def same(found: bytes, wanted: bytes, what: str) -> None:
    """Want two contents to be equal.

    :raises ShowError: they are not
    """
    if found != wanted:
        raise ShowError(f"{what}: {len(found)} bytes, and not the {len(wanted)} wanted")


# ---- what is tried: each with the client that makes, and the one that uses ---------------


def files(maker: Client, user: Client) -> None:
    """Whole files of several sizes, and ranges; put and got by the commands, too."""
    data = RANDOM.randbytes(70_000)
    cap = maker.tahoe("put", "-", data=data).decode().strip()
    same(user.tahoe("get", cap), data, "put and get")
    for size in (1, 55, 56, 5000, 300_000, 3_000_000):
        data = RANDOM.randbytes(size)
        cap = maker.ask("PUT", "/uri", data).decode()
        same(user.ask("GET", uri(cap)), data, f"{size} bytes")
        if size > 1000:
            part = user.ask("GET", uri(cap), Range=f"bytes={size // 2}-{size // 2 + 99}")
            same(part, data[size // 2 : size // 2 + 100], "a range")


def checks(maker: Client, user: Client) -> None:
    """Check and verify; the counts are those of a whole file."""
    cap = maker.ask("PUT", "/uri", RANDOM.randbytes(100_000)).decode()
    for options in ("", "&verify=true", "&verify=true&repair=true", "&add-lease=true"):
        told = check(user, cap, options)
        results = told["results"]
        if not results["healthy"] or results["count-shares-good"] < 5:
            raise ShowError(f"check {options}: {told['summary']}")


def shares_of(client: Client, index: str) -> list[Path]:
    """Return the files of all shares of a storage index, on servers of either kind."""
    found = client.basedir.parent.glob(f"storage*/storage/shares/{index[:2]}/{index}/*")
    return sorted(found, key=lambda path: path.name)


def check(client: Client, cap: str, options: str = "") -> Any:
    """Return what a client's check tells, after the repair if there is to be one."""
    told = client.json(uri(cap, f"?t=check&output=JSON{options}"), "POST", b"")
    return told.get("post-repair-results", told)


def repairs(maker: Client, user: Client) -> None:
    """Shares that are gone or wrong: found by both, made again by one, good for both."""
    for form in ("chk", "sdmf", "mdmf"):
        query = "" if form == "chk" else f"?format={form}"
        data = RANDOM.randbytes(200_000)
        cap = maker.ask("PUT", f"/uri{query}", data).decode()
        paths = shares_of(user, check(user, cap)["storage-index"])
        for path in paths[1:3]:
            path.unlink()
        if form == "chk":
            _spoil(paths[4])
        want_good(maker, cap, 2 if form == "chk" else 3)
        told = check(user, cap, "&verify=true&repair=true")
        left = 1 if form == "chk" else 0  # a bad share stays in the way on its server
        if told["results"]["count-shares-good"] < 5 - left:
            raise ShowError(f"{form}: after the repair {told['summary']}")
        if left:
            paths[4].unlink()
            check(user, cap, "&repair=true")
        want_good(maker, cap, 5)
        same(maker.ask("GET", uri(cap)), data, f"{form}, repaired")


def want_good(client: Client, cap: str, number: int) -> None:
    """Want so many good shares, as a client that reads all of them finds.

    :raises ShowError: there are more or fewer
    """
    told = check(client, cap, "&verify=true")
    found = told["results"]["count-shares-good"]
    if found != number or told["results"]["healthy"] != (number == 5):
        raise ShowError(f"verify: {found} good shares, not {number}: {told['summary']}")


def _spoil(path: Path) -> None:
    with open(path, "r+b") as file:
        file.seek(500)
        byte = file.read(1)[0]
        file.seek(500)
        file.write(bytes([byte ^ 1]))


def mutables(maker: Client, user: Client) -> None:
    """Mutable files: made by one, replaced and updated by the other."""
    for form, size in (("sdmf", 0), ("sdmf", 3000), ("mdmf", 3000), ("mdmf", 300_000)):
        data = RANDOM.randbytes(size)
        cap = maker.ask("PUT", f"/uri?format={form}", data).decode()
        same(user.ask("GET", uri(cap)), data, f"{form} of {size}")
        new = RANDOM.randbytes(size + 100)
        user.ask("PUT", uri(cap), new)
        same(maker.ask("GET", uri(cap)), new, f"{form} of {size}, replaced")
        maker.ask("PUT", uri(cap, "?offset=10"), b"changed")
        new = new[:10] + b"changed" + new[17:]
        same(user.ask("GET", uri(cap)), new, f"{form} of {size}, updated")
        want_good(user, cap, 5)


def directories(maker: Client, user: Client) -> None:
    """Directories of Tahoe-LAFS: made by one, listed and changed by the other."""
    for form in ("sdmf", "mdmf"):
        top = maker.ask("POST", f"/uri?t=mkdir&format={form}").decode()
        maker.ask("PUT", uri(top, "/sub/first.txt"), b"first content, of some length " * 9)
        maker.tahoe("mkdir", f"{top}/made")
        names = user.tahoe("ls", top).decode().split()
        if names != ["made", "sub"]:
            raise ShowError(f"ls: {names}")
        user.ask("PUT", uri(top, "/sub/second.txt"), b"second")
        user.ask("POST", uri(top, "/sub?t=rename&from_name=first.txt&to_name=1st"))
        same(maker.ask("GET", uri(top, "/sub/second.txt")), b"second", "second.txt")
        listed = maker.json(uri(top, "/sub?t=json"))[1]["children"]
        if sorted(listed) != ["1st", "second.txt"]:
            raise ShowError(f"after the change: {sorted(listed)}")


def trees(maker: Client, user: Client) -> None:
    """``cp -r`` of a tree into a directory, and out of it on the other side."""
    top = maker.ask("POST", "/uri?t=mkdir&format=sdmf").decode()
    with tempfile.TemporaryDirectory() as place:
        here, there = Path(place) / "in", Path(place) / "out"
        for i in range(12):
            path = here / f"d{i % 3}" / f"f{i}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(RANDOM.randbytes(i * 700))
        maker.tahoe("cp", "-r", here, f"{top}/tree")
        user.tahoe("cp", "-r", f"{top}/tree", there)
        wanted = {p.relative_to(here): p.read_bytes() for p in here.rglob("f*")}
        top_of = next(there.rglob("d0")).parent
        found = {p.relative_to(top_of): p.read_bytes() for p in top_of.rglob("f*")}
        if found != wanted:
            raise ShowError(f"cp -r: {len(found)} of {len(wanted)} files are the same")


TRIES: dict[str, Callable[[Client, Client], None]] = {
    "files": files,
    "checks": checks,
    "repairs": repairs,
    "mutables": mutables,
    "directories": directories,
    "trees": trees,
}


# ---- one grid ----------------------------------------------------------------------------


def same_caps(ours: Client, theirs: Client) -> None:
    """Want one capability for one file, as both have the same convergence secret."""
    for size in (100, 50_000, 2_500_000):
        data = RANDOM.randbytes(size)
        if ours.ask("PUT", "/uri", data) != theirs.ask("PUT", "/uri", data):
            raise ShowError("the same file has two capabilities")


def mixed_shares(maker: Client, other: Client) -> None:
    """Read a file of which one share was made by each client, and there are no others."""
    data = RANDOM.randbytes(150_000)
    cap = maker.ask("PUT", "/uri", data).decode()
    paths = shares_of(maker, check(maker, cap)["storage-index"])
    firsts = [paths[0], paths[3]]
    for path in set(paths) - set(firsts):
        path.unlink()
    same(other.ask("PUT", "/uri", data), cap.encode(), "the capability")
    paths = shares_of(maker, check(maker, cap)["storage-index"])
    others = [one for one in paths if one not in firsts and one.name != firsts[0].name]
    if not others:
        raise ShowError("the other client made no share")
    for path in set(paths) - {firsts[0], others[0]}:
        path.unlink()
    for client in (maker, other):
        same(client.ask("GET", uri(cap)), data, "a share of each")


def build(grid: MixedGrid, kind: str) -> tuple[Client, Client]:
    """Start all nodes; return our client and theirs, connected to every server."""
    introducer, servers = KINDS[kind]
    grid.add_introducer(ours=introducer)
    for i, ours in enumerate(servers, 1):
        grid.add_server(f"storage{i}", ours=ours)
    clients = grid.add_client("ours", ours=True), grid.add_client("theirs", ours=False)
    for one in clients:
        wait_for(lambda one=one: len(one.connected()) == len(servers), "all servers")
    return clients


def check_protocol(clients: Iterable[Client], wanted: str) -> None:
    """Want every client to speak *wanted* with every server.

    :raises ShowError: one does not
    """
    for client in clients:
        spoken = client.protocols()
        if set(spoken.values()) != {wanted}:
            raise ShowError(f"{client.basedir.name} does not speak {wanted}: {spoken}")


def rows(ours: Client, theirs: Client, only: list[str]) -> Iterator[tuple[str, str]]:
    """Try everything both ways; yield what was tried and how it went."""
    for name in only:
        ways = {
            "by us, used by them": (ours, theirs),
            "by them, used by us": (theirs, ours),
        }
        for words, (maker, user) in ways.items():
            yield f"{name} {words}", _outcome(TRIES[name], maker, user)
    yield "the same capability", _outcome(same_caps, ours, theirs)
    yield "shares of both in one download", _outcome(mixed_shares, ours, theirs)
    yield "and the other way", _outcome(mixed_shares, theirs, ours)


def _outcome(trying: Callable[[Client, Client], None], one: Client, other: Client) -> str:
    try:
        trying(one, other)
    except Exception as e:
        return f"{type(e).__name__}: {e}"[:300]
    return "ok"


def main() -> int:
    """Build each grid, try everything, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", type=Path, default=PEER, help="tahoe of Tahoe-LAFS 1.20")
    parser.add_argument("--kinds", default=",".join(KINDS), help=", ".join(KINDS))
    parser.add_argument("--protocols", default="foolscap,https")
    parser.add_argument("--only", default=",".join(TRIES), help=", ".join(TRIES))
    options = parser.parse_args()
    num_wrong = 0
    for kind in options.kinds.split(","):
        for protocol in options.protocols.split(","):
            began = time.monotonic()
            with tempfile.TemporaryDirectory(prefix="grid-") as place:
                forced = protocol == "foolscap"
                with mixed_grid(
                    Path(place) / "g", options.peer, force_foolscap=forced
                ) as g:
                    clients = build(g, kind)
                    check_protocol(clients, protocol)
                    for what, outcome in rows(*clients, options.only.split(",")):
                        num_wrong += outcome != "ok"
                        print(f"{kind:7} {protocol:9} {what:40} {outcome}", flush=True)
                    check_protocol(clients, protocol)
            print(f"{kind:7} {protocol:9} {time.monotonic() - began:.0f} s", flush=True)
    print(f"{num_wrong} not as they should be" if num_wrong else "one grid, both ways")
    return 1 if num_wrong else 0


if __name__ == "__main__":
    sys.exit(main())
