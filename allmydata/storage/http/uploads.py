"""Shares being written over HTTPS: who may, and their bytes as they come.

A share is whole when every byte was written; then it is kept at once.  There is no call
that closes it.
"""

from __future__ import annotations

from hmac import compare_digest

from attrs import define, field, frozen

from allmydata.errors import ConflictError, UsageError
from allmydata.formats import gbs_messages as messages
from allmydata.formats.gbs import CBOR, HttpError, parse_content_range
from allmydata.storage.buckets import BucketWriter
from allmydata.storage.http.connection import Answer, Request

PIECE = 2**21  # bytes of a body that go to the disk at a time

Key = tuple[bytes, int]  # storage index, share number


@frozen
class Upload:
    """One share, and the secret that was shown when room was made for it."""

    secret: bytes = field(repr=False)
    writer: BucketWriter


@define
class Uploads:
    """All of one server."""

    _known: dict[Key, Upload] = field(factory=dict, init=False)

    def begin(self, index: bytes, secret: bytes, writers: dict[int, BucketWriter]) -> None:
        """Remember shares that room was made for, and forget those that ended."""
        self._known = {key: one for key, one in self._known.items() if one.writer.is_open}
        for shnum, writer in writers.items():
            self._known[index, shnum] = Upload(secret, writer)

    def find(self, key: Key, secret: bytes) -> BucketWriter | None:
        """Return the writer of a share; None if there is none such.

        :raises HttpError: the secret is another
        """
        found = self._known.get(key)
        if found is None or not found.writer.is_open:
            self._known.pop(key, None)
            return None
        if not compare_digest(found.secret, secret):
            raise HttpError(401, "the upload secret is another")
        return found.writer


async def receive(writer: BucketWriter, request: Request) -> Answer:
    """Write the body of *request* into a share, as it comes.

    :raises HttpError: it does not fit
    """
    at, end = parse_content_range(request.head.only(b"content-range"))
    if request.body.size != end - at:
        raise HttpError(
            400, f"a body of {request.body.size} bytes, said to have {end - at}"
        )
    if end > writer.share.container.data_size:
        raise HttpError(416, "a range that ends behind the share")
    missing: list[tuple[int, int]] = []
    while at < end:
        parts = await request.body.take_parts(min(PIECE, end - at))
        missing = await _put(writer, at, parts)
        at += sum(map(len, parts))
    if missing:
        return Answer(200, messages.pack_missing(missing), content_type=CBOR)
    await _finish(writer)
    return Answer(201, messages.pack_missing([]), content_type=CBOR)


async def _put(writer: BucketWriter, at: int, parts: list[bytes]) -> list[tuple[int, int]]:
    try:
        return await writer.put(at, parts)
    except ConflictError as e:
        raise HttpError(409, e.message) from e
    except UsageError as e:
        raise _judge(writer, e) from e


async def _finish(writer: BucketWriter) -> None:
    try:
        await writer.remote_close()
    except UsageError as e:
        raise _judge(writer, e) from e


def _judge(writer: BucketWriter, e: UsageError) -> HttpError:
    if not writer.is_open:
        return HttpError(404, "this share is not being written any more")
    return HttpError(400, e.message)
