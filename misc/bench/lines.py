"""Kept-alive HTTP connections in one thread, for many clients at once."""

from __future__ import annotations

import asyncio
import json
from typing import Any

PATIENCE_S = 120.0


class ReplyError(Exception):
    """What a user would see go wrong."""


class Line:
    """One client's connection to the gateway, made when it is first wanted."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
        """Return what is answered.

        :raises ReplyError: it was no success, or did not come whole and in time
        """
        try:
            status, data = await asyncio.wait_for(
                self._ask(method, path, body, headers), PATIENCE_S
            )
        except (OSError, EOFError, ValueError, TimeoutError) as e:
            self.close()
            raise ReplyError(f"{method}: {type(e).__name__} {e}") from e
        if status >= 300:
            raise ReplyError(f"{method}: {status} {data[:200]!r}")
        return data

    async def json(self, path: str) -> Any:
        """Return the JSON at *path*."""
        return json.loads(await self.ask("GET", path))

    def close(self) -> None:
        """Hang up."""
        if self._streams:
            self._streams[1].close()
            self._streams = None

    async def _ask(self, method: str, path: str, body: bytes, headers: dict) -> tuple:
        if self._streams is None:
            opened = asyncio.open_connection("127.0.0.1", self._port, limit=2**20)
            self._streams = await opened
        reader, writer = self._streams
        told = {"Host": f"127.0.0.1:{self._port}", "Content-Length": str(len(body))}
        head = "".join(f"{name}: {value}\r\n" for name, value in (told | headers).items())
        writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        await writer.drain()
        return await self._answer(reader)

    async def _answer(self, reader: asyncio.StreamReader) -> tuple[int, bytes]:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        fields = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        if fields.get("transfer-encoding") == "chunked":
            data = await _chunks(reader)
        else:
            data = await reader.readexactly(int(fields.get("content-length", "0")))
        if fields.get("connection", "").lower() == "close":
            self.close()
        return int(first.split()[1]), data


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    pieces = []
    while size := int(await reader.readuntil(b"\r\n"), 16):
        pieces.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readexactly(2)
    return b"".join(pieces)
