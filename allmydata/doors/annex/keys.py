"""``mode=dir``: contents of keys, as files of a tree."""

from __future__ import annotations

from attrs import frozen

from allmydata.doors.annex.contents import Tell
from allmydata.doors.annex.names import place_of_key
from allmydata.doors.annex.tree import Tree


@frozen
class Keys:
    """What :class:`Tree` does, for keys."""

    _tree: Tree

    def store(self, key: str, path: str, tell: Tell) -> None:
        """Store the file *path*."""
        self._tree.store(place_of_key(key), path, tell)

    def retrieve(self, key: str, path: str, tell: Tell) -> None:
        """Bring the content to *path*, or the rest of it."""
        self._tree.retrieve(place_of_key(key), path, tell)

    def is_there(self, key: str) -> bool:
        """Tell whether the content is there."""
        return self._tree.is_there(place_of_key(key))

    def remove(self, key: str) -> None:
        """Take the content away."""
        self._tree.remove(place_of_key(key))

    def where(self, key: str) -> str:
        """Return the path in the remote's directory."""
        return "/".join(place_of_key(key))
