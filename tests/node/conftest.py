from configparser import ConfigParser

import pytest
import pytest_twisted
from foolscap.api import flushEventualQueue

from allmydata.node.client import Client
from allmydata.node.config import read
from allmydata.node.introducer import IntroducerNode
from allmydata.node.vdrive import VdriveNode

KINDS = {"client": Client, "introducer": IntroducerNode, "vdrive": VdriveNode}


class Nodes:
    """Makes node directories, and nodes in them; real Tubs on ports of their own."""

    def __init__(self, root):
        self.root = root
        self.made = []

    def directory(self, name, furl="", **sections):
        """Write a tahoe.cfg; sections as node={"nickname": "x"}."""
        basedir = self.root / name
        (basedir / "private").mkdir(parents=True, exist_ok=True)
        if furl:
            text = f"introducers:\n  default:\n    furl: {furl}\n"
            (basedir / "private" / "introducers.yaml").write_text(text)
        cfg = ConfigParser()
        cfg.read_dict(sections)
        with open(basedir / "tahoe.cfg", "w") as f:
            cfg.write(f)
        return basedir

    def make(self, kind, name, furl="", **sections):
        """Return a node that is not started."""
        basedir = self.directory(name, furl, **sections)
        node = KINDS[kind](read(basedir, kind))
        self.made.append(node)
        return node

    async def start(self, kind, name, furl="", **sections):
        """Return a node that runs."""
        node = self.make(kind, name, furl, **sections)
        node.startService()
        return await node.when_running()

    async def again(self, node):
        """Stop *node*; return a new one in its directory that runs."""
        await node.stopService()
        new = self.again_from(node.config.kind, node.basedir)
        new.startService()
        return await new.when_running()

    def again_from(self, kind, basedir):
        """Return a node in a directory that is there, not started."""
        node = KINDS[kind](read(basedir, kind))
        self.made.append(node)
        return node


@pytest.fixture
def nodes(tmp_path):
    nodes = Nodes(tmp_path)
    yield nodes
    for node in reversed(nodes.made):
        if node.running:
            pytest_twisted.blockon(node.stopService())
    pytest_twisted.blockon(flushEventualQueue())
