"""The vdrive server: keeps directories that it can neither read nor forge.

What it is asked is checked here; what it keeps lies in :mod:`allmydata.storage.tables`.
Changes go through one thread, gathered into commits; reading has a thread of its own and
never waits for the disk to sync.  Protocol: docs/protocols/vdrive.md.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from foolscap.api import Referenceable
from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from allmydata.crypto.hashutil import KEY_SIZE
from allmydata.crypto.keys import DirectoryKeys
from allmydata.errors import (
    ConfigError,
    CorruptError,
    GridError,
    NoSuchChildError,
    NotFoundError,
    TooManyEntriesError,
    UsageError,
)
from allmydata.formats.dirtable import (
    MAX_PART_SIZE,
    MAX_ROWS,
    Row,
    pack_rows,
    unpack_rows,
)
from allmydata.interfaces import RIVirtualDriveServer
from allmydata.storage.commits import Commits
from allmydata.storage.tables import Tables
from allmydata.uri import DirnodeURI
from allmydata.util import base32
from allmydata.util.deferreds import as_deferred
from allmydata.util.fileutil import (
    make_private_directory,
    sync_directory,
    write_atomically,
)
from allmydata.util.wire import serves
from allmydata.util.workers import Workers

log = Logger()

T = TypeVar("T")

FILE_NAME = "tables.sqlite3"
VDRIVE_V1 = b"allmydata-vdrive-v1"


@serves(RIVirtualDriveServer)
class VirtualDriveServer(Referenceable, Service):
    """One node's tables of directories.

    :param directory: where ``tables.sqlite3`` lies, made at :meth:`startService`; nobody
        else writes there
    :param root_file: ``private/vdrive-root``, which holds the write key of the public
        root; made where it is missing. None: this server offers no public root
    :param furl_of: returns the FURL of this object, once it has one
    :param random: returns that many random bytes
    """

    def __init__(
        self,
        directory: Path,
        *,
        clock: IReactorTime,
        root_file: Path | None = None,
        furl_of: Callable[[], str],
        version: str = "",
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.version = version
        self._directory = directory
        self._clock = clock
        self._root_file = root_file
        self._furl_of = furl_of
        self._random = random
        self._root_key: bytes | None = None
        self._threads: list[Workers] = []

    # ---- a service of the node -----------------------------------------------------------

    def startService(self) -> None:  # noqa: N802 - Twisted's name
        """Open the tables, make the public root where it is missing, and serve.

        :raises CorruptError: the tables are damaged
        :raises ConfigError: the file of the public root is
        :raises NoSpaceError, OSError: the directory or the tables can't be made
        """
        make_private_directory(self._directory)
        sync_directory(self._directory.parent)
        self._tables = Tables.open(self._directory / FILE_NAME)
        try:
            self._make_public_root()
            self._read_tables = self._tables.another()
        except BaseException:
            self._tables.close()
            raise
        self._threads = [Workers(1, "vdrive-changes"), Workers(1, "vdrive-reads")]
        for workers in self._threads:
            workers.start()
        self._commits = Commits(self._tables.together, self._threads[0])
        Service.startService(self)

    @as_deferred
    async def stopService(self) -> None:  # noqa: N802 - Twisted's name
        """Take no more calls; fires when those in hand are answered."""
        if not self.running:  # it could not start
            return
        Service.stopService(self)
        await self._commits.idle()
        await self._threads[1].run(int)  # comes after all reads that were begun
        for workers in self._threads:
            workers.stop()
        self._read_tables.close()
        self._tables.close()

    def _make_public_root(self) -> None:
        if self._root_file is None:
            return
        self._root_key = _load_root_key(self._root_file, self._random)
        keys = DirectoryKeys.from_write_key(self._root_key)
        make = partial(self._tables.create_directory, keys.index, keys.write_enabler)
        (outcome,) = self._tables.together([make])
        if isinstance(outcome, Exception):
            raise outcome

    # ---- reading -------------------------------------------------------------------------

    def remote_get_version(self) -> dict[bytes, Any]:
        """Return what this server can do."""
        return {
            VDRIVE_V1: {},
            b"application-version": f"allmydata/{self.version}".encode(),
        }

    def remote_get_public_root_uri(self) -> bytes:
        """Return the read-write capability of the public root.

        :raises NotFoundError: this server offers none
        """
        if self._root_key is None:
            raise NotFoundError("this vdrive server offers no public root")
        return DirnodeURI(self._furl_of(), self._root_key).to_string().encode("ascii")

    @as_deferred
    async def remote_get(self, index: bytes, key: bytes) -> tuple[bytes, bytes]:
        """Return one row's sealed capabilities.

        :raises NoSuchChildError: there is no such row, or no such directory
        """
        rows = await self._read(self._find, index, [key])
        if not rows:
            raise NoSuchChildError("no such row in this directory")
        return rows[0].write, rows[0].read

    @as_deferred
    async def remote_list(self, index: bytes) -> list[tuple[bytes, bytes, bytes]]:
        """Return all rows, in the order of their keys.

        :raises TooManyEntriesError: they are more than 1000
        :raises NoSuchChildError: there is no such directory
        """
        rows, after = await self._read(self._page, index, b"", MAX_ROWS)
        if after:
            raise TooManyEntriesError(
                f"this directory has more than {MAX_ROWS} entries",
                fix="ask for it in pages",
            )
        return [(row.name, row.write, row.read) for row in rows]

    @as_deferred
    async def remote_list_page(
        self, index: bytes, after: bytes, limit: int
    ) -> tuple[bytes, bytes]:
        """Return the next rows, packed, and the key after which the others come.

        :raises NoSuchChildError: there is no such directory
        """
        if not 1 <= limit <= MAX_ROWS:
            raise UsageError(f"a page of {limit} rows, wanted 1 to {MAX_ROWS}")

        def read() -> tuple[bytes, bytes]:
            rows, last = self._page(index, after, limit)
            return pack_rows(rows), last

        return await self._read(read)

    @as_deferred
    async def remote_get_many(self, index: bytes, keys: list[bytes]) -> bytes:
        """Return those rows of *keys* that are there, packed.

        :raises NoSuchChildError: there is no such directory
        """
        return await self._read(lambda: pack_rows(self._find(index, keys)))

    @as_deferred
    async def remote_sequence(self, index: bytes) -> int:
        """Return how many changes the directory has seen.

        :raises NoSuchChildError: there is no such directory
        """
        return await self._read(self._read_tables.sequence, index)

    def _page(self, index: bytes, after: bytes, limit: int) -> tuple[list[Row], bytes]:
        rows = self._read_tables.page(index, after, limit + 1)
        more = len(rows) > limit
        return list(map(_servable, rows[:limit])), rows[limit - 1].key if more else b""

    def _find(self, index: bytes, keys: Sequence[bytes]) -> list[Row]:
        return list(map(_servable, self._read_tables.find(index, keys)))

    async def _read(self, f: Callable[..., T], *args: Any) -> T:
        self._demand_running()
        return await self._threads[1].run(f, *args)

    # ---- changing ------------------------------------------------------------------------

    @as_deferred
    async def remote_create_directory(self, index: bytes, write_enabler: bytes) -> bytes:
        """Make an empty directory; nothing changes where it is there already.

        :raises BadWriteEnablerError: it is there with another enabler
        """
        await self._change(self._tables.create_directory, index, write_enabler)
        return index

    @as_deferred
    async def remote_set(
        self,
        index: bytes,
        write_enabler: bytes,
        key: bytes,
        name: bytes,
        write: bytes,
        read: bytes,
    ) -> None:
        """Put one row in place, replacing that of its key.

        :raises BadWriteEnablerError, NoSuchChildError: wrong enabler; no such directory
        """
        await self._put(index, write_enabler, [Row(key, name, write, read)], replace=True)

    @as_deferred
    async def remote_set_many(
        self, index: bytes, write_enabler: bytes, rows: bytes, replace: bool
    ) -> None:
        """Put all rows in place, or none.

        :raises ConflictError: there is one of these keys, and *replace* is False
        :raises BadWriteEnablerError, NoSuchChildError: as for set
        :raises UsageError: *rows* is not what packs rows
        """
        try:
            unpacked = unpack_rows(rows)
        except CorruptError as e:
            raise UsageError(e.message) from e
        await self._put(index, write_enabler, unpacked, replace=replace)

    @as_deferred
    async def remote_delete(self, index: bytes, write_enabler: bytes, key: bytes) -> None:
        """Take a row out.

        :raises BadWriteEnablerError: wrong enabler
        :raises NoSuchChildError: there is no such row, or no such directory
        """
        await self._change(self._tables.delete, index, write_enabler, key)

    @as_deferred
    async def remote_move(
        self,
        index: bytes,
        write_enabler: bytes,
        key: bytes,
        to_index: bytes,
        to_write_enabler: bytes,
        row: tuple[bytes, bytes, bytes, bytes],
        replace: bool,
    ) -> None:
        """Take a row out here and put *row* in place there: both, or neither.

        :raises ConflictError: there is one of its key, and *replace* is False
        :raises BadWriteEnablerError, NoSuchChildError: as for delete, of either directory
        """
        source = (index, write_enabler, key)
        target = (to_index, to_write_enabler)
        move = partial(self._tables.move, replace=replace)
        await self._change(move, source, target, Row(*row), self._now())

    async def _put(
        self, index: bytes, write_enabler: bytes, rows: Sequence[Row], *, replace: bool
    ) -> None:
        put = partial(self._tables.put, replace=replace)
        await self._change(put, index, write_enabler, rows, self._now())

    async def _change(self, f: Callable[..., None], *args: Any) -> None:
        self._demand_running()
        await self._commits.make(partial(f, *args))

    def _now(self) -> int:
        return int(self._clock.seconds())

    def _demand_running(self) -> None:
        if not self.running:
            raise GridError("the vdrive server is stopped")


def _servable(row: Row) -> Row:
    """Empty what would not fit into an answer in a damaged row: clients see the damage."""
    return Row(
        row.key,
        _part(row.name),
        _part(row.write),
        _part(row.read),
        _date(row.created),
        _date(row.changed),
    )


def _part(value: Any) -> bytes:
    return value if type(value) is bytes and len(value) <= MAX_PART_SIZE else b""


def _date(value: Any) -> int:
    return value if type(value) is int and value >= 0 else 0


def _load_root_key(path: Path, random: Callable[[int], bytes]) -> bytes:
    if not path.exists():
        make_private_directory(path.parent)
        write_atomically(path, base32.b2a(random(KEY_SIZE)).encode() + b"\n", private=True)
    try:
        key = base32.a2b(path.read_text("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != KEY_SIZE:
        raise ConfigError(
            f"{path} does not hold the public root's write key",
            why="it should be one line of 26 characters, a-z and 2-7",
            fix="put a backup in its place, or delete it: then there is a new, empty root",
        )
    return key
