"""Everything below a directory, one JSON object a line, as it is found.

    {"path": ["f"], "cap": "URI:CHK:…", "type": "file", "verifycap": "URI:CHK-Verifier:…",
     "repaircap": "URI:CHK-Verifier:…", "storage-index": "…"}

A directory comes before what it holds; an object that has several names comes once.  The
last line is ``{"type": "stats", "stats": {…}}``.  A directory that can't be read is
followed by a line that begins with ``ERROR:``, and the rest goes on.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from attrs import define, field, frozen

from allmydata.errors import GridError
from allmydata.web.children import Facts, facts_of, facts_of_child
from allmydata.web.forms import Form
from allmydata.web.paths import Found
from allmydata.web.reply import Reply
from allmydata.web.request import Request
from allmydata.web.stats import Stats
from allmydata.web.stream import stream

_KINDS = {"filenode": "file", "dirnode": "directory", "unknown": "unknown"}

Path = tuple[str, ...]
Todo = list[tuple[Path, Any]]  # directories yet to be looked into, with their nodes


@frozen
class Entry:
    """One object that was found.

    :param kind: ``filenode``, ``dirnode`` or ``unknown``
    :param words: what is told of it elsewhere
    :param node: of a directory; None for anything else
    """

    path: Path
    kind: str
    words: dict[str, Any] = field(repr=False)
    node: Any = field(default=None, repr=False)

    def as_json(self) -> dict[str, Any]:
        """Return what is told of it here."""
        verify_cap = self.words.get("verify_uri", "")
        strongest = self.words.get("rw_uri") or self.words.get("ro_uri") or verify_cap
        is_mutable = verify_cap and self.words["mutable"]  # then only its writers repair it
        return {
            "path": self.path,
            "cap": strongest,
            "type": _KINDS[self.kind],
            "verifycap": verify_cap,
            "repaircap": self.words.get("rw_uri", "") if is_mutable else verify_cap,
            "storage-index": verify_cap.split(":")[2] if verify_cap else "",
        }


async def send_manifest(request: Request, found: Found, form: Form) -> None:
    """Answer ``POST DIRECTORY?t=stream-manifest``."""
    head = Reply(200, b"", "text/html", is_streamed=True)
    await stream(request, head, _joined(Walk().lines(found)))


@define
class Walk:
    """A way through everything below one directory, and what was seen on it.

    Directories come in the order of their paths, each with all it holds before those in it.

    :param after: the path of a directory: what comes before that was seen another time
    :param memory: how many files are remembered, so that they come once; None: all
    """

    after: Path = ()
    memory: int | None = None
    stats: Stats = field(factory=Stats, init=False)
    _todo: Todo = field(factory=list, init=False)  # the next one is last
    _seen: set[str] = field(factory=set, init=False)  # directories
    _seen_files: dict[str, None] = field(factory=dict, init=False)  # the oldest first

    async def lines(self, root: Found) -> AsyncIterator[list[str]]:
        """Yield the lines of everything that is found, some at a time.

        :raises GridError: *root* can't be read
        """
        async for found in self.entries(root):
            yield [
                one if isinstance(one, str) else json.dumps(one.as_json()) for one in found
            ]
        yield [self.last_line()]

    def last_line(self) -> str:
        """Return the line that holds the statistics."""
        return json.dumps({"type": "stats", "stats": self.stats.as_json()})

    async def entries(self, root: Found) -> AsyncIterator[list[Entry | str]]:
        """Yield everything that is found, some at a time; what is text tells of an error.

        :raises GridError: *root* can't be read
        """
        facts = facts_of(root.cap, root.cap and root.cap.get_readonly())
        found: list[Entry | str] = [*self._enter((), facts, root, self._todo)]
        while self._todo:
            path, node = self._todo.pop()
            num_children, below = 0, list[tuple[Path, Any]]()
            try:
                async for page in node.pages():
                    num_children += len(page)
                    found += self._look_at(path, page, below)
                    yield found
                    found = []
            except GridError as e:
                if not path:
                    raise
                found.append(_error(e))
            if path >= self.after:
                self.stats.count_children(num_children)
            self._todo += sorted(below, key=lambda one: one[0], reverse=True)
        yield found

    def _look_at(self, path: Path, page: Sequence[Any], below: Todo) -> Iterator[Entry]:
        for child in sorted(page, key=lambda one: one.name):
            yield from self._enter((*path, child.name), facts_of_child(child), child, below)

    def _enter(self, path: Path, facts: Facts, of: Any, below: Todo) -> list[Entry]:
        """Return what was found in a list, or none if it was before.

        :param of: whose ``node`` it is
        :param below: what is added to if there is more to be seen below
        """
        kind, words = facts
        if kind == "dirnode":
            if words["ro_uri"] in self._seen or path < self.after[: len(path)]:
                return []
            self._seen.add(words["ro_uri"])
            below.append((path, of.node))
        elif path[:-1] >= self.after and self._was_seen(words.get("verify_uri")):
            return []
        if path[:-1] < self.after:  # told another time, with all its directory holds
            return []
        self.stats.count(kind, words)
        return [Entry(path, kind, words, of.node if kind == "dirnode" else None)]

    def _was_seen(self, verify_cap: str | None) -> bool:
        """Tell whether a file came before, as far as is remembered; remember it."""
        if verify_cap is None:  # it has no name that all its capabilities share
            return False
        if verify_cap in self._seen_files:
            return True
        self._seen_files[verify_cap] = None
        if self.memory is not None and len(self._seen_files) > self.memory:
            del self._seen_files[next(iter(self._seen_files))]
        return False


def _error(error: GridError) -> str:
    words = "; ".join(filter(None, [error.message, error.why, error.fix]))
    return f"ERROR: {type(error).__name__}: {words}".replace("\n", " ")


async def _joined(groups: AsyncIterator[list[str]]) -> AsyncIterator[bytes]:
    async for lines in groups:
        if lines:
            yield "".join(f"{line}\n" for line in lines).encode()
