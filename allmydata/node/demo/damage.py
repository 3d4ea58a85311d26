"""Bits flipped in share files, as a failing disk would."""

from __future__ import annotations

import os
import random
from pathlib import Path

from attrs import frozen

from allmydata.errors import BadShareError
from allmydata.formats.container import HEAD_SIZE, Container
from allmydata.formats.share import HEADER_SIZE, ShareLayout


@frozen
class Held:
    """What lies in a storage directory."""

    num_shares: int
    num_bytes: int


def share_files(storage: Path) -> list[Path]:
    """Return every finished share file under the storage directory *storage*."""
    return sorted(
        path
        for path in (storage / "shares").glob("??/*/*")
        if path.name.isdecimal() and path.is_file()
    )


def held(storage: Path) -> Held:
    """Count the share files under *storage*, and their bytes."""
    sizes = [path.stat().st_size for path in share_files(storage)]
    return Held(len(sizes), sum(sizes))


def damage_all(storage: Path) -> int:
    """Flip a bit in each block of each share under *storage*; return how many shares."""
    return sum(_damage(path) for path in share_files(storage))


def _damage(path: Path) -> bool:
    """Flip a bit of every block; tell whether the file is a share that has some."""
    with open(path, "r+b", buffering=0) as f:
        try:
            offsets = _block_offsets(f.fileno())
        except BadShareError:  # damaged in another way already
            return False
        for start, size in offsets:
            at = start + random.randrange(size)  # noqa: S311  # twice must not be as before
            byte = os.pread(f.fileno(), 1, at)[0]
            os.pwrite(f.fileno(), bytes([byte ^ 1 << random.randrange(8)]), at)  # noqa: S311
    return bool(offsets)


def _block_offsets(fd: int) -> list[tuple[int, int]]:
    """Return where in the file each block begins, and its size.

    :raises BadShareError: it is no share
    """
    container = Container.parse(os.pread(fd, HEAD_SIZE, 0), os.fstat(fd).st_size)
    start, _ = container.clip(0, 0)
    layout = ShareLayout.parse(os.pread(fd, HEADER_SIZE, start))
    end = min(layout.data_size, container.data_size - layout.data)
    return [
        (start + layout.data + at, min(layout.block_size, end - at))
        for at in range(0, end, layout.block_size)
    ]
