import os
import subprocess
import sys

import psutil
import pytest

from allmydata.errors import ConflictError
from allmydata.node.pidfile import Process, claim, create_time, is_alive, release, running


@pytest.fixture
def sleeper():
    """A process that lives until its standard input is closed."""
    child = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    yield child
    child.stdin.close()
    child.wait()


def record(basedir, text):
    (basedir / "running.process").write_text(text)


def test_a_claim_is_what_other_programs_read(tmp_path):
    claim(tmp_path)
    pid, created = (tmp_path / "running.process").read_text().split()
    assert int(pid) == os.getpid()
    assert float(created) == pytest.approx(psutil.Process().create_time(), abs=0.02)
    assert running(tmp_path) == Process(int(pid), float(created))


def test_a_claim_is_taken_back(tmp_path):
    claim(tmp_path)
    release(tmp_path)
    assert running(tmp_path) is None
    assert not (tmp_path / "running.process").exists()


def test_a_live_process_keeps_others_out(tmp_path, sleeper):
    record(tmp_path, f"{sleeper.pid} {create_time(sleeper.pid):.2f}\n")
    with pytest.raises(ConflictError, match=f"already running as PID {sleeper.pid}"):
        claim(tmp_path)
    release(tmp_path)
    assert running(tmp_path).pid == sleeper.pid


def test_a_pid_used_again_by_another_process_is_stale(tmp_path, sleeper):
    record(tmp_path, f"{sleeper.pid} {create_time(sleeper.pid) - 100:.2f}\n")
    assert running(tmp_path) is None
    claim(tmp_path)
    assert running(tmp_path).pid == os.getpid()


def test_a_corpse_is_not_alive(sleeper):
    process = Process(sleeper.pid, create_time(sleeper.pid))
    assert is_alive(process)
    sleeper.stdin.close()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)  # it ends, nobody buries it
    assert not is_alive(process)


@pytest.mark.parametrize("text", ["", "x y", "1", "1 2 3", "99999999 1.0\n", "\xff"])
def test_what_does_not_parse_is_stale(tmp_path, text):
    record(tmp_path, text)
    assert running(tmp_path) is None
