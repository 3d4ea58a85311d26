"""What is done with files is made when it is first asked for."""

import subprocess
import sys

import pytest
from pytest_twisted import ensureDeferred

from allmydata.grid.startup import TO_WRITE_S
from allmydata.node.files import NAMES

ALONE = {
    "node": {"tub.port": "disabled", "tub.location": "disabled"},
    "storage": {"enabled": "false"},
}

RUN = """
import sys
from allmydata.cli.main import main
code = main(["run", sys.argv[1]])
print(*sys.modules, file=sys.stderr)
"""

UNUSED = {  # by a node that nobody has asked for anything
    "click",
    "http.server",
    "jinja2",
    "psutil",
    "rich",
    "yaml",
    "zfec",
    "twisted.web.server",
    "twisted.spread.pb",
    "allmydata.webapi",
    "allmydata.cli.commands",
    "allmydata.doors.blobs.service",
    "allmydata.immutable.check",
    "allmydata.immutable.download",
    "allmydata.immutable.repair",
    "allmydata.immutable.upload",
    "allmydata.mutable.service",
    "allmydata.vdrive.drive",
}


def loaded_by_a_node(basedir):
    """The modules of a node that ran until its standard input ended: at once."""
    words = [sys.executable, "-c", RUN, str(basedir)]
    done = subprocess.run(
        words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.system
@pytest.mark.parametrize("web", ["", "tcp:0:interface=127.0.0.1"])
def test_an_idle_node_loads_nothing_it_may_never_need(nodes, web):
    node = {"web.port": web, "tub.location": "tcp:127.0.0.1:1"}
    basedir = nodes.directory("s", node=node, storage={"enabled": "true"})
    (basedir / "tahoe-client.tac").write_text("")
    loaded = loaded_by_a_node(basedir)
    assert "allmydata.storage.server" in loaded
    assert ("allmydata.web.site" in loaded) == bool(web)
    assert loaded & UNUSED == set()


@pytest.mark.system
def test_a_node_that_keeps_nothing_loads_no_storage(nodes):
    basedir = nodes.directory("c", **ALONE)
    (basedir / "tahoe-client.tac").write_text("")
    loaded = loaded_by_a_node(basedir)
    assert "allmydata.grid.broker" in loaded
    assert not [name for name in loaded if name.startswith("allmydata.storage.")]


@ensureDeferred
async def test_all_of_them_are_there_and_run_when_one_is_asked_for(nodes):
    node = await nodes.start("client", "c", **ALONE)
    files = node.getServiceNamed("files")
    assert list(files) == []
    begun = node.clock.seconds()
    uploader = node.getService("uploader")
    assert uploader.start_up.until <= begun + TO_WRITE_S, "it counts from the node's start"
    assert node.getService("uploader") is uploader
    assert {part.name for part in files} == NAMES
    assert all(part.running for part in files)
    assert all(node.getService(name).name == name for name in NAMES)


@ensureDeferred
async def test_what_stands_for_one_makes_it_when_it_is_used(nodes):
    node = await nodes.start("client", "c", **ALONE)
    files = node.getServiceNamed("files")
    checker = files.later("checker")
    assert list(files) == []
    assert checker.check.__self__ is node.getService("checker")


def test_a_node_that_has_not_started_has_none(nodes):
    node = nodes.make("client", "c", **ALONE)
    with pytest.raises(KeyError):
        node.getService("uploader")
