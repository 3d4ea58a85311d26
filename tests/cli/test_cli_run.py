import json
import os
import sys
import time

import pytest

from allmydata.cli import daemon
from allmydata.errors import GridError, NodeNotReadyError
from allmydata.node import pidfile

pytestmark = pytest.mark.system

HEAD = """
import json, os, signal, sys, time
from pathlib import Path
from allmydata.node import pidfile
BASE = Path(sys.argv[1])
def say(text):
    fd = int(os.environ["TAHOE_READY_FD"])
    os.write(fd, text)
    os.close(fd)
def until_told():
    signal.pause()
"""
RUNS = (
    "pidfile.claim(BASE); print('client running', flush=True);"
    "say(b'ready\\n'); until_told()"
)


@pytest.fixture
def basedir(tmp_path):
    (tmp_path / "tahoe-client.tac").touch()
    (tmp_path / "tahoe.cfg").touch()
    yield tmp_path
    daemon.stop(tmp_path)


def script(basedir, text):
    return [sys.executable, "-c", HEAD + text, str(basedir)]


def log_of(basedir):
    return (basedir / "logs" / "node.log").read_text()


def test_launch_returns_when_the_node_is_ready_and_stop_when_it_is_gone(basedir):
    assert daemon.launch(basedir, script(basedir, RUNS)) is None
    process = pidfile.running(basedir)
    assert process
    assert log_of(basedir) == "client running\n"
    assert os.getsid(process.pid) == process.pid
    assert daemon.stop(basedir) == process.pid
    assert not pidfile.is_alive(process)


def test_a_node_in_the_background_holds_nothing_of_its_caller(basedir):
    ours, theirs = os.pipe()
    os.set_inheritable(theirs, True)
    daemon.launch(basedir, script(basedir, RUNS))
    os.close(theirs)
    assert os.read(ours, 1) == b""  # the end: nobody else has the other side
    os.close(ours)


def test_launch_tells_the_error_of_the_node(basedir):
    error = {"code": "no-space", "message": "the disk is full", "fix": "empty it"}
    text = f"say(b'error: ' + {json.dumps(error).encode()!r} + b'\\n')"
    with pytest.raises(GridError, match="the disk is full") as caught:
        daemon.launch(basedir, script(basedir, text))
    assert (caught.value.code, caught.value.fix) == ("no-space", "empty it")


def test_launch_tells_the_last_line_of_a_node_that_says_nothing(basedir):
    with pytest.raises(GridError, match="ended with exit code 5") as caught:
        daemon.launch(basedir, script(basedir, "print('old'); sys.exit(5)"))
    assert caught.value.why == "old"
    with pytest.raises(GridError) as caught:
        daemon.launch(basedir, script(basedir, "sys.exit(5)"))
    assert caught.value.why == ""


def test_launch_gives_up_on_a_node_that_is_never_ready(basedir):
    with pytest.raises(NodeNotReadyError, match="was not ready"):
        daemon.launch(basedir, script(basedir, "pidfile.claim(BASE); until_told()"), 1.0)
    assert pidfile.running(basedir) is None


def test_launch_that_finds_another_was_quicker(basedir):
    daemon.launch(basedir, script(basedir, RUNS))
    error = {"code": "conflict", "message": "A process is already running as PID 1"}
    text = f"say(b'error: ' + {json.dumps(error).encode()!r} + b'\\n')"
    assert daemon.launch(basedir, script(basedir, text)) == pidfile.running(basedir)


def test_a_conflict_about_something_else_is_an_error(basedir):
    error = {"code": "conflict", "message": "port in use"}
    text = f"say(b'error: ' + {json.dumps(error).encode()!r} + b'\\n')"
    with pytest.raises(GridError, match="port in use"):
        daemon.launch(basedir, script(basedir, text))


# ---- the commands


def test_start_of_a_node_that_runs_does_nothing(tahoe, basedir):
    daemon.launch(basedir, script(basedir, RUNS))
    pid = pidfile.running(basedir).pid
    done = tahoe("-d", basedir, "start")
    assert (done.code, done.out) == (0, f"client runs already as process {pid}\n")
    assert json.loads(tahoe("start", "--json", basedir).out)["already"] is True


def test_stop(tahoe, basedir):
    daemon.launch(basedir, script(basedir, RUNS))
    pid = pidfile.running(basedir).pid
    done = tahoe("stop", basedir)
    assert (done.code, done.out) == (0, f"stopped process {pid}\n")
    done = tahoe("-d", basedir, "stop")
    assert (done.code, done.out) == (0, f"no node runs in {basedir}\n")
    assert json.loads(tahoe("stop", "-C", basedir, "--json").out)["stopped"] is None


def test_status_of_a_node_that_runs(tahoe, basedir, gateway):
    daemon.launch(basedir, script(basedir, RUNS))
    (basedir / "node.url").write_text(gateway.url + "\n")
    process = pidfile.running(basedir)
    said = json.loads(tahoe("-d", basedir, "status", "--json").out)
    assert 0 <= said.pop("uptime_s") <= time.time() - process.created + 1
    assert said == {
        "node_directory": str(basedir),
        "kind": "client",
        "running": True,
        "pid": process.pid,
        "web": gateway.url,
        "introducers": ["Connected to tcp:127.0.0.1:1 via tcp"],
        "servers": {"connected": 1, "known": 2},
    }
    done = tahoe("-d", basedir, "status")
    assert done.code == 0
    assert "1 of 2 connected" in done.out


def test_status_of_a_node_whose_gateway_is_silent(tahoe, basedir):
    daemon.launch(basedir, script(basedir, RUNS))
    (basedir / "node.url").write_text("http://127.0.0.1:1/\n")
    done = tahoe("-d", basedir, "status", "--json")
    assert done.code == 0
    assert "no node answers" in json.loads(done.out)["web_error"]


def test_status_of_a_node_that_does_not_run(tahoe, basedir):
    (basedir / "node.url").write_text("http://127.0.0.1:1/\n")
    done = tahoe("-d", basedir, "status", "--json")
    assert done.code == 10
    assert json.loads(done.out) == {
        "node_directory": str(basedir),
        "kind": "client",
        "running": False,
        "pid": None,
        "uptime_s": None,
        "web": None,
    }
    assert tahoe("-d", basedir, "status").out == f"client does not run: {basedir}\n"


@pytest.mark.parametrize("command", ["start", "stop", "restart", "status"])
def test_not_a_node_directory(tahoe, tmp_path, command):
    done = tahoe(command, tmp_path)
    assert done.code == 1
    assert "is not a node directory" in done.err
    assert tahoe(command, tmp_path / "none").code == 2
