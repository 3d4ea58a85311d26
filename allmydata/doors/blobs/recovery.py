"""The index made again from the grid: nothing of this node is needed but the directory.

Rows say where contents are and which keys have them; of a pack its table says what is in
it.  Nothing on the grid is changed.  What can't be read is counted, and left where it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import define, field
from twisted.logger import Logger

from allmydata import uri
from allmydata.doors.blobs.contents import PACK
from allmydata.doors.blobs.pack import read_table, table_size
from allmydata.doors.blobs.record import Blob, read_record, record_in
from allmydata.doors.blobs.store import Directory, Store
from allmydata.errors import CorruptError, GridError
from allmydata.streams.target import Data
from allmydata.util.deferreds import in_flight

log = Logger()

CONTENT = "content"  # the directory of contents; every other is a collection
AT_ONCE = 8  # packs that are read
FIRST_READ = 4096  # bytes of a pack


@define
class Recovery:
    """Fills an empty store from the directories on the grid.

    :ivar dropped: rows that can't be read
    :ivar num_unread: those of them that may well be read another time
    """

    _store: Store
    _downloader: Any
    dropped: int = field(default=0, init=False)
    num_unread: int = field(default=0, init=False)

    async def run(self, directories: Mapping[str, Any]) -> None:
        """Take in everything.

        :param directories: IDirectoryNodes by name
        """
        # packs are read last, since a content that has a row of its own is taken from there
        for name in sorted(directories, key=lambda name: name == CONTENT):
            directory = directories[name]
            sequence, unread = await directory.sequence(), self.num_unread
            self._store.keep_directory(Directory(name, directory.get_uri(), None))
            if name == CONTENT:
                await self._take_contents(directory)
            else:
                await self._take_names(name, directory)
            if unread == self.num_unread:  # else it is looked at again at the next start
                known = Directory(name, directory.get_uri(), sequence)
                self._store.keep_directory(known)

    # ---- contents ------------------------------------------------------------------------

    async def _take_contents(self, directory: Any) -> None:
        packs: list[tuple[str, uri.CHKFileURI]] = []
        async for page in directory.pages():
            with self._store.changing():
                for child in page:
                    match child.cap:
                        case uri.CHKFileURI() as cap if child.name.startswith(PACK):
                            packs.append((child.name, cap))
                        case uri.CHKFileURI() as cap:
                            self._take_content(child.name, cap)
                        case _:
                            self._drop("a row of no content")
        await in_flight(packs, self._take_pack, AT_ONCE)

    def _take_content(self, name: str, cap: uri.CHKFileURI) -> None:
        try:
            digest = bytes.fromhex(name)
        except ValueError:
            return self._drop("a row named after no digest")
        self._store.add_content(digest, cap.get_size(), cap.to_string())
        return None

    async def _take_pack(self, pack: tuple[str, uri.CHKFileURI]) -> None:
        name, cap = pack
        try:
            head = await self._read(cap, FIRST_READ)
            if table_size(head) > len(head):
                head = await self._read(cap, table_size(head))
            self._store.add_pack(name, cap.to_string(), read_table(head, cap.size))
        except CorruptError:
            self._drop("a pack that is none")
        except GridError as e:
            self.num_unread += 1
            self._drop(f"a pack that can't be read: {e.message}")

    async def _read(self, cap: uri.CHKFileURI, size: int) -> bytes:
        size = min(size, cap.size)
        data: bytes = await self._downloader.download(
            cap.to_string(), Data(), offset=0, size=size
        )
        return data

    # ---- keys ----------------------------------------------------------------------------

    async def _take_names(self, name: str, directory: Any) -> None:
        async for page in directory.pages():
            blobs = await in_flight(page, self._read_name, AT_ONCE)
            found = [one for one in blobs if one is not None]
            with self._store.changing():
                self._store.keep(name, [blob for blob, _ in found])
                for blob, content in found:
                    if blob.is_tiny:
                        self._store.add_tiny(blob.digest, content)

    async def _read_name(self, child: Any) -> tuple[Blob, bytes] | None:
        try:
            record = record_in(child.texts)
            if record is None and isinstance(child.cap, uri.CHKFileURI):
                record = await self._read(child.cap, child.cap.size)
            if record is not None:
                return read_record(child.name, record)
        except CorruptError:
            pass
        except GridError as e:
            self.num_unread += 1
            self._drop(f"a key that can't be read: {e.message}")
            return None
        self._drop("a row of no key")
        return None

    def _drop(self, what: str) -> None:
        self.dropped += 1
        log.warn("recovering blobs: {what}", what=what)


def names_of(directories: Sequence[str]) -> list[str]:
    """Return those directories that are collections."""
    return [name for name in directories if name != CONTENT]
