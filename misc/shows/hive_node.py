"""A client of the demo grid that serves the hive: made, started, restarted, stopped."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

BIN = Path(sys.executable).parent


class HiveNode:
    """One node directory; beside a demo, whose grid it uses."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @property
    def place(self) -> tuple[str, int]:
        """Host and port of the hive."""
        url = urlsplit((self.directory / "hive.url").read_text().strip())
        return url.hostname or "", url.port or 0

    def make(self, port: str, more: str = "") -> None:
        """Make the directory."""
        demo = Path(os.environ["TAHOE_NODE_DIRECTORY"])
        furl = re.search(r"pb://\S+", (demo / "private/introducers.yaml").read_text())
        web = "tcp:0:interface=127.0.0.1"
        assert furl is not None
        self.tahoe("create-client", "--introducer", furl[0].strip("'\""), "-p", web)
        with open(self.directory / "tahoe.cfg", "a") as config:
            config.write(f"\n[hive]\nenabled = true\nport = {port}\n{more}")

    def tahoe(self, *words: str) -> str:
        """Run the command for this node; return what it printed."""
        command = [str(BIN / "tahoe"), "-d", str(self.directory), *words]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"tahoe {words[0]}: {done.stderr}")
        return done.stdout


@contextmanager
def hive_node(
    place: Path, port: str = "tcp:0:interface=127.0.0.1", more: str = ""
) -> Iterator[HiveNode]:
    """Yield a node whose hive answers.

    :param place: where its directory is made
    """
    node = HiveNode(place / "hive-node")
    node.make(port, more)
    node.tahoe("start")
    try:
        yield node
    finally:
        node.tahoe("stop")
