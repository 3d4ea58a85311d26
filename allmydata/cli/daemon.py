"""A node in the background: started, waited for, stopped.

A node that is started with TAHOE_READY_FD writes to that descriptor, once, then closes it:

    ready LF                 it answers
    error: JSON LF           it can't: the object of a GridError; it leaves
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from allmydata.errors import GridError, NodeNotReadyError
from allmydata.node import pidfile
from allmydata.node.config import detect_kind
from allmydata.webapi import RemoteNodeError

READY_FD = "TAHOE_READY_FD"
READY_LIMIT_S = 60.0
STOP_LIMIT_S = 20.0
_POLL_S = 0.02


def launch(
    basedir: Path, words: Sequence[str], limit_s: float = READY_LIMIT_S
) -> pidfile.Process | None:
    """Start the node of *basedir* and wait until it is ready.

    :param words: the command that runs it
    :returns: None, or the process that was quicker than ours
    :raises GridError: what the node said was wrong; it is gone
    """
    logs = basedir / "logs"
    logs.mkdir(mode=0o700, exist_ok=True)
    path = logs / "node.log"
    with open(path, "ab") as log:
        log_start = log.tell()
        child, ready = _spawn(words, log.fileno())
    with open(ready, "rb", buffering=0) as pipe:
        try:
            said = _first_line(pipe.fileno(), limit_s)
        except BaseException:
            _end(child)
            raise
    if said == b"ready":
        return None
    if said is None:
        _end(child)
        raise NodeNotReadyError(
            f"the node was not ready after {limit_s:.0f} s, and was stopped",
            fix=f"read {path}",
        )
    _end(child, by_itself=True)
    error = _error(said, child.returncode, path, log_start)
    other = pidfile.running(basedir) if error.code == "conflict" else None
    if other is None:
        raise error
    return other


def _spawn(words: Sequence[str], log: int) -> tuple[subprocess.Popen[bytes], int]:
    """Start the command in a session of its own; return it and what to read from it.

    It inherits nothing of ours but the log and one end of a pipe, which it closes when it
    is ready.
    """
    ready, tell = os.pipe()
    try:
        child = subprocess.Popen(  # noqa: S603  # our own module, and no shell
            words,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=(tell,),
            env=os.environ | {READY_FD: str(tell)},
        )
    except BaseException:
        os.close(ready)
        raise
    finally:
        os.close(tell)
    return child, ready


def _first_line(fd: int, limit_s: float) -> bytes | None:
    """Return what comes until a newline or the end; None if neither comes in time."""
    deadline = time.monotonic() + limit_s
    said = b""
    while not said.endswith(b"\n"):
        left = max(0.0, deadline - time.monotonic())
        if not select.select([fd], [], [], left)[0]:
            return None
        piece = os.read(fd, 65536)
        if not piece:
            break
        said += piece
    return said.strip()


def _error(said: bytes, code: int, log: Path, log_start: int) -> GridError:
    """Return the error a node left with: what it said, or else the last of its log."""
    try:
        words = json.loads(said.removeprefix(b"error: "))
        extra = {name: str(words.get(name, "")) for name in ("why", "fix")}
        return RemoteNodeError(str(words["code"]), str(words["message"]), **extra)
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    with open(log, "rb") as f:
        f.seek(log_start)
        lines = f.read()[-4096:].decode("utf-8", "replace").strip().splitlines()
    return RemoteNodeError(
        "failed",
        f"the node ended with exit code {code} before it was ready",
        why=lines[-1] if lines else "",
        fix=f"read {log}",
    )


def _end(child: subprocess.Popen[bytes], *, by_itself: bool = False) -> None:
    if not by_itself:
        child.terminate()
    try:
        child.wait(STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def stop(basedir: Path) -> int | None:
    """Stop the node of *basedir*; return its pid, or None if none ran.

    :raises NodeNotReadyError: it does not leave
    """
    detect_kind(basedir)
    process = pidfile.running(basedir)
    if process is None:
        return None
    try:
        os.kill(process.pid, signal.SIGTERM)
    except ProcessLookupError:
        return process.pid
    deadline = time.monotonic() + STOP_LIMIT_S
    while pidfile.is_alive(process):
        if time.monotonic() > deadline:
            raise NodeNotReadyError(
                f"process {process.pid} still runs {STOP_LIMIT_S:.0f} s after SIGTERM",
                fix=f"kill -9 {process.pid}   (shares being written are dropped)",
            )
        time.sleep(_POLL_S)
    return process.pid
