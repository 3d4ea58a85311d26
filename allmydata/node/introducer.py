"""The introducer node: an introducer behind a FURL that stays the same.

Unless told not to, it keeps the grid's directories too, and tells clients so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.logger import Logger

import allmydata
from allmydata.introducer.server import Introducer
from allmydata.node.base import Node
from allmydata.node.config import NodeConfig, read
from allmydata.node.parameters import DEFAULT_PARAMETERS, settle_parameters
from allmydata.node.vdrive import serve_vdrive

log = Logger()


class IntroducerNode(Node):
    """A node that tells the others of each other."""

    def __init__(self, config: NodeConfig, *, clock: Any = None) -> None:
        super().__init__(config, clock=clock)
        self.introducer = Introducer(advice(config), version=allmydata.__version__)
        self.furl = ""  # known once the node runs

    @classmethod
    def from_basedir(cls, basedir: str | Path) -> IntroducerNode:
        """Return the node of a directory, not started.

        :raises ConfigError, NotFoundError: its tahoe.cfg does not allow that
        """
        return cls(read(Path(basedir), "introducer"))

    async def start_parts(self) -> None:
        """Serve the introducer, and directories."""
        if self.config.web_port:
            log.warn("web.port is not used: an introducer has no pages")
        vdrive_furl = serve_vdrive(self) if self.config.vdrive_enabled else ""
        told = self.config.told_vdrive_furl or vdrive_furl
        self.introducer.vdrive_furl = told.encode("ascii")
        self.furl = self.tub.serve(self.introducer, self.private / "introducer.furl")


def advice(config: NodeConfig) -> tuple[int, int, int] | None:
    """Return the (k, happy, n) that tahoe.cfg recommends to clients, if it does."""
    own = (config.advice_needed, config.advice_happy, config.advice_total)
    return settle_parameters(own, DEFAULT_PARAMETERS) if any(own) else None
