"""One child of a directory that lies in a file, as it is read.

Whoever wrote it may have written anything.  From the read slot nobody gets the right to
change something; what is sealed and makes no sense is as if there were nothing; and in a
directory that nobody can change, what somebody could change is left out.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from attrs import field, frozen

from allmydata.crypto.mutable_keys import MutableKeys
from allmydata.errors import BadCapError, CorruptError
from allmydata.formats.dir2 import Dir2Entry, open_write_cap
from allmydata.uri import Cap, UnknownURI, from_string
from allmydata.vdrive.children import NodeOf
from allmydata.vdrive.dir2link import SYSTEM

LATEST_S = 1e12  # what lies after that is no date


@frozen
class View:
    """How a directory is seen.

    :param keys: of who may change it; None for who only reads
    :param is_immutable: nobody may
    """

    keys: MutableKeys | None
    is_immutable: bool
    node_of: NodeOf


@frozen(slots=False)
class Dir2Child:
    """A child as the holder of its directory sees it."""

    name: str
    entry: Dir2Entry = field(repr=False)
    _view: View = field(repr=False, eq=False)

    @cached_property
    def cap(self) -> Cap | None:
        """The strongest capability held; None where there is something, and no more."""
        return self._strong or self._weak

    @cached_property
    def readonly_cap(self) -> Cap | None:
        """The capability that only reads; None where it is not known which."""
        return (self._strong and self._strong.get_readonly()) or self._weak

    @property
    def texts(self) -> tuple[str | None, str]:
        """Its capabilities as texts: to change it with, if held, and to read."""
        write, read = self._strong, self.readonly_cap
        return write.to_string() if write else None, read.to_string() if read else ""

    @property
    def node(self) -> Any:
        """The child itself: a file, a directory, or something unknown."""
        return self._view.node_of(self.cap, self.readonly_cap)

    # ---- what is said of it ------------------------------------------------------------

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """What is said of it: its dates, under ``tahoe``, and the user's words."""
        return self.entry.facts()

    @property
    def created(self) -> float | None:
        """When the name was first used: seconds since the epoch; None: nobody says."""
        return self._date("linkcrtime")

    @property
    def changed(self) -> float | None:
        """When it was last given a capability; None: nobody says."""
        return self._date("linkmotime")

    def _date(self, word: str) -> float | None:
        dates = self.metadata.get(SYSTEM)
        found = dates.get(word) if isinstance(dates, dict) else None
        if not isinstance(found, int | float) or isinstance(found, bool):
            return None
        return float(found) if abs(found) < LATEST_S else None

    # ---- its slots ---------------------------------------------------------------------

    @cached_property
    def _strong(self) -> Cap | None:
        cap = self._sealed
        return None if cap is None or cap.is_readonly() else cap

    @cached_property
    def _sealed(self) -> Cap | None:
        if self._view.keys is None:
            return None
        try:
            found = open_write_cap(self._view.keys, self.entry.sealed).decode("ascii")
        except (CorruptError, UnicodeDecodeError):
            return None
        return _parse(found) if found else None

    @cached_property
    def _weak(self) -> Cap | None:
        text = self.entry.read_cap.decode("utf-8", "replace")
        if not text:  # long ago, what only reads was sealed as well
            return self._sealed if self._sealed and self._sealed.is_readonly() else None
        if self._view.is_immutable:
            text = text.removeprefix("ro.").removeprefix("imm.")
        prefix = "imm." if self._view.is_immutable else "ro."
        return _parse(text).get_readonly() or UnknownURI(prefix + text)

    @property
    def is_left_out(self) -> bool:
        """Whether it has no place in its directory."""
        return self._view.is_immutable and (self._weak is None or self._weak.is_mutable())


def _parse(text: str) -> Cap:
    """Read what somebody wrote, who may have written anything."""
    try:
        return from_string(text)
    except BadCapError:
        return UnknownURI(text)
