"""The HTTPS storage protocol in a node: what it offers, and how it finds others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from twisted.logger import Logger

from allmydata.formats.nurl import Nurl, nurls_of, swissnum_of
from allmydata.grid.http.link import Events, HttpsLink, pool_opener
from allmydata.grid.http.tls import Identity
from allmydata.node.tub import NodeTub

if TYPE_CHECKING:  # a client keeps nothing, and loads no storage: 2 MB
    from allmydata.storage.server import StorageServer

log = Logger()


def offer_storage(tub: NodeTub, storage: StorageServer, furl: str, clock: Any) -> list[str]:
    """Let clients reach *storage* over HTTPS on the Tub's own ports; return its NURLs.

    :param furl: where it is over foolscap
    """
    from allmydata.storage.http.site import Site
    from allmydata.storage.http.tls import ServerTLS

    tls = ServerTLS(tub.certificate)
    tub.https = tls.wrap(Site(storage, swissnum_of(furl), clock))
    return [nurl.text for nurl in nurls_of(furl, tls.spki_hash)]


class HttpsConnector:
    """Begins connections to servers that announce NURLs.

    :param own: this node's own Tub id: it needs no network to reach itself
    """

    def __init__(self, tub: NodeTub, own: bytes, clock: Any) -> None:
        self._identity = Identity(tub.certificate)
        self._own = own
        self._clock = clock

    def connect(
        self, tubid: bytes, nurls: Sequence[str], events: Events
    ) -> HttpsLink | None:
        """Look for the server of a Tub id at its NURLs; None if none of them is of use."""
        usable = [one for one in map(_parse, nurls) if one and not one.is_tor]
        if tubid == self._own or not usable:
            return None
        opener = pool_opener(self._identity, tubid, self._clock)
        return HttpsLink(usable, opener, events, self._clock)


def _parse(text: str) -> Nurl | None:
    try:
        return Nurl.parse(text)
    except ValueError as e:
        log.info("an address is passed over: {why}", why=str(e))
        return None
