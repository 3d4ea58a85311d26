import json
import os
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import click
import pytest

from allmydata.cli.demo import demo as command
from allmydata.node.demo import plan
from allmydata.node.demo.plan import DemoPlan, Shares
from allmydata.node.demo.record import DemoRecord
from tests.cli.test_cli_main import loaded_by


def server(number, state="up", **extra):
    facts = {"number": number, "name": f"storage{number}", "state": state}
    return facts | {"connected": state == "up", "shares": 7, "bytes": 7_000_000} | extra


STATUS = {
    "directory": "/demo",
    "node_directory": "/demo/client",
    "web": "http://127.0.0.1:1/",
    "shares": {"needed": 3, "happy": 4, "total": 5},
    "connected": 1,
    "servers": [server(1), server(2, "killed", shares=1)],
}


class Control:
    """The control port of a demo, as far as the command line can tell."""

    def __init__(self):
        self.requests = []
        self.answer = {}
        control = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args):
                pass

            def do_GET(self):
                control.requests.append((self.command, self.path))
                assert self.headers["Authorization"] == "Bearer the token"
                body = json.dumps(control.answer).encode()
                self.send_response(400 if "error" in control.answer else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self):
                self.do_GET()

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"


@pytest.fixture
def control():
    control = Control()
    thread = threading.Thread(target=control.server.serve_forever, args=(0.01,))
    thread.start()
    yield control
    control.server.shutdown()
    control.server.server_close()
    thread.join()


@pytest.fixture
def demo(tmp_path, monkeypatch, control):
    """The directory of a demo that this process seems to run."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # no other demo is found
    root = tmp_path / "demo"
    two = DemoPlan(2, Shares(1, 1, 2))
    plan.make_introducer(root, two)
    plan.make_others(root, two, f"pb://{'a' * 32}@tcp:127.0.0.1:1/introducer")
    record = DemoRecord.of_this_process(root, control.address, "the token")
    record.publish()
    yield root
    record.withdraw()


@pytest.mark.parametrize(
    "where", [["demo"], ["-d", "{}/client", "demo"], ["demo", "--dir", "{}"]]
)
def test_kill_asks_the_demo_and_says_what_is_left(tahoe, demo, control, where):
    control.answer = {"servers": [server(1), server(2)], "connected": 3, "total": 5}
    done = tahoe(*[word.format(demo) for word in where], "kill", 1, 2)
    assert done.code == 0
    assert done.out == "storage1 is dead\nstorage2 is dead\n"
    assert done.err == "the client is connected to 3 of 5 servers\n"
    assert control.requests == [("POST", "/kill?servers=1,2")]


def test_the_directory_may_follow_the_command(tahoe, demo, control):
    control.answer = {"servers": [server(1)], "connected": 5, "total": 5}
    done = tahoe("-q", "demo", "revive", "--dir", demo, 1)
    assert (done.code, done.out, done.err) == (0, "storage1 lives\n", "")
    assert tahoe("demo", "freeze", 1, "--dir", demo).out == "storage1 is frozen\n"


def test_corrupt_says_how_many_shares(tahoe, demo, control):
    damaged = [server(1, damaged=7), server(2, shares=0, damaged=0)]
    control.answer = {"servers": damaged, "connected": 5, "total": 5}
    done = tahoe("demo", "corrupt", 1, 2)
    assert done.out == (
        "storage1 has bits flipped in 7 of 7 shares\nstorage2 holds no shares\n"
    )
    assert json.loads(tahoe("demo", "corrupt", "--json", 1).out) == control.answer


def test_status(tahoe, demo, control):
    control.answer = STATUS
    done = tahoe("demo", "status")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0] == "a demo of 2 servers, files as 3/4/5"
    assert lines[-2:] == [
        "  storage1    up      connected      7 shares, 7.0 MB",
        "  storage2    killed  not connected  1 share, 7.0 MB",
    ]
    said = json.loads(tahoe("demo", "status", "--json").out)
    assert said == STATUS | {"pid": os.getpid()}


def test_what_the_demo_refuses_is_told(tahoe, demo, control):
    control.answer = {"error": {"code": "conflict", "message": "it can't", "fix": "do"}}
    done = tahoe("demo", "freeze", 2)
    assert done.code == 16
    assert done.err.startswith("error: it can't") and "fix: do" in done.err


def test_without_a_demo(tahoe, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # no other demo is found
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert tahoe("demo", "status").code == 10
    assert tahoe("demo", "--dir", tmp_path, "kill", 1).code == 10


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["kill"], "Missing argument"),
        (["kill", "0"], "0 is not in the range"),
        (["kill", "x"], "not a valid integer"),
        (["explode"], "can't be told to 'explode'"),
        (["--servers", "3", "kill", "1"], "for starting a demo"),
        (["kill", "1", "--", "true"], "for starting a demo"),
        (["--servers", "0"], "0 is not in the range"),
        (["--shares", "3"], "not K/HAPPY/N"),
        (["--servers", "3", "--shares", "3/4/5"], "3 servers can't hold"),
    ],
)
def test_usage(tahoe, words, says):
    done = tahoe("demo", *words)
    assert done.code == 3
    assert says in done.err


def test_a_command_that_is_not_there_is_refused_before_anything_starts(tahoe):
    done = tahoe("demo", "--", "no-such-command")
    assert done.code == 2
    assert "there is no command no-such-command" in done.err


def test_a_demo_that_runs_is_not_started_again(tahoe, demo):
    done = tahoe("demo", "--dir", demo)
    assert done.code == 16
    assert "runs already" in done.err


def test_a_kept_demo_with_other_numbers(tahoe, demo):
    done = tahoe("demo", "--dir", demo, "--servers", 7)
    assert done.code == 16
    assert "made with other numbers" in done.err


def test_every_word_has_help(tahoe):
    done = tahoe("demo", "--help")
    assert done.code == 0
    assert done.out.startswith("Usage: tahoe demo [OPTIONS] [-- COMMAND...]\n")
    for one in (command, *command.commands.values()):
        assert one.help
        assert all(p.help for p in one.params if isinstance(p, click.Option))


@pytest.mark.system
def test_acting_on_a_demo_loads_no_network_library(demo, control):
    control.answer = STATUS
    loaded = loaded_by("demo", "--dir", demo, "status")
    assert "http.client" in loaded
    assert not loaded & {"twisted", "twisted.internet", "foolscap", "rich", "yaml"}
