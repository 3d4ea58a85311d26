"""``tahoe deep-check``: all files below a directory, looked at and mended."""

from __future__ import annotations

import json
import time
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click
from attrs import asdict, define, field

from allmydata.cli.aliases import Target, about, find, url_path
from allmydata.cli.check import Words, bad_share, of_repair, wish_options, wish_query
from allmydata.cli.completion import Place
from allmydata.cli.printing import emit
from allmydata.cli.session import Session, json_option, pass_session
from allmydata.errors import ConflictError, GridError, NodeNotRunningError, UsageError
from allmydata.util.fileutil import write_atomically
from allmydata.webapi import RemoteNodeError

SAVE_EVERY_S = 1.0


@define
class Counts:
    """How many objects were looked at, and what came of it."""

    checked: int = 0
    healthy: int = 0
    healthy_after: int = 0
    attempted: int = 0
    successful: int = 0

    def take(self, result: Words) -> None:
        """Count one result."""
        self.checked += 1
        self.healthy += is_healthy(result, "pre-repair-results")
        self.healthy_after += is_healthy(result, "post-repair-results")
        self.attempted += bool(result.get("repair-attempted"))
        self.successful += bool(result.get("repair-successful"))

    def as_lines(self, repair: bool) -> list[str]:
        """Return what is told in the end."""
        ill = self.checked - self.healthy
        if not repair:
            words = f"{self.healthy} healthy, {ill} unhealthy"
            return [f"done: {self.checked} objects checked, {words}"]
        failed = self.attempted - self.successful
        ill_after = self.checked - self.healthy_after
        return [
            f"done: {self.checked} objects checked",
            f" pre-repair: {self.healthy} healthy, {ill} unhealthy",
            f" {self.attempted} repairs attempted, {self.successful} successful, "
            f"{failed} failed",
            f" post-repair: {self.healthy_after} healthy, {ill_after} unhealthy",
        ]


def is_healthy(result: Words, when: str) -> bool:
    """Tell whether an object was well before or after a repair, or at all."""
    results = result.get(when, result).get("results", {})
    return bool(results.get("healthy", True))


