"""Real processes: what whoever starts a node sees of it."""

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

pytestmark = pytest.mark.system

RUN = """
import sys
from pathlib import Path
from allmydata.errors import GridError
from allmydata.node.run import run_node
try:
    sys.exit(run_node(Path(sys.argv[1]), allow_stdin_close=len(sys.argv) > 2))
except GridError as e:
    print("error:", e.message, file=sys.stderr)
    sys.exit(16 if e.code == "conflict" else 1)
"""

CFG = """
[node]
web.port = tcp:0:interface=127.0.0.1
tub.port = disabled
tub.location = disabled
[storage]
enabled = false
"""


@pytest.fixture
def basedir(tmp_path):
    basedir = tmp_path / "node"
    basedir.mkdir()
    (basedir / "tahoe.cfg").write_text(CFG)
    (basedir / "tahoe-client.tac").write_text("")
    return basedir


@contextmanager
def running(basedir, *options, **kwargs):
    """A process that runs the node, ended however the test ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(basedir), *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **kwargs,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def claimed(basedir):
    return (basedir / "running.process").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_cleanly_and_ends_it(basedir, number):
    with running(basedir) as process:
        assert process.stdout.readline() == "client running\n"
        assert claimed(basedir)
        process.send_signal(number)
        assert process.wait(20) == -number
    assert not claimed(basedir)
    assert (basedir / "node.url").exists()


def test_an_introducer_says_what_it_is(tmp_path):
    (tmp_path / "tahoe.cfg").write_text("[node]\nnickname = i\n")
    (tmp_path / "tahoe-introducer.tac").write_text("")
    with running(tmp_path) as process:
        assert process.stdout.readline() == "introducer running\n"
        assert (tmp_path / "private" / "introducer.furl").read_text().startswith("pb://")


def test_it_leaves_when_stdin_closes(basedir):
    with running(basedir) as process:
        assert process.stdout.readline() == "client running\n"
        process.stdin.write("ignored\n")
        process.stdin.close()
        assert process.wait(20) == 1
    assert not claimed(basedir)


@pytest.mark.parametrize("stdin", ["<&-", "< /dev/null"])
def test_it_leaves_when_there_is_no_stdin(basedir, stdin):
    command = [*("sh", "-c", f'exec "$@" {stdin}', "sh", sys.executable, "-c", RUN)]
    assert subprocess.run([*command, str(basedir)], timeout=20).returncode == 1
    assert not claimed(basedir)


def test_it_goes_on_when_nobody_reads_what_it_prints(basedir):
    with running(basedir, "--allow-stdin-close") as process:
        process.stdout.close()
        while "node" not in (line := process.stderr.readline()):
            assert line
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == -signal.SIGTERM


def test_it_stays_when_stdin_closes_if_that_is_allowed(basedir):
    with running(basedir, "--allow-stdin-close") as process:
        assert process.stdout.readline() == "client running\n"
        process.stdin.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == -signal.SIGTERM


def test_a_second_process_is_refused_and_the_first_goes_on(basedir):
    with running(basedir) as first:
        assert first.stdout.readline() == "client running\n"
        with running(basedir) as second:
            out, err = second.communicate(timeout=20)
        assert second.returncode == 16 and out == ""
        assert f"A process is already running as PID {first.pid}" in err
        assert claimed(basedir) and first.poll() is None


def reported(basedir):
    """Start a node that reports by a pipe; return what it says first, and its log."""
    ready, tell = os.pipe()
    with running(
        basedir, pass_fds=[tell], env=os.environ | {"TAHOE_READY_FD": str(tell)}
    ) as process:
        os.close(tell)
        with open(ready, "rb") as pipe:
            said = pipe.read()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    return said


def test_whoever_waits_on_a_pipe_hears_that_it_is_ready(basedir):
    assert reported(basedir) == b"ready\n"
    log = (basedir / "logs" / "node.log").read_text()
    assert "[allmydata.node.base#info] client running" in log
    assert "client stopped" in log


def test_whoever_waits_on_a_pipe_hears_why_it_is_not(basedir):
    (basedir / "private").mkdir()
    (basedir / "private" / "secret").write_text("oops!")
    said = reported(basedir)
    error = json.loads(said.removeprefix(b"error: "))
    assert error["code"] == "bad-config" and "private/secret" in error["message"]
    assert not claimed(basedir)


def test_a_bad_configuration_is_heard_too(basedir):
    (basedir / "tahoe.cfg").write_text("[node]\nnickname = x\nbogus = 1\n")
    error = json.loads(reported(basedir).removeprefix(b"error: "))
    assert "tahoe.cfg:3" in error["message"]


def test_what_it_starts_does_not_inherit_the_pipe(basedir, monkeypatch):
    from allmydata.node.run import ReadyReport

    monkeypatch.setenv("TAHOE_READY_FD", "99")
    assert ReadyReport.from_environment().is_wanted
    assert "TAHOE_READY_FD" not in os.environ
    assert not ReadyReport.from_environment().is_wanted
