"""The view of transfers on a terminal and elsewhere."""

import io
import json
import sys

import pytest

from allmydata.cli import top
from allmydata.cli.top import KEPT, View, parse


def told(number=1, outcome="running", done=50, servers=(), **words):
    """Return what a node tells of one transfer."""
    return {
        "id": number,
        "kind": "upload",
        "storage_index": "aaaqe",
        "size": 100,
        "done": done,
        "segments": 2,
        "began": 1.0,
        "ended": None,
        "seconds": 2.0,
        "outcome": outcome,
        "servers": list(servers),
        **words,
    }


def server(name, state, **words):
    return {"name": name, "state": state, "why": "", "replaced_by": None, **words}


def event(one):
    return f"event: transfer\ndata: {json.dumps(one)}\n\n"


@pytest.fixture
def live(gateway):
    """Have the gateway answer /live: with ``live["events"]`` or ``live["json"]``."""
    answers = {}
    known = gateway.get

    def get(request):
        kind = request.path.partition("/live?t=")[2]
        if not kind:
            return known(request)
        return gateway.reply(request, 200, "text/plain", answers[kind])

    gateway.get = get
    return answers


# ---- the view --------------------------------------------------------------------------


def test_only_events_of_transfers_are_parsed():
    assert parse(b'data: {"id": 1}') == {"id": 1}
    for line in (b": nothing new", b"", b"event: transfer", b"data: {", b"data: 3"):
        assert parse(line) is None


def test_a_line_is_said_when_something_happens_and_only_then():
    view = View()
    assert len(view.take(told(done=0))) == 1
    assert view.take(told(done=10)) == []
    silent = [server("s3", "silent")]
    (line,) = view.take(told(done=20, servers=silent))
    assert line.endswith("s3 silent")
    assert view.take(told(done=30, servers=silent)) == []
    replaced = [server("s3", "replaced", replaced_by=7)]
    (line,) = view.take(told(done=40, servers=replaced))
    assert line.endswith("s3 silent, replaced by share 7")
    (line,) = view.take(told(done=100, outcome="done", servers=replaced))
    assert line.endswith("done")


def test_the_screen_shows_what_runs_above_what_ended():
    view = View()
    view.take(told(1, "running"))
    view.take(told(1, "done", 100))
    view.take(told(2, "running", 25, [server("s1", "failed", why="it was silent")]))
    lines = view.lines()
    assert lines[0] == "1 running"
    assert lines[1].startswith("[#####...............]") and " 25%" in lines[1]
    assert lines[2] == "    s1 it was silent"
    assert lines[4] == "ended" and "100%" in lines[5]


def test_few_of_many_troubles_are_shown():
    view = View()
    view.take(told(servers=[server(f"s{i}", "silent") for i in range(9)]))
    assert view.lines()[2].endswith("s3 silent, 5 more")


def test_the_last_that_ended_stay():
    view = View()
    for number in range(KEPT + 5):
        view.take(told(number, "done", 100, storage_index=f"x{number}"))
    assert len(view.lines()) == KEPT + 3
    assert f"x{KEPT + 4}" in view.lines()[3]


def test_transfers_of_nothing_are_whole():
    view = View()
    view.take(told(size=0, done=0, seconds=0.0))
    assert "100%" in view.lines()[1]


# ---- the command -----------------------------------------------------------------------


def test_once_shows_how_it_is(tahoe, node, live):
    live["json"] = json.dumps({"active": [told(2)], "recent": [told(1, "done", 100)]})
    result = tahoe("-d", node, "top", "--once")
    assert result.code == 0
    assert result.out.splitlines()[0] == "1 running" and "done" in result.out
    result = tahoe("-d", node, "top", "--once", "--json")
    assert json.loads(result.out) == json.loads(live["json"])


def test_elsewhere_than_on_a_terminal_there_is_a_line_for_each_change(tahoe, node, live):
    steps = [told(done=0), told(done=50), told(done=100, outcome="done")]
    live["events"] = ": nothing new\n\n" + "".join(map(event, steps))
    result = tahoe("-d", node, "top")
    assert [line.split()[-1] for line in result.out.splitlines()] == ["running", "done"]
    assert "\x1b" not in result.out
    assert result.code == 10 and "hung up" in result.err


def test_json_is_one_object_a_change(tahoe, node, live):
    steps = [told(done=0), told(done=50), told(done=100, outcome="done")]
    live["events"] = ": nothing new\n\n" + "".join(map(event, steps))
    lines = tahoe("-d", node, "top", "--json").out.splitlines()
    assert [json.loads(line) for line in lines[:3]] == steps


class Screen(io.StringIO):
    def isatty(self):
        return True


def test_on_a_terminal_the_view_is_painted_in_place(monkeypatch):
    monkeypatch.setattr(sys, "stdout", screen := Screen())
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("LINES", "24")
    monkeypatch.setenv("TERM", "xterm")
    one = told(servers=[server("\x1b[31mred" + "x" * 99, "silent")])
    top._follow(iter(event(one).encode().split(b"\n")), as_json=False)
    text = screen.getvalue()
    first, second = text.split(top.CLEAR_BELOW)[:2]
    assert first.startswith(top.CLEAR_ALL) and second.startswith(top.HOME)
    lines = second.removeprefix(top.HOME).split("\n")
    assert all(len(line.removesuffix(top.CLEAR_LINE)) < 60 for line in lines)
    assert "\\x1b[31mred" in second and "\x1b[31m" not in second


def test_a_terminal_that_can_not_move_its_cursor_gets_lines(monkeypatch, capfd):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "dumb")
    top._follow(iter(event(told()).encode().split(b"\n")), as_json=False)
    assert "\x1b" not in capfd.readouterr().out


def test_without_a_node_it_says_so(tahoe, tmp_path):
    assert tahoe("-d", tmp_path, "top", "--once").code == 10
