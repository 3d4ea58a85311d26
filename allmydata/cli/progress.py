"""How far a transfer is, on the standard error of a terminal and nowhere else."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

PATIENCE_S = 0.5  # a transfer that is quicker shows nothing and does not load rich


@contextmanager
def meter(what: str, size: int | None, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Give a function that is to be called with the number of bytes after each piece.

    :param size: bytes in all, or None if nobody knows
    """
    if quiet or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield lambda num_bytes: None
        return
    bar = _Bar(what, size)
    try:
        yield bar.advance
    finally:
        bar.end()


class _Bar:
    def __init__(self, what: str, size: int | None) -> None:
        self._what = what
        self._size = size
        self._done = 0
        self._since = time.monotonic()
        self._rich: Any = None
        self._task: Any = None

    def advance(self, num_bytes: int) -> None:
        """Count *num_bytes* more."""
        self._done += num_bytes
        if self._rich is None:
            if time.monotonic() - self._since < PATIENCE_S:
                return
            self._begin()
        self._rich.update(self._task, completed=self._done)

    def end(self) -> None:
        """Take the bar away."""
        if self._rich is not None:
            self._rich.stop()

    def _begin(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        self._rich = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._rich.add_task(self._what, total=self._size)
        self._rich.start()
