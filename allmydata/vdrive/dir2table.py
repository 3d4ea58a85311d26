"""The children of a directory that lies in a file, and how they are changed.  Pure.

A change is made of what is there at that moment, and again of what is there after somebody
else's.  It may be that it was stored the first time and nobody could tell: so each knows
what it has tried, and does not take its own work for somebody else's.
"""

from __future__ import annotations

from collections.abc import Mapping
from unicodedata import normalize

from attrs import define, field

from allmydata.formats.dir2 import Dir2Entry, pack_directory, unpack_directory
from allmydata.vdrive.dir2link import Link, Linker
from allmydata.vdrive.steps import no_child, taken

Entries = dict[str, Dir2Entry]  # by name, in form NFC


def unpack(content: bytes) -> Entries:
    """Return the children that the content of a file tells.

    :raises CorruptError: it is no directory
    """
    found = unpack_directory(content)
    return {normalize("NFC", name): entry for name, entry in found.items()}


def pack(entries: Entries) -> bytes:
    """Return the content that :func:`unpack` reads back."""
    return pack_directory(entries.values())


@define(eq=False)
class Put:
    """Put children in place, all of them or none.

    :param replace: whether one of that name may be there
    """

    _linker: Linker
    _links: Mapping[str, Link]
    _replace: bool
    _tried: Entries = field(factory=dict, init=False)

    def __call__(self, entries: Entries) -> None:
        """Change *entries*.

        :raises ConflictError: one is there, and may not be replaced
        """
        there = {n: entries[n] for n in self._links if n in entries}
        others = {n: e for n, e in there.items() if e != self._tried.get(n)}
        if others and not self._replace:
            raise taken(min(others))
        self._tried = {
            name: self._linker.entry(name, link, others.get(name))
            if name in others or name not in there
            else there[name]
            for name, link in self._links.items()
        }
        entries.update(self._tried)


@define(eq=False)
class TakeOut:
    """Take a child out.

    :param only: what it must be; anything else stays.  None: whatever it is
    """

    _name: str
    _only: Dir2Entry | None = None
    _was_there: bool = field(default=False, init=False)

    def __call__(self, entries: Entries) -> None:
        """Change *entries*.

        :raises NoSuchChildError: it is not there
        """
        entry = entries.get(self._name)
        if entry is None and not self._was_there:
            raise no_child(self._name)
        self._was_there = True
        if entry is not None and (self._only is None or _is_same(entry, self._only)):
            del entries[self._name]


@define(eq=False)
class Rename:
    """Give a child another name, and keep what is known of it."""

    _linker: Linker
    _name: str
    _new_name: str
    _replace: bool
    _done: Dir2Entry | None = field(default=None, init=False)

    def __call__(self, entries: Entries) -> None:
        """Change *entries*.

        :raises NoSuchChildError: it is not there
        :raises ConflictError: one of the new name is there, and may not be replaced
        """
        entry, there = entries.get(self._name), entries.get(self._new_name)
        if entry is None and there is not None and there == self._done:
            return
        if entry is None:
            raise no_child(self._name)
        if there is not None and not self._replace:
            raise taken(self._new_name)
        self._done = self._linker.renamed(entry, self._new_name)
        del entries[self._name]
        entries[self._new_name] = self._done


def _is_same(one: Dir2Entry, other: Dir2Entry) -> bool:
    """Tell whether two entries lead to the same."""
    return (one.read_cap, one.sealed) == (other.read_cap, other.sealed)
