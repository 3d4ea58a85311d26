"""Show: hostile clients of a gateway get a clear answer or are hung up on, and cost little.

    python misc/shows/web_hostile.py [--idle 10000] [--loris 200] [--quick]

Beside a ``tahoe demo``: headers, bodies, chunks, ranges, paths, methods and capabilities
that no honest client sends; clients that leave in the middle, that send a byte a second,
that stop, or that connect and say nothing, ten thousand of them.  Others are answered all
the while, and afterwards nothing is left: no transfer, no half share, no connection.  With
``--quick``, nobody waits for the ends of patience (docs/webapi.md, Limits).  Prints a
table; exit code 1 where an outcome is none of those that are right.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import resource
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

from hostile_requests import HOST, PUT, Attempt, asked, bodies, malformed
from under_demo import ShowError, run_beside_demo

IDLE_S, HEADERS_S, BODY_S, LINGER_S = 60, 30, 300, 30  # as docs/webapi.md says
CLOSED = ("06", "0A")  # TIME_WAIT, LISTEN: states of no connection, in /proc/net/tcp
GRACE_S = 20  # for a machine that has much to do
FILE_SIZE = 1_000_000


class Gateway:
    """The demo's gateway, and its process."""

    def __init__(self) -> None:
        client = Path(os.environ["TAHOE_NODE_DIRECTORY"])
        url = urlsplit((client / "node.url").read_text().strip())
        self.root = client.parent
        self.place = (url.hostname or "", url.port or 0)
        token = (client / "private" / "api_auth_token").read_text().strip()
        self._mine = {"Authorization": f"Bearer {token}"}
        self.pid = json.loads((self.root / "demo.json").read_text())["pid"]

    def connect(self, timeout: float = 60) -> socket.socket:
        """Return a new line."""
        return socket.create_connection(self.place, timeout=timeout)

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """Ask as an honest program does."""
        line = http.client.HTTPConnection(*self.place, timeout=60)
        with contextlib.closing(line):
            line.request(method, path, body, self._mine)
            answer = line.getresponse()
            return answer.status, answer.read()

    def make(self, method: str, path: str, body: bytes | None = None) -> str:
        """Ask for a capability."""
        status, cap = self.ask(method, path, body)
        if status >= 300:
            raise ShowError(f"{method} {path[:20]}: {status}")
        return cap.decode()

    def resident(self) -> int:
        """Return the bytes of memory that the demo's process has."""
        pages = Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def num_sockets(self) -> int:
        """Return how many files, and connections to its gateway, the demo has open.

        Those between its own nodes are not counted: they come and go, and are kept a while.
        """
        places = (
            link(f"/proc/{self.pid}/fd/{n}") for n in os.listdir(f"/proc/{self.pid}/fd")
        )
        files = [place for place in places if place and not place.startswith("socket:")]
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
        ends = [line.split()[1:4:2] for line in lines]  # its address here, and its state
        port = f":{self.place[1]:04X}"
        open_ones = [at for at, state in ends if at.endswith(port) and state not in CLOSED]
        return len(files) + len(open_ones)

    def num_running(self) -> int:
        """Return how many transfers run."""
        return len(json.loads(self.ask("GET", "/status?t=json")[1])["active"])

    def half_shares(self) -> list[Path]:
        """Return what lies in the servers' ``incoming``."""
        found = self.root.glob("storage*/storage/shares/incoming/**/*")
        return [path for path in found if path.is_file()]


def link(path: str) -> str:
    """Return what a descriptor is of; empty if it was closed just now."""
    try:
        return os.readlink(path)
    except OSError:
        return ""


