"""Contents by digest: stored once, however many keys have them.

    up to 1,024 bytes   in the record of each key, and so in its row
    up to 64 KiB        a file; those that come at once share one, a pack
    more                a file

A content is held while a key has it or somebody is just putting it, and let go of when
neither is so.  Its shares stay until their leases end.  Docs: docs/doors/blobs.md.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any

from attrs import field, frozen
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from allmydata.doors.blobs.intake import Intake
from allmydata.doors.blobs.locks import Locks
from allmydata.doors.blobs.pack import lay_out, make_pack
from allmydata.doors.blobs.record import TINY
from allmydata.doors.blobs.rows import Rows
from allmydata.doors.blobs.store import Store
from allmydata.errors import GridError
from allmydata.util.deferreds import log_failure, start

log = Logger()

PACK = "pack-"  # a row's name begins so, and ends with the SHA-256 of the pack
PACK_SIZE = 2**20  # bytes of the contents of one, about
AT_ONCE = 2  # packs on their way


@frozen(eq=False)
class _Waiting:
    digest: bytes
    data: bytes = field(repr=False)
    done: Deferred[None]


class Contents:
    """What is held.

    :param uploader: an IUploader
    :param rows: finds what writes the directory of contents, and makes it the first time
    """

    def __init__(
        self, store: Store, uploader: Any, rows: Callable[[], Awaitable[Rows]]
    ) -> None:
        self._store = store
        self._uploader = uploader
        self._rows = rows
        self._locks = Locks()
        self._pins: Counter[bytes] = Counter()
        self._waiting: deque[_Waiting] = deque()
        self._num_packers = 0

    @asynccontextmanager
    async def held(self, digest: bytes, intake: Intake | None) -> AsyncIterator[bool]:
        """Hold a content while a key is given to it.

        :param intake: of which all has come; None: the content may only be there already
        :return: whether it is there
        """
        self._pins[digest] += 1
        try:
            async with self._locks.holding(digest):
                if self._store.place_of(digest) is None and intake is not None:
                    await self._add(digest, intake)
            yield self._store.place_of(digest) is not None
        finally:
            self._unpin(digest)

    def keep(self, digest: bytes) -> None:
        """Never let go of a content: it may be that a key on the grid has it."""
        self._pins[digest] += 1

    def let_go(self, digest: bytes) -> None:
        """Hear that a key has this content no more: it goes, if it was the last."""
        if not self._pins[digest] and not self._store.is_wanted(digest):
            log_failure(start(self._remove(digest)), log, "letting go of a content")

    async def tidy(self) -> None:
        """Let go of all that nobody wants."""
        for digest in self._store.unwanted(1000):
            self.let_go(digest)
        for name in self._store.empty_packs():
            await self._remove_pack(name)

    def _unpin(self, digest: bytes) -> None:
        self._pins[digest] -= 1
        if not self._pins[digest]:
            del self._pins[digest]
            self.let_go(digest)

    async def _remove(self, digest: bytes) -> None:
        async with self._locks.holding(digest):
            if self._pins[digest] or self._store.is_wanted(digest):
                return
            if self._store.own_file(digest):
                rows = await self._rows()
                await rows.delete(digest.hex(), lambda store: store.remove_content(digest))
            else:
                self._store.remove_content(digest)
        for name in self._store.empty_packs():
            await self._remove_pack(name)

    async def _remove_pack(self, name: str) -> None:
        rows = await self._rows()
        await rows.delete(name, lambda store: store.remove_pack(name))

    # ---- into the grid -------------------------------------------------------------------

    async def _add(self, digest: bytes, intake: Intake) -> None:
        if intake.spool is not None:
            cap = await self._uploader.upload(intake.spool)
            await self._note(digest, intake.size, cap)
        elif intake.size <= TINY:  # it goes to the grid with its key
            self._store.add_tiny(digest, intake.data())
        else:
            await self._add_small(digest, intake.data())

    async def _note(self, digest: bytes, size: int, cap: str) -> None:
        rows = await self._rows()
        await rows.put(
            digest.hex(), cap, lambda store: store.add_content(digest, size, cap)
        )

    async def _add_small(self, digest: bytes, data: bytes) -> None:
        one = _Waiting(digest, data, Deferred())
        self._waiting.append(one)
        if self._num_packers < AT_ONCE:
            self._num_packers += 1
            log_failure(start(self._pack_all()), log, "storing small contents")
        await one.done

    async def _pack_all(self) -> None:
        try:
            while self._waiting:
                await self._pack_some(self._take())
        finally:
            self._num_packers -= 1

    def _take(self) -> list[_Waiting]:
        taken = [self._waiting.popleft()]
        size = len(taken[0].data)
        while self._waiting and size + len(self._waiting[0].data) <= PACK_SIZE:
            taken.append(self._waiting.popleft())
            size += len(taken[-1].data)
        return taken

    async def _pack_some(self, some: list[_Waiting]) -> None:
        try:
            if len(some) == 1:
                one = some[0]
                cap = await self._uploader.upload_data(one.data)
                await self._note(one.digest, len(one.data), cap)
            else:
                await self._pack([(one.digest, one.data) for one in some])
        except Exception:
            failure = Failure()
            for one in some:
                one.done.errback(_anew(failure))
        else:
            for one in some:
                one.done.callback(None)

    async def _pack(self, contents: list[tuple[bytes, bytes]]) -> None:
        pack = make_pack(contents)
        name = PACK + sha256(pack).hexdigest()
        cap = await self._uploader.upload_data(pack)
        places = lay_out([(digest, len(data)) for digest, data in contents])
        rows = await self._rows()
        await rows.put(name, cap, lambda store: store.add_pack(name, cap, places))


def _anew(failure: Failure) -> Failure:
    """Return a failure for one more to hear of: each may add to its error."""
    error = failure.value
    if isinstance(error, GridError):
        made = type(error).__new__(type(error))
        GridError.__init__(made, error.message, why=error.why, fix=error.fix)
        return Failure(made)
    return failure
