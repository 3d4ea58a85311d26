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

from attrs import define, field

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


async def send_manifest(request: Request, found: Found, form: Form) -> None:
    """Answer ``POST DIRECTORY?t=stream-manifest``."""
    head = Reply(200, b"", "text/html", is_streamed=True)
    await stream(request, head, _joined(Walk().lines(found)))


@define
class Walk:
    """A way through everything below one directory, and what was seen on it."""

    stats: Stats = field(factory=Stats, init=False)
    _todo: Todo = field(factory=list, init=False)  # the next one is last
    _seen: set[str] = field(factory=set, init=False)

    async def lines(self, root: Found) -> AsyncIterator[list[str]]:
        """Yield the lines of everything that is found, some at a time.

        :raises GridError: *root* can't be read
        """
        facts = facts_of(root.cap, root.cap and root.cap.get_readonly())
        lines = self._enter((), facts, root, self._todo)
        while self._todo:
            path, node = self._todo.pop()
            num_children, below = 0, list[tuple[Path, Any]]()
            try:
                async for page in node.pages():
                    num_children += len(page)
                    lines += self._look_at(path, page, below)
                    yield lines
                    lines = []
            except GridError as e:
                if not path:
                    raise
                lines.append(_error(e))
            self.stats.count_children(num_children)
            self._todo += reversed(below)
        yield [*lines, json.dumps({"type": "stats", "stats": self.stats.as_json()})]

    def _look_at(self, path: Path, page: Sequence[Any], below: Todo) -> Iterator[str]:
        for child in sorted(page, key=lambda one: one.name):
            yield from self._enter((*path, child.name), facts_of_child(child), child, below)

    def _enter(self, path: Path, facts: Facts, of: Any, below: Todo) -> list[str]:
        """Return the line of one object, or none if it had one before.

        :param of: whose ``node`` it is
        :param below: what is added to if there is more to be seen below
        """
        kind, words = facts
        # what is known by neither of these has no name that all its capabilities share
        identity = words["ro_uri"] if kind == "dirnode" else words.get("verify_uri")
        if identity in self._seen:
            return []
        if identity is not None:
            self._seen.add(identity)
        if kind == "dirnode":
            below.append((path, of.node))
        self.stats.count(kind, words)
        return [json.dumps({"path": path, **_told(kind, words)})]


def _told(kind: str, words: dict[str, Any]) -> dict[str, str]:
    verify_cap = words.get("verify_uri", "")
    return {
        "cap": words.get("rw_uri") or words.get("ro_uri") or verify_cap,
        "type": _KINDS[kind],
        "verifycap": verify_cap,
        "repaircap": verify_cap,
        "storage-index": verify_cap.split(":")[2] if verify_cap else "",
    }


def _error(error: GridError) -> str:
    words = "; ".join(filter(None, [error.message, error.why, error.fix]))
    return f"ERROR: {type(error).__name__}: {words}".replace("\n", " ")


async def _joined(groups: AsyncIterator[list[str]]) -> AsyncIterator[bytes]:
    async for lines in groups:
        if lines:
            yield "".join(f"{line}\n" for line in lines).encode()
