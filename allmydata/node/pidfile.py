"""running.process: which process runs the node of a directory.

    PID CREATE_TIME LF      decimal; seconds since the epoch, with a fraction

The file is stale unless a process has both.  ``running.process.lock``, empty, is locked
while somebody looks and writes; it stays.  Format: docs/formats/node.md, section 2.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

from allmydata.errors import ConflictError
from allmydata.util.fileutil import write_atomically

RUNNING = "running.process"
LOCK = "running.process.lock"
_SAME_S = 2.0  # the clock a start time is told by may be set a little meanwhile


@frozen
class Process:
    """A process that lives; *created* is in seconds since the epoch."""

    pid: int
    created: float


def running(basedir: Path) -> Process | None:
    """Return the live process that runs the node in *basedir*, or None."""
    try:
        pid_text, created_text = (basedir / RUNNING).read_text().split()
        recorded = Process(int(pid_text), float(created_text))
    except (OSError, ValueError):
        return None
    return recorded if is_alive(recorded) else None


def is_alive(process: Process) -> bool:
    """Tell whether *process* still is what it was: pids are used again."""
    created = create_time(process.pid)
    return created is not None and abs(created - process.created) < _SAME_S


def claim(basedir: Path) -> None:
    """Write down that this process runs the node in *basedir*.

    :raises ConflictError: another one does
    """
    with _locked(basedir):
        other = running(basedir)
        if other and other.pid != os.getpid():
            raise ConflictError(
                f"A process is already running as PID {other.pid}",
                why=f"it runs the node in {basedir}",
                fix=f"stop it with  tahoe -d {basedir} stop  or use another directory",
            )
        mine = f"{os.getpid()} {create_time(os.getpid()) or 0.0:.2f}\n"
        write_atomically(basedir / RUNNING, mine.encode())


def release(basedir: Path) -> None:
    """Take back what :func:`claim` wrote, if it still is ours."""
    with _locked(basedir):
        recorded = running(basedir)
        if recorded and recorded.pid == os.getpid():
            (basedir / RUNNING).unlink(missing_ok=True)


def create_time(pid: int) -> float | None:
    """Return when process *pid* was made, or None if there is none, or only its corpse."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None if Path("/proc/self/stat").exists() else _create_time_elsewhere(pid)
    fields = stat.rpartition(b")")[2].split()
    if fields[0] in (b"Z", b"X"):
        return None
    return _boot_time() + int(fields[19]) / os.sysconf("SC_CLK_TCK")


def _boot_time() -> float:
    for line in Path("/proc/stat").read_bytes().splitlines():
        if line.startswith(b"btime "):
            return float(line.split()[1])
    raise OSError("/proc/stat has no btime")


def _create_time_elsewhere(pid: int) -> float | None:
    import psutil  # slow to import, so only where there is no /proc

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.Error:
        return None


@contextmanager
def _locked(basedir: Path) -> Iterator[None]:
    with open(basedir / LOCK, "ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
