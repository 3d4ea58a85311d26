"""Show: what gridsync and Duplicati ask of a gateway, answered as Tahoe-LAFS 1.20 does.

    python misc/shows/web_callers.py [--peer TAHOE]

Their calls, in their order and spelling, are replayed beside a ``tahoe demo``, and of each
answer what the program looks at is kept.  That is compared with what Tahoe-LAFS 1.20
answered when this was written; with ``--peer``, the path of its command, a grid
of it is started and asked now.  Exit code 1 where an answer differs.

Not among the calls: those for mutable files (``format=MDMF``), which are not offered yet.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, urlsplit

from under_demo import ShowError, run_beside_demo

sys.path.insert(0, str(Path(__file__).parent.parent / "bench"))
import workload

SERVERS = 5  # that a demo has, and the other grid too
SMALL, LARGE = b"hello", bytes(range(256)) * 400
UNKNOWN = "URI:CHK:" + "a" * 26 + ":" + "a" * 52 + ":3:5:1000"  # well formed, of no file
BINARY = {"Connection": "close", "Content-Type": "application/binary"}

RECORDED = {
    "gridsync: node status": "200 5 Connected, available_space int",
    "gridsync: node page": "200 Connected to 5",
    "gridsync: make a directory": "200 DIR",
    "gridsync: make a directory with a name": "200 DIR",
    "gridsync: upload a small file": "200 LIT",
    "gridsync: download a small file": "200 the same bytes",
    "gridsync: link a small file": "200",
    "gridsync: upload a large file": "200 CHK",
    "gridsync: download a large file": "200 the same bytes",
    "gridsync: link a large file": "200",
    "gridsync: upload to a name": "201 CHK",
    "gridsync: upload to a name again": "200 CHK",
    "gridsync: link a directory": "200",
    "gridsync: list": "200 dirnode rw_uri DIR ro_uri DIR-RO, 4 children",
    "gridsync: list: again": "dirnode rw_uri DIR ro_uri DIR-RO with times",
    "gridsync: list: my-large": "filenode ro_uri CHK 102400 with times",
    "gridsync: list: my-small": "filenode ro_uri LIT 5 with times",
    "gridsync: list: sub": "dirnode rw_uri DIR ro_uri DIR-RO with times",
    "gridsync: list below": "200 dirnode rw_uri DIR ro_uri DIR-RO, 1 children",
    "gridsync: list below: file": "filenode ro_uri CHK 102400 with times",
    "gridsync: unlink": "200",
    "gridsync: unlink again": "404",
    "gridsync: list after that": "200 dirnode rw_uri DIR ro_uri DIR-RO, 3 children",
    "gridsync: list after that: my-large": "filenode ro_uri CHK 102400 with times",
    "gridsync: list after that: my-small": "filenode ro_uri LIT 5 with times",
    "gridsync: list after that: sub": "dirnode rw_uri DIR ro_uri DIR-RO with times",
    "gridsync: list what is no directory": "404",
    "gridsync: download what nobody has": "410",
    "Duplicati: list a missing folder": "404",
    "Duplicati: make the folder": "success",
    "Duplicati: make it again": "success",
    "Duplicati: list an empty folder": "dirnode []",
    "Duplicati: put full.dlist.zip": "success",
    "Duplicati: put a%20%C3%A9%2Bb.zip": "success",
    "Duplicati: put over a file": "success",
    "Duplicati: list": "dirnode [a é+b.zip 5 float; full.dlist.zip 102400 float]",
    "Duplicati: get full.dlist.zip": "200 the same bytes",
    "Duplicati: delete full.dlist.zip": "success",
    "Duplicati: delete again full.dlist.zip": "404",
    "Duplicati: get a%20%C3%A9%2Bb.zip": "200 the same bytes",
    "Duplicati: delete a%20%C3%A9%2Bb.zip": "success",
    "Duplicati: delete again a%20%C3%A9%2Bb.zip": "404",
    "Duplicati: get what was deleted": "404",
    "Duplicati: list after that": "dirnode []",
}

Answer = tuple[int, bytes]
Rows = Iterator[tuple[str, str]]  # a call, and what its caller sees of the answer


class Gateway:
    """One gateway, asked by one program."""

    def __init__(self, url: str) -> None:
        self._place = urlsplit(url).netloc

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> Answer:
        """Return status and body; *path* goes out as it is."""
        connection = http.client.HTTPConnection(self._place, timeout=120)
        try:
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def make(self, method: str, path: str, body: bytes | None = None) -> tuple[str, str]:
        """Ask for what is answered with a capability; return what is seen, and it."""
        status, answer = self.ask(method, path, body)
        cap = answer.decode().strip() if status < 300 else ""
        return f"{status} {_kind(cap)}", cap


def gridsync(gateway: Gateway) -> Rows:
    """Ask as gridsync does: no colon is quoted, and a directory has a slash behind it."""
    yield "node status", _servers(*gateway.ask("GET", "/?t=json"))
    status, page = gateway.ask("GET", "/")
    found = re.search(r"Connected to <span>(.+?)</span>", page.decode())
    yield "node page", f"{status} Connected to {found and found[1]}"
    seen, parent = gateway.make("POST", "/uri?t=mkdir")
    yield "make a directory", seen
    seen, sub = gateway.make("POST", f"/uri/{parent}?t=mkdir&name=sub")
    yield "make a directory with a name", seen
    for name, data in (("small", SMALL), ("large", LARGE)):
        seen, cap = gateway.make("PUT", "/uri", data)
        yield f"upload a {name} file", seen
        yield f"download a {name} file", _content(*gateway.ask("GET", f"/uri/{cap}"), data)
        query = f"t=uri&name=my-{name}&uri={cap}"
        yield f"link a {name} file", _status(gateway.ask("POST", f"/uri/{parent}/?{query}"))
    for what in ("upload to a name", "upload to a name again"):
        yield what, gateway.make("PUT", f"/uri/{sub}/file", LARGE)[0]
    link = f"/uri/{parent}/?t=uri&name=again&uri={sub}"
    yield "link a directory", _status(gateway.ask("POST", link))
    yield from _list("list", *gateway.ask("GET", f"/uri/{parent}/?t=json"))
    yield from _list("list below", *gateway.ask("GET", f"/uri/{sub}/?t=json"))
    for what in ("unlink", "unlink again"):
        query = "t=unlink&name=again"
        yield what, _status(gateway.ask("POST", f"/uri/{parent}/?{query}"))
    yield from _list("list after that", *gateway.ask("GET", f"/uri/{parent}/?t=json"))
    yield "list what is no directory", _status(gateway.ask("GET", f"/uri/{sub}/no/?t=json"))
    yield "download what nobody has", _status(gateway.ask("GET", f"/uri/{UNKNOWN}"))


def duplicati(gateway: Gateway) -> Rows:
    """Ask as Duplicati does: in a folder below a quoted capability, names quoted too."""
    _, cap = gateway.make("POST", "/uri?t=mkdir")
    folder = f"/uri/{quote(cap, safe='')}/my%20backup"
    close = {"Connection": "close"}
    yield "list a missing folder", _status(gateway.ask("GET", f"{folder}/?t=json", **close))
    for what in ("make the folder", "make it again"):
        yield what, _ok(gateway.ask("POST", f"{folder}/?t=mkdir", **close))
    yield "list an empty folder", _sizes(*gateway.ask("GET", f"{folder}/?t=json", **close))
    files = {"full.dlist.zip": LARGE, "a%20%C3%A9%2Bb.zip": SMALL}
    for name, data in files.items():
        yield f"put {name}", _ok(gateway.ask("PUT", f"{folder}/{name}", data, **BINARY))
    yield "put over a file", _ok(gateway.ask("PUT", f"{folder}/{name}", data, **BINARY))
    yield "list", _sizes(*gateway.ask("GET", f"{folder}/?t=json", **close))
    for name, data in files.items():
        yield (
            f"get {name}",
            _content(*gateway.ask("GET", f"{folder}/{name}", **close), data),
        )
        for what in ("delete", "delete again"):
            yield f"{what} {name}", _ok(gateway.ask("DELETE", f"{folder}/{name}", **close))
    yield "get what was deleted", _status(gateway.ask("GET", f"{folder}/{name}", **close))
    yield "list after that", _sizes(*gateway.ask("GET", f"{folder}/?t=json", **close))


# ---- what a program looks at


def _status(answer: Answer) -> str:
    return str(answer[0])


def _ok(answer: Answer) -> str:
    """Return what those see who take any success for one."""
    return "success" if answer[0] < 300 else str(answer[0])


def _content(status: int, body: bytes, wanted: bytes) -> str:
    return f"{status} {'the same bytes' if body == wanted else 'OTHER BYTES'}"


def _kind(cap: str) -> str:
    """Return what a capability is of; the two programs have other kinds of directories."""
    found = re.match(r"URI:([A-Z]+)2?(-RO)?:", cap)
    return found[1] + (found[2] or "") if found else "no cap"


def _servers(status: int, body: bytes) -> str:
    servers = json.loads(body)["servers"]
    up = [one for one in servers if one["connection_status"].startswith("Connected")]
    spaces = {type(one["available_space"]).__name__ for one in up}
    return f"{status} {len(up)} Connected, available_space {'/'.join(spaces)}"


def _list(call: str, status: int, body: bytes) -> Rows:
    """Yield what gridsync reads of a directory, and of each child."""
    kind, facts = json.loads(body)
    yield call, f"{status} {kind} {_caps(facts)}, {len(facts['children'])} children"
    for name, (what, child) in sorted(facts["children"].items()):
        times = child["metadata"]["tahoe"]
        are_told = all(isinstance(times[t], float) for t in ("linkcrtime", "linkmotime"))
        words = [what, _caps(child), str(child["size"]) if "size" in child else ""]
        words.append("with times" if are_told else "without times")
        yield f"{call}: {name}", " ".join(filter(None, words))


def _caps(facts: dict[str, Any]) -> str:
    return " ".join(
        f"{slot} {_kind(facts[slot])}" for slot in ("rw_uri", "ro_uri") if slot in facts
    )


def _sizes(status: int, body: bytes) -> str:
    """Return what Duplicati reads of a directory."""
    if status >= 300:
        return str(status)
    kind, facts = json.loads(body)
    children = "; ".join(
        f"{name} {child['size']} {type(child['metadata']['tahoe']['linkmotime']).__name__}"
        for name, (what, child) in sorted(facts["children"].items())
        if what == "filenode"
    )
    return f"{kind} [{children}]"


# ---- the comparison

PROGRAMS = {"gridsync": gridsync, "Duplicati": duplicati}


def ask_all(url: str) -> dict[str, str]:
    """Replay all calls; return what is seen of each answer, by program and call."""
    seen: dict[str, str] = {}
    for program, calls in PROGRAMS.items():
        for call, answer in calls(Gateway(url)):
            seen[f"{program}: {call}"] = answer
    return seen


def ask_peer(tahoe: str, place: Path) -> dict[str, str]:
    """Start a grid of another ``tahoe``, and replay all calls there."""
    args = SimpleNamespace(k=3, happy=4, n=5, servers=SERVERS, protocol="foolscap")
    place.mkdir()
    grid = workload.Grid(args, str(place), tahoe)
    grid.env.pop("PYTHONPATH", None)  # it has a package of the same name
    try:
        grid.build()
        return ask_all(f"http://127.0.0.1:{grid.webport}")
    finally:
        grid.stop()


def compare(seen: dict[str, str], wanted: dict[str, str]) -> int:
    """Print a table of both; return how many answers differ."""
    num_wrong = 0
    for call in dict.fromkeys([*seen, *wanted]):
        ours, theirs = seen.get(call), wanted.get(call)
        num_wrong += ours != theirs
        print(f"{'same  ' if ours == theirs else 'DIFFER'}  {call:58}  {ours}")
        if ours != theirs:
            print(f"        {'where Tahoe-LAFS 1.20 says':58}  {theirs}")
    return num_wrong


def show(place: Path, peer: str | None) -> None:
    """Ask our gateway, and the other one or the record of it."""
    url = (Path(os.environ["TAHOE_NODE_DIRECTORY"]) / "node.url").read_text().strip()
    seen = ask_all(url)
    wanted = ask_peer(peer, place / "peer") if peer else RECORDED
    num_wrong = compare(seen, wanted)
    source = "asked now" if peer else "as recorded"
    print(f"\n{len(seen)} calls, {num_wrong} answers differ from Tahoe-LAFS 1.20, {source}")
    if num_wrong:
        raise ShowError(f"{num_wrong} answers differ")
    if wanted != RECORDED:
        raise ShowError("Tahoe-LAFS does not answer as recorded here any more")


def main() -> int:
    """Replay and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", metavar="TAHOE", help="the command of Tahoe-LAFS 1.20")
    options = parser.parse_args()
    return run_beside_demo(lambda place: show(place, options.peer))


if __name__ == "__main__":
    sys.exit(main())
