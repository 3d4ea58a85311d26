"""What is written of a child into a directory that lies in a file.  Pure.

    child                     read slot       sealed
    that only reads           itself          nothing
    can be changed            read-only form  itself
    unknown, ``ro.``          without ``ro.`` nothing
    unknown                   what was given  itself
                              to read with

In an immutable directory there is no sealed slot, and every child must be what nobody can
change; there ``imm.`` goes without saying.  Format: docs/formats/dir2.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve, field, frozen

from allmydata.crypto.mutable_keys import MutableKeys
from allmydata.errors import BadCapError, MutableChildError
from allmydata.formats.dir2 import Dir2Entry, pack_facts, seal_write_cap
from allmydata.uri import CHKFileVerifierURI, from_string
from allmydata.util.names import shown
from allmydata.vdrive.children import Caps, slots

SYSTEM = "tahoe"  # the member of the metadata that no user sets
Facts = Mapping[str, Any]


@frozen
class Link:
    """A child to be put in place.

    :param caps: as a directory takes them
    :param facts: what the user says of it; None: what was said before stays
    :param created: when the name was first used elsewhere, whence the child comes
    """

    caps: Caps = field(repr=False)
    facts: Facts | None = None
    created: float | None = None

    def slots(self) -> tuple[str | None, str]:
        """Return the capabilities to change the child with, if any, and to read it.

        :raises BadCapError: that is no capability, or one that can't be put there
        """
        write, read = slots(self.caps)
        if not read:
            raise BadCapError(
                "a directory of Tahoe-LAFS can't hold this capability of an unknown kind",
                why="where it is not known what reads it, its programs drop the child",
                fix="give the capability that only reads as well, or that alone",
            )
        if isinstance(from_string(read), CHKFileVerifierURI):
            raise BadCapError(
                "a directory of Tahoe-LAFS can't hold the verify capability of a file",
                why="its programs can no longer list one that does",
            )
        return write, read


@frozen
class Linker:
    """What makes entries for one directory that can be changed.

    :param now: seconds since the epoch
    """

    keys: MutableKeys = field(repr=False)
    now: float

    def entry(self, name: str, link: Link, before: Dir2Entry | None) -> Dir2Entry:
        """Return the entry of a child that is put in place of another, or of none.

        :raises BadCapError: that is no capability, or a mistyped one
        """
        facts = self._facts(link, before.facts() if before else {})
        write, read = link.slots()
        if facts.get("no-write") is True:
            write = None
        read = read.removeprefix("ro.")
        sealed = seal_write_cap(self.keys, (write or "").encode())
        return Dir2Entry(name, read.encode(), sealed, pack_facts(facts))

    def renamed(self, entry: Dir2Entry, name: str) -> Dir2Entry:
        """Return the same child under another name."""
        facts = entry.facts()
        facts[SYSTEM] = self._dates(facts, None)
        return evolve(entry, name=name, metadata=pack_facts(facts))

    def _facts(self, link: Link, before: dict[str, Any]) -> dict[str, Any]:
        facts = dict(before if link.facts is None else link.facts)
        facts.pop(SYSTEM, None)
        return {**facts, SYSTEM: self._dates(before, link.created)}

    def _dates(self, before: Facts, created: float | None) -> dict[str, Any]:
        """Return when the name was first used, and that it is changed now."""
        known = before.get(SYSTEM)
        known = dict(known) if isinstance(known, dict) else {}
        if created is not None:
            known["linkcrtime"] = created
        known.setdefault("linkcrtime", before.get("ctime", self.now))
        return {**known, "linkmotime": self.now}


def immutable_entry(name: str, link: Link) -> Dir2Entry:
    """Return the entry of a child of a directory that nobody can change.

    :raises MutableChildError: somebody could change the child
    :raises BadCapError: that is no capability, or a mistyped one
    """
    write, read = link.slots()
    if write is not None or from_string(read).is_mutable():
        raise MutableChildError(
            f"child {shown(name)} could be changed",
            why="what an immutable directory holds is immutable, all the way down",
            fix="leave it out, or make a directory that can be changed",
        )
    for prefix in ("ro.", "imm."):
        read = read.removeprefix(prefix)
    return Dir2Entry(name, read.encode(), b"", pack_facts(link.facts or {}))
