"""A storage server over HTTPS, in the place of an RIStorageServer's RemoteReference.

The calls are those of foolscap, so that the rooms above need not know which it is; each is
a coroutine, which takes half the time of a Deferred.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from functools import lru_cache
from typing import Any

from attrs import define, field

from allmydata.errors import CorruptError, ServerRefusedError
from allmydata.formats import gbs_messages as messages
from allmydata.formats.gbs import (
    CANCEL,
    CBOR,
    ENABLER,
    OURS,
    RENEW,
    UPLOAD,
    V1,
    authorization,
    secret_headers,
)
from allmydata.formats.http1 import pack_head
from allmydata.formats.nurl import Nurl
from allmydata.grid.http.answer import Response
from allmydata.grid.http.pool import Pool
from allmydata.grid.http.shares import Reader, Writer, advise, read_range
from allmydata.util import base32
from allmydata.util.deferreds import gather

SECRET_SIZE = 32
MOST_SMALL = 2**20  # bytes of an answer that holds no shares
MOST_SLOT_ANSWER = 512 * 2**20
MAKER = b"allmydata/"  # servers whose version begins so do more
GRID_V1 = b"allmydata-grid-v1"
WHY = {
    400: "the request does not fit the protocol",
    401: "it wants other secrets",
    404: "it does not have that",
    409: "ConflictError",
    413: "it takes no request of that size",
    416: "it has no such bytes",
    503: "it has too much to do",
    507: "NoSpaceError",
}

Call = Coroutine[Any, Any, Any]
Slots = dict[int, list[bytes]]


@define(eq=False)
class HttpStorage:
    """One storage server."""

    nurl: Nurl
    pool: Pool
    _common: list[tuple[bytes, bytes]] = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._common = [
            (b"Host", self.nurl.where.encode("ascii")),
            (b"Authorization", authorization(self.nurl.swissnum)),
        ]

    async def callRemote(self, name: str, *args: Any) -> Any:  # noqa: N802
        """Do what an RIStorageServer does.

        :raises ServerLostError: the connection broke
        :raises ServerRefusedError: it won't
        """
        try:
            return await CALLS[name](self, *args)
        except CorruptError as e:
            why = f"its answer to {name} does not fit the protocol: {e.message}"
            raise ServerRefusedError("a server can't be understood", why=why) from e

    def getDataLastReceivedAt(self) -> float | None:  # noqa: N802
        """Return when something was heard of it, in seconds since the epoch."""
        return self.pool.heard_at

    # ---- the calls ---------------------------------------------------------------------

    async def _version(self) -> dict[bytes, Any]:
        answer = await self._ask(
            b"GET", V1 + b"/version", 200, most=MOST_SMALL, is_cbor=True
        )
        version = messages.parse_version(answer.body)
        application = version[messages.APPLICATION]
        if isinstance(application, bytes) and application.startswith(MAKER):
            path = OURS + b"/about"
            told = await self._ask(b"GET", path, 200, 404, most=MOST_SMALL, is_cbor=True)
            if told.status == 200:
                version[GRID_V1] = messages.parse_about(told.body)
        return version

    async def _allocate(
        self,
        index: bytes,
        renew: bytes,
        cancel: bytes,
        shnums: Collection[int],
        size: int,
        _: Any,
    ) -> tuple[set[int], dict[int, Writer]]:
        path, secret = _path(b"immutable", index), os.urandom(SECRET_SIZE)
        answer = await self._ask(
            b"POST",
            path,
            200,
            secrets={RENEW: renew, CANCEL: cancel, UPLOAD: secret},
            body=messages.pack_allocation(shnums, size),
            most=MOST_SMALL,
            is_cbor=True,
        )
        held, begun = messages.parse_allocated(answer.body)
        writers = {n: Writer(self._ask, _share(path, n), secret) for n in begun}
        return set(held), writers

    async def _put(
        self, index: bytes, renew: bytes, cancel: bytes, shares: Mapping[int, bytes], _: Any
    ) -> tuple[set[int], set[int]]:
        answer = await self._ask(
            b"POST",
            OURS + b"/immutable/" + _name(index),
            200,
            secrets={RENEW: renew, CANCEL: cancel},
            body=messages.pack_shares(shares),
            most=MOST_SMALL,
            is_cbor=True,
        )
        held, kept = messages.parse_allocated(answer.body)
        return set(held), set(kept)

    async def _buckets(self, index: bytes) -> dict[int, Reader]:
        path = _path(b"immutable", index)
        return {n: Reader(self._ask, _share(path, n)) for n in await self._numbers(path)}

    async def _numbers(self, path: bytes) -> frozenset[int]:
        answer = await self._ask(
            b"GET", path + b"/shares", 200, most=MOST_SMALL, is_cbor=True
        )
        return messages.parse_numbers(answer.body)

    async def _lease(self, index: bytes, renew: bytes, cancel: bytes) -> None:
        path, secrets = _path(b"lease", index), {RENEW: renew, CANCEL: cancel}
        await self._ask(b"PUT", path, 204, 404, secrets=secrets)

    async def _leases(self, packed: bytes, _: Any) -> bytes:
        answer = await self._ask(
            b"POST", OURS + b"/leases", 200, body=packed, most=MOST_SMALL
        )
        return answer.body

    async def _read_slots(
        self, index: bytes, shnums: Sequence[int], parts: Sequence[tuple[int, int]]
    ) -> Slots:
        path = _path(b"mutable", index)
        wanted = list(shnums) or sorted(await self._numbers(path))
        found = await gather([self._read_slot(_share(path, n), parts) for n in wanted])
        return {n: one for n, one in zip(wanted, found, strict=True) if one is not None}

    async def _read_slot(
        self, path: bytes, parts: Sequence[tuple[int, int]]
    ) -> list[bytes] | None:
        try:
            return await gather([read_range(self._ask, path, *part) for part in parts])
        except NotThereError:
            return None

    async def _write_slots(
        self,
        index: bytes,
        secrets: tuple[bytes, bytes, bytes],
        writes: Mapping[int, Any],
        parts: list[tuple[int, int]],
    ) -> tuple[bool, Slots]:
        answer = await self._ask(
            b"POST",
            _path(b"mutable", index) + b"/read-test-write",
            200,
            secrets=dict(zip((ENABLER, RENEW, CANCEL), secrets, strict=True)),
            body=messages.pack_slot_request(writes, parts),
            most=MOST_SLOT_ANSWER,
            is_cbor=True,
        )
        return messages.parse_slot_answer(answer.body)

    async def _advise(self, kind: bytes, index: bytes, shnum: int, reason: bytes) -> None:
        await advise(self._ask, _share(_path(kind, index), shnum), reason)

    # ---- one request -------------------------------------------------------------------

    async def _ask(
        self,
        method: bytes,
        path: bytes,
        *statuses: int,
        headers: list[tuple[bytes, bytes]] | None = None,
        secrets: dict[str, bytes] | None = None,
        body: Any = b"",
        most: int = 0,
        is_cbor: bool = False,
    ) -> Response:
        lines = [*self._common, *(headers or []), *secret_headers(secrets or {})]
        if is_cbor:
            lines.append((b"Accept", CBOR))
        parts = body if isinstance(body, list) else [body] if body else []
        if is_cbor and parts:
            lines.append((b"Content-Type", CBOR))
        if method != b"GET":
            lines.append((b"Content-Length", b"%d" % sum(map(len, parts))))
        head = pack_head(method + b" " + path + b" HTTP/1.1", lines)
        answer = await self.pool.ask(head, parts, max(most, MOST_SMALL))
        if answer.status not in statuses:
            raise _refusal(answer.status)
        if len(answer.body) > most and answer.status != 404:
            why = f"{len(answer.body)} bytes, at most {most} were asked for"
            raise ServerRefusedError("a server sends more than it was asked", why=why)
        return answer


CALLS: dict[str, Callable[..., Call]] = {
    "get_version": HttpStorage._version,
    "allocate_buckets": HttpStorage._allocate,
    "put_shares": HttpStorage._put,
    "get_buckets": HttpStorage._buckets,
    "add_lease": HttpStorage._lease,
    "renew_leases": HttpStorage._leases,
    "slot_readv": HttpStorage._read_slots,
    "slot_testv_and_readv_and_writev": HttpStorage._write_slots,
    "advise_corrupt_share": HttpStorage._advise,
}


class NotThereError(ServerRefusedError):
    """A server does not have what was asked for."""


def _refusal(status: int) -> ServerRefusedError:
    kind = NotThereError if status == 404 else ServerRefusedError
    why = WHY.get(status, f"HTTP status {status}")
    return kind("a server refused a request", why=why)


def _path(kind: bytes, index: bytes) -> bytes:
    return V1 + b"/" + kind + b"/" + _name(index)


@lru_cache(maxsize=64)  # each server of a file is asked for the same
def _name(index: bytes) -> bytes:
    return base32.b2a(index).encode("ascii")


def _share(path: bytes, shnum: int) -> bytes:
    return path + b"/%d" % shnum
