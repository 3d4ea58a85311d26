"""The gateway's port: a crowd that comes at once finds room to wait in."""

import socket
from urllib.parse import urlsplit

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol

from allmydata.node.client import BACKLOG, open_web

CROWD = 200


@pytest.mark.parametrize(
    ("more", "num"), [("", CROWD), (":backlog=10", 11), (f":backlog={BACKLOG}", CROWD)]
)
@ensureDeferred
async def test_a_crowd_may_wait(more, num):
    """Nobody is let in here, for the reactor stands still."""
    endpoint = f"tcp:0:interface=127.0.0.1{more}"
    port = await open_web(endpoint, Factory.forProtocol(Protocol), reactor)
    place = ("127.0.0.1", urlsplit(port.url).port)
    waiting = []
    try:
        for _ in range(CROWD):
            waiting.append(socket.create_connection(place, timeout=0.5))
    except TimeoutError:
        pass
    finally:
        for one in waiting:
            one.close()
        await port.stopService()
    assert len(waiting) == num
