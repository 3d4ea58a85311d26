"""What the parts of a running node may ask of each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from twisted.internet.defer import Deferred


class ITransfer(Interface):
    """One upload or download, running or ended."""

    number: int = Attribute("Its place in the order in which they began.")
    size: int = Attribute("Bytes of the file that are to move.")
    num_bytes: int = Attribute("Those of them that have.")
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
                           ``cells`` (a picture: 1 where it did; a letter stands for a
                           segment, and with more than 64 of them for several),
                           ``replaced_by`` (the share that was asked for instead, or
                           None) and ``why`` it failed
        =================  ============================================================

        A server's state is ``asked``, ``active``, ``silent``, ``replaced``, ``late`` (the
        upload goes on, and may end, without waiting for it) or ``failed``.
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


class IDemo(Interface):
    """A grid of which somebody may do with the servers what they like: ``tahoe demo``."""

    def status() -> Deferred[dict[str, Any]]:
        """Return how its servers are, as ``tahoe demo status --json`` tells."""

    def kill(numbers: Sequence[int]) -> Deferred[dict[str, Any]]:
        """Stop servers: their ports and connections are closed."""

    def revive(numbers: Sequence[int]) -> Deferred[dict[str, Any]]:
        """Start killed servers again, and let frozen ones go on."""

    def freeze(numbers: Sequence[int]) -> Deferred[dict[str, Any]]:
        """Let servers answer nothing more, with their connections open."""

    def corrupt(numbers: Sequence[int]) -> Deferred[dict[str, Any]]:
        """Flip bits in every share that servers hold."""

    def film_name() -> str:
        """Return the name that :meth:`put_film` gave in the private root; empty: none."""

    def put_film() -> Deferred[str]:
        """Upload a film, to be played while something happens; fires with its name."""


class IHealth(Interface):
    """What knows how safe the files of a client are: its service ``health``."""

    num_kept: int = Attribute("Files that are looked after; it knows of no others.")

    def verdict() -> tuple[bool, str]:
        """Return whether all is well, and one line on how safe the files are."""

    def facts() -> list[tuple[str, str]]:
        """Return more of what is known: what it is of, and words on it."""

    def files() -> dict[str, int]:
        """Return how many files are how, by state; ``kept`` in all, and their ``bytes``."""

    def numbers() -> dict[str, float]:
        """Return what /metrics tells, by name."""

    def summary() -> Deferred[dict[str, Any]]:
        """Return all of it, counted now: ``tahoe health --json``."""


class IClient(Interface):
    """A client node, as its gateway and its control port see it."""

    nickname: str = Attribute("What its owner calls it; may be empty.")
    nodeid: str = Attribute("Its Tub id: 32 characters of base 32.")
    transfers: ITransfers = Attribute("What it has moved, and moves now.")
    demo: Any = Attribute("The IDemo that it is the client of, or None.")

    def getService(name: str) -> Any:
        """Return a part of the node by name.

        :param name: ``uploader`` for an :class:`~allmydata.interfaces.IUploader`,
            ``downloader`` for an :class:`~allmydata.interfaces.IDownloader`, ``vdrive``
            for an :class:`~allmydata.interfaces.IVirtualDrive`, ``mutable`` for what makes
            and finds an :class:`~allmydata.interfaces.IMutableFileNode`, ``health`` for an
            :class:`IHealth`, ``blobs`` for an :class:`~allmydata.interfaces.IBlobs`
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
        ``advisories``             bad shares that this node got of it since it started
        ``drained``                True where this node empties it: it gets nothing new
        ``uptime``                 the part of the time that it was seen up, or None
        =========================  ====================================================
        """

    def readiness() -> tuple[bool, str]:
        """Return whether an upload could be happy now, and one line on why not."""

    def encoding_parameters() -> tuple[int, int, int]:
        """Return the (k, happy, n) that new files get."""

    def storage_figures() -> Deferred[dict[str, int | None] | None]:
        """Return what this node keeps for others; None where it keeps nothing.

        ``shares`` and ``bytes`` held, None until they were counted once; ``available``
        bytes it would still take; ``uploads``, the shares being written now.  Where the
        node deletes what nobody leases: ``expired`` shares that are still here, those of
        them that are ``doomed``, since their grace is over, and bytes ``reclaimed``.
        """

    def damage_reports() -> Deferred[list[dict[str, Any]]]:
        """Return what clients said of damaged shares that this node keeps, newest first.

        Of each ``when`` (seconds since the epoch), ``storage_index`` (its first letters),
        ``share`` (its number) and ``reason``.  A hundred of them at most.
        """

    def reactor_lag() -> tuple[float, float]:
        """Return how many seconds late the reactor was last, and at worst since asked."""

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
