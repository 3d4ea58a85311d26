"""What the parts of a running node may ask of each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from twisted.internet.defer import Deferred


class ITransfer(Interface):
    """One upload or download, running or ended."""

    number: int = Attribute("Its place in the order in which they began.")
    ended: float | None = Attribute("When, in seconds since the epoch; None: it runs.")

    def as_json() -> dict[str, Any]:
        """Return what is known of it; no capability, key or whole storage index.

        =================  ============================================================
        ``id``             its number
        ``kind``           ``upload`` or ``download``
        ``storage_index``  the first letters of the file's
        ``size, done``     bytes of the file that are to move, and that have
        ``segments``       how many they lie in; 0: not known yet
        ``began, ended``   seconds since the epoch; ended: None while it runs
        ``seconds``        how long it took, or has taken
        ``outcome``        ``running``, ``done``, or the code of an error
        ``servers``        of each its ``name``, ``nodeid``, ``state``, the numbers of
                           its ``shares``, ``segments`` and ``bytes`` it gave or took,
                           ``replaced_by`` (the share that was asked for instead, or
                           None) and ``why`` it failed
        =================  ============================================================

        A server's state is ``asked``, ``active``, ``silent``, ``replaced`` or ``failed``.
        """


class ITransfers(Interface):
    """What a node has up- and downloaded since it started, and is about to."""

    num_files: Mapping[str, int] = Attribute("Files that moved whole, by kind.")
    num_bytes: Mapping[str, int] = Attribute("Their bytes, by kind.")
    num_failures: Mapping[tuple[str, str], int] = Attribute(
        "Those that did not, by kind and the code of the error."
    )

    def active() -> list[ITransfer]:
        """Return those that run, the oldest first."""

    def recent() -> list[ITransfer]:
        """Return the last hundred that ended, the newest first."""

    def observe(observer: Callable[[ITransfer], None]) -> Callable[[], None]:
        """Call *observer* at each change from now on, very often.

        :return: a function that ends that
        """


class IClient(Interface):
    """A client node, as its gateway and its control port see it."""

    nickname: str = Attribute("What its owner calls it; may be empty.")
    nodeid: str = Attribute("Its Tub id: 32 characters of base 32.")
    transfers: ITransfers = Attribute("What it has moved, and moves now.")

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

    def storage_figures() -> Deferred[dict[str, int | None] | None]:
        """Return what this node keeps for others; None where it keeps nothing.

        ``shares`` and ``bytes`` held, None until they were counted once; ``available``
        bytes it would still take; ``uploads``, the shares being written now.
        """

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
