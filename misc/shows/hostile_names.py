"""Five hundred hostile names, through every way in and out again.

    python misc/shows/hostile_names.py [--count 500] [--seed N]

Each name is either stored, and then read back under its normal form (NFC), or refused by
an error; what must happen is told by ``allmydata.util.names.check_name``.  One way in is
that of a hostile writer who seals rows by hand, with no check at all.  Then every directory
made so comes down with ``tahoe cp -r``, and nothing may be written outside the target.
Prints a table of outcomes; exit code 0 if none is wrong and nothing escaped.
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from name_families import hostile_names
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from under_demo import ShowError, run_beside_demo

from allmydata.cli.main import main as tahoe_main
from allmydata.errors import GridError
from allmydata.formats.dirtable import seal
from allmydata.node.client import Client
from allmydata.node.create import Answers, create
from allmydata.uri import LiteralFileURI
from allmydata.util.names import check_name

STORED, REFUSED, PATH, WRONG = "stored", "refused", "a path", "WRONG"


def stored_name(name: str) -> str | None:
    """Return the name under which *name* must be found; None if it must be refused."""
    try:
        return check_name(name)
    except GridError:
        return None


# ---- the gateway and the command line ----------------------------------------------------


class Gateway:
    """One kept-alive line to the gateway."""

    def __init__(self) -> None:
        basedir = Path(os.environ["TAHOE_NODE_DIRECTORY"])
        url = urlsplit((basedir / "node.url").read_text().strip())
        self.line = http.client.HTTPConnection(url.netloc, timeout=60)

    def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Return the status and the body of the answer."""
        self.line.request(method, path, body)
        answer = self.line.getresponse()
        return answer.status, answer.read()

    def directory(self) -> str:
        """Return the capability of a new directory."""
        return self.ask("POST", "/uri?t=mkdir")[1].decode()

    def is_there(self, directory: str, name: str, cap: str) -> bool:
        """Tell whether *name* is found, and is *cap*."""
        status, body = self.ask("GET", f"{at(directory, name)}?t=uri")
        return status == 200 and body.decode() == cap


def quoted(name: str) -> str:
    """Return *name* percent-encoded, with the bytes of half characters as they would be."""
    return quote(name.encode("utf-8", "surrogatepass"), safe="")


def at(directory: str, name: str) -> str:
    """Return the path of *name* in *directory*."""
    return f"/uri/{quote(directory, safe='')}/{quoted(name)}"


def joined(name: str) -> str:
    """Return *name* with halves of characters that follow each other made whole."""
    data = name.encode("utf-16-le", "surrogatepass")
    return data.decode("utf-16-le", "surrogatepass")


def content(i: int) -> bytes:
    """Return what the file of the name number *i* holds."""
    return b"number %d" % i


def cap_of(i: int) -> str:
    """Return its capability."""
    return LiteralFileURI(content(i)).to_string()


def tahoe(*words: str) -> tuple[int, str]:
    """Run the command in this process, which takes any text; give code and errors."""
    out, err = io.TextIOWrapper(io.BytesIO()), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = tahoe_main(list(words))
    return code, err.getvalue()


Way = Callable[[str, str, int], bool]  # directory, name, number; was it accepted?


def ways(gateway: Gateway, place: Path) -> dict[str, Way]:
    """Return the ways into a directory, by what they are called."""
    file = place / "content"

    def accepted(method: str, path: str, body: bytes = b"") -> bool:
        status, said = gateway.ask(method, path, body)
        if status >= 500:
            raise ShowError(f"{method}: {status} {said[:300]!r}")
        return status < 300

    def set_children(directory: str, name: str, i: int) -> bool:
        if name != joined(name):
            return False  # in JSON these halves are a whole, and a good name
        body = json.dumps({name: ["filenode", {"ro_uri": cap_of(i)}]}).encode()
        return accepted("POST", f"/uri/{quote(directory, '')}?t=set_children", body)

    def form(directory: str, name: str, i: int) -> bool:
        words = {
            "t": "uri",
            "name": name.encode("utf-8", "surrogatepass"),
            "uri": cap_of(i),
        }
        return accepted("POST", f"/uri/{quote(directory, '')}?{urlencode(words)}")

    def put(directory: str, name: str, i: int) -> bool:
        file.write_bytes(content(i))
        return tahoe("put", str(file), f"{directory}/{name}")[0] == 0

    def ln(directory: str, name: str, i: int) -> bool:
        return tahoe("ln", cap_of(i), f"{directory}/{name}")[0] == 0

    return {
        "gateway PUT t=uri": lambda directory, name, i: accepted(
            "PUT", f"{at(directory, name)}?t=uri", cap_of(i).encode()
        ),
        "gateway PUT file": lambda directory, name, i: accepted(
            "PUT", at(directory, name), content(i)
        ),
        "gateway POST set_children": set_children,
        "gateway POST t=uri&name=": form,
        "tahoe put": put,
        "tahoe ln": ln,
    }


