"""Make the film that a demo plays: allmydata/node/demo/film.webm.

    python misc/tools/make_film.py [chromium]

A page (make_film.html) draws its frames, and Chromium's encoder (WebCodecs, VP9) makes
them small; they come back here to be laid out as WebM, each cue 8 bytes wide so that
allmydata/node/demo/film.py can move clusters apart.  Format: RFC 9559, and the WebM
container guidelines, https://www.webmproject.org/docs/container/
"""

from __future__ import annotations

import base64
import json
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TARGET = HERE.parents[1] / "allmydata/node/demo/film.webm"
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run")
MORE = ("--disable-background-networking", "--disable-component-update", "--disable-sync")
LONGEST_S = 600
Frame = tuple[int, bool, bytes]  # milliseconds, whether one can begin there, what it is


class Page(BaseHTTPRequestHandler):
    """Serves the page, and takes what it makes."""

    server: Any

    def do_GET(self) -> None:
        """Answer with the page."""
        self._answer((HERE / "make_film.html").read_bytes())

    def do_POST(self) -> None:
        """Take the frames, or what went wrong."""
        self.server.made = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(b"")

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html;charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main(browser: str) -> None:
    """Make the film, and say how large it is."""
    made = encode(browser)
    if "error" in made:
        raise SystemExit(made["error"])
    frames = [(int(t), bool(k), base64.b64decode(d)) for t, k, d in made["frames"]]
    TARGET.write_bytes(webm(frames, made["width"], made["height"], made["milliseconds"]))
    print(f"{TARGET.name}: {len(frames)} frames, {TARGET.stat().st_size} bytes")


def encode(browser: str) -> dict[str, Any]:
    """Return what the page posts."""
    server: Any = HTTPServer(("127.0.0.1", 0), Page)
    server.made, server.timeout = None, LONGEST_S
    with tempfile.TemporaryDirectory() as profile:
        url = f"http://127.0.0.1:{server.server_port}/"
        words = [browser, *FLAGS, *MORE, f"--user-data-dir={profile}", url]
        process = subprocess.Popen(
            [*words[:-1], "--remote-debugging-port=0", url], stderr=subprocess.DEVNULL
        )
        try:
            while server.made is None and process.poll() is None:
                server.handle_request()
        finally:
            process.terminate()
            process.wait()
    return server.made or {"error": f"{browser} ended before the film was made"}


# ---- WebM ------------------------------------------------------------------------------


def webm(frames: list[Frame], width: int, height: int, milliseconds: int) -> bytes:
    """Lay frames out, a cluster from each one that a player can begin with."""
    starts = [i for i, frame in enumerate(frames) if frame[1]]
    ends = [*starts[1:], len(frames)]
    groups = [frames[a:b] for a, b in zip(starts, ends, strict=True)]
    clusters = [cluster(group) for group in groups]
    info = element("1549a966", number("2ad7b1", 1_000_000), real("4489", milliseconds),
                   text("4d80", "make_film"), text("5741", "make_film"))  # fmt: skip
    video = element("e0", number("b0", width), number("ba", height))
    track = element("ae", number("d7", 1), number("73c5", 1), number("9c", 0),
                    text("86", "V_VP9"), number("83", 1), video)  # fmt: skip
    before = info + element("1654ae6b", track)
    at = len(before) + len(cues(groups, [0] * len(groups)))
    places = []
    for one in clusters:
        places.append(at)
        at += len(one)
    body = [before, cues(groups, places), *clusters]
    head = element("1a45dfa3", number("4286", 1), number("42f7", 1), number("42f2", 4),
                   number("42f3", 8), text("4282", "webm"), number("4287", 4),
                   number("4285", 2))  # fmt: skip
    return head + element("18538067", *body)


def cues(groups: Iterable[list[Frame]], places: Iterable[int]) -> bytes:
    """Return where clusters begin, counted from the first byte inside the segment."""
    points = [
        element("bb", number("b3", group[0][0]),
                element("b7", number("f7", 1), element("f1", struct.pack(">Q", place))))
        for group, place in zip(groups, places, strict=True)
    ]  # fmt: skip
    return element("1c53bb6b", *points)


def cluster(group: list[Frame]) -> bytes:
    """Return frames that follow each other."""
    began = group[0][0]
    blocks = [
        element("a3", struct.pack(">BhB", 0x81, at - began, 0x80 * is_key), data)
        for at, is_key, data in group
    ]
    return element("1f43b675", number("e7", began), *blocks)


def element(name: str, *parts: bytes) -> bytes:
    """Return an element; sizes of those that hold others are 8 bytes wide."""
    body = b"".join(parts)
    is_small = len(body) < 127
    size = bytes([0x80 | len(body)]) if is_small else struct.pack(">Q", 1 << 56 | len(body))
    return bytes.fromhex(name) + size + body


def number(name: str, value: int) -> bytes:
    """Return an element that holds an unsigned integer."""
    return element(name, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


def real(name: str, value: float) -> bytes:
    """Return an element that holds a float."""
    return element(name, struct.pack(">d", value))


def text(name: str, value: str) -> bytes:
    """Return an element that holds text."""
    return element(name, value.encode())


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "/usr/bin/chromium")
