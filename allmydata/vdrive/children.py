"""One name in a directory: what is put in its row, and what is read back.

    child                       write slot      read slot
    CHK, LIT, DIR-RO, verify    none            itself
    DIR                         itself          its DIR-RO
    unknown, ``ro.``, ``imm.``  none            itself
    unknown                     itself          what was given to read with, else no text

What this version does not know it can't make weaker: whoever only reads the directory
sees that there is such a child, and gets no capability of it.  Whatever stands in a read
slot, nobody gets the right to change anything from there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from attrs import field, frozen

from allmydata.crypto.keys import DirectoryKeys
from allmydata.errors import BadCapError
from allmydata.formats.dirtable import Row, unseal
from allmydata.interfaces import IURI
from allmydata.uri import Cap, UnknownURI, from_string

NodeOf = Callable[[Cap | None, Cap | None], Any]

# A capability; or the two of an unknown kind, the first to change it, the second to read.
Caps = str | IURI | tuple[str | None, str | None]
Children = Mapping[str, Caps]


@frozen
class Child:
    """A child as the holder of its directory sees it.

    :param created: when the name was first used: seconds since the epoch, by the server
    :param changed: when it was last given a capability
    """

    name: str
    created: float
    changed: float
    _write: str | None = field(repr=False)
    _read: str = field(repr=False)
    _node_of: NodeOf = field(repr=False, eq=False)

    @cached_property
    def cap(self) -> Cap | None:
        """The strongest capability held; None where there is something, and no more."""
        return _parse(self._write) if self._write else self._weak

    @cached_property
    def readonly_cap(self) -> Cap | None:
        """The capability that only reads; None where it is not known which."""
        strong = _parse(self._write) if self._write else None
        return (strong and strong.get_readonly()) or self._weak

    @cached_property
    def _weak(self) -> Cap | None:
        return _parse(self._read).get_readonly() if self._read else None

    @property
    def texts(self) -> tuple[str | None, str]:
        """What its slots hold, as found: to change it with, if held, and to read."""
        return self._write, self._read

    @property
    def metadata(self) -> dict[str, Any]:
        """What is said of it, as directories of Tahoe-LAFS do: no more than the dates."""
        dates = {"linkcrtime": float(self.created), "linkmotime": float(self.changed)}
        return {"tahoe": dates}

    @property
    def node(self) -> Any:
        """The child itself: a file, a directory, or something unknown."""
        return self._node_of(self.cap, self.readonly_cap)


def open_row(keys: DirectoryKeys, row: Row, node_of: NodeOf) -> Child:
    """Return what *row* says to the holder of *keys*.

    :raises CorruptError: it is not as it was sealed, or is from another place
    """
    entry = unseal(keys, row)
    return Child(
        entry.name, row.created, row.changed, entry.write_cap, entry.read_cap, node_of
    )


def slots(caps: Caps) -> tuple[str | None, str]:
    """Return what goes into the slots ``write`` and ``read`` for a child.

    :raises BadCapError: that is no capability, or a mistyped one
    """
    strong, weak = caps if isinstance(caps, tuple) else (_text(caps), None)
    if strong is None:
        return None, _only_reads(weak or "")
    cap = from_string(strong)
    readonly = cap.get_readonly()
    if readonly is not None:
        return None if cap.is_readonly() else cap.to_string(), readonly.to_string()
    return cap.to_string(), _only_reads(weak) if weak else ""


def _only_reads(text: str) -> str:
    """Return the capability *text* weakened; what can't be is marked as its giver says."""
    cap = from_string(text)
    return (cap.get_readonly() or UnknownURI(f"ro.{cap.to_string()}")).to_string()


def _text(cap: str | IURI) -> str:
    return cap if isinstance(cap, str) else cap.to_string()


def _parse(text: str) -> Cap:
    """Read what somebody sealed, who may have sealed anything."""
    try:
        return from_string(text)
    except BadCapError:
        return UnknownURI(text)
