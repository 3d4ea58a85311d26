"""One mapping of keys to contents: first the content is on the grid, then the key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from twisted.internet.defer import maybeDeferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from allmydata.doors.blobs.contents import Contents
from allmydata.doors.blobs.intake import Intake, MakeSpool
from allmydata.doors.blobs.locks import Locks
from allmydata.doors.blobs.record import Blob, Caps, caps_of, check_key
from allmydata.doors.blobs.rows import Rows
from allmydata.doors.blobs.store import Store
from allmydata.errors import ConflictError, NotFoundError
from allmydata.interfaces import IBlobCollection
from allmydata.streams.target import Data
from allmydata.util.deferreds import Shared, as_deferred


@implementer(IBlobCollection)
class Collection:
    """The collection *name*.

    :param ready: waits until the index is known to be right
    :param rows: finds what writes the directory of keys, and makes it the first time
    """

    def __init__(
        self,
        name: str,
        store: Store,
        contents: Contents,
        uploader: Any,
        downloader: Any,
        clock: IReactorTime,
        make_spool: MakeSpool,
        ready: Callable[[], Awaitable[None]],
        rows: Callable[[str], Awaitable[Rows]],
    ) -> None:
        self.name = name
        self._store = store
        self._contents = contents
        self._uploader = uploader
        self._downloader = downloader
        self._clock = clock
        self._make_spool = make_spool
        self._ready = ready
        self._find_rows = rows
        self._locks = Locks()

    # ---- putting -------------------------------------------------------------------------

    def receive(self, size: int | None = None) -> Intake:
        """Return a place for a content to come to.

        :param size: bytes that will come, if that is known
        """
        return Intake(self._make_spool, size)

    @as_deferred
    async def put(
        self, key: bytes, content: Any, *, replace: bool = True, meta: bytes = b""
    ) -> Blob:
        """Keep *content*, bytes or an intake, under *key*.

        :raises ConflictError: the key is there, and *replace* is False
        """
        intake = content if isinstance(content, Intake) else self._intake_of(content)
        try:
            check_key(key, meta)
            await self._ready()
            self._check_free(key, replace)
            await intake.fill()
        except BaseException:
            intake.close()
            raise
        # whoever waits for it may go away: it is done whole, or not at all
        work = self._put_whole(key, intake, replace, meta)
        return await Shared(work).get()

    @as_deferred
    async def link(
        self, key: bytes, digest: bytes, *, replace: bool = True, meta: bytes = b""
    ) -> Blob | None:
        """Keep under *key* a content that is held already; None: it is not."""
        check_key(key, meta)
        await self._ready()
        return await Shared(self._link(key, digest, replace, meta)).get()

    def _intake_of(self, content: bytes) -> Intake:
        return Intake.of(content, self._make_spool)

    def _check_free(self, key: bytes, replace: bool) -> None:
        if not replace and self._store.find(self.name, key) is not None:
            raise ConflictError("this key is there already")

    async def _put_whole(
        self, key: bytes, intake: Intake, replace: bool, meta: bytes
    ) -> Blob:
        digest, size = intake.digest, intake.size
        try:
            async with self._contents.held(digest, intake):
                return await self._name(key, digest, size, replace, meta)
        finally:
            intake.close()

    async def _link(
        self, key: bytes, digest: bytes, replace: bool, meta: bytes
    ) -> Blob | None:
        async with self._contents.held(digest, None) as is_there:
            place = self._store.place_of(digest)
            if not is_there or place is None:
                return None
            return await self._name(key, digest, place.size, replace, meta)

    async def _name(
        self, key: bytes, digest: bytes, size: int, replace: bool, meta: bytes
    ) -> Blob:
        """Give *key* to a content that is held."""
        rows = await self._find_rows(self.name)
        async with self._locks.holding(key):
            self._check_free(key, replace)
            before = self._store.find(self.name, key)
            blob = self._new(key, digest, size, meta)
            caps = await self._caps_of(blob)
            try:
                await rows.put(blob.row, caps, lambda store: store.keep(self.name, [blob]))
            except BaseException:
                self._contents.keep(digest)
                raise
        if before is not None and before.digest != digest:
            self._contents.let_go(before.digest)
        return blob

    def _new(self, key: bytes, digest: bytes, size: int, meta: bytes) -> Blob:
        now = self._clock.seconds()
        version = self._store.next_version(self.name, int(now * 1_000_000))
        return Blob(bytes(key), digest, size, version, int(now * 1000), bytes(meta))

    async def _caps_of(self, blob: Blob) -> Caps:
        """Return what goes into the row: the record, or where it lies if it is long."""
        record = blob.to_bytes(self._store.tiny(blob.digest) if blob.is_tiny else b"")
        caps = caps_of(record)
        if caps is not None:
            return caps
        cap: str = await self._uploader.upload_data(record)
        return cap

    # ---- asking --------------------------------------------------------------------------

    @as_deferred
    async def find(self, key: bytes) -> Blob | None:
        """Return what is known of *key*, or None."""
        await self._ready()
        return self._store.find(self.name, key)

    @as_deferred
    async def find_many(self, keys: Sequence[bytes]) -> list[Blob | None]:
        """Return what is known of each of many keys."""
        await self._ready()
        return [self._store.find(self.name, key) for key in keys]

    @as_deferred
    async def page(self, after: bytes = b"", limit: int = 1000) -> list[Blob]:
        """Return blobs in the order of their keys, those past *after*."""
        await self._ready()
        return self._store.page(self.name, after, limit)

    @as_deferred
    async def changes(self, after: int = 0, limit: int = 1000) -> list[Blob]:
        """Return blobs in the order of their versions, those past *after*."""
        await self._ready()
        return self._store.changes(self.name, after, limit)

    @as_deferred
    async def totals(self) -> tuple[int, int]:
        """Return how many keys there are, and the bytes of their contents."""
        await self._ready()
        return self._store.totals(self.name)

    # ---- reading and deleting ------------------------------------------------------------

    @as_deferred
    async def read(
        self, blob: Any, target: Any, offset: int = 0, size: int | None = None
    ) -> Any:
        """Bring the content of *blob*, or a part of it, to *target*.

        :raises NotFoundError: it is gone
        """
        await self._ready()
        place = self._store.place_of(blob.digest)
        if place is None:
            raise NotFoundError("this content is not held any more")
        left = max(place.size - offset, 0)
        size = left if size is None else min(size, left)
        if place.data is not None:
            return await _give(place.data[offset:][:size], target)
        start = place.offset + min(offset, place.size)
        return await self._downloader.download(place.cap, target, offset=start, size=size)

    @as_deferred
    async def read_bytes(self, blob: Any) -> bytes:
        """Return the whole content of *blob*."""
        data: bytes = await self.read(blob, Data())
        return data

    @as_deferred
    async def delete(self, key: bytes) -> Blob | None:
        """Take *key* out; return what it had, or None."""
        await self._ready()
        return await Shared(self._delete(key)).get()

    async def _delete(self, key: bytes) -> Blob | None:
        async with self._locks.holding(key):
            blob = self._store.find(self.name, key)
            if blob is None:
                return None
            rows = await self._find_rows(self.name)
            await rows.delete(blob.row, lambda store: store.remove(self.name, key))
        self._contents.let_go(blob.digest)
        return blob


async def _give(data: bytes, target: Any) -> Any:
    """Do with *target* what a download does."""
    target.register_canceller(lambda: None)
    target.open(len(data))
    if data:
        await maybeDeferred(target.write, data)
    target.close()
    return await maybeDeferred(target.finish)
