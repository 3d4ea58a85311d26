"""The services by which a client looks after files, in a node that runs."""

import pytest
from pytest_twisted import ensureDeferred

from allmydata.errors import ConfigError
from allmydata.node.config import read
from allmydata.node.keeping import rules_of

QUIET = {"node": {"tub.port": "disabled", "tub.location": "disabled"}}
CLIENT = {**QUIET, "storage": {"enabled": "false"}}


@ensureDeferred
async def test_a_client_has_a_keeper_that_leaves_no_file_behind_until_it_keeps(nodes):
    node = await nodes.start("client", "c", **CLIENT)
    assert node.getService("keeper").counts.num_files == 0
    summary = await node.getService("health").summary()
    assert summary["files"]["kept"] == 0 and not summary["well"]
    assert summary["verdict"].startswith("Not ready: 0 of 7 storage servers")
    assert not (node.private / "keeper.sqlite").exists()
    await node.stopService()
    assert (node.private / "uptime.json").exists()


@ensureDeferred
async def test_without_a_keeper_there_is_still_health(nodes):
    node = await nodes.start("client", "c", **CLIENT, keeper={"enabled": "no"})
    with pytest.raises(KeyError):
        node.getService("keeper")
    assert (await node.getService("health").summary())["keeper"] is None


@ensureDeferred
async def test_servers_that_are_emptied_stay_so_over_restarts(nodes):
    node = await nodes.start("client", "c", **CLIENT)
    (node.private / "drained").write_text("a" * 32 + "\n")
    node = await nodes.again(node)
    assert node.broker.drained == {"a" * 32}


@ensureDeferred
async def test_how_long_a_server_was_up_is_told_of_it(nodes):
    node = await nodes.start("client", "c")
    await node.wait_for_servers(1)
    (status,) = node.server_statuses()
    assert status["drained"] is False
    assert status["uptime"] is None or 0 <= status["uptime"] <= 1


def test_the_rules_are_those_of_the_file(nodes):
    words = {
        "bandwidth": "2M",
        "check_every": "0 s",
        "verify_every": "30 d",
        "patience": "0 s",
    }
    basedir = nodes.directory("c", keeper=words)
    rules = rules_of(read(basedir, "client"))
    assert (rules.bandwidth, rules.check_every_s) == (2_000_000, 1)
    assert (rules.verify_every_s, rules.patience_s) == (30 * 86400, 0)


@pytest.mark.parametrize(
    ("name", "value"), [("patience", "soon"), ("bandwidth", "-1"), ("enabled", "maybe")]
)
def test_what_can_not_be_is_refused_with_its_line(nodes, name, value):
    basedir = nodes.directory("c", keeper={name: value})
    with pytest.raises(ConfigError, match=rf"tahoe.cfg:2: {name} in \[keeper\]"):
        read(basedir, "client")