# ---- what happens ------------------------------------------------------------------------


def outcome(gateway: Gateway, directory: str, name: str, i: int, was_accepted: bool) -> str:
    """Return what became of *name*."""
    wanted = stored_name(name)
    if wanted is None:
        return WRONG if was_accepted else REFUSED
    if not was_accepted or not gateway.is_there(directory, wanted, cap_of(i)):
        return WRONG
    return STORED


def try_way(
    gateway: Gateway, way: str, enter: Way, names: list[str]
) -> tuple[Counter, str]:
    """Send all *names* one way; return the outcomes and the directory."""
    directory, outcomes = gateway.directory(), Counter[str]()
    for i, name in enumerate(names):
        if way.startswith("tahoe") and ("/" in name or not name):
            enter(gateway.directory(), name, i)  # the command line means a path by it
            outcomes[PATH] += 1
            continue
        became = outcome(gateway, directory, name, i, enter(directory, name, i))
        outcomes[became] += 1
        if became == WRONG:
            print(f"  WRONG: {way}: {name!a}")
    return outcomes, directory


def try_copy_up(gateway: Gateway, place: Path, names: list[str]) -> tuple[Counter, str]:
    """Make files of as many names as this system has files of; copy them up."""
    directory, outcomes, home = gateway.directory(), Counter[str](), place / "home"
    home.mkdir()
    made: dict[str, int] = {}
    for i, name in enumerate(names):
        try:
            encoded = name.encode("utf-8", "surrogateescape")
            if b"/" in encoded or name in ("", ".", ".."):
                raise ValueError("no name of a file")
            with open(os.fsencode(home) + b"/" + encoded, "wb") as file:
                file.write(content(i))
            made[name] = i
        except (OSError, ValueError):
            outcomes["no such file can be"] += 1
    _, told = tahoe("cp", "-r", f"{home}/", directory)
    for name, i in made.items():
        twins = [n for n in made if stored_name(n) == stored_name(name)]
        is_first = name == min(twins, key=lambda n: (n != stored_name(n), n))
        if stored_name(name) and is_first:
            is_there = gateway.is_there(directory, str(stored_name(name)), cap_of(i))
            outcomes[STORED if is_there else WRONG] += 1
        else:
            outcomes[REFUSED] += 1
    if told.count("\nerror: ") != outcomes[REFUSED]:
        raise ShowError(
            f"{outcomes[REFUSED]} names should be refused, but:\n{told[-3000:]}"
        )
    return outcomes, directory


def come_down(directory: str, place: Path, names: set[str]) -> str:
    """Copy *directory* to a place of its own; say what came, and want nothing elsewhere."""
    inside = place / "a" / "b" / "target"
    inside.parent.mkdir(parents=True)
    before = everything(place)
    _, told = tahoe("cp", "-r", f"{directory}/", str(inside))
    came = {os.fsdecode(name) for name in os.listdir(os.fsencode(inside))}
    for entry in os.scandir(inside):
        if not entry.is_file(follow_symlinks=False):
            raise ShowError(f"{entry.name!a} came down as something else than a file")
    outside = everything(place) - before - {str(inside)}
    outside = {path for path in outside if not path.startswith(f"{inside}/")}
    escaped = sorted(outside) + [path for path in ("/tmp/escaped",) if os.path.exists(path)]
    if escaped:
        raise ShowError(f"escaped: {escaped}")
    if came != names:
        raise ShowError(
            f"{len(came)} files came, wanted {len(names)}: {came ^ names!a:.300}"
        )
    refused = max(0, told.count("error: ") - 1)  # the last one tells how many
    return f"{len(came)} files came down, {refused} names refused, 0 escaped"


