r"""``GET /live``: transfers as they happen, as server-sent events.

    event: transfer LF data: {"id": 7, "kind": "upload", …} LF LF
    : nothing new LF LF

Every event says all there is to know of one transfer, so one that is missed does no harm.
A listener is told of a transfer ten times a second at most, and no faster than it reads;
what waits for it is a set of transfers, not a queue.  Format: docs/operations.md.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing

from attrs import define, field
from twisted.internet.defer import TimeoutError
from twisted.internet.interfaces import IReactorTime

from allmydata.interfaces import IClient
from allmydata.interfaces.node import ITransfer, ITransfers
from allmydata.streams.target import Consumer
from allmydata.util.deferreds import Gate, sleep, timeout
from allmydata.web.errors import HTTPError
from allmydata.web.reply import Reply, as_json
from allmydata.web.request import Request

MOST_LISTENERS = 50
EVERY_S = 0.1
SIGN_OF_LIFE_S = 15.0
NOTHING = b": nothing new\n\n"
HEAD = Reply(
    200,
    content_type="text/event-stream",
    headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    is_streamed=True,
)


class Live:
    """Answers those who want to see transfers happen."""

    def __init__(self, client: IClient, clock: IReactorTime) -> None:
        self._client = client
        self._clock = clock
        self.num_listeners = 0

    async def page(self, request: Request) -> Reply | None:
        """Answer ``GET /live``: ``t=events`` for what comes, ``t=json`` for what is.

        A browser that asks for neither is led to the page.

        :raises HTTPError: it is another, or fifty listen already
        """
        kind = request.argument("t")
        moves = self._client.transfers
        if kind == "json":
            lists = {"active": moves.active(), "recent": moves.recent()}
            told = {name: [one.as_json() for one in of] for name, of in lists.items()}
            return as_json(200, told)
        if not kind and "text/html" in (request.header("accept") or ""):
            return Reply(302, headers={"Location": "/_/live"})
        if kind != "events":
            raise HTTPError(400, "GET /live: t= is events or json")
        if request.method == b"HEAD":
            return HEAD
        await self._send_events(request, moves)
        return None

    async def _send_events(self, request: Request, moves: ITransfers) -> None:
        if self.num_listeners >= MOST_LISTENERS:
            words = f"{MOST_LISTENERS} clients listen already"
            raise HTTPError(503, words, {"Retry-After": "10"})
        self.num_listeners += 1
        try:
            async with aclosing(events(moves, self._clock)) as pieces:
                await _send(request, pieces)
        finally:
            self.num_listeners -= 1


async def _send(request: Request, pieces: AsyncGenerator[bytes, None]) -> None:
    """Send *pieces* as they come, until the client leaves."""
    request.begin(HEAD)
    target = Consumer(request)
    target.open(0)
    try:
        async for piece in pieces:
            waiting = target.write(piece)
            if waiting is not None:
                await waiting
    finally:
        if request.channel is not None:  # else the connection took the producer along
            target.close()


@define
class _News:
    """The transfers that changed since they were told of."""

    is_any: Gate = field(factory=Gate)
    _changed: dict[int, ITransfer] = field(factory=dict)

    def take(self, transfer: ITransfer) -> None:
        """Hear of a change: the hot path."""
        if transfer.number not in self._changed:
            self._changed[transfer.number] = transfer
            self.is_any.open()

    def give(self) -> list[ITransfer]:
        """Return those that changed, and forget them."""
        changed, self._changed = list(self._changed.values()), {}
        self.is_any.shut()
        return changed


async def events(moves: ITransfers, clock: IReactorTime) -> AsyncGenerator[bytes, None]:
    """Yield events: first all that run, then each that changes, until it is closed."""
    news = _News()
    for transfer in moves.active():
        news.take(transfer)
    forget = moves.observe(news.take)
    try:
        yield NOTHING  # the reply begins, even if nothing happens
        while True:
            try:
                await timeout(news.is_any.wait(), SIGN_OF_LIFE_S, clock)
            except TimeoutError:
                yield NOTHING
                continue
            for transfer in news.give():
                yield _event(transfer)
            await sleep(EVERY_S, clock)
    finally:
        forget()


def _event(transfer: ITransfer) -> bytes:
    return f"event: transfer\ndata: {json.dumps(transfer.as_json())}\n\n".encode()
