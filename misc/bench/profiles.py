"""Profiles of a client and a server while a large file is put and got.

``py-spy`` samples running processes, in a round of its own that is not measured, and
leaves flame graphs (SVG).  ``cprofile`` has nodes run under cProfile from their start,
which slows everything that is measured; it leaves ``.cprofile`` files for ``pstats``, and
sees the main thread alone.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

HOW = ("py-spy", "cprofile")
NODES = ("client", "storage0")


def of_nodes(options: argparse.Namespace) -> Path | None:
    """Return where nodes that run under cProfile leave what they found, if any do."""
    if options.profile != "cprofile":
        return None
    options.profiles.mkdir(parents=True, exist_ok=True)
    return options.profiles.absolute()


def record(systems: Sequence[Any], size: int, options: argparse.Namespace) -> None:
    """Sample the nodes of each system while it puts and gets once more."""
    if options.profile != "py-spy":
        return
    options.profiles.mkdir(parents=True, exist_ok=True)
    for system in systems:
        grid, data = system.grid, os.urandom(size)
        with _sampled(grid, options.profiles / f"{system.name}-put"):
            path = grid.put(data)
        with _sampled(grid, options.profiles / f"{system.name}-get"):
            grid.get(path, data)
    print(f"profiles are in {options.profiles}", file=sys.stderr)


@contextmanager
def _sampled(grid: Any, name: Path) -> Iterator[None]:
    with ExitStack() as stack:
        for node in NODES:
            out = f"{name}-{node}.svg"
            stack.enter_context(_spied(grid.pids()[node], out))
        yield


@contextmanager
def _spied(pid: int, out: str) -> Iterator[None]:
    spy = Path(sys.executable).with_name("py-spy")
    words = [spy, "record", "--pid", str(pid), "--output", out, "--rate", "200"]
    words += ["--duration", "3600", "--threads", "--nonblocking"]
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        for line in process.stdout:  # until it samples
            if "Sampling process" in line:
                break
        yield
    finally:
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
        if not Path(out).exists():
            print(f"py-spy made no {out}: {rest[-300:]}", file=sys.stderr)
