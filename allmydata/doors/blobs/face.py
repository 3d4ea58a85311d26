"""One collection over HTTP: what the gateway and the hive have in common.

A request is whatever streams as the gateway's does: it is handed in, and so is its key.

    PUT      keep the body; with ``If-None-Match: *`` only where the key is not there (412)
    GET      the content; ``Range``, ``If-None-Match``
    HEAD     the same without it
    DELETE   take the key out

``ETag`` is the SHA-256 of the content.  A PUT may say who it is, by ``Idempotency-Key``:
one that comes again, since its answer was lost, is answered as it was the first time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from allmydata.doors.blobs.collection import Collection
from allmydata.doors.blobs.record import MAX_META_SIZE, Blob
from allmydata.errors import ConflictError, NotFoundError, UsageError
from allmydata.streams.target import Consumer

BYTES = "application/octet-stream"
JSON = "application/json; charset=utf-8"
_RANGE = re.compile(r"bytes=(\d{1,18})-(\d{0,18})|bytes=-(\d{1,18})", re.ASCII)
_PASSIVE = {"Accept-Ranges": "bytes", "Content-Security-Policy": "sandbox"}


@frozen
class Answer:
    """Status, headers and body.

    :param size: bytes that Content-Length says; None for those of *body*
    """

    status: int
    body: bytes = b""
    content_type: str = BYTES
    headers: Mapping[str, str | bytes] = field(factory=dict)
    size: int | None = None
    is_streamed: bool = False


def as_json(status: int, value: Any, headers: Mapping[str, str] | None = None) -> Answer:
    """Return *value* as JSON."""
    body = f"{json.dumps(value, indent=1)}\n".encode()
    return Answer(status, body, JSON, dict(headers or {}))


class TooLargeError(UsageError):
    """A content larger than its door takes."""


@frozen
class Face:
    """Answers for the keys of a collection.

    :param max_size: bytes of a content; None: any number
    """

    keys: Collection
    max_size: int | None = None

    async def put(self, request: Any, key: bytes) -> Answer:
        """Answer PUT; nothing may have been waited for before.

        :raises ConflictError: the key is there, and may not be replaced
        """
        size = request.body_size
        self._check_size(size or 0)
        intake = self.keys.receive(size)
        request.pour_into(intake)
        meta = (request.header("idempotency-key") or "").encode("latin-1")[:MAX_META_SIZE]
        is_new = (request.header("if-none-match") or "").strip() == "*"
        is_new = is_new or request.argument("replace") == "false"
        try:
            blob = await self.keys.put(key, intake, replace=not is_new, meta=meta)
        except ConflictError:
            before = await self.keys.find(key)
            if before is None or not meta or before.meta != meta:
                raise
            blob = before
        return Answer(201 if is_new else 204, headers={"ETag": _etag(blob)})

    async def get(self, request: Any, key: bytes) -> Answer | None:
        """Answer GET and HEAD.

        :raises NotFoundError: there is no such key
        """
        blob = await self.keys.find(key)
        if blob is None:
            raise NotFoundError("there is no such key")
        etag = _etag(blob)
        headers: dict[str, str | bytes] = {**_PASSIVE, "ETag": etag}
        if etag in (request.header("if-none-match") or ""):
            return Answer(304, headers=headers, size=blob.size)
        part = _part(request.header("range"), blob.size)
        if part == (0, 0) and blob.size:
            return Answer(416, headers={"Content-Range": f"bytes */{blob.size}"})
        offset, size = part or (0, blob.size)
        if part:
            headers["Content-Range"] = f"bytes {offset}-{offset + size - 1}/{blob.size}"
        head = Answer(206 if part else 200, b"", BYTES, headers, size)
        if request.method == b"HEAD":
            return head
        request.begin(head)
        await self.keys.read(blob, Consumer(request), offset, size)
        return None

    async def delete(self, request: Any, key: bytes) -> Answer:
        """Answer DELETE.

        :raises NotFoundError: there is no such key
        """
        if await self.keys.delete(key) is None:
            raise NotFoundError("there is no such key")
        return Answer(204)

    async def list(self, after: bytes, limit: int = 1000) -> dict[str, Any]:
        """Return a page of keys, for JSON; bytes that are no UTF-8 are escaped."""
        page = await self.keys.page(after, limit)
        last = _text(page[-1].key) if len(page) == limit else None
        return {"blobs": [_told(one) for one in page], "next": last}

    def _check_size(self, size: int) -> None:
        if self.max_size is not None and size > self.max_size:
            raise TooLargeError(f"{size} bytes are more than are taken: {self.max_size}")


def _etag(blob: Blob) -> str:
    return f'"{blob.digest.hex()}"'


def _part(header: str | None, total: int) -> tuple[int, int] | None:
    """Return offset and size of the part asked for; None: the whole; (0, 0): nothing."""
    found = _RANGE.fullmatch((header or "").strip())
    if not found:
        return None
    if found[3]:
        size = min(int(found[3]), total)
        return (total - size, size) if size else (0, 0)
    first, last = int(found[1]), int(found[2]) if found[2] else total - 1
    if found[2] and last < first:
        return None
    if first >= total:
        return 0, 0
    return first, min(last, total - 1) - first + 1


def _told(blob: Blob) -> dict[str, Any]:
    return {
        "key": _text(blob.key),
        "digest": blob.digest.hex(),
        "size": blob.size,
        "version": blob.version,
        "time": blob.time,
    }


def _text(key: bytes) -> str:
    return key.decode("utf-8", "surrogateescape")
