import os
import socket
import stat
from pathlib import Path

import pytest
from pytest_twisted import ensureDeferred

from allmydata.errors import ConfigError, ConflictError
from allmydata.node import pidfile
from allmydata.node.base import read_secret
from allmydata.util import base32


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


async def why_not(node):
    """Start *node*; return why it does not run."""
    node.startService()
    try:
        await node.when_running()
    except Exception as e:
        return e
    pytest.fail("the node runs")


@pytest.fixture
def loose_umask():
    old = os.umask(0)
    yield
    os.umask(old)


@ensureDeferred
async def test_identity_and_address_outlive_a_restart(nodes):
    first = await nodes.start("introducer", "a")
    nodeid, furl = first.nodeid, first.furl
    second = await nodes.again(first)
    assert (second.nodeid, second.furl) == (nodeid, furl)
    assert (second.basedir / "my_nodeid").read_text() == nodeid + "\n"
    assert furl.startswith(f"pb://{nodeid}@tcp:127.0.0.1:")


@ensureDeferred
async def test_the_port_is_chosen_once(nodes):
    node = await nodes.start("introducer", "a")
    text = (node.basedir / "introducer.port").read_text()
    assert text == f"tcp:{node.furl.split(',')[0].split('/')[2].rpartition(':')[2]}\n"
    again = await nodes.again(node)
    assert (again.basedir / "introducer.port").read_text() == text


@ensureDeferred
async def test_location_is_what_is_configured(nodes):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    where = {
        "tub.port": f"tcp:{port}:interface=127.0.0.1",
        "tub.location": "tcp:example.org:80,AUTO",
    }
    node = await nodes.start("introducer", "a", node=where)
    assert node.tub.location == ("tcp:example.org:80", f"tcp:127.0.0.1:{port}")
    assert not (node.basedir / "introducer.port").exists()


@ensureDeferred
async def test_what_is_private_is_private_whatever_the_umask(nodes, loose_umask):
    node = await nodes.start("client", "a")
    assert mode(node.private) == 0o700
    loose = [path.name for path in node.private.iterdir() if mode(path) & 0o077]
    assert loose == []
    names = {path.name for path in node.private.iterdir()}
    assert names >= {"node.pem", "secret", "convergence", "api_auth_token", "client.furl"}


@ensureDeferred
async def test_a_second_process_on_a_directory_is_refused(nodes):
    node = nodes.make("introducer", "a")
    created = pidfile.create_time(os.getppid())
    (node.basedir / "running.process").write_text(f"{os.getppid()} {created:.2f}\n")
    error = await why_not(node)
    assert isinstance(error, ConflictError) and str(os.getppid()) in error.message
    await node.stopService()
    assert (node.basedir / "running.process").exists()


@ensureDeferred
async def test_the_directory_is_claimed_while_the_node_runs(nodes):
    node = await nodes.start("introducer", "a")
    assert pidfile.running(node.basedir).pid == os.getpid()
    await node.stopService()
    assert not (node.basedir / "running.process").exists()


@ensureDeferred
async def test_a_port_in_use_is_one_clear_error_and_leaves_nothing(nodes):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        port = s.getsockname()[1]
        where = {
            "tub.port": f"tcp:{port}:interface=127.0.0.1",
            "tub.location": f"tcp:127.0.0.1:{port}",
        }
        node = nodes.make("introducer", "a", node=where)
        error = await why_not(node)
        assert isinstance(error, ConflictError)
        assert str(port) in error.message and "tahoe.cfg" in error.fix
        await node.stopService()
    assert not (node.basedir / "running.process").exists()


@ensureDeferred
async def test_a_damaged_certificate_is_one_clear_error(nodes):
    node = nodes.make("introducer", "a")
    (node.private / "node.pem").write_text("oops")
    error = await why_not(node)
    assert isinstance(error, ConfigError) and "node.pem" in error.message
    await node.stopService()


@ensureDeferred
async def test_a_directory_that_can_not_be_written_is_one_clear_error(nodes):
    node = nodes.make("introducer", "a")
    (node.basedir / "my_nodeid").mkdir()
    error = await why_not(node)
    assert isinstance(error, ConfigError) and "my_nodeid" in error.message
    await node.stopService()


@ensureDeferred
async def test_stopping_right_after_starting_is_clean(nodes):
    node = nodes.make("introducer", "a")
    node.startService()
    await node.stopService()
    assert not (node.basedir / "running.process").exists()


# ---- secrets ---------------------------------------------------------------------------


def test_a_new_secret_is_32_bytes_in_base_32_and_kept(tmp_path):
    path = tmp_path / "secret"
    secret = read_secret(path)
    assert len(secret) == 32
    assert path.read_text() == base32.b2a(secret) + "\n"
    assert read_secret(path) == secret
    assert mode(path) == 0o600


def test_an_empty_secret_is_empty(tmp_path):
    path = tmp_path / "convergence"
    path.write_text("")
    assert read_secret(path) == b"" and path.read_text() == ""


def test_a_damaged_secret_is_an_error_that_does_not_quote_it(tmp_path):
    path: Path = tmp_path / "secret"
    path.write_text("0badsecret")
    with pytest.raises(ConfigError, match="is damaged") as caught:
        read_secret(path)
    assert "0badsecret" not in str(caught.value.as_json())
