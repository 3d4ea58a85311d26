"""What the parts of a running node may ask of each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred


class IClient(Interface):
    """A client node, as its gateway and its control port see it."""

    nickname: str = Attribute("What its owner calls it; may be empty.")
    nodeid: str = Attribute("Its Tub id: 32 characters of base 32.")

    def getService(name: str) -> Any:
        """Return a part of the node by name.

        :param name: ``uploader`` for an :class:`~allmydata.interfaces.IUploader`,
            ``downloader`` for an :class:`~allmydata.interfaces.IDownloader`, ``vdrive``
            for an :class:`~allmydata.interfaces.IVirtualDrive`
        :raises KeyError: the node has no such part
        """

    def introducer_statuses() -> list[str]:
        """Return one line on each introducer configured.

        A line begins with ``Connected`` exactly when the introducer is connected, as in
        ``Connected to tcp:127.0.0.1:1234 via tcp``.
        """

    def server_statuses() -> list[dict[str, Any]]:
        """Return one entry for each storage server ever heard of, connected or not.

        =========================  ====================================================
        ``nodeid``                 text that tells servers apart
        ``connection_status``      a line that begins with ``Connected`` exactly then
        ``available_space``        bytes, by its last word; None where it never said
        ``nickname``               text, may be empty
        ``version``                text, or None
        ``last_received_data``     seconds since the epoch, or None
        ``shares_held``            how many shares it holds, or None where not known
        ``readonly``               True where it takes no new shares
        ``zone``                   where it stands, by its owner's word; may be empty
        =========================  ====================================================
        """

    def readiness() -> tuple[bool, str]:
        """Return whether an upload could be happy now, and one line on why not."""

    def encoding_parameters() -> tuple[int, int, int]:
        """Return the (k, happy, n) that new files get."""

    def wait_for_servers(num: int) -> Deferred[Any]:
        """Return a Deferred that fires once *num* storage servers are connected."""


class IDoor(Interface):
    """A way in for programs that speak a protocol of their own: a guest in the node.

    A door is a Twisted service, started and stopped with the node; it is handed what it may
    use when it is made, so there is nothing to ask of it but its name.
    """

    name: str = Attribute(
        "One word: its section in tahoe.cfg, and how pages and logs call it."
    )
