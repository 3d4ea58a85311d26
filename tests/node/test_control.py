import re
import stat
import sys
from pathlib import Path

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred
from twisted.internet.utils import getProcessOutputAndValue

from allmydata.errors import GridError
from allmydata.node.control import memory_usage

SHARES = {"shares.needed": "1", "shares.happy": "1", "shares.total": "1"}


async def control_of(client, through):
    """Return the control port of *client*, reached by the node *through*."""
    waiting = Deferred()
    furl = (client.private / "control.furl").read_text().strip()
    through.tub.connect(furl, waiting.callback)
    return await waiting


async def refusal(waiting):
    with pytest.raises(Exception, match="RemoteException") as caught:
        await waiting
    return caught.value.failure


@ensureDeferred
async def test_a_file_goes_up_and_comes_down(nodes, tmp_path):
    client = await nodes.start("client", "c", client=SHARES)
    control = await control_of(client, client)
    await control.callRemote("wait_for_client_connections", 1)
    source, copy = tmp_path / "notes", tmp_path / "copy"
    source.write_bytes(b"remember the milk " * 1000)
    cap = await control.callRemote("upload_from_file_to_uri", str(source))
    assert cap.startswith(b"URI:CHK:")
    path = await control.callRemote("download_from_uri_to_file", cap, str(copy))
    assert path == str(copy) and copy.read_bytes() == source.read_bytes()


@ensureDeferred
async def test_errors_say_what_is_wrong(nodes, tmp_path):
    client = await nodes.start("client", "c", client=SHARES)
    control = await control_of(client, client)
    await control.callRemote("wait_for_client_connections", 1)
    up, down = "upload_from_file_to_uri", "download_from_uri_to_file"
    failure = await refusal(control.callRemote(up, "notes"))
    assert "not absolute" in failure.value
    failure = await refusal(control.callRemote(up, str(tmp_path / "missing")))
    assert failure.check("allmydata.errors.UploadSourceError"), failure
    failure = await refusal(control.callRemote(down, b"URI:LIT:ge", "copy"))
    assert "not absolute" in failure.value
    failure = await refusal(control.callRemote(down, b"URI:oops", str(tmp_path / "copy")))
    assert failure.check("allmydata.errors.BadCapError"), failure
    failure = await refusal(control.callRemote(down, b"URI:\xff", str(tmp_path / "copy")))
    assert failure.check("allmydata.errors.BadCapError"), failure
    failure = await refusal(control.callRemote(down, b"URI:LIT:ge", str(tmp_path)))
    assert failure.check("allmydata.errors.DownloadTargetError"), failure
    assert not (tmp_path / "copy").exists()


@ensureDeferred
async def test_waiting_for_servers_waits(nodes):
    introducer = await nodes.start("introducer", "i")
    one = await nodes.start("client", "one", introducer.furl)
    control = await control_of(one, one)
    waiting = control.callRemote("wait_for_client_connections", 2)
    await control.callRemote("wait_for_client_connections", 1)
    assert not waiting.called
    await nodes.start("client", "two", introducer.furl)
    await waiting


@ensureDeferred
async def test_memory_is_told_in_bytes(nodes):
    client = await nodes.start("client", "c")
    usage = await (await control_of(client, client)).callRemote("get_memory_usage")
    assert set(usage) == {"VmPeak", "VmSize", "VmData"}
    assert usage["VmPeak"] >= usage["VmSize"] > 10_000_000
    assert stat.S_IMODE((client.private / "control.furl").stat().st_mode) == 0o600


def test_memory_is_read_in_kilobytes(tmp_path):
    status = tmp_path / "status"
    status.write_text("Name:\tx\nVmPeak:\t 10 kB\nVmSize:\t 9 kB\nVmData:\t 8 kB\n")
    assert memory_usage(status) == {"VmPeak": 10240, "VmSize": 9216, "VmData": 8192}
    with pytest.raises(GridError, match="does not tell"):
        memory_usage(tmp_path / "missing")


@pytest.mark.system
@ensureDeferred
async def test_the_script_of_the_docs_runs(nodes, tmp_path):
    client = await nodes.start("client", "c", client=SHARES)
    page = Path(__file__).parents[2] / "docs" / "protocols" / "control.md"
    (script,) = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    notes = tmp_path / "notes"
    notes.write_bytes(b"remember the milk " * 100)
    command = ["-c", script, str(client.basedir), str(notes)]
    out, err, code = await getProcessOutputAndValue(sys.executable, command)
    assert code == 0, err
    assert out.startswith(b"URI:CHK:") and str(notes) in out.decode()
    assert (tmp_path / "notes.copy").read_bytes() == notes.read_bytes()
