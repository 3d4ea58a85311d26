"""Show: who is not who he should be is refused, and not one byte of use is sent to him.

    python misc/shows/refused.py

Nodes as processes, and between them ports of ours that keep all that they are let read:

    in the middle   on the way to introducer and server, with a certificate of its own
    pins and ids    a NURL with a wrong pin, FURLs with a wrong Tub id
    announcements   replayed, forged, made weaker, too large, by a false introducer

Each time the caller breaks off within the handshake of TLS.  What went before it is the
Tub id that foolscap asks for in clear, and never a swissnum.  Callers without such care
show that the ports do hear what they are told.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml
from attrs import define, field
from interceptor import Interceptor, careless_request
from one_grid import same, uri
from peers import (
    OURS,
    PEER,
    MixedGrid,
    configure,
    force_foolscap,
    free_port,
    wait_for,
)
from under_demo import ShowError

from allmydata.crypto.signing import NodeKey
from allmydata.formats.announcement import Announcement
from allmydata.formats.nurl import Nurl, swissnum_of

DATA = bytes(range(256)) * 400
ONE = (1, 1, 1)  # k, happy, n
ASK = "GET /storage/v1/version HTTP/1.1\r\nHost: h\r\nAuthorization: Tahoe-LAFS {}\r\n\r\n"
FURL, NURLS = "anonymous-storage-FURL", "anonymous-storage-NURLs"
MALLORY = NodeKey(b"m" * 32)


def want(condition: bool, what: str) -> None:
    """Go on if something is so.

    :raises ShowError: it is not
    """
    if not condition:
        raise ShowError(what)


def secrets_of(grid: MixedGrid) -> set[bytes]:
    """Return the unguessable part of every FURL of a grid, plain and as HTTPS shows it."""
    furls = [path.read_text().strip() for path in grid.place.rglob("private/*.furl")]
    plain = {furl.rpartition("/")[2].encode() for furl in [*furls, grid.furl] if furl}
    return plain | {base64.b64encode(one) for one in plain}


def want_silence(one: Interceptor, secrets: set[bytes], *kinds: str) -> str:
    """Want calls to have come and nothing to be heard; tell how many.

    :param kinds: the protocols over which there must have been calls
    """
    want(not one.heard, f"{len(one.heard)} bytes were sent behind the handshake")
    want(not any(secret in one.plain for secret in secrets), "a swissnum was sent")
    lines = {line.split()[0] for line in bytes(one.plain).splitlines() if line}
    want(lines <= {b"GET", b"Host:", b"Upgrade:", b"Connection:"}, f"in clear: {lines}")
    want(all(one.refused[kind] for kind in kinds), f"calls came: {one.refused}")
    calls = " and ".join(f"{one.refused[kind]} over {kind}" for kind in kinds)
    return f"{calls} broken off, 0 bytes heard"


# ---- in the middle -----------------------------------------------------------------------


def in_the_middle(grid: MixedGrid) -> Iterator[str]:
    """Let two clients work through ports that turn into impostors, and back."""
    ports = free_port(), free_port()
    introducer, server = (Interceptor(port) for port in ports)
    grid.add_introducer(ours=True, port=ports[0], seen_at=introducer.port)
    grid.add_server("storage", ours=True, port=ports[1], seen_at=server.port)
    clients = {
        "https": grid.add_client("secure", ours=True),
        "foolscap": grid.add_client("old", ours=True, prepare=force_foolscap),
    }
    caps = {}
    for kind, client in clients.items():
        wait_for(lambda one=client: one.connected() == ["storage"], "the server")
        spoken = {"storage": kind}
        wait_for(lambda c=client, s=spoken: c.protocols() == s, f"{kind} to be spoken")
        caps[kind] = client.ask("PUT", "/uri", kind.encode() + DATA).decode()
    for one in (introducer, server):
        one.become(impostor=True)
    wait_for(lambda: min(server.refused.values()) > 1, "calls to the false server")
    wait_for(lambda: introducer.refused["foolscap"] > 1, "calls to the false introducer")
    for kind, client in clients.items():
        want(client.connected() == [], f"{kind}: it believes the impostor")
        want_failure(lambda c=client, cap=caps[kind]: c.ask("GET", uri(cap)))
    secrets = secrets_of(grid)
    yield f"a server's impostor: {want_silence(server, secrets, 'https', 'foolscap')}"
    yield f"an introducer's impostor: {want_silence(introducer, secrets, 'foolscap')}"
    yield f"who does not look: {careless(grid, server)}"
    for one in (introducer, server):
        one.become(impostor=False)
    for kind, client in clients.items():
        wait_for(lambda one=client: one.connected() == ["storage"], "the server again")
        same(client.ask("GET", uri(caps[kind])), kind.encode() + DATA, "the file")
    yield "without impostors: both clients are back, and read their files"


def careless(grid: MixedGrid, server: Interceptor) -> str:
    """Want a caller who takes any certificate to be read by the one in the middle."""
    swissnum = swissnum_of(
        (grid.place / "storage/private/storage.furl").read_text().strip()
    )
    shown = base64.b64encode(swissnum.encode()).decode()
    answer = careless_request(server.port, ASK.format(shown).encode())
    want(answer.startswith(b"HTTP/1.1 200"), "the impostor does not pass on what he hears")
    want(shown.encode() in server.heard, "the impostor does not hear anything")
    return (
        f"is answered, and {len(server.heard)} bytes are read on the way, the swissnum too"
    )


def want_failure(act: Callable[[], Any]) -> None:
    """Want something not to work."""
    try:
        act()
    except ShowError:
        return
    raise ShowError("it works, and should not")


# ---- pins and ids ------------------------------------------------------------------------


@define
class Lure:
    """A server that somebody wrote into ``private/servers.yaml``.

    :param has_pin, has_id: whether the NURL's pin and the FURL's Tub id are its own
    :param speaks_https: whether there is a NURL at all
    """

    words: str
    has_pin: bool
    has_id: bool
    speaks_https: bool = True
    port: Interceptor = field(factory=lambda: Interceptor(is_impostor=True))

    def facts(self) -> dict[str, Any]:
        """Return what is announced of it; where HTTPS is tried, foolscap leads nowhere."""
        first, *rest = self.port.pin
        tubid = self.port.tubid if self.has_id else _other(self.port.tubid)
        furl_port = 1 if self.speaks_https else self.port.port
        facts: dict[str, Any] = {
            "nickname": self.words.replace(" ", "-"),
            FURL: f"pb://{tubid}@tcp:127.0.0.1:{furl_port}/swissnumswissnum",
        }
        pin = bytes([first if self.has_pin else first ^ 1, *rest])
        nurl = Nurl(pin, "127.0.0.1", self.port.port, "swissnumswissnum")
        return facts | ({NURLS: [nurl.text]} if self.speaks_https else {})


def pins_and_ids(grid: MixedGrid) -> Iterator[str]:
    """Let a client look for servers under false names, and under true ones."""
    lures = [
        Lure("a pin that is wrong by a bit", has_pin=False, has_id=True),
        Lure("a right pin under the Tub id of another", has_pin=True, has_id=False),
        Lure("a wrong Tub id in a FURL", has_pin=True, has_id=False, speaks_https=False),
    ]
    true = Lure("its own pin and Tub id", has_pin=True, has_id=True)
    introducer = Interceptor(is_impostor=True)
    tubid = _other(introducer.tubid)
    grid.furl = f"pb://{tubid}@tcp:127.0.0.1:{introducer.port}/swissnumswissnum"

    def write(basedir: Path) -> None:
        named = {f"v0-{i}": {"ann": one.facts()} for i, one in enumerate([*lures, true])}
        text = yaml.safe_dump({"storage": named})
        (basedir / "private" / "servers.yaml").write_text(text)

    client = grid.add_client("client", ours=True, prepare=write)
    wait_for(lambda: true.port.heard, "a call to who is what he says")
    for one in [*lures, true]:
        wait_for(lambda one=one: one.port.num_calls > 1, one.words)
    wait_for(lambda: introducer.refused["foolscap"] > 1, "calls to the introducer")
    want(client.connected() == [], "a server is believed")
    secrets = {b"swissnumswissnum", base64.b64encode(b"swissnumswissnum")}
    for one in lures:
        kind = "https" if one.speaks_https else "foolscap"
        yield f"{one.words}: {want_silence(one.port, secrets, kind)}"
    told = want_silence(introducer, secrets, "foolscap")
    yield f"a wrong Tub id in an introducer's FURL: {told}"
    want(b"Authorization" in true.port.heard, "nothing is said to the right one either")
    yield f"{true.words}: {len(true.port.heard)} bytes heard, as it should be"


def _other(tubid: str) -> str:
    return ("b" if tubid[0] == "a" else "a") + tubid[1:]


# ---- announcements -----------------------------------------------------------------------


class FalseIntroducer:
    """The process of false_introducer.py."""

    def __init__(self, place: Path) -> None:
        place.mkdir()
        program = Path(__file__).with_name("false_introducer.py")
        self._process = subprocess.Popen(
            [sys.executable, program, place], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.furl = self.hear()

    def hear(self) -> Any:
        """Return the next thing that it says."""
        return json.loads(self._process.stdout.readline())

    def next_announcement(self) -> list[str]:
        """Return what is published next."""
        while (said := self.hear()) == "subscribed":
            pass
        return said

    def wait_for_subscriber(self) -> None:
        """Wait until one more has subscribed."""
        while self.hear() != "subscribed":
            pass

    def tell(self, announcement: list[str]) -> None:
        """Pass something on to all subscribers."""
        self._process.stdin.write(json.dumps(announcement).encode() + b"\n")
        self._process.stdin.flush()

    def stop(self) -> None:
        """End it."""
        self._process.stdin.close()
        self._process.wait(30)


def announcements(grid: MixedGrid) -> Iterator[str]:
    """Let a client hear true announcements, and then others."""
    false = FalseIntroducer(grid.place / "false")
    grid.furl = false.furl
    try:
        yield from _announcements(grid, false)
    finally:
        false.stop()


def _announcements(grid: MixedGrid, false: FalseIntroducer) -> Iterator[str]:
    port, trap = free_port(), Interceptor(is_impostor=True)
    grid.add_server("storage", ours=True, port=port, seen_at=trap.port)
    old = false.next_announcement()  # from before the server moved to where it is now
    grid.stop("storage")
    basedir = grid.place / "storage"
    configure(basedir, "node", "tub.location", f"tcp:127.0.0.1:{port}")
    grid.start("storage", OURS)
    new = false.next_announcement()
    false.wait_for_subscriber()  # the server itself
    client = grid.add_client("client", ours=True)
    false.wait_for_subscriber()
    false.tell(new)
    wait_for(lambda: client.protocols() == {"storage": "https"}, "the server over HTTPS")
    cap = client.ask("PUT", "/uri", DATA).decode()
    facts = json.loads(new[0])
    away = json.loads(re.sub(rf"(127\.0\.0\.1:){port}\b", rf"\g<1>{trap.port}", new[0]))
    weak = {key: value for key, value in facts.items() if key != NURLS}
    later = {"seqnum": facts["seqnum"] + 100}
    lies = {
        "an older one again": old,
        "one with another address": [json.dumps(away | later), *new[1:]],
        "one without HTTPS": [json.dumps(weak | later), *new[1:]],
        "one of 60,000 bytes": _signed(facts | later | {"nickname": "x" * 60_000}),
        "the server's by another key, without HTTPS": _signed(weak | later),
    }
    for words, lie in lies.items():
        false.tell(lie)
        _wait_until_heard(false)
        want(client.protocols() == {"storage": "https"}, f"{words}: it is believed")
        want(trap.num_calls == 0, f"{words}: calls came")
        same(client.ask("GET", uri(cap)), DATA, "the file")
        yield f"{words}: no call, the server is spoken to as before"
    false.tell(_signed(away | {"seqnum": facts["seqnum"] + 101}))
    wait_for(lambda: trap.refused["https"], "a call to the false address")
    want(client.protocols() == {"storage": "https"}, "the impostor is believed")
    told = want_silence(trap, secrets_of(grid), "https")
    yield f"the server's by another key, with another address: {told}"
    client.ask("PUT", "/uri", b"other" + DATA)


def _signed(facts: dict[str, Any]) -> list[str]:
    """Return an announcement that somebody else signed."""
    return [part.decode() for part in Announcement.sign(facts, MALLORY).signed]


def _wait_until_heard(false: FalseIntroducer) -> None:
    """Wait until a client has taken in all that was told: it calls who is told of last."""
    last = Interceptor(is_impostor=True)
    furl = f"pb://{last.tubid}@tcp:127.0.0.1:{last.port}/swissnumswissnum"
    facts = {"service-name": "storage", "nickname": "last", "seqnum": 1, FURL: furl}
    key = NodeKey(last.pin)
    told = Announcement.sign(facts, key).signed
    false.tell([part.decode() for part in told])
    wait_for(lambda: last.num_calls, "a call to the last one announced")
    last.close()


SHOWS = {
    "in the middle": in_the_middle,
    "pins and ids": pins_and_ids,
    "announcements": announcements,
}


def main() -> int:
    """Do each in a grid of its own, and print what came of it."""
    for name, show in SHOWS.items():
        with tempfile.TemporaryDirectory(prefix="grid-") as place:
            grid = MixedGrid(Path(place), PEER, shares=ONE)
            try:
                for line in show(grid):
                    print(f"{name:14} {line}", flush=True)
            finally:
                grid.stop_all()
    print("all refused")
    return 0


if __name__ == "__main__":
    sys.exit(main())
