"""What clients say about corrupt shares, kept for the server's owner to read.

    <storedir>/corruption-advisories/<time>--<si>-<shnum>

Format: docs/formats/container.md.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from attrs import frozen
from twisted.logger import Logger

from allmydata.util.base32 import b2a
from allmydata.util.fileutil import free_space

log = Logger()


@frozen
class Advisory:
    """One client's word that one share does not match its hashes."""

    share_type: str  # "immutable" or "mutable"
    storage_index: bytes
    shnum: int
    reason: bytes  # UTF-8, as the client sent it
    when: float  # seconds since 1970

    @property
    def text(self) -> bytes:
        """The file's content."""
        lines = [
            "report: Share Corruption",
            f"type: {self.share_type}",
            f"storage_index: {b2a(self.storage_index)}",
            f"share_number: {self.shnum}",
            "",
            self.reason.decode("utf-8", "replace"),
            "",
            "",
        ]
        return "\n".join(lines).encode("utf-8")

    @property
    def file_name(self) -> str:
        """The time in UTC, to the microsecond and without colons, then which share."""
        when = datetime.fromtimestamp(self.when, UTC).strftime("%Y-%m-%dT%H%M%S.%f")
        return f"{when}--{b2a(self.storage_index)}-{self.shnum}"


def keep_advisory(storedir: Path, advisory: Advisory) -> None:
    """Write *advisory* down; without room for it, drop it."""
    log.warn(
        "a client calls share {shnum} of {si}… corrupt",
        shnum=advisory.shnum,
        si=b2a(advisory.storage_index)[:5],
    )
    directory = storedir / "corruption-advisories"
    directory.mkdir(exist_ok=True)
    if len(advisory.text) <= free_space(directory):
        with (directory / advisory.file_name).open("ab") as f:
            f.write(advisory.text)
