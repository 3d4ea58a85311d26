"""What directories work with, whatever kind they are of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import field, frozen

from allmydata.grid.vdrive import VdriveServers
from allmydata.vdrive.children import NodeOf
from allmydata.vdrive.dir2writer import Rewrites


@frozen(eq=False)
class Means:
    """What one client has for all its directories.

    :param servers: vdrive servers, where our own kind of directory lies
    :param uploader: an IUploader
    :param downloader: an IDownloader
    :param node_of: makes a node of a capability, and of the one that only reads
    :param random: returns that many bytes nobody can foresee
    :param mutables: makes and finds mutable files; None where there are none
    :param now: tells the time, in seconds since the epoch
    :ivar rewrites: changes of directories in files, on their way
    """

    servers: VdriveServers
    uploader: Any
    downloader: Any
    node_of: NodeOf
    random: Callable[[int], bytes]
    mutables: Any
    now: Callable[[], float]
    rewrites: Rewrites = field(factory=Rewrites, init=False)
