"""One share on a server, over HTTPS, in the place of a bucket's RemoteReference."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, ClassVar, Protocol

from attrs import define, field, frozen

from allmydata.errors import ServerRefusedError
from allmydata.formats.gbs import UPLOAD, pack_content_range, pack_range
from allmydata.formats.gbs_messages import pack_reason
from allmydata.grid.http.answer import Response
from allmydata.util.deferreds import Gate, as_deferred

Call = Coroutine[Any, Any, Any]


class Ask(Protocol):
    """Sends one request."""

    async def __call__(
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
        """Return the answer, whose status is one of *statuses*.

        :param body: bytes-like, or a list of such parts, which is emptied
        """


@frozen
class Reader:
    """A share to be read."""

    _ask: Ask
    _path: bytes

    @as_deferred
    async def callRemote(self, name: str, *args: Any) -> Any:  # noqa: N802
        """Do what an RIBucketReader does."""
        calls: dict[str, Callable[..., Call]] = {
            "read": self._read,
            "advise_corrupt_share": self._advise,
        }
        return await calls[name](*args)

    async def _read(self, offset: int, length: int) -> bytes:
        return await read_range(self._ask, self._path, offset, length)

    async def _advise(self, reason: bytes) -> None:
        await advise(self._ask, self._path, reason)


async def read_range(ask: Ask, path: bytes, offset: int, length: int) -> bytes:
    """Return at most *length* bytes of a share; fewer where it ends.

    :raises ServerLostError, ServerRefusedError: they don't come
    """
    if not length:
        return b""
    headers = [(b"Range", pack_range(offset, length))]
    answer = await ask(b"GET", path, 206, 204, headers=headers, most=length)
    return answer.body


async def advise(ask: Ask, path: bytes, reason: bytes) -> None:
    """Tell that a share is damaged; a server that does not have it need not know."""
    body = pack_reason(reason.decode("utf-8", "replace"))
    await ask(b"POST", path + b"/corrupt", 200, 404, body=body, is_cbor=True)


@define(eq=False)
class Writer:
    """A share to be written; it is kept when its last byte has come.

    A write may be a list of parts, one behind the other; it is empty once they are sent.
    """

    takes_parts: ClassVar[bool] = True

    _ask: Ask
    _path: bytes
    _secret: bytes = field(repr=False)
    _is_whole: bool = field(default=False, init=False)
    _num_writes: int = field(default=0, init=False)  # under way
    _quiet: Gate = field(factory=Gate, init=False)

    @as_deferred
    async def callRemote(self, name: str, *args: Any) -> Any:  # noqa: N802
        """Do what an RIBucketWriter does."""
        calls: dict[str, Callable[..., Call]] = {
            "write": self._write,
            "close": self._close,
            "abort": self._abort,
        }
        return await calls[name](*args)

    async def _write(self, offset: int, data: bytes | list[Any]) -> None:
        self._num_writes += 1
        self._quiet.shut()
        size = sum(map(len, data)) if isinstance(data, list) else len(data)
        headers = [(b"Content-Range", pack_content_range(offset, size))]
        secrets = {UPLOAD: self._secret}
        try:
            answer = await self._ask(
                b"PATCH",
                self._path,
                200,
                201,
                headers=headers,
                secrets=secrets,
                body=data,
                most=2**20,
            )
            self._is_whole = self._is_whole or answer.status == 201
        finally:
            self._num_writes -= 1
            if not self._num_writes:
                self._quiet.open()

    async def _close(self) -> None:
        if self._num_writes:
            await self._quiet.wait()
        if not self._is_whole:
            raise ServerRefusedError(
                "a server does not keep a share", why="it says that bytes of it are missing"
            )

    async def _abort(self) -> None:
        secrets = {UPLOAD: self._secret}
        path = self._path + b"/abort"
        await self._ask(b"PUT", path, 200, 404, 405, secrets=secrets)