def everything(place: Path) -> set[str]:
    """Return the path of all below *place*."""
    return {os.path.join(where, n) for where, d, f in os.walk(place) for n in [*d, *f]}


# ---- the Python interface ----------------------------------------------------------------


async def through_api(drive: Any, names: list[str]) -> tuple[Counter, str]:
    """Set each name with IDirectoryNode.set_uri, and read it back."""
    node, outcomes = await drive.create_directory(), Counter[str]()
    for i, name in enumerate(names):
        try:
            await node.set_uri(name, cap_of(i))
        except GridError:
            outcomes[WRONG if stored_name(name) else REFUSED] += 1
            continue
        child = await node.get(stored_name(name))
        outcomes[STORED if child.get_uri() == cap_of(i) else WRONG] += 1
    return outcomes, node.get_uri()


async def sealed_by_hand(drive: Any, names: list[str]) -> str:
    """Put rows with all *names* into a directory, as nobody but a hostile writer would."""
    node, rows = await drive.create_directory(), []
    for i, name in enumerate(names):
        try:
            rows.append(seal(node._keys, name, None, cap_of(i), os.urandom))
        except (GridError, UnicodeEncodeError):
            continue  # too long for a row, or half a character
    for start in range(0, len(rows), 100):
        await node._put(rows[start : start + 100], True)
    return node.get_uri()


async def with_client(basedir: Path, names: list[str], results: dict[str, Any]) -> None:
    """Do what needs a client in this process."""
    introducer = Path(os.environ["TAHOE_NODE_DIRECTORY"]).parent / "introducer"
    furl = (introducer / "private" / "introducer.furl").read_text().strip()
    create(basedir, Answers("client", introducer=furl, webport="none", listen=False))
    client = Client.from_basedir(basedir)
    client.startService()
    try:
        await client.when_running()
        drive = client.getService("vdrive")
        results["API"] = await through_api(drive, names)
        results["sealed"] = await sealed_by_hand(drive, names)
    finally:
        await client.stopService()


def run_client(basedir: Path, names: list[str]) -> dict[str, Any]:
    """Run the reactor for as long as the client is needed."""
    results: dict[str, Any] = {}
    problems: list[Any] = []

    def begin() -> None:
        waiting = Deferred.fromCoroutine(with_client(basedir, names, results))
        waiting.addErrback(problems.append)
        waiting.addBoth(lambda _: reactor.stop())

    reactor.callWhenRunning(begin)
    reactor.run()
    if problems:
        raise ShowError(problems[0].getTraceback())
    return results


def show(place: Path) -> None:
    """Do it."""
    options = parse_options()
    names = hostile_names(options.count, random.Random(options.seed))
    good = {stored_name(name) for name in names} - {None}
    print(f"{len(names)} names; {len(good)} can be kept, in normal form")
    results = run_client(place / "client", names)
    gateway, table = Gateway(), {"API set_uri": results["API"]}
    for way, enter in ways(gateway, place).items():
        table[way] = try_way(gateway, way, enter, names)
    table["tahoe cp -r, from files"] = try_copy_up(gateway, place, names)
    for number, (way, (outcomes, directory)) in enumerate(table.items()):
        (down := place / f"down{number}").mkdir()
        there = set(listed(gateway, directory))
        told = come_down(directory, down, there)
        print(f"  {way:26} {', '.join(f'{n} {what}' for what, n in outcomes.items())}")
        print(f"  {'':26} {told}")
    (down := place / "down").mkdir()
    told = come_down(results["sealed"], down, good)
    print(f"  {'rows sealed by hand':26} {told}")
    if any(outcomes[WRONG] for outcomes, _ in table.values()):
        raise ShowError("see WRONG above")


def listed(gateway: Gateway, directory: str) -> dict[str, Any]:
    """Return what the gateway lists."""
    body = gateway.ask("GET", f"/uri/{quote(directory, '')}?t=json")[1]
    return json.loads(body)[1]["children"]


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    parse_options()
    sys.exit(run_beside_demo(show))
