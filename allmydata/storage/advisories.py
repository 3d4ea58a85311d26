"""What clients say about corrupt shares, kept for the server's owner to read.

    <storedir>/corruption-advisories/<time>--<si>-<shnum>

Format: docs/formats/container.md.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from attrs import frozen
from twisted.logger import Logger

from allmydata.util.base32 import a2b, b2a
from allmydata.util.fileutil import free_space

log = Logger()

LONGEST_READ = 2000  # bytes of one, when they are read again
LONGEST_REASON = 1500  # bytes of what a client says that are kept
MOST_KEPT = 1000  # of all shares: the oldest go
MOST_OF_ONE_SHARE = 5  # any more are dropped


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
            self.reason[:LONGEST_REASON].decode("utf-8", "replace"),
            "",
            "",
        ]
        return "\n".join(lines).encode("utf-8")

    @property
    def file_name(self) -> str:
        """The time in UTC, to the microsecond and without colons, then which share."""
        when = datetime.fromtimestamp(self.when, UTC).strftime("%Y-%m-%dT%H%M%S.%f")
        return f"{when}--{b2a(self.storage_index)}-{self.shnum}"


def read_advisories(storedir: Path, most: int) -> list[Advisory]:
    """Return the latest that were kept, the newest first; what is no advisory is left out.

    :param most: how many at most
    """
    names = [path.name for path in (storedir / "corruption-advisories").glob("*--*-*")]
    found = (_read(storedir, name) for name in sorted(names, reverse=True)[:most])
    return [one for one in found if one is not None]


def _read(storedir: Path, name: str) -> Advisory | None:
    when, _, share = name.partition("--")
    index, _, shnum = share.rpartition("-")
    path = storedir / "corruption-advisories" / name
    try:
        with path.open("rb") as f:
            head, _, reason = f.read(LONGEST_READ).partition(b"\n\n")
        at = datetime.strptime(f"{when}+0000", "%Y-%m-%dT%H%M%S.%f%z").timestamp()
        share_type = head.split(b"\n")[1].partition(b": ")[2].decode("ascii")
        return Advisory(share_type, a2b(index), int(shnum), reason.strip(), at)
    except (OSError, ValueError, IndexError):
        return None


def keep_advisory(storedir: Path, advisory: Advisory) -> None:
    """Write *advisory* down; with no room, or after others on that share, drop it."""
    log.warn(
        "a client calls share {shnum} of {si}… corrupt",
        shnum=advisory.shnum,
        si=b2a(advisory.storage_index)[:5],
    )
    directory = storedir / "corruption-advisories"
    directory.mkdir(exist_ok=True)
    if _make_way(directory, advisory) and len(advisory.text) <= free_space(directory):
        with (directory / advisory.file_name).open("ab") as f:
            f.write(advisory.text)


def _make_way(directory: Path, advisory: Advisory) -> bool:
    """Delete the oldest where there are too many; tell whether there is room for one."""
    _, _, share = advisory.file_name.partition("--")
    names = sorted(path.name for path in directory.glob("*--*-*"))
    if sum(name.endswith(f"--{share}") for name in names) >= MOST_OF_ONE_SHARE:
        return False
    for name in names[: max(0, len(names) + 1 - MOST_KEPT)]:
        (directory / name).unlink(missing_ok=True)
    return True
