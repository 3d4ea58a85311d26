"""The part of a folder that one page of it shows.

A folder may have millions of children, and comes in no order.  So what is kept of it while
it comes is only what can still be on that page or on one before it: whole children for the
first pages, and names alone for those further on, whose children are asked for in the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from attrs import define, field

PAGE_SIZE = 500  # children on a page
NEAR = 10  # pages whose children are kept


@define
class Excerpt:
    """What is on page *number*, folders first, and how much there is in all.

    :param number: from 1
    :param is_reversed: the last comes first
    :param hidden: a name that is not shown
    :ivar has_hidden: whether there was one of that name
    """

    number: int
    is_reversed: bool = False
    hidden: str | None = None
    has_hidden: bool = field(default=False, init=False)
    num_folders: int = field(default=0, init=False)
    num_files: int = field(default=0, init=False)
    _keys: list[str] = field(factory=list, init=False, repr=False)
    _children: dict[str, Any] = field(factory=dict, init=False, repr=False)  # by key

    @property
    def last(self) -> int:
        """The number of the last page."""
        return max(1, -(-(self.num_folders + self.num_files) // PAGE_SIZE))

    @property
    def num_held(self) -> int:
        """How many names are kept."""
        return len(self._keys)

    def add(self, children: Iterable[Any]) -> None:
        """See the next children."""
        for child in children:
            if child.name == self.hidden:
                self.has_hidden = True
                continue
            is_one = is_folder(child)
            self.num_folders += is_one
            self.num_files += not is_one
            key = f"{'01'[not is_one]}{child.name.casefold()}\0{child.name}"
            self._keys.append(key)
            if self.number <= NEAR:
                self._children[key] = child
        if len(self._keys) > 2 * self._num_wanted:
            self._forget()

    async def children(self, directory: Any) -> Sequence[Any]:
        """Return the page, of *directory*, of which all was seen."""
        self._forget()
        keys = self._keys[self._num_wanted - PAGE_SIZE :]
        if self.number <= NEAR:
            return [self._children[key] for key in keys]
        names = [key.rpartition("\0")[2] for key in keys]
        found = await directory.get_children(names) if names else {}
        return [found[name] for name in names if name in found]

    @property
    def _num_wanted(self) -> int:
        return self.number * PAGE_SIZE

    def _forget(self) -> None:
        """Keep what can be on the page or before it, in order."""
        self._keys.sort(reverse=self.is_reversed)
        del self._keys[self._num_wanted :]
        if self.number <= NEAR:
            self._children = {key: self._children[key] for key in self._keys}


def is_folder(child: Any) -> bool:
    """Tell whether a child that a directory listed is a directory."""
    write, read = child.texts
    text = write or read or ""
    if not text.startswith("URI:DIR"):
        return False
    return "-Verifier:" not in text[: len("URI:DIR2-CHK-Verifier:")]
