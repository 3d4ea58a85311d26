"""``POST CAP?t=check``: are all shares of a file there, and right; and mending it.

    verify=true       read every byte of every share
    repair=true       make what is missing again
    add-lease=true    have this node's leases renewed
    output=JSON       for programs; else a page for people

A read or a verify capability will do.  Nothing is changed that its holder could not change
anyway: shares are put back as they were.  Those of a mutable file can be put back by who
can write it, and nobody else.  What lies on a server that is being emptied counts as
missing where something is to be mended: so it comes to lie elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from attrs import frozen

from allmydata import uri
from allmydata.errors import (
    GridError,
    NodeNotReadyError,
    NotCapableError,
    NotEnoughSharesError,
)
from allmydata.interfaces import IClient
from allmydata.web import arguments, checkwords
from allmydata.web.children import DIR2, MUTABLE
from allmydata.web.forms import Form
from allmydata.web.pages import page
from allmydata.web.paths import Found
from allmydata.web.reply import PLAIN, Reply, as_json
from allmydata.web.request import Request

CHK = uri.CHKFileURI | uri.CHKFileVerifierURI


@frozen
class Wish:
    """What is to be done with each file."""

    verify: bool = False
    repair: bool = False
    add_lease: bool = False

    @classmethod
    def read(cls, request: Request) -> Wish:
        """Return what a request asks for.

        :raises UsageError: an argument makes no sense
        """
        names = ("verify", "repair", "add-lease")
        return cls(*(arguments.read_boolean(request, name) for name in names))


class Checks:
    """Looks at files and directories, and mends files."""

    def __init__(self, client: IClient) -> None:
        self._client = client

    async def answer(self, request: Request, found: Found, form: Form) -> Reply:
        """Answer ``POST …?t=check``."""
        wish = Wish.read(request)
        cap, report = file_of(found.cap), None
        if found.is_directory and cap is None:
            await _read(found.node)
        else:
            report = await self.look(cap.to_string() if cap is not None else "", wish)
        if wish.repair and report is not None:
            if isinstance(report.error, NotEnoughSharesError):
                raise report.error
        if (request.argument("output") or "").lower() == "json":
            return as_json(200, _told(report, wish), PLAIN)
        return _page(found, report, wish)

    async def look(self, cap: str, wish: Wish) -> Any:
        """Return the report of a check, or of a repair if that is wished.

        :raises BadCapError: it is not the capability of a file
        """
        is_mutable = isinstance(uri.from_string(cap), MUTABLE)
        if not wish.repair:
            part = self._part("mutable-checker" if is_mutable else "checker")
            return await part.check(cap, wish.verify, add_lease=wish.add_lease)
        words: dict[str, Any] = {"verify": wish.verify, "add_lease": wish.add_lease}
        if is_mutable:
            return await self._part("mutable-checker").repair(cap, **words)
        return await self._part("repairer").repair(cap, avoid=self._drained(), **words)

    async def words(self, cap: uri.Cap | None, node: Any, wish: Wish) -> dict[str, Any]:
        """Return what is told of one object on the way through a tree.

        :param node: of a directory; None for a file
        """
        file = file_of(cap)
        if isinstance(file, MUTABLE | CHK):
            try:
                return _told(await self.look(file.to_string(), wish), wish)
            except NotCapableError:  # a mutable file is mended by who can write it
                return checkwords.not_repaired()
        if wish.repair:
            return checkwords.not_repaired()
        try:
            if node is not None:
                await _read(node)
        except GridError as e:
            return checkwords.of_directory(e.message)
        return checkwords.of_literal() if node is None else checkwords.of_directory()

    def check_able(self, wish: Wish) -> None:
        """Make sure that this node can do what is wished.

        :raises NodeNotReadyError: it can't
        """
        self._part("repairer" if wish.repair else "checker")

    def _drained(self) -> Collection[str]:
        """Return the node ids of servers that are being emptied."""
        try:
            drained: Collection[str] = self._client.getService("drains").drained
        except KeyError:
            return ()
        return drained

    def _part(self, name: str) -> Any:
        try:
            return self._client.getService(name)
        except KeyError as e:
            raise NodeNotReadyError("this node can't check files") from e


def file_of(cap: uri.Cap | None) -> uri.Cap | None:
    """Return the capability of what has shares: of a file, or of that a directory is in.

    None for a directory that lies on a vdrive server.
    """
    if isinstance(cap, DIR2):
        return cap.file
    return None if isinstance(cap, uri.Directory) else cap


async def _read(node: Any) -> None:
    """Read the first page of a directory.

    :raises GridError: that can't be done
    """
    async for _ in node.pages():
        break


def _told(report: Any, wish: Wish) -> dict[str, Any]:
    if report is None:
        return checkwords.of_directory()
    return checkwords.of_repair(report) if wish.repair else checkwords.of_check(report)


def _page(found: Found, report: Any, wish: Wish) -> Reply:
    """Return the page that tells of a check; it holds no capability."""
    after = report.after if report is not None and wish.repair else report
    shares = (
        []
        if after is None
        else [
            (number, [after.names.get(server, server) for server in servers])
            for number, servers in after.sharemap.items()
        ]
    )
    damages = (
        []
        if after is None
        else [
            (one.shnum, after.names.get(one.nodeid, one.nodeid), one.why)
            for one in after.damages
        ]
    )
    silent = {} if after is None else after.silent
    return page(
        "check.html",
        name=found.name,
        is_directory=found.is_directory,
        report=after,
        repair=report if wish.repair else None,
        shares=shares,
        damages=damages,
        silent=[(after.names.get(one, one), why) for one, why in silent.items()],
    )
