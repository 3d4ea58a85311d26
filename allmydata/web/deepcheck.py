"""Everything below a directory checked, one JSON object a line, in the order of paths.

    {"path": ["f"], "cap": …, "type": "file", …, "check-results": {…}}
    {"path": ["f"], "cap": …, "type": "file", …, "check-and-repair-results": {…}}

A few files are looked at together.  What is kept in memory grows with the directories,
not with the files: beyond some thousands, a file that has several names may be looked at
again.  A walk that was cut short is gone on with by ``after=PATH``, the path of the
directory in which it was; directories that come before it are passed over.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred

from allmydata import uri
from allmydata.errors import GridError
from allmydata.util.deferreds import drop, start
from allmydata.util.names import check_name
from allmydata.web import checkwords
from allmydata.web.checks import Checks, Wish
from allmydata.web.forms import Form
from allmydata.web.manifest import Entry, Path, Walk
from allmydata.web.paths import Found
from allmydata.web.reply import Reply
from allmydata.web.request import Request
from allmydata.web.stats import Stats
from allmydata.web.stream import stream

MEMORY = 20_000  # files
AT_ONCE = 8  # files that are asked for together
READ_AT_ONCE = 2  # and where their shares are read
MOST_LISTED = 1000  # unhealthy files, and bad shares, that an operation tells of

Words = dict[str, Any]


class DeepChecks:
    """Answers for whole trees."""

    def __init__(self, checks: Checks) -> None:
        self._checks = checks

    async def send(self, request: Request, found: Found, form: Form) -> None:
        """Answer ``POST DIRECTORY?t=stream-deep-check``."""
        walk = self.walk(request)
        head = Reply(200, b"", "text/html", is_streamed=True)
        await stream(request, head, _joined(walk.lines(found)))

    def walk(self, request: Request) -> DeepCheck:
        """Return the walk that a request asks for.

        :raises UsageError, BadNameError: an argument makes no sense
        """
        after = (request.argument("after") or "").strip("/")
        path = tuple(map(check_name, after.split("/"))) if after else ()
        wish = Wish.read(request)
        self._checks.check_able(wish)
        return DeepCheck(self._checks, wish, Walk(path, MEMORY))


@define
class DeepCheck:
    """One walk, and what was found on it."""

    _checks: Checks
    _wish: Wish
    _walk: Walk
    tally: Tally = field(factory=lambda: Tally())

    @property
    def stats(self) -> Stats:
        """What was seen so far."""
        return self._walk.stats

    async def lines(self, root: Found) -> AsyncIterator[list[str]]:
        """Yield the lines of everything that is found, one at a time.

        :raises GridError: *root* can't be read
        """
        is_slow = self._wish.verify or self._wish.repair
        coming: deque[Deferred[str]] = deque()
        try:
            async for found in self._walk.entries(root):
                for one in found:
                    coming.append(start(self._line(one)))
                    if len(coming) >= (READ_AT_ONCE if is_slow else AT_ONCE):
                        yield [await coming.popleft()]
            while coming:
                yield [await coming.popleft()]
        finally:
            for line in coming:
                drop(line)
                line.cancel()
        yield [self._walk.last_line()]

    async def _line(self, found: Entry | str) -> str:
        if isinstance(found, str):
            return found
        words = found.as_json()
        if found.kind == "unknown":
            return json.dumps(words)
        try:
            cap = uri.from_string(words["cap"])
            result = await self._checks.words(cap, found.node, self._wish)
        except GridError as e:
            result = checkwords.of_directory(e.message)
        if found.node is not None or words["storage-index"]:
            self.tally.count(found.path, result)
        member = "check-and-repair-results" if self._wish.repair else "check-results"
        return json.dumps({**words, member: result})

    def as_json(self) -> Words:
        """Return what ``GET /operations/H`` tells, beside how far it is."""
        tally = self.tally
        told = tally.of_repairs() if self._wish.repair else tally.of_checks()
        return {"root-storage-index": "", **told, "stats": self.stats.as_json()}


@define
class Tally:
    """Results, counted; files that lie in their capabilities are left out."""

    num_checked: int = 0
    num_well: int = 0  # before
    num_well_after: int = 0
    num_attempted: int = 0
    num_successful: int = 0
    num_corrupt: int = 0
    num_corrupt_after: int = 0
    corrupt: list[Any] = field(factory=list)
    corrupt_after: list[Any] = field(factory=list)
    unhealthy: list[Any] = field(factory=list)

    def count(self, path: Path, result: Words) -> None:
        """Take a result in.

        :param result: of a check, or of a check and repair
        """
        before = result.get("pre-repair-results", result).get("results", _WELL)
        after = result.get("post-repair-results", result).get("results", _WELL)
        self.num_checked += 1
        self.num_well += before["healthy"]
        self.num_well_after += after["healthy"]
        self.num_attempted += result.get("repair-attempted", False)
        self.num_successful += result.get("repair-successful", False)
        self.num_corrupt += before.get("count-corrupt-shares", 0)
        self.num_corrupt_after += after.get("count-corrupt-shares", 0)
        _extend(self.corrupt, before.get("list-corrupt-shares", ()))
        _extend(self.corrupt_after, after.get("list-corrupt-shares", ()))
        if not before["healthy"]:
            _extend(self.unhealthy, [[path, result]])

    def of_checks(self) -> Words:
        """Return what is told where nothing is repaired."""
        return {
            "count-objects-checked": self.num_checked,
            "count-objects-healthy": self.num_well,
            "count-objects-unhealthy": self.num_checked - self.num_well,
            "count-corrupt-shares": self.num_corrupt,
            "list-corrupt-shares": self.corrupt,
            "list-unhealthy-files": self.unhealthy,
        }

    def of_repairs(self) -> Words:
        """Return what is told where files are repaired."""
        return {
            "count-objects-checked": self.num_checked,
            "count-objects-healthy-pre-repair": self.num_well,
            "count-objects-unhealthy-pre-repair": self.num_checked - self.num_well,
            "count-objects-healthy-post-repair": self.num_well_after,
            "count-objects-unhealthy-post-repair": self.num_checked - self.num_well_after,
            "count-repairs-attempted": self.num_attempted,
            "count-repairs-successful": self.num_successful,
            "count-repairs-unsuccessful": self.num_attempted - self.num_successful,
            "count-corrupt-shares-pre-repair": self.num_corrupt,
            "count-corrupt-shares-post-repair": self.num_corrupt_after,
            "list-corrupt-shares": self.corrupt,
            "list-remaining-corrupt-shares": self.corrupt_after,
            "list-unhealthy-files": self.unhealthy,
        }


_WELL = {"healthy": True}


def _extend(known: list[Any], more: Any) -> None:
    known.extend(list(more)[: MOST_LISTED - len(known)])


async def _joined(groups: AsyncIterator[list[str]]) -> AsyncIterator[bytes]:
    async for lines in groups:
        yield "".join(f"{line}\n" for line in lines).encode()
