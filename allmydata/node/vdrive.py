"""The vdrive server as a part of a node, and the node that is nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.logger import Logger

import allmydata
from allmydata.node.base import Node
from allmydata.node.config import NodeConfig, read
from allmydata.storage.vdrive import VirtualDriveServer

log = Logger()

TABLES = "vdrive"  # the directory of the tables in a node's directory
FURL_FILE = "vdrive.furl"
ROOT_FILE = "vdrive-root"


class VdriveNode(Node):
    """A node that keeps directories and does nothing else."""

    def __init__(self, config: NodeConfig, *, clock: Any = None) -> None:
        super().__init__(config, clock=clock)
        self.furl = ""  # known once the node runs

    @classmethod
    def from_basedir(cls, basedir: str | Path) -> VdriveNode:
        """Return the node of a directory, not started.

        :raises ConfigError, NotFoundError: its tahoe.cfg does not allow that
        """
        return cls(read(Path(basedir), "vdrive"))

    async def start_parts(self) -> None:
        """Serve directories."""
        if self.config.web_port:
            log.warn("web.port is not used: a vdrive server has no pages")
        self.furl = serve_vdrive(self)


def serve_vdrive(node: Node) -> str:
    """Let *node*, which is starting, keep directories; return the FURL of that part."""
    furl_file = node.private / FURL_FILE
    root_file = node.private / ROOT_FILE
    server = VirtualDriveServer(
        node.basedir / TABLES,
        clock=node.clock,
        root_file=root_file if node.config.vdrive_public_root else None,
        furl_of=lambda: furl,
        version=allmydata.__version__,
    )
    node.add(server)
    furl = node.tub.serve(server, furl_file)
    return furl
