"""An introducer that passes on whatever it is told to, signed or not: for refused.py.

    python misc/shows/false_introducer.py DIRECTORY

Prints its FURL as a line of JSON, then a line for each announcement that is published to
it, three texts.  Lines of that kind on its standard input go to all who have subscribed.
It ends with its input.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from foolscap.api import Referenceable
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.stdio import StandardIO
from twisted.protocols.basic import LineReceiver
from zope.interface import implementer

from allmydata.interfaces import RIIntroducer
from allmydata.introducer.server import PROTOCOL_V2
from allmydata.node.tub import NodeTub, load_certificate


@implementer(RIIntroducer)
class FalseIntroducer(Referenceable):
    """Believes everything."""

    def __init__(self) -> None:
        self.subscribers: list[Any] = []

    def remote_get_version(self) -> dict[bytes, Any]:
        """Return what it speaks."""
        return {PROTOCOL_V2: {}, b"application-version": b"false/1"}

    def remote_publish_v2(self, announcement: Any, canary: Any) -> None:
        """Tell its owner."""
        say([part.decode() for part in announcement])

    def remote_subscribe_v2(self, subscriber: Any, service: bytes, info: Any) -> None:
        """Remember who wants to hear."""
        self.subscribers.append(subscriber)
        say("subscribed")


class Orders(LineReceiver):
    """What its owner wants to be told."""

    delimiter = b"\n"
    MAX_LENGTH = 10**6

    def __init__(self, introducer: FalseIntroducer) -> None:
        self._introducer = introducer

    def lineReceived(self, line: bytes) -> None:  # noqa: N802
        """Tell one announcement to everybody."""
        told = tuple(part.encode() for part in json.loads(line))
        for one in self._introducer.subscribers:
            one.callRemote("announce_v2", {told}).addErrback(lambda _: None)

    def connectionLost(self, reason: Any = None) -> None:  # noqa: N802
        """End."""
        reactor.stop()


def say(what: Any) -> None:
    """Print a line."""
    print(json.dumps(what), flush=True)


async def run(place: Path) -> None:
    """Open a port, and say where."""
    tub, introducer = (
        NodeTub(load_certificate(place / "pem"), clock=reactor),
        FalseIntroducer(),
    )
    tub.startService()
    await tub.listen(["tcp:0:interface=127.0.0.1"], ["AUTO"])
    say(tub.serve(introducer, place / "furl"))
    StandardIO(Orders(introducer))


if __name__ == "__main__":
    reactor.callWhenRunning(lambda: Deferred.fromCoroutine(run(Path(sys.argv[1]))))
    reactor.run()