class Table:
    """What was tried, and what came of it; several threads write to it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.num_rows = self.num_findings = 0

    def row(self, name: str, seen: object, is_right: bool, wanted: object = "") -> None:
        """Print a row."""
        with self._lock:
            self.num_rows += 1
            self.num_findings += not is_right
            verdict = "ok     " if is_right else "FINDING"
            beside = "" if is_right else f"   wanted: {wanted}"
            print(f"{verdict}  {name:52}  {seen}{beside}", flush=True)


# ---- one message, one answer


def send(gateway: Gateway, message: bytes) -> bytes:
    """Return all that is answered, until the end or two seconds of silence."""
    pieces = []
    with gateway.connect() as line:
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            line.sendall(message)
        line.settimeout(20)
        with contextlib.suppress(ConnectionResetError, TimeoutError):
            while piece := line.recv(2**16):
                pieces.append(piece)
                line.settimeout(2)
    return b"".join(pieces)


def try_all(gateway: Gateway, attempts: Iterator[Attempt], table: Table) -> None:
    """Send each message; one answer must come, of a status that is right."""
    for name, message, wanted in attempts:
        answer = send(gateway, message)
        num_answers = answer.count(b"HTTP/1.1 ") if wanted - {200, 206} else 1
        status = int(answer.split()[1]) if answer.startswith(b"HTTP/1.1 ") else 0
        is_right = status in wanted and num_answers == 1
        more = f", and {num_answers - 1} more" if num_answers > 1 else ""
        table.row(name, f"{status or 'no answer'}{more}", is_right, wanted)


# ---- clients that leave


def leave_uploads(gateway: Gateway, table: Table) -> None:
    """Go away in the middle of uploads, convergent and not, whole bodies and halves."""
    size = 30_000_000
    for query, framing, part, is_writing in (
        ("", f"Content-Length: {size}", size // 3, False),
        ("", "Transfer-Encoding: chunked", size // 3, False),
        ("", f"Content-Length: {size}", size, True),
        ("?convergence=none", f"Content-Length: {size}", size // 3, True),
        ("?convergence=none", "Transfer-Encoding: chunked", size // 3, False),
    ):
        before = gateway.num_sockets()
        line = gateway.connect()
        chunk = b"4000000\r\n" if "chunked" in framing else b""
        head = f"PUT /uri{query} HTTP/1.1\r\nHost: 127.0.0.1\r\n{framing}\r\n\r\n"
        line.sendall(head.encode() + chunk + os.urandom(part))
        while is_writing and not gateway.half_shares():
            time.sleep(0.001)
        line.close()
        kind = "random key" if query else "convergent"
        how = "chunked" if chunk else f"{part // 10**6} of {size // 10**6} MB"
        nothing_left(gateway, table, f"leaves an upload: {kind}, {how}", before)


def leave_download(gateway: Gateway, table: Table) -> None:
    """Go away after some bytes of a large file, by a proper end and by a reset."""
    cap = gateway.make("PUT", "/uri", os.urandom(50_000_000))
    head = f"GET /uri/{quote(cap, safe='')} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    for how, linger in (("end", b""), ("reset", b"\1\0\0\0\0\0\0\0")):
        before = gateway.num_sockets()
        line = gateway.connect()
        line.sendall(head.encode())
        line.recv(10_000)
        ran = gateway.num_running()
        if linger:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        line.close()
        table.row(f"a download runs, and its client leaves: {how}", f"{ran} run", ran == 1)
        nothing_left(gateway, table, f"leaves a download: {how}", before)


def nothing_left(gateway: Gateway, table: Table, name: str, num_sockets: int) -> None:
    """Want work to stop: no transfer, no half share, no descriptor more than before."""

    def left() -> list[str]:
        more = gateway.num_sockets() - num_sockets
        counts = {
            "transfers": gateway.num_running(),
            "half shares": len(gateway.half_shares()),
            "descriptors": max(0, more - 10),  # connections of its own come and go
        }
        return [f"{number} {what}" for what, number in counts.items() if number]

    began = time.monotonic()
    while (rest := left()) and time.monotonic() - began < GRACE_S:
        time.sleep(0.1)
    took = f"nothing left after {time.monotonic() - began:.1f} s"
    table.row(name, ", ".join(rest) or took, not rest, "nothing left")


# ---- clients that lie, stop, or are slow


def lie_about_length(gateway: Gateway, table: Table) -> None:
    """Send less than was promised and end; or more, which is then another request."""
    with gateway.connect() as line:
        line.sendall(PUT + b"Content-Length: 100\r\n\r\n" + bytes(50))
        line.shutdown(socket.SHUT_WR)
        rest = line.recv(1000)
    is_stored = b" 200 " in rest
    table.row("body: too short, and then the end", rest[:20] or "closed", not is_stored)
    answer = send(gateway, PUT + b"Content-Length: 5\r\n\r\nhello" + b"and more\r\n\r\n")
    statuses = [int(part.split()[0]) for part in answer.split(b"HTTP/1.1 ")[1:]]
    table.row("body: longer than it says", statuses, statuses == [200, 400], "200, 400")


def time_to_end(line: socket.socket, limit_s: float, drip: bytes = b"") -> float | None:
    """Return the seconds until the gateway ends *line*; None where it does not in time.

    :param drip: sent each second, for ever
    """
    began = time.monotonic()
    line.settimeout(1)
    while time.monotonic() - began < limit_s:
        try:
            if drip:
                line.sendall(drip)
            if not line.recv(2**16):
                return time.monotonic() - began
        except TimeoutError:
            continue
        except OSError:
            return time.monotonic() - began
    return None


def must_end(
    gateway: Gateway, table: Table, name: str, limit_s: float, *, head: bytes, drip: bytes
) -> None:
    """Begin a request, and go on with it until the gateway has enough."""
    with gateway.connect() as line:
        line.sendall(head)
        took = time_to_end(line, limit_s + GRACE_S, drip)
    seen = "still open" if took is None else f"closed after {took:.0f} s"
    table.row(name, seen, took is not None, f"closed after {limit_s} s")


def patience(gateway: Gateway, table: Table, num_loris: int) -> list[threading.Thread]:
    """Begin what takes long: clients that are slow or stop, and bodies without end."""

    def begin(act: Callable[..., None], *args: object, **words: object) -> threading.Thread:
        thread = threading.Thread(target=act, args=args, kwargs=words, daemon=True)
        thread.start()
        return thread

    endless = b"Content-Type: x/y\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n"
    post = b"POST / HTTP/1.1\r\n" + HOST + endless
    refused = b"PUT /uri?happy=0 HTTP/1.1\r\n" + HOST + endless + bytes(2**17)
    waits = (
        ("body: without end, where it is not wanted", LINGER_S, post, bytes(2**17)),
        ("body: without end, after an error", LINGER_S, refused, bytes(2**17)),
        ("body: stops", BODY_S, PUT + b"Content-Length: 100\r\n\r\nhello", b""),
        ("nothing is asked", IDLE_S, b"", b""),
    )
    threads = [
        begin(must_end, gateway, table, name, limit_s, head=head, drip=drip)
        for name, limit_s, head, drip in waits
    ]
    return [*threads, begin(loris, gateway, table, num_loris)]


def loris(gateway: Gateway, table: Table, num_clients: int) -> None:
    """Send headers byte by byte, on many connections."""
    lines = [gateway.connect(5) for _ in range(num_clients)]
    for line in lines:
        line.sendall(b"GET / HTTP/1.1\r\nX: ")
        line.setblocking(False)
    began, open_lines = time.monotonic(), lines
    while open_lines and time.monotonic() - began < HEADERS_S + GRACE_S:
        time.sleep(1)
        open_lines = [line for line in open_lines if is_open(line)]
    seen = f"{len(open_lines)} open after {time.monotonic() - began:.0f} s"
    wanted = f"0 open after {HEADERS_S} s"
    table.row(f"headers byte by byte, {num_clients} clients", seen, not open_lines, wanted)


def is_open(line: socket.socket) -> bool:
    """Send a byte; return whether the gateway still has patience."""
    try:
        line.send(b"a")
        answered = line.recv(1000)
    except BlockingIOError:
        return True
    except OSError:
        answered = b""
    line.close()
    return not answered and line.fileno() >= 0


# ---- clients that say nothing


def crowd(gateway: Gateway, table: Table, num: int, *, is_patient: bool) -> None:
    """Open many connections that ask for nothing; others must not notice."""
    before = gateway.resident()
    num_before = gateway.num_sockets()
    lines = [gateway.connect() for _ in range(num)]
    time.sleep(2)  # until the last is let in
    num_open = gateway.num_sockets() - num_before
    table.row(f"{num} are idle: all at once", num_open, abs(num_open - num) <= 10, num)
    times = sorted(time_others(gateway) for _ in range(50))
    each = (gateway.resident() - before) / num
    median, worst = 1000 * times[25], 1000 * times[-1]
    seen = f"median {median:.1f} ms, worst {worst:.1f} ms"
    table.row(f"{num} are idle: others are answered", seen, worst < 1000, "< 1 s")
    table.row(
        f"{num} are idle: memory", f"{each / 1000:.1f} kB each", each < 50_000, "50 kB"
    )
    if is_patient:
        began = time.monotonic()
        while lines and time.monotonic() - began < IDLE_S + GRACE_S:
            time.sleep(1)
            lines = [line for line in lines if not has_ended(line)]
        seen = f"{len(lines)} open after {time.monotonic() - began:.0f} s"
        table.row(f"{num} are idle: hung up on", seen, not lines, f"after {IDLE_S} s")
    for line in lines:
        line.close()
    nothing_left(gateway, table, f"{num} were idle", 1000)


def time_others(gateway: Gateway) -> float:
    """Return the seconds that an honest request takes."""
    began = time.monotonic()
    if gateway.ask("GET", "/")[0] != 200:
        raise ShowError("an honest request is not answered")
    return time.monotonic() - began


def has_ended(line: socket.socket) -> bool:
    """Return whether the gateway has closed a line; it is closed here, too, then."""
    line.setblocking(False)
    try:
        is_over = not line.recv(1000)
    except BlockingIOError:
        return False
    except OSError:
        is_over = True
    line.close()
    return is_over


# ---- all of it


def show(options: argparse.Namespace) -> None:
    """Try everything."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    gateway, table = Gateway(), Table()
    content = os.urandom(FILE_SIZE)
    caps = {"FILE": gateway.make("PUT", "/uri", content)}
    caps["DIR"] = gateway.make("POST", "/uri?t=mkdir")
    path = "/uri/" + quote(caps["DIR"], safe="")
    caps["READ"] = gateway.make("GET", f"{path}?t=readonly-uri")
    facts = gateway.ask("GET", f"/uri/{quote(caps['FILE'], safe='')}?t=json")[1]
    caps["VERIFY"] = json.loads(facts)[1]["verify_uri"]
    crowd(gateway, table, options.idle, is_patient=not options.quick)  # memory is fresh yet
    threads = [] if options.quick else patience(gateway, table, options.loris)
    for attempts in (malformed(), bodies(), asked(caps)):
        try_all(gateway, attempts, table)
    lie_about_length(gateway, table)
    if not options.quick:  # those that are slow have transfers of their own
        for thread in threads:
            thread.join()
    leave_uploads(gateway, table)
    leave_download(gateway, table)
    conclude(gateway, caps["FILE"], content, table)


def conclude(gateway: Gateway, cap: str, content: bytes, table: Table) -> None:
    """Want the gateway to be as it was, and no traceback in its log."""
    same = gateway.ask("GET", "/uri/" + quote(cap, safe=""))[1] == content
    table.row("afterwards: a file comes back", "the same" if same else "OTHER", same)
    log = (gateway.root / "demo.log").read_text(errors="replace")
    num = log.count("Traceback")
    table.row("afterwards: tracebacks in the log", num, not num, 0)
    num_caps = log.count("URI:")
    table.row("afterwards: capabilities in the log", num_caps, not num_caps, 0)
    print(f"\n{table.num_rows} rows, {table.num_findings} findings")
    if table.num_findings:
        raise ShowError(f"{table.num_findings} findings")


def main() -> int:
    """Attack a demo's gateway."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--idle", type=int, default=10_000, help="connections")
    parser.add_argument("--loris", type=int, default=200, help="connections")
    parser.add_argument("--quick", action="store_true", help="wait for nothing")
    options = parser.parse_args()
    return run_beside_demo(lambda _: show(options))


if __name__ == "__main__":
    sys.exit(main())
