"""Bodies that are made while they are sent."""

from __future__ import annotations

from collections.abc import AsyncIterator

from allmydata.streams.target import Consumer
from allmydata.web.reply import Reply
from allmydata.web.request import Request


async def stream(request: Request, head: Reply, pieces: AsyncIterator[bytes]) -> None:
    """Send *pieces* as they come, no faster than the client takes them.

    An error before the first of them has a status of its own; one that comes later cuts
    the connection.
    """
    request.begin(head)
    target = Consumer(request)
    target.open(0)
    try:
        async for piece in pieces:
            waiting = target.write(piece)
            if waiting is not None:
                await waiting
    finally:
        if request.channel is not None:  # else the client left, and took the producer along
            target.close()
