"""Contents on their way: a local file to the grid, and back, from where it was cut off."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing

from allmydata.webapi import NodeHTTP

Tell = Callable[[int], None]  # called with how many bytes have come so far


def send(node: NodeHTTP, path: str, tell: Tell) -> str:
    """Store the file at *path*, which is only read; return its capability.

    :raises GridError: it is not stored
    """
    sent = 0

    def count(num_bytes: int) -> None:
        nonlocal sent
        sent += num_bytes
        tell(sent)

    with open(path, "rb", buffering=0) as source:
        size = os.fstat(source.fileno()).st_size
        return node.put(source, size, progress=count)


def fetch(node: NodeHTTP, cap: str, path: str, tell: Tell) -> None:
    """Bring the file *cap* to *path*; what is there already is taken for its beginning.

    What was fetched stays if the rest does not come.
    """
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o666)
    with open(fd, "wb", buffering=0) as target:
        there = target.seek(0, os.SEEK_END)
        size = _size_of(cap)
        if size is not None and there == size:
            return
        offset = there if size is not None and there < size else 0
        with closing(node.get(cap, offset)) as download:
            target.truncate(target.seek(download.offset))
            got = download.offset
            for piece in download.chunks():
                _write(target.fileno(), piece)
                got += len(piece)
                tell(got)


def _write(fd: int, piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[os.write(fd, rest) :]


def _size_of(cap: str) -> int | None:
    """Return how long the file *cap* is, if its capability says so."""
    last = cap.rpartition(":")[2]
    return int(last) if cap.startswith("URI:CHK:") and last.isdecimal() else None
