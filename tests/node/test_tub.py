import socket
import stat
import subprocess
import sys

import pytest
import pytest_twisted
from foolscap.api import Referenceable, Tub, flushEventualQueue
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from allmydata.errors import ConfigError, ConflictError
from allmydata.node.tub import (
    NodeTub,
    expand_hints,
    load_certificate,
    local_addresses,
    make_certificate,
)

LOOPBACK = "tcp:0:interface=127.0.0.1"


class Thing(Referenceable):
    def remote_add(self, a, b):
        return a + b


@pytest.fixture
def make_tub():
    """Makes running Tubs, which are stopped when the test is over."""
    made = []

    def make(certificate=None):
        tub = NodeTub(certificate or make_certificate(), clock=reactor)
        tub.startService()
        made.append(tub)
        return tub

    yield make
    for tub in made:
        if tub.running:
            pytest_twisted.blockon(tub.stopService())
    pytest_twisted.blockon(flushEventualQueue())


async def connected(tub, furl):
    waiting = Deferred()
    link = tub.connect(furl, waiting.callback)
    return await waiting, link


@pytest.fixture
def busy_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        yield s.getsockname()[1]


# ---- identity --------------------------------------------------------------------------


def test_a_certificate_is_made_once_and_is_private(tmp_path):
    path = tmp_path / "node.pem"
    first = load_certificate(path)
    assert load_certificate(path) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"BEGIN CERTIFICATE" in first and b"PRIVATE KEY" in first


def test_a_certificate_is_on_p256():
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

    key = x509.load_pem_x509_certificate(make_certificate()).public_key()
    assert isinstance(key.curve, ec.SECP256R1)


@ensureDeferred
async def test_an_rsa_certificate_of_foolscap_keeps_its_identity(make_tub, tmp_path):
    old = Tub()
    path = tmp_path / "node.pem"
    path.write_bytes(old.getCertData())
    tub = make_tub(load_certificate(path))
    assert tub.tubid == old.getTubID()
    await tub.listen([LOOPBACK], ["AUTO"])
    furl = tub.serve(Thing(), tmp_path / "thing.furl")
    rref, _ = await connected(make_tub(), furl)
    assert await rref.callRemote("add", 2, 3) == 5


# ---- ports -----------------------------------------------------------------------------


@ensureDeferred
async def test_a_port_in_use_is_a_conflict_that_names_it(make_tub, busy_port):
    with pytest.raises(ConflictError, match=str(busy_port)) as caught:
        await make_tub().listen([f"tcp:{busy_port}:interface=127.0.0.1"], ["AUTO"])
    assert "tub.port" in caught.value.fix


@pytest.mark.parametrize("port", ["tcp:0:interface=203.0.113.1", "nonsense:5", "tcp:x"])
@ensureDeferred
async def test_a_port_that_can_not_be_opened_is_a_config_error(make_tub, port):
    with pytest.raises(ConfigError, match="can't be opened"):
        await make_tub().listen([port], ["AUTO"])


def test_auto_stands_for_where_the_port_is():
    assert expand_hints(["AUTO"], "127.0.0.1", 5) == ["tcp:127.0.0.1:5"]
    assert expand_hints(["AUTO"], "::1", 5) == ["tcp:[::1]:5"]
    every = expand_hints(["tcp:example.org:80", "AUTO"], "0.0.0.0", 5)
    assert every == [
        "tcp:example.org:80",
        *[f"tcp:{address}:5" for address in local_addresses()],
    ]
    assert local_addresses()[0] == "127.0.0.1"
    assert expand_hints(["tcp:a:1", "tcp:a:1"], "0.0.0.0", 5) == ["tcp:a:1"]


# ---- names -----------------------------------------------------------------------------


@ensureDeferred
async def test_an_address_is_the_same_after_a_restart(make_tub, tmp_path):
    certificate = make_certificate()
    first = make_tub(certificate)
    (port,) = await first.listen([LOOPBACK], ["AUTO"])
    furl = first.serve(Thing(), tmp_path / "thing.furl")
    await first.stopService()
    second = make_tub(certificate)
    await second.listen([f"tcp:{port}:interface=127.0.0.1"], ["AUTO"])
    assert second.serve(Thing(), tmp_path / "thing.furl") == furl
    assert (tmp_path / "thing.furl").read_text() == furl + "\n"
    assert stat.S_IMODE((tmp_path / "thing.furl").stat().st_mode) == 0o600


@ensureDeferred
async def test_the_name_is_kept_when_the_hints_change(make_tub, tmp_path):
    tub = make_tub()
    await tub.listen([LOOPBACK], ["tcp:example.org:1"])
    (tmp_path / "thing.furl").write_text(f"pb://{tub.tubid}@tcp:old:1/swissnum\n")
    furl = tub.serve(Thing(), tmp_path / "thing.furl")
    assert furl == f"pb://{tub.tubid}@tcp:example.org:1/swissnum"


