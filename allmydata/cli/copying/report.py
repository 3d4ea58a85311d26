"""What people and programs are told of a copy: its counts, and what went wrong by name."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import click
from attrs import define, field

from allmydata.cli.copying.crew import FATAL
from allmydata.cli.printing import safe
from allmydata.errors import GridError
from allmydata.util import humanize

_PERIOD_S = 0.3


@define
class Report:
    """Counts, problems, and a line on the standard error of a terminal.

    :param quiet: no such line
    :param keep: problems are kept, not printed
    """

    quiet: bool = False
    keep: bool = False
    files_moved: int = 0  # so far, also those that have no name yet
    files_copied: int = 0
    files_same: int = 0
    directories_made: int = 0
    bytes_copied: int = 0
    bytes_moved: int = 0  # so far, of files that are not whole yet too
    problems: list[dict[str, str]] = field(factory=list)
    last_error: GridError | None = None
    _begun: float = field(init=False, factory=time.monotonic)
    _shown: float = 0.0

    def problem(self, label: str, error: GridError) -> None:
        """Tell that what *label* names could not be copied, and go on.

        :raises GridError: *error* itself, if nothing else would succeed either
        """
        if error.code in FATAL:
            raise error
        self.last_error = error
        message = error.message
        if label not in message:
            message = f"{label}: {message}"
        said = {"code": error.code, "path": label, "message": message, "why": error.why}
        self.problems.append({word: text for word, text in said.items() if text})
        if not self.keep:
            why = f" ({error.why})" if error.why else ""
            self.note(f"error: {message}{why}")

    def note(self, text: str) -> None:
        """Tell people something, on a line of its own."""
        self._clear()
        click.echo(safe(text), err=True)

    def moved(self, num_bytes: int) -> None:
        """Count bytes on their way; may be called in any thread."""
        self.bytes_moved += num_bytes

    def tick(self, num_waiting: int) -> None:
        """Write how far it is, if somebody sees it and it is time."""
        now = time.monotonic()
        if now - max(self._shown, self._begun) < _PERIOD_S or not self._is_seen():
            return
        self._shown = now
        done = f"{self.files_moved} files, {humanize.size(self.bytes_moved)}"
        text = f"{done}, {num_waiting} in hand"
        click.echo(f"\r\x1b[K{text}", err=True, nl=False)

    def end(self) -> None:
        """Take the line away."""
        self._clear()

    def counts(self) -> dict[str, Any]:
        """Return what is told as JSON."""
        return {
            "files_copied": self.files_copied,
            "files_already_there": self.files_same,
            "directories_made": self.directories_made,
            "bytes_copied": self.bytes_copied,
            "elapsed_s": self.elapsed_s,
            "errors": self.problems,
        }

    @property
    def elapsed_s(self) -> float:
        """Seconds since the copy began."""
        return round(time.monotonic() - self._begun, 3)

    def _clear(self) -> None:
        if self._shown:
            click.echo("\r\x1b[K", err=True, nl=False)
            self._shown = 0.0

    def _is_seen(self) -> bool:
        if self.quiet or self.keep:
            return False
        return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
