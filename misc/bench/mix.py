"""A mixed load on the gateway: many clients put, get, read, add names and list.

Every answer is checked: bytes are equal, listings have each name that was added before.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from urllib.parse import quote

from attrs import define, field, frozen
from grids import path_of
from lines import Line, ReplyError

LEAST, MOST = 1_000, 1_000_000  # bytes of a file; small ones are as likely as large
READ = 2**16
KEPT = 2_000  # files that may be got again
FULL = 300  # names in a directory before it is left for a new one
WORKS = {"put": 25, "get": 30, "read": 15, "add": 15, "list": 15}


@frozen
class File:
    """One that was stored; its bytes are made anew from its seed."""

    cap: str
    seed: int
    size: int

    def data(self) -> bytes:
        """Return what it must hold."""
        return random.Random(self.seed).randbytes(self.size)


@define(eq=False)
class Directory:
    """One, and the names that the gateway said are in it."""

    path: str
    names: dict[str, str] = field(factory=dict)


@define(eq=False)
class Mix:
    """All clients, and what they know of what is stored.

    :param port: the gateway's
    :param seed: other seeds, other files
    """

    port: int
    seed: int
    num_directories: int = 10
    done: list[tuple[str, float]] = field(factory=list)  # kind, seconds
    errors: Counter[str] = field(factory=Counter)
    _files: list[File] = field(factory=list)
    _directories: list[Directory] = field(factory=list)
    _rng: random.Random = field(init=False)
    _count: int = 0

    def __attrs_post_init__(self) -> None:
        self._rng = random.Random(self.seed)

    async def begin(self) -> None:
        """Store what there is to read from the start."""
        line = Line(self.port)
        for _ in range(self.num_directories):
            self._directories.append(await self._new_directory(line))
        for _ in range(10):
            await self.put(line)
        line.close()

    async def run(self, num_clients: int, until: float) -> None:
        """Let so many clients work, each without a pause, until that time (monotonic)."""
        await asyncio.gather(*[self._client(until) for _ in range(num_clients)])

    async def look_again(self, most: int = 200) -> None:
        """Get some of the files that were stored, once more, and compare."""
        line = Line(self.port)
        for file in self._rng.sample(self._files, min(most, len(self._files))):
            await self._noted("again", self._get(line, file))
        line.close()

    async def _client(self, until: float) -> None:
        line = Line(self.port)
        while time.monotonic() < until:
            kind = self._rng.choices(list(WORKS), list(WORKS.values()))[0]
            await self._noted(kind, getattr(self, kind)(line))
        line.close()

    async def _noted(self, kind: str, work) -> None:
        began = time.perf_counter()
        try:
            await work
        except ReplyError as e:
            self.errors[f"{kind}: {e}"] += 1
        else:
            self.done.append((kind, time.perf_counter() - began))

    # ---- works

    async def put(self, line: Line) -> None:
        """Store a file."""
        self._count += 1
        size = int(LEAST * (MOST / LEAST) ** self._rng.random())
        file = File("", self.seed * 2**32 + self._count, size)
        cap = (await line.ask("PUT", "/uri", file.data())).decode().strip()
        self._files.append(File(cap, file.seed, size))
        if len(self._files) > KEPT:
            del self._files[self._rng.randrange(KEPT)]

    async def get(self, line: Line) -> None:
        """Fetch a whole file."""
        await self._get(line, self._rng.choice(self._files))

    async def _get(self, line: Line, file: File) -> None:
        _compare(await line.ask("GET", path_of(file.cap)), file.data())

    async def read(self, line: Line) -> None:
        """Fetch some of a file."""
        file = self._rng.choice(self._files)
        start = self._rng.randrange(file.size)
        wanted = file.data()[start : start + READ]
        told = f"bytes={start}-{start + len(wanted) - 1}"
        _compare(await line.ask("GET", path_of(file.cap), Range=told), wanted)

    async def add(self, line: Line) -> None:
        """Give a file a name."""
        at = self._rng.randrange(len(self._directories))
        if len(self._directories[at].names) >= FULL:
            self._directories[at] = await self._new_directory(line)
        directory, cap = self._directories[at], self._rng.choice(self._files).cap
        self._count += 1
        name = f"näme {self._count:08}"
        await line.ask("PUT", f"{directory.path}/{quote(name)}?t=uri", cap.encode())
        directory.names[name] = cap

    async def list(self, line: Line) -> None:
        """List a directory."""
        directory = self._rng.choice(self._directories)
        known = dict(directory.names)
        children = (await line.json(f"{directory.path}?t=json"))[1]["children"]
        for name, cap in known.items():
            if name not in children:
                raise ReplyError("WRONG: a name is missing")
            if children[name][1]["ro_uri"] != cap:
                raise ReplyError("WRONG: a name leads elsewhere")

    async def _new_directory(self, line: Line) -> Directory:
        return Directory(path_of((await line.ask("POST", "/uri?t=mkdir")).decode()))


def _compare(back: bytes, wanted: bytes) -> None:
    if back != wanted:
        raise ReplyError(f"WRONG: {len(back)} other bytes for {len(wanted)}")
