"""What each request to a storage server does.

Each is a coroutine that is given the request and what its path names, and returns the
answer.  What a server refuses for itself, such as for want of room, becomes a status in
:mod:`allmydata.storage.http.site`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from allmydata.errors import BadWriteEnablerError
from allmydata.formats import gbs_messages as messages
from allmydata.formats.gbs import (
    CANCEL,
    CBOR,
    ENABLER,
    RENEW,
    UPLOAD,
    HttpError,
    pack_content_range,
    parse_range,
)
from allmydata.formats.renewals import MOST_RENEWALS, Renewal, pack_renewals
from allmydata.storage.http.connection import Answer, Request
from allmydata.storage.http.uploads import Uploads, receive
from allmydata.storage.http.visitors import Visitor, Visitors
from allmydata.storage.reading import Readable
from allmydata.storage.server import GRID_V1, StorageServer

MAX_RENEWALS_BODY = MOST_RENEWALS * (16 + 32 + 32)

Secrets = Mapping[str, bytes]


@frozen
class Place:
    """What a path names."""

    storage_index: bytes = b""
    shnum: int = 0


@frozen
class Calls:
    """The storage server, as requests reach it."""

    _server: StorageServer
    _visitors: Visitors
    _uploads: Uploads = field(factory=Uploads, init=False)

    def _canary(self, request: Request) -> Visitor:
        return Visitor(self._visitors, request.tubid)

    # ---- what it is

    async def version(self, request: Request, place: Place, secrets: Secrets) -> Answer:
        """Tell what the server takes, in the words that every client knows."""
        return _cbor(messages.pack_version(await self._server.remote_get_version()))

    async def about(self, request: Request, place: Place, secrets: Secrets) -> Answer:
        """Tell what only servers of this make do."""
        version = await self._server.remote_get_version()
        return _cbor(messages.pack_about(version[GRID_V1]))

    # ---- shares that are written once

    async def allocate(self, request: Request, place: Place, secrets: Secrets) -> Answer:
        """Make room for shares."""
        shnums, size = messages.parse_allocation(await _whole(request))
        held, writers = await self._server.remote_allocate_buckets(
            place.storage_index,
            secrets[RENEW],
            secrets[CANCEL],
            set(shnums),
            size,
            self._canary(request),
        )
        self._uploads.begin(place.storage_index, secrets[UPLOAD], writers)
        return _cbor(messages.pack_allocated(held, writers.keys()))

    async def put_shares(self, request: Request, place: Place, secrets: Secrets) -> Answer:
        """Store whole shares."""
        held, kept = await self._server.put_shares(
            place.storage_index,
            secrets[RENEW],
            secrets[CANCEL],
            messages.parse_shares(await _whole(request)),
            self._canary(request),
        )
        return _cbor(messages.pack_allocated(held, kept))

    async def write(self, request: Request, place: Place, secrets: Secrets) -> Answer:
        """Take some bytes of a share."""
        writer = self._uploads.find((place.storage_index, place.shnum), secrets[UPLOAD])
        if writer is None:
            raise HttpError(404, "no such share is being written")
        return await receive(writer, request)

    async def abort(self, request: Request, place: Place, secrets: Secrets) -> Answer:
        """Throw away what there is of a share."""
        index, shnum = place.storage_index, place.shnum
        writer = self._uploads.find((index, shnum), secrets[UPLOAD])
        if writer is not None:
            await writer.remote_abort()
            return Answer(200)
        held = await self._server.reading.numbers(index, is_mutable=False)
        raise HttpError(405 if shnum in held else 404, "no such share is being written")

    async def list_immutable(
        self, request: Request, place: Place, secrets: Secrets
    ) -> Answer:
        """Tell which shares are here."""
        return await self._list(place, is_mutable=False)

    async def read_immutable(
        self, request: Request, place: Place, secrets: Secrets
    ) -> Answer:
        """Give bytes of a share."""
        asked = parse_range(request.head.only(b"range"))
        share = await self._server.reading.immutable(place.storage_index, place.shnum)
        return _part(share, asked)

    async def advise_immutable(
        self, request: Request, place: Place, secrets: Secrets
    ) -> Answer:
        """Hear that a share is damaged."""
        return await self._advise(request, place, b"immutable")

    # ---- shares that change

    async def test_and_write(
        self, request: Request, place: Place, secrets: Secrets
    ) -> Answer:
        """Write shares that are as the client believes them to be."""
        wish = messages.parse_slot_request(await _whole(request))
        try:
            done, data = await self._server.remote_slot_testv_and_readv_and_writev(
                place.storage_index,
                (secrets[ENABLER], secrets[RENEW], secrets[CANCEL]),
                wish.writes,
                wish.reads,
            )
        except BadWriteEnablerError as e:
            raise HttpError(401, "the write enabler is another") from e
        return _cbor(messages.pack_slot_answer(done, data))

    async def list_mutable(
        self, request: Request, place: Place, secrets: Secrets
    ) -> Answer:
        """Tell which shares are here."""
        return await self._list(place, is_mutable=True)

    async def read_mutable(
        self, request: Request, place: Place, secrets: Secrets
    ) -> Answer:
        """Give bytes of a share."""
        asked = parse_range(request.head.only(b"range"))
        share = await self._server.reading.mutable(place.storage_index, place.shnum)
        return _part(share, asked)

    async def advise_mutable(
        self, request: Request, place: Place, secrets: Secrets
    ) -> Answer:
        """Hear that a share is damaged."""
        return await self._advise(request, place, b"mutable")

    # ---- both

    async def lease(self, request: Request, place: Place, secrets: Secrets) -> Answer:
        """Keep the shares of a file for another month."""
        asked = pack_renewals([(place.storage_index, secrets[RENEW], secrets[CANCEL])])
        [told] = await self._server.remote_renew_leases(asked, self._canary(request))
        if told in (Renewal.NO_SHARE, Renewal.NO_SPACE):
            status = 404 if told == Renewal.NO_SHARE else 507
            raise HttpError(status, "nothing is kept for longer")
        return Answer(204)

    async def leases(self, request: Request, place: Place, secrets: Secrets) -> Answer:
        """Keep the shares of many files for another month; tell what became of each."""
        asked = await _whole(request)
        return Answer(
            200, await self._server.remote_renew_leases(asked, self._canary(request))
        )

    async def _list(self, place: Place, *, is_mutable: bool) -> Answer:
        reading = self._server.reading
        found = await reading.numbers(place.storage_index, is_mutable=is_mutable)
        return _cbor(messages.pack_numbers(found))

    async def _advise(self, request: Request, place: Place, kind: bytes) -> Answer:
        reason = messages.parse_reason(await _whole(request))
        index, reading = place.storage_index, self._server.reading
        if place.shnum not in await reading.numbers(index, is_mutable=kind == b"mutable"):
            raise HttpError(404, "there is no such share")
        await self._server.remote_advise_corrupt_share(
            kind, index, place.shnum, reason.encode("utf-8")
        )
        return Answer(200)


def _part(share: Readable, asked: tuple[int, int] | None) -> Answer:
    if asked is None:
        return Answer(200, read=share.read, span=(0, share.size))
    first, end = asked[0], min(asked[1], share.size)
    if first >= end:
        return Answer(204)
    told = ((b"Content-Range", pack_content_range(first, end - first)),)
    return Answer(206, headers=told, read=share.read, span=(first, end))


async def _whole(request: Request) -> bytes:
    return await request.body.take(request.body.size)


def _cbor(body: bytes) -> Answer:
    return Answer(200, body, content_type=CBOR)


async def nothing(request: Request, place: Place, secrets: Secrets) -> Any:
    """Stand for a path that there is not."""
    raise HttpError(404, "there is nothing of that name")
