"""Servers in a process of their own, which serve until their standard input is closed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import Deferred


def begin(program: str, directory: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start *program* on *directory*; return its process and the FURL it prints first."""
    process = subprocess.Popen(
        [sys.executable, program, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    furl = process.stdout.readline().decode().strip()
    if not furl:
        raise SystemExit(f"WRONG: {Path(program).name} does not start")
    return process, furl


def end_of_input() -> Deferred[None]:
    """Return a Deferred that fires when standard input ends."""
    ended: Deferred[None] = Deferred()

    def wait() -> None:
        while os.read(0, 2**16):  # not of sys.stdin: Python would wait for it at its end
            pass
        reactor.callFromThread(ended.callback, None)

    threading.Thread(target=wait, daemon=True).start()
    return ended
