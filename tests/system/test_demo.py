"""The real command: a grid in a process of its own, and what others see of it."""

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

pytestmark = pytest.mark.system

TAHOE = [sys.executable, "-P", "-m", "allmydata.cli.main"]
TAHOE_IN_SHELL = f'tahoe() {{ {sys.executable} -P -m allmydata.cli.main "$@"; }}\n'


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Where demos of this test, and only of this test, are found and leave things."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.delenv("TAHOE_NODE_DIRECTORY", raising=False)
    return tmp_path


@contextmanager
def running(*words):
    """A demo that is ready: its process and what it said; ended however the test ends."""
    command = [*TAHOE, "demo", "--json", *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process, json.loads(process.stdout.readline())
        finally:
            process.terminate()


def tahoe(*words):
    done = subprocess.run([*TAHOE, *map(str, words)], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def code_of(*words):
    return subprocess.run([*TAHOE, *map(str, words)], capture_output=True, timeout=60)


def test_a_file_outlives_its_servers(place):
    data = os.urandom(1_000_000)
    (place / "file").write_bytes(data)
    with running() as (process, said):
        client = said["node_directory"]
        assert [one["connected"] for one in said["servers"]] == [True] * 5
        cap = tahoe("-d", client, "put", place / "file").decode().strip()
        tahoe("demo", "kill", 1, 4)
        assert tahoe("-d", client, "get", cap) == data
        tahoe("demo", "kill", 2)
        lost = code_of("-d", client, "get", cap, place / "copy")
        assert lost.returncode == 13 and not (place / "copy").exists()
        tahoe("demo", "revive", 1, 2, 4)
        tahoe("demo", "freeze", 3)
        tahoe("demo", "corrupt", 5)
        assert tahoe("-d", client, "get", cap) == data
        states = json.loads(tahoe("demo", "status", "--json"))["servers"]
        assert [one["state"] for one in states] == ["up", "up", "frozen", "up", "up"]
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert [path.name for path in place.iterdir() if path.is_dir()] == ["tahoe-demos"]
    assert not list((place / "tahoe-demos").iterdir())


def test_a_kept_demo_comes_back_with_its_files_and_ports(place):
    data = os.urandom(100_000)
    (place / "file").write_bytes(data)
    words = ["--dir", place / "demo", "--servers", 2]
    with running(*words) as (process, first):
        cap = tahoe("-d", first["node_directory"], "put", place / "file").decode().strip()
        record = place / "demo" / "demo.json"
        assert record.stat().st_mode & 0o777 == 0o600
        assert json.loads(record.read_text())["pid"] == process.pid
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == -signal.SIGTERM
    assert not record.exists()
    furls = [path.read_text() for path in (place / "demo").glob("*/private/*.furl")]
    with running(*words[:2]) as (process, second):
        assert second["web"] == first["web"]
        assert tahoe("-d", second["node_directory"], "get", cap) == data
        named = {"introducer.furl", "client.furl", "storage.furl"}
        now = [p for p in (place / "demo").glob("*/private/*.furl") if p.name in named]
        assert now and all(path.read_text() in furls for path in now)
        process.kill()
    assert record.exists()  # nobody could remove it
    assert code_of("demo", "--dir", place / "demo", "status").returncode == 10
    with running(*words) as (process, third):
        assert third["web"] == first["web"]


def test_the_nodes_of_a_kept_demo_run_by_themselves(place):
    words = [*TAHOE, "demo", "--dir", place / "demo", "--servers", "1", "--", "true"]
    assert subprocess.run(words, capture_output=True).returncode == 0
    with subprocess.Popen(
        [*TAHOE, "run", "--allow-stdin-close", place / "demo" / "storage1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as node:
        assert node.stdout.readline() == "client running\n"
        node.terminate()


def beside(place, script, *words, **options):
    """Run a shell script beside a demo."""
    command = [*TAHOE, *words, "demo", "--servers", "1", "--"]
    return subprocess.run(
        [*command, "sh", "-c", TAHOE_IN_SHELL + script],
        capture_output=True,
        text=True,
        timeout=60,
        **options,
    )


def test_a_command_has_the_client_and_its_exit_code_is_ours(place):
    script = 'tahoe get "$(tahoe put -)"; exit 7'
    done = beside(place, script, input="what was typed")
    assert done.returncode == 7
    assert done.stdout == "what was typed"
    assert done.stderr.startswith("demo: 1 server is up after ")
    assert beside(place, "exit 0", "-q").stderr == ""


def test_a_command_ended_by_a_signal(place):
    assert beside(place, "kill -9 $$").returncode == 128 + 9


def test_signals_go_to_the_command_and_its_end_is_the_end(place):
    script = "trap 'echo told; exit 5' TERM; echo ready; while :; do read x; done"
    command = [*TAHOE, "-q", "demo", "--servers", "1", "--", "sh", "-c", script]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        process.terminate()
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "told\n"
        assert process.wait(20) == 5


def test_a_demo_that_can_not_start_leaves_nothing_behind(place):
    with running("--dir", place / "a", "--servers", 1) as (process, said):
        taken = said["web"]
        tahoe("demo", "--dir", place / "a", "status")
        process.send_signal(signal.SIGINT)
        process.wait(20)
    with running("--dir", place / "b", "--servers", 1) as (process, said):
        process.send_signal(signal.SIGINT)
        process.wait(20)
    cfg = place / "b" / "client" / "tahoe.cfg"
    port, other = taken.split(":")[-1].strip("/"), said["web"].split(":")[-1].strip("/")
    cfg.write_text(cfg.read_text().replace(other, port))
    with running("--dir", place / "a") as (process, said):
        failed = code_of("demo", "--dir", place / "b")
        assert failed.returncode == 16 and b"is in use" in failed.stderr
    assert not list((place / "b").glob("*/running.process"))
    assert not (place / "b" / "demo.json").exists()
