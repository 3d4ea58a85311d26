"""demo.json: where a running demo is asked things, and how it is found.

    DIR/demo.json            0600: {"pid", "created", "control": "127.0.0.1:PORT", "token"}
    $XDG_RUNTIME_DIR/tahoe-demos/PID       a link to DIR
    /tmp/tahoe-demos-UID/PID               the same, where that variable is not set

*created* is when the process was made, in seconds since the epoch: pids are used again.
All of it is removed when the demo stops; what a demo that was killed left is recognised.
"""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from attrs import field, frozen

from allmydata.errors import ConfigError, NodeNotRunningError, UsageError
from allmydata.node import pidfile
from allmydata.node.demo.plan import is_demo
from allmydata.util.fileutil import write_atomically
from allmydata.webapi import RemoteNodeError

RECORD = "demo.json"
LIMIT_S = 60.0  # to wait for an answer


@frozen
class DemoRecord:
    """A demo that runs, or ran, in *root*."""

    root: Path
    pid: int
    created: float
    control: str
    token: str = field(repr=False)

    @classmethod
    def read(cls, root: Path) -> DemoRecord | None:
        """Return what is written in *root*, or None."""
        try:
            said = json.loads((root / RECORD).read_bytes())
            pid, created = int(said["pid"]), float(said["created"])
            return cls(root, pid, created, str(said["control"]), str(said["token"]))
        except (OSError, ValueError, TypeError, KeyError):
            return None

    @classmethod
    def of_this_process(cls, root: Path, control: str, token: str) -> DemoRecord:
        """Return the record of a demo that runs here."""
        created = pidfile.create_time(os.getpid()) or 0.0
        return cls(root, os.getpid(), created, control, token)

    @property
    def is_running(self) -> bool:
        """Tell whether its process lives."""
        return pidfile.is_alive(pidfile.Process(self.pid, self.created))

    def publish(self) -> None:
        """Write it down where others look."""
        words: dict[str, Any] = {"pid": self.pid, "created": self.created}
        words |= {"control": self.control, "token": self.token}
        data = json.dumps(words).encode() + b"\n"
        write_atomically(self.root / RECORD, data, private=True)
        link = _own_runtime_directory() / str(self.pid)
        link.unlink(missing_ok=True)
        link.symlink_to(self.root)

    def withdraw(self) -> None:
        """Remove what :meth:`publish` wrote."""
        (self.root / RECORD).unlink(missing_ok=True)
        for directory in _runtime_directories():
            (directory / str(self.pid)).unlink(missing_ok=True)

    def ask(self, method: str, path: str) -> dict[str, Any]:
        """Ask the demo; return what it answers.

        :raises NodeNotRunningError: it does not answer
        :raises RemoteNodeError: it answers with an error
        """
        host, _, port = self.control.rpartition(":")
        connection = HTTPConnection(host, int(port), timeout=LIMIT_S)
        try:
            headers = {"Authorization": f"Bearer {self.token}"}
            connection.request(method, path, headers=headers)
            said: dict[str, Any] = json.loads(connection.getresponse().read())
        except (OSError, HTTPException, ValueError) as e:
            again = f"stop it with  kill {self.pid}  and start another"
            raise NodeNotRunningError(
                f"the demo in {self.root} does not answer",
                why=str(e) if self.is_running else "it has ended",
                fix=again if self.is_running else "start another:  tahoe demo",
            ) from e
        finally:
            connection.close()
        if "error" in said:
            error = said["error"]
            extra = {name: str(error.get(name, "")) for name in ("why", "fix")}
            raise RemoteNodeError(str(error["code"]), str(error["message"]), **extra)
        return said


# ---- finding it ------------------------------------------------------------------------


def find(root: Path | None, node_directory: Path | None) -> DemoRecord:
    """Return the demo that runs in *root*; else that of a node; else the only one.

    :param root: what ``--dir`` says
    :param node_directory: a node that may be part of a demo, such as the client's
    :raises NodeNotRunningError: none runs there, or none at all
    :raises UsageError: several run
    """
    around = (node_directory, node_directory.parent) if node_directory else ()
    places = [root] if root else [place for place in around if is_demo(place)]
    if places:
        return _running_in(places[0])
    running = list(running_demos())
    if len(running) > 1:
        where = [str(record.root) for record in running]
        raise UsageError(
            f"{len(running)} demos run",
            why=f"in {'  '.join(where)}",
            fix=f"say which:  --dir {where[0]}",
        )
    if not running:
        raise NodeNotRunningError("no demo runs", fix="start one:  tahoe demo")
    return running[0]


def _running_in(root: Path) -> DemoRecord:
    record = DemoRecord.read(root)
    if record and record.is_running:
        return record
    why = f"process {record.pid}, which ran it, is gone" if record else ""
    raise NodeNotRunningError(
        f"no demo runs in {root}", why=why, fix=f"start it:  tahoe demo --dir {root}"
    )


def running_demos() -> Iterator[DemoRecord]:
    """Yield the demos that this user runs; forget those that are gone."""
    seen: set[Path] = set()
    for directory in _runtime_directories():
        for link in sorted(directory.iterdir()):
            record = _behind(link)
            if record is None:
                link.unlink(missing_ok=True)
            elif record.root not in seen:
                seen.add(record.root)
                yield record


def _behind(link: Path) -> DemoRecord | None:
    with suppress(OSError):
        record = DemoRecord.read(link.readlink())
        if record and str(record.pid) == link.name and record.is_running:
            return record
    return None


def _runtime_directories() -> list[Path]:
    """Return the places where this user's demos are listed, as far as they are there."""
    return [path for path in _runtime_places() if _is_private(path)]


def _own_runtime_directory() -> Path:
    """Return the first place that can be had.

    :raises ConfigError: there is none
    """
    for path in _runtime_places():
        with suppress(OSError):
            path.mkdir(mode=0o700, exist_ok=True)
            if _is_private(path):
                return path
    raise ConfigError(
        f"{path} can't be used to say that a demo runs",
        why="it is somebody else's, or others may enter it",
        fix="remove it, or set XDG_RUNTIME_DIR or TMPDIR",
    )


def _runtime_places() -> list[Path]:
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    first = [Path(runtime) / "tahoe-demos"] if os.path.isabs(runtime) else []
    return [*first, Path(tempfile.gettempdir()) / f"tahoe-demos-{os.getuid()}"]


def _is_private(path: Path) -> bool:
    try:
        found = path.lstat()
    except OSError:
        return False
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    return ours and not found.st_mode & 0o077
