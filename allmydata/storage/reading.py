"""Shares to be read from any place on, by number: their sizes first, then their bytes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from attrs import define, frozen

from allmydata.errors import BadShareError, NotFoundError
from allmydata.storage import requests, slots
from allmydata.storage.buckets import READ_AT_ONCE, OpenShares
from allmydata.storage.disk import Disk
from allmydata.storage.shares import ShareFile
from allmydata.storage.slotfile import SlotFile
from allmydata.storage.tree import ShareTree


@frozen
class Readable:
    """One share.

    :param size: bytes of its data
    :param read: returns at most so many bytes from an offset
    """

    size: int
    read: Callable[[int, int], Awaitable[bytes]]


@define
class Reading:
    """The shares of one server, for those who don't hold a bucket."""

    _tree: ShareTree
    _disk: Disk
    _open_shares: OpenShares

    async def numbers(self, storage_index: bytes, *, is_mutable: bool) -> set[int]:
        """Return which finished shares of a file are here."""
        if is_mutable:
            found = await self._disk.run(
                slots.read_slots, self._tree, storage_index, set(), []
            )
            return set(found)
        return set(await self._disk.run(requests.open_shares, self._tree, storage_index))

    async def immutable(self, storage_index: bytes, shnum: int) -> Readable:
        """Return one share.

        :raises NotFoundError: there is none
        """
        path = self._tree.bucket(storage_index) / str(shnum)
        share = self._open_shares.get(path) or await self._disk.run(self._tree.open, path)
        if share is None:
            raise NotFoundError("there is no such share")
        self._open_shares.put(share)
        return Readable(share.container.data_size, partial(self._read, share))

    async def _read(self, share: ShareFile, offset: int, length: int) -> bytes:
        if length <= READ_AT_ONCE:
            data = share.read_cached(offset, length)
            if data is not None:
                return data
        return await self._disk.run(share.read, offset, length)

    async def mutable(self, storage_index: bytes, shnum: int) -> Readable:
        """Return one share; who reads it in pieces may get pieces of two versions.

        :raises NotFoundError: there is none
        """
        size = await self._disk.run(_slot_size, self._tree, storage_index, shnum)
        if size is None:
            raise NotFoundError("there is no such share")
        return Readable(size, partial(self._read_slot, storage_index, shnum))

    async def _read_slot(self, index: bytes, shnum: int, offset: int, length: int) -> bytes:
        parts = [(offset, length)]
        found = await self._disk.run(slots.read_slots, self._tree, index, {shnum}, parts)
        return found[shnum][0] if shnum in found else b""


def _slot_size(tree: ShareTree, storage_index: bytes, shnum: int) -> int | None:
    with tree.lock(storage_index):
        try:
            share = SlotFile.open(tree.bucket(storage_index) / str(shnum), tree.calls)
        except (OSError, BadShareError):
            return None
        size = share.slot.size
        share.close()
        return size
