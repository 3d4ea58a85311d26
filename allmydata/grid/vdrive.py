"""Vdrive servers, as a client sees them: found, waited for, asked.

A server is known by the Tub id and the name in its FURL; where it is now may be told
anew (decision 26).  Nothing is connected before the first question.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise
from typing import Any

from attrs import define, field
from twisted.application.service import Service
from twisted.internet.defer import TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from allmydata.errors import (
    ConflictError,
    CorruptError,
    GridError,
    NoSpaceError,
    NoSuchChildError,
    NotFoundError,
    NotMutableError,
    ServerLostError,
    ServerRefusedError,
)
from allmydata.formats.dirtable import Row, pack_rows, unpack_rows
from allmydata.grid.broker import Connect, Link
from allmydata.grid.remote import call, serves
from allmydata.interfaces import RIVirtualDriveServer
from allmydata.util import base32
from allmydata.util.deferreds import Gate, drop, start, timeout

log = Logger()

CONNECT_S = 10.0  # how long a connection is waited for
MOVED_S = 1.0  # … before somebody is asked whether the server is elsewhere
ANSWER_S = 30.0  # how long an answer is
PAGE = 1000  # rows in one call or answer
MAX_SERVERS = 50  # links kept; a directory may name any number of servers

Place = tuple[str, str]  # Tub id and name

_FURL = re.compile(r"pb://([a-z2-7]{32})@([^/\s]*)/([^/:\s]+)")


def place_of(furl: str) -> Place:
    """Return what of *furl* tells servers apart.

    :raises ValueError: it is no FURL; the message does not quote it
    """
    found = _FURL.fullmatch(furl)
    if not found:
        raise ValueError(f"not a FURL: {len(furl)} characters")
    return found.group(1), found.group(3)


class VdriveServers(Service):
    """All vdrive servers that this client has to do with.

    :param connect: begins a connection that keeps coming back
    :param find_home: asks anew where this client's own vdrive server is; empty: nobody
        says
    """

    def __init__(
        self, connect: Connect, find_home: Callable[[], Awaitable[str]], clock: IReactorTime
    ) -> None:
        self.home = ""  # the newest FURL of our own server: its hints serve for its Tub
        self._connect = connect
        self._find_home = find_home
        self._clock = clock
        self._servers: dict[Place, VdriveServer] = {}  # the last used is the last

    def at(self, furl: str) -> VdriveServer:
        """Return the server of *furl*, to be asked at once: it may be forgotten later.

        :raises ServerLostError: *furl* leads nowhere
        """
        try:
            place = place_of(furl)
        except ValueError as e:
            raise ServerLostError(
                "the address of a vdrive server in a capability leads nowhere", why=str(e)
            ) from e
        server = self._servers.pop(place, None)
        if server is None:
            server = VdriveServer(furl, self._connect, self._ask_where, self._clock)
        self._servers[place] = server
        server.look_at(self._newest(furl))
        self._forget_idle()
        return server

    def stopService(self) -> None:  # noqa: N802
        """Make no new connections."""
        Service.stopService(self)
        for server in self._servers.values():
            server.stop()

    def _newest(self, furl: str) -> str:
        """Return *furl* with the hints that are known to be the newest."""
        mine, its = _FURL.fullmatch(self.home), _FURL.fullmatch(furl)
        if not mine or not its or mine.group(1) != its.group(1):
            return furl
        return f"pb://{its.group(1)}@{mine.group(2)}/{its.group(3)}"

    async def _ask_where(self, server: VdriveServer) -> None:
        """Ask where our own server is now, if *server* is it."""
        if not self.home or place_of(self.home)[0] != place_of(server.furl)[0]:
            return
        self.home = await self._find_home() or self.home
        server.look_at(self._newest(server.furl))

    def _forget_idle(self) -> None:
        idle = [place for place, server in self._servers.items() if not server.num_asked]
        for place in idle[: max(0, len(self._servers) - MAX_SERVERS)]:
            self._servers.pop(place).stop()


@define(eq=False)
class VdriveServer:
    """One vdrive server.

    :param ask_where: asks where it is now; if that is news, it calls :meth:`look_at`
    """

    furl: str = field(repr=False)
    _connect: Connect = field(repr=False)
    _ask_where: Callable[[VdriveServer], Awaitable[None]] = field(repr=False)
    _clock: IReactorTime = field(repr=False)
    num_asked: int = field(default=0, init=False)  # calls under way
    _link: Link | None = field(default=None, init=False, repr=False)
    _rref: Any = field(default=None, init=False, repr=False)  # to an RIVirtualDriveServer
    _settled: Gate = field(factory=Gate, init=False, repr=False)  # connected, or refused
    _refused: bool = field(default=False, init=False)

    # ---- calls -------------------------------------------------------------------------

    async def get_public_root_uri(self) -> str:
        """Return the capability of the root that everybody shares.

        :raises NotFoundError: the server offers none
        """
        try:
            answer: bytes = await self._read("get_public_root_uri")
        except (NotFoundError, ServerRefusedError) as e:
            raise NotFoundError("the vdrive server offers no public root") from e
        return answer.decode("ascii", "replace")

    async def get_version(self) -> dict[bytes, Any]:
        """Return what the server is and can."""
        return dict(await self._read("get_version"))

    async def create_directory(self, index: bytes, write_enabler: bytes) -> None:
        """Make an empty directory; nothing if it is there with the same write enabler."""
        if await self._write("create_directory", index, write_enabler) != index:
            raise _corrupt(index, "another one was made than was asked for")

    async def get_many(self, index: bytes, keys: Sequence[bytes]) -> list[Row]:
        """Return those rows of at most PAGE *keys* that are there, still sealed.

        :raises CorruptError: the answer has other rows, or is no rows
        """
        rows = _unpack(index, await self._of("get_many", index, list(keys)))
        found = [row.key for row in rows]
        if not set(keys).issuperset(found) or len(set(found)) != len(found):
            raise _corrupt(index, "the answer has rows that were not asked for")
        return rows

    async def list_page(
        self, index: bytes, after: bytes = b"", limit: int = PAGE
    ) -> tuple[list[Row], bytes]:
        """Return rows in the order of their keys, still sealed.

        :return: they, and what to give as *after* to go on; empty where that was the end
        :raises CorruptError: the pages would go round in circles, or are no rows
        """
        packed, there = await self._of("list_page", index, after, limit)
        rows = _unpack(index, packed)
        keys = [after, *(row.key for row in rows)]
        if any(a >= b for a, b in pairwise(keys)):
            raise _corrupt(index, "the rows are out of order")
        if there and (not rows or there < keys[-1]):
            raise _corrupt(index, "the pages go round in circles")
        return rows, there

    async def set_many(
        self, index: bytes, write_enabler: bytes, rows: Sequence[Row], replace: bool
    ) -> None:
        """Put at most PAGE *rows* in place, or none of them.

        :raises ConflictError: one is there, and may not be replaced
        """
        args = (index, write_enabler, pack_rows(rows), replace)
        await self._of("set_many", *args, changes=True)

    async def delete(self, index: bytes, write_enabler: bytes, key: bytes) -> None:
        """Take a row out.

        :raises NoSuchChildError: it is not there
        """
        await self._write("delete", index, write_enabler, key)

    async def move(
        self,
        source: tuple[bytes, bytes, bytes],
        target: tuple[bytes, bytes],
        row: Row,
        replace: bool,
    ) -> None:
        """Take a row out here and put *row* in there: both, or neither.

        :param source: index, write enabler, key
        :param target: index, write enabler
        :raises NoSuchChildError: it is not here
        :raises ConflictError: there is one there, and it may not be replaced
        """
        sealed = (row.key, row.name, row.write, row.read)
        await self._write("move", *source, *target, sealed, replace)

    async def sequence(self, index: bytes) -> int:
        """Return the number of changes of a directory."""
        return int(await self._of("sequence", index))

    # ---- asking ------------------------------------------------------------------------

    async def _of(self, name: str, *args: Any, changes: bool = False) -> Any:
        """Ask something that can only be refused where the directory itself is missing."""
        try:
            return await (self._write if changes else self._read)(name, *args)
        except NoSuchChildError as e:
            raise NotFoundError(
                "the vdrive server has no such directory",
                why="it was never made there, or the server has lost it",
            ) from e

    async def _read(self, name: str, *args: Any) -> Any:
        """Ask; ask once more if the connection breaks, as when the server restarts."""
        try:
            return await self._ask(name, *args)
        except _BrokenError:
            return await self._ask(name, *args)

    async def _write(self, name: str, *args: Any) -> Any:
        try:
            return await self._ask(name, *args)
        except ServerLostError as e:
            if not e.why:
                e.why = "whether the change was made is not known"
            raise

    async def _ask(self, name: str, *args: Any) -> Any:
        self.num_asked += 1
        try:
            rref = await self._connected()
            try:
                return await timeout(call(rref, name, *args), ANSWER_S, self._clock)
            except TimeoutError as e:
                raise ServerLostError(
                    f"the vdrive server has not answered within {ANSWER_S:.0f} s"
                ) from e
            except ServerLostError as e:
                self._detach(rref)
                raise _BrokenError("the connection to the vdrive server broke") from e
            except ServerRefusedError as e:
                raise _meaning(e) from e
        finally:
            self.num_asked -= 1

    # ---- the connection ----------------------------------------------------------------

    def look_at(self, furl: str) -> None:
        """Take note of where the server is; a connection that is there stays."""
        if furl != self.furl:
            self.furl = furl
            if self._rref is None and self._link:
                self._link.stop()
                self._link = self._connect(furl, self._attach)

    def stop(self) -> None:
        """Make no new connections."""
        if self._link:
            self._link.stop()
            self._link = None

    async def _connected(self) -> Any:
        if self._rref is not None and not self._rref.isConnected():
            self._detach(self._rref)  # we shall be told soon
        if self._rref is None and not await self._is_settled(MOVED_S):
            drop(start(self._ask_where(self)))
            if not await self._is_settled(CONNECT_S - MOVED_S):
                raise ServerLostError(
                    "the vdrive server does not answer",
                    why=f"no connection within {CONNECT_S:.0f} s",
                    fix="see that it runs, and can be reached from here",
                )
        if self._refused:
            raise ServerRefusedError(
                "what the address of the vdrive server leads to is something else"
            )
        return self._rref

    async def _is_settled(self, limit_s: float) -> bool:
        """Tell whether a connection is made, or refused, in time."""
        if self._link is None:
            self._link = self._connect(self.furl, self._attach)
        else:
            self._link.reset()
        try:
            await timeout(self._settled.wait(), limit_s, self._clock)
        except TimeoutError:
            return False
        return True

    def _attach(self, rref: Any) -> None:
        self._refused = not serves(rref, RIVirtualDriveServer)
        if self._refused:
            log.warn("the address of a vdrive server leads to something else")
        self._rref = rref
        self._settled.open()
        rref.notifyOnDisconnect(self._detach, rref)

    def _detach(self, rref: Any) -> None:
        if self._rref is rref:
            self._rref = None
            self._settled.shut()


class _BrokenError(ServerLostError):
    """The connection broke after the question and before the answer."""


def _unpack(index: bytes, packed: bytes) -> list[Row]:
    try:
        return unpack_rows(packed)
    except CorruptError as e:
        raise _corrupt(index, str(e)) from e


def _corrupt(index: bytes, what: str) -> CorruptError:
    return CorruptError(
        f"directory {base32.b2a(index)[:8]}: {what}",
        why="its vdrive server is broken, or lies",
    )


# What a server raised, by the name of its class, and what that means to a caller.
_MEANINGS: dict[str, tuple[type[GridError], str]] = {
    "NoSuchChildError": (NoSuchChildError, "the vdrive server has no such row"),
    "IndexError": (NoSuchChildError, "the vdrive server has no such row"),
    "NotFoundError": (NotFoundError, "the vdrive server has nothing like that"),
    "BadWriteEnablerError": (
        NotMutableError,
        "the vdrive server does not let this capability change the directory",
    ),
    "ConflictError": (ConflictError, "there is a child of that name already"),
    "NoSpaceError": (NoSpaceError, "the vdrive server has no room left"),
}


def _meaning(refusal: ServerRefusedError) -> GridError:
    if refusal.why not in _MEANINGS:
        return refusal
    kind, text = _MEANINGS[refusal.why]
    return kind(text)
