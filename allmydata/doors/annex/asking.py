"""What a special remote may ask git-annex, and tell it, while it serves a request."""

from __future__ import annotations

import time
from collections.abc import Callable

from allmydata.doors.annex.errors import UnexpectedMessage
from allmydata.doors.annex.lines import Lines

PROGRESS_PERIOD_S = 0.2


class Ended(Exception):  # noqa: N818  # not an error of ours
    """git-annex closed the line, or gave up."""


class Annex:
    """The git-annex that runs this program."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self.has_info = False  # whether it shows INFO to people

    def config(self, name: str) -> str:
        """Return a setting of the remote; empty where there is none."""
        return self._value("GETCONFIG", name)

    def set_config(self, name: str, value: str) -> None:
        """Keep a setting, for all clones to see."""
        self.lines.write("SETCONFIG", name, value)

    def state(self, key: str) -> str:
        """Return what was kept with *key*; empty where there is nothing."""
        return self._value("GETSTATE", key)

    def set_state(self, key: str, value: str) -> None:
        """Keep *value* with *key*, for all clones to see."""
        self.lines.write("SETSTATE", key, value)

    def secret(self, name: str) -> str:
        """Return a secret of this clone; empty where it has none."""
        words = self._ask("CREDS", "GETCREDS", name).split(" ")
        return words[-1]

    def set_secret(self, name: str, value: str) -> None:
        """Keep a secret in this clone; elsewhere only if its owner wants it embedded."""
        self.lines.write("SETCREDS", name, name, value)

    def info(self, text: str) -> None:
        """Show people something, if that can be."""
        self.lines.write("INFO" if self.has_info else "DEBUG", text)

    def debug(self, text: str) -> None:
        """Say something that ``git annex --debug`` shows."""
        self.lines.write("DEBUG", text)

    def meter(self) -> Callable[[int], None]:
        """Return what is called with the bytes that have come, whenever some have."""
        told = time.monotonic()

        def tell(num_bytes: int) -> None:
            nonlocal told
            now = time.monotonic()
            if now - told >= PROGRESS_PERIOD_S:
                told = now
                self.lines.write("PROGRESS", num_bytes)

        return tell

    def _value(self, *words: str) -> str:
        return self._ask("VALUE", *words)

    def _ask(self, wanted: str, *words: str) -> str:
        self.lines.write(*words)
        line = self.lines.read()
        if line is None:
            raise Ended
        word, _, rest = line.partition(" ")
        if word == "ERROR":
            raise Ended
        if word != wanted:
            raise UnexpectedMessage(f"{wanted} was to come, and {word[:40]!r} came")
        return rest