@ensureDeferred
async def test_two_things_have_names_that_tell_nothing_of_each_other(make_tub, tmp_path):
    tub = make_tub()
    await tub.listen([LOOPBACK], ["AUTO"])
    names = {
        tub.serve(Thing(), tmp_path / f"{i}.furl").rpartition("/")[2] for i in range(2)
    }
    assert [len(name) for name in names] == [32, 32]


@ensureDeferred
async def test_a_damaged_furl_file_is_an_error_and_is_kept(make_tub, tmp_path):
    tub = make_tub()
    await tub.listen([LOOPBACK], ["AUTO"])
    (tmp_path / "thing.furl").write_text("oops")
    with pytest.raises(ConfigError, match=r"thing\.furl does not hold a FURL"):
        tub.serve(Thing(), tmp_path / "thing.furl")
    assert (tmp_path / "thing.furl").read_text() == "oops"


# ---- links -----------------------------------------------------------------------------


@ensureDeferred
async def test_a_link_says_how_it_is(make_tub, tmp_path):
    server = make_tub()
    (port,) = await server.listen([LOOPBACK], ["AUTO"])
    furl = server.serve(Thing(), tmp_path / "thing.furl")
    client = make_tub()
    waiting = Deferred()
    link = client.connect(furl, waiting.callback)
    assert link.status() == "Trying to connect"
    rref = await waiting
    assert link.status() == f"Connected to tcp:127.0.0.1:{port} via tcp"
    lost = Deferred()
    rref.notifyOnDisconnect(lost.callback, None)
    await server.stopService()
    await lost
    await flushEventualQueue()
    assert link.status() == "Reconnecting in 0 seconds (last attempt 0s ago)"
    link.stop()


@ensureDeferred
async def test_a_link_to_itself_is_connected(make_tub, tmp_path):
    tub = make_tub()
    await tub.listen([LOOPBACK], ["AUTO"])
    rref, link = await connected(tub, tub.serve(Thing(), tmp_path / "thing.furl"))
    assert await rref.callRemote("add", 2, 3) == 5
    assert link.status() == "Connected to loopback via loopback"


@ensureDeferred
async def test_a_link_to_a_wrong_name_says_what_is_wrong(make_tub, tmp_path):
    server = make_tub()
    await server.listen([LOOPBACK], ["AUTO"])
    furl = server.serve(Thing(), tmp_path / "thing.furl")
    client = make_tub()
    link = client.connect(furl + "x", pytest.fail)
    with pytest.raises(Exception, match="RemoteException"):
        await client.tub.getReference(furl + "x")
    await flushEventualQueue()
    assert link.trouble() == "the node there has nothing by that name"
    assert link.status().startswith("Reconnecting in ")


@ensureDeferred
async def test_a_link_to_no_furl_at_all_waits(make_tub):
    link = make_tub().connect("not a furl", pytest.fail)
    await flushEventualQueue()
    assert link.status().startswith("Reconnecting in ")


@ensureDeferred
async def test_a_link_can_be_stopped_after_its_tub(make_tub):
    tub = make_tub()
    link = tub.connect("not a furl", pytest.fail)
    await tub.stopService()
    link.stop()
    link.reset()


# ---- what peers get to see -------------------------------------------------------------


@ensureDeferred
async def test_an_error_of_ours_shows_no_traceback_to_peers(make_tub, tmp_path):
    server = make_tub()
    await server.listen([LOOPBACK], ["AUTO"])
    rref, _ = await connected(make_tub(), server.serve(Thing(), tmp_path / "thing.furl"))
    with pytest.raises(Exception, match="RemoteException") as caught:
        await rref.callRemote("add", 2, "3")
    assert caught.value.failure.check("builtins.TypeError")
    assert "test_tub" not in str(caught.value)


FROZEN = """
import sys
from pathlib import Path
from foolscap.api import Referenceable
from twisted.internet import reactor
from allmydata.node.tub import NodeTub, make_certificate
from allmydata.util.deferreds import start

async def main():
    tub = NodeTub(make_certificate(), clock=reactor)
    tub.startService()
    await tub.listen(["tcp:0:interface=127.0.0.1"], ["AUTO"])
    print(tub.serve(Referenceable(), Path(sys.argv[1])), flush=True)

reactor.callWhenRunning(start, main())
reactor.run()
"""


@ensureDeferred
async def test_stopping_does_not_wait_for_a_peer_that_is_frozen(make_tub, tmp_path):
    import os
    import signal

    command = [sys.executable, "-c", FROZEN, str(tmp_path / "thing.furl")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as peer:
        try:
            tub = make_tub()
            await connected(tub, peer.stdout.readline().strip())
            os.kill(peer.pid, signal.SIGSTOP)
            await tub.stopService()
            assert not tub.tub.brokers
        finally:
            peer.kill()
