"""The doors of a client node: each is handed what it may use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from allmydata.doors.blobs.service import Blobs
from allmydata.doors.hive.service import Hive
from allmydata.node.config import NodeConfig
from allmydata.web.site import GatewaySite

HIVE = "hive"  # its collection, and its service


def make_hive_site(config: NodeConfig, blobs: Blobs, token: str | None) -> Any:
    """Return what listens on the hive's port.

    :param token: that clients must show; None: they need none
    """
    secret = None if token is None else token.encode()
    router: Any = Hive.over(blobs.collection(HIVE), secret, config.hive_max_size)
    site = GatewaySite(router)
    site.noisy = False
    return site


def hive_token_file(private: Path) -> Path:
    """Return where the token of the hive is kept."""
    return private / "hive_token"