@define
class Progress:
    """How far a walk is: in which directory, and what was counted before that.

    :param path: where it is kept; None: it is not
    :param what: tells walks apart; nothing can be read from it
    """

    path: Path | None
    what: str
    after: list[str] = field(factory=list)
    counts: Counts = field(factory=Counts)
    _until_here: Counts = field(factory=Counts)
    _saved: float = 0.0

    @classmethod
    def load(cls, path: Path | None, what: str) -> Progress:
        """Read what an earlier walk left, if it did.

        :raises UsageError: that is no such file
        :raises ConflictError: it was another walk
        """
        if path is None or not path.exists():
            return cls(path, what)
        try:
            told = json.loads(path.read_bytes())
            after, counts = [str(name) for name in told["after"]], Counts(**told["counts"])
            before = told["what"]
        except (ValueError, KeyError, TypeError) as e:
            raise UsageError(f"{path} is not what deep-check wrote", fix="remove it") from e
        if before != what:
            raise ConflictError(
                f"{path} is of another directory, or of other options",
                fix="name another file, or remove this one to begin anew",
            )
        return cls(path, what, after, counts, Counts(**asdict(counts)))

    def at(self, path: list[str]) -> None:
        """Take note that the object at *path* comes next."""
        if path[:-1] != self.after:
            self.after = path[:-1]
            self._until_here = Counts(**asdict(self.counts))
        if time.monotonic() >= self._saved + SAVE_EVERY_S:
            self.save()

    def save(self) -> None:
        """Write it down; the directory it is in will be looked at from its start."""
        if self.path is not None:
            counts = asdict(self._until_here)
            told = {"what": self.what, "after": self.after, "counts": counts}
            write_atomically(self.path, json.dumps(told).encode(), private=True)
        self._saved = time.monotonic()

    def end(self) -> None:
        """Forget it: all was looked at."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


@click.command("deep-check")
@click.argument("place", type=Place(), default="")
@wish_options
@click.option("-v", "--verbose", is_flag=True, help="A line for each object.")
@click.option(
    "--resume",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep in FILE how far it is; go on from there if FILE is there.",
)
@json_option
@pass_session
def deep_check(
    session: Session,
    place: str,
    verify: bool,
    repair: bool,
    add_lease: bool,
    raw: bool,
    verbose: bool,
    resume: Path | None,
    as_json: bool,
) -> int:
    """See whether all files below PLACE are safe, as tahoe check does with one.

    Files that are not well are named on standard error, and counted in the end.  --raw
    prints the gateway's lines of JSON, as they come; the last holds statistics.

    With --resume a walk that was interrupted goes on with the directory it was in.  FILE
    holds names, and no capability; it is removed when all was looked at.

    Exit code 0 whether all is healthy or not; 1 if a directory could not be read.
    """
    target = find(session, place)
    query = wish_query(
        "stream-deep-check", verify=verify, repair=repair, add_lease=add_lease
    )
    what = sha256(f"{target.root} {target.path} {query}".encode()).hexdigest()[:32]
    walk = _Walk(session, Progress.load(resume, what), repair, raw or as_json, verbose)
    walk.run(target, query)
    return 1 if walk.num_errors else 0


@define
class _Walk:
    session: Session
    progress: Progress
    repair: bool
    raw: bool
    verbose: bool
    num_errors: int = 0
    is_whole: bool = False

    def run(self, target: Target, query: str) -> None:
        """Look at everything; what was done is kept whatever happens."""
        after = "/".join(self.progress.after)
        if after:
            query += "&" + urlencode({"after": after})
        try:
            with about(target):
                path = f"{url_path(target)}?{query}"
                for line in self.session.node().lines("POST", path, limit_s=None):
                    self._take(line.decode("utf-8", "replace"))
        except NodeNotRunningError as e:
            if not self.progress.counts.checked:
                raise
            raise self._cut() from e
        finally:
            if not self.is_whole:
                self.progress.save()
        if not self.is_whole:
            raise self._cut()
        if not self.raw:
            emit(*self.progress.counts.as_lines(self.repair))
        self.progress.end()

    def _take(self, line: str) -> None:
        if line.startswith("ERROR:"):
            self.num_errors += 1
            self.session.say(line)
            return
        entry = _entry(line)
        self.is_whole = entry["type"] == "stats"
        if not self.is_whole:
            self.progress.at(entry["path"])
            self._count(entry)
        if self.raw:
            emit(line)

    def _count(self, entry: Words) -> None:
        result = entry.get("check-and-repair-results", entry.get("check-results"))
        if result is None:
            return
        self.progress.counts.take(result)
        is_well = is_healthy(result, "pre-repair-results")
        if self.verbose and not self.raw:
            emit(*_of_object(entry["path"], result, self.repair))
        elif not is_well and not self.raw:
            for text in _of_object(entry["path"], result, self.repair):
                self.session.say(text)

    def _cut(self) -> GridError:
        progress = self.progress
        where = repr("/".join(progress.after) or "<root>")
        again = f"--resume {progress.path}" if progress.path else "--resume FILE, next time"
        return GridError(
            f"the check was cut short after {progress.counts.checked} objects",
            why=f"the node ended the connection; it was in {where}",
            fix=f"the same words again, with {again}",
        )


def _of_object(path: list[str], result: Words, repair: bool) -> list[str]:
    name = "/".join(path) or "<root>"
    before = result.get("pre-repair-results", result)
    brief = ("not healthy", "healthy")[is_healthy(result, "pre-repair-results")]
    words = brief if repair else before.get("summary", "Healthy (LIT)")
    corrupt = before.get("results", {}).get("list-corrupt-shares", [])
    lines = [f"{name!r}: {words}", *(f" corrupt: {bad_share(one)}" for one in corrupt)]
    return lines + (of_repair(result) if result.get("repair-attempted") else [])


def _entry(line: str) -> dict[str, Any]:
    try:
        entry: dict[str, Any] = json.loads(line)
        if entry["type"] != "stats":
            entry["path"], entry["cap"]
    except (ValueError, KeyError, TypeError) as e:
        raise RemoteNodeError("failed", "the node lists this in no known way") from e
    return entry
