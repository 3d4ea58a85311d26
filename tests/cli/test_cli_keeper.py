"""What ``tahoe keeper``, ``health`` and ``servers drain`` send, and what they print."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from allmydata import uri

VERIFY = uri.CHKFileVerifierURI(b"i" * 16, b"s" * 32, 3, 10, 3000).to_string()
READ = uri.CHKFileURI(b"k" * 16, b"s" * 32, 3, 10, 3000).to_string()
LITERAL = uri.LiteralFileURI(b"small").to_string()
HEALTH = {
    "well": True,
    "verdict": "All 2 files are safe: each may lose 7 servers, whichever they are.",
    "facts": [["Files kept", "2, 6.0 kB"]],
    "files": {"kept": 2, "bytes": 6000, "new": 0, "well": 2, "waiting": 0}
    | {"weak": 0, "unreadable": 0},
    "spare": {"7": 2},
    "durability": {"lost_in_a_year": 1e-9, "worst": 1e-9, "nines": 9.0},
    "servers": [
        {"name": "s1", "connected": True, "drained": False, "uptime": 1.0, "away_s": 0},
        {"name": "s2", "connected": False, "drained": True, "uptime": 0.5, "away_s": 7200},
    ],
    "keeper": {"looks": 2, "reads": 0, "repairs": 0, "renewals": 20, "to_repair_bytes": 0},
}
DRAINED = {
    "server": "s1",
    "nodeid": "v0-a",
    "dry_run": True,
    "files": 3,
    "shares": 3,
    "bytes": 6000,
    "without_a_place": 1,
    "to": [{"server": "s2", "nodeid": "v0-b", "shares": 3, "bytes": 6000}],
}


@pytest.fixture
def asked(gateway, monkeypatch):
    """Let the gateway know of a keeper; return what it is asked."""
    asked = []

    def answer(method, names, words, body):
        asked.append((method, names[0], words, body.decode()))
        match names[0], words.get("t"):
            case "keeper", "add" | "remove" as act:
                lines = body.split(b"\n") if body else []
                good = sum(line.startswith(b"URI:CHK-Ver") for line in lines)
                told = {"literal": len(lines) - good, "refused": 0, "lines": []}
                done = {"added": good, "known": 0} if act == "add" else {"removed": good}
                return 200, json.dumps(told | done)
            case "keeper", "list":
                file = {"state": "well", "spare": 7, "verifycap": VERIFY}
                first = words["after"] == "0"
                return 200, json.dumps({"files": [file], "next": 5 if first else None})
            case "keeper" | "health", "json":
                return 200, json.dumps(HEALTH)
            case "keeper", "run-now":
                return 200, json.dumps({"begun": True})
            case "servers", "undrain":
                return 200, json.dumps({"server": "s1", "was_drained": True})
            case "servers", _:
                return 200, json.dumps(DRAINED)
        return drive_answer(method, names, words, body)

    drive_answer = gateway.drive.answer
    monkeypatch.setattr(gateway.drive, "answer", answer)
    get = gateway.get

    def get_or_keep(request):
        parts = urlsplit(request.path)
        if parts.path in ("/keeper", "/health"):
            words = {name: values[0] for name, values in parse_qs(parts.query).items()}
            status, text = answer("GET", [parts.path[1:]], words, b"")
            return gateway.reply(request, status, "application/json", text)
        return get(request)

    monkeypatch.setattr(gateway, "get", get_or_keep)
    return asked


def sent(asked):
    return [body for _, _, words, body in asked if words.get("t") == "add"]


def test_a_list_is_sent_as_verify_capabilities_only(tahoe, node, asked, tmp_path):
    lines = [
        VERIFY,
        f"{READ} a/b",
        "",
        "# a comment",
        LITERAL,
        f'{{"verifycap": "{VERIFY}"}}',
    ]
    (tmp_path / "caps").write_text("\n".join(lines))
    done = tahoe("-d", node, "keeper", "add", "--file", tmp_path / "caps", "--json")
    assert done.code == 0, done.err
    derived = uri.from_string(READ).get_verify_cap().to_string()
    assert sent(asked) == ["\n".join([VERIFY, derived, LITERAL, VERIFY])]
    assert json.loads(done.out)["added"] == 3
    assert json.loads(done.out)["literal"] == 1


def test_standard_input_is_a_list_too(tahoe, node, asked):
    done = tahoe("-d", node, "keeper", "add", "--file", "-", stdin=VERIFY.encode())
    assert done.out == "1 file added, 0 kept already\n"


def test_all_below_a_place_is_sent(tahoe, node, asked, drive, monkeypatch):
    words = {"type": "file", "path": ["f"], "cap": READ}
    found = [words | {"verifycap": VERIFY}, words | {"verifycap": "", "cap": LITERAL}]
    monkeypatch.setattr(drive, "walk", lambda cap: iter(found))
    done = tahoe("-d", node, "keeper", "add", "tahoe:")
    assert done.code == 0, done.err
    assert sent(asked) == [VERIFY]


def test_broken_lines_are_named_and_the_rest_is_kept(tahoe, node, asked, tmp_path):
    (tmp_path / "caps").write_text(f"{VERIFY}\nURI:CHK:oops\nnonsense here\n{VERIFY}\n")
    done = tahoe("-d", node, "keeper", "add", "--file", tmp_path / "caps")
    assert done.code == 1
    assert done.out == "2 files added, 0 kept already\n"
    assert "lines that can't be kept: 2" in done.err
    assert "line 2: mistyped capability" in done.err and "line 3:" in done.err
    assert "oops" not in done.err


@pytest.mark.parametrize("words", [[], ["tahoe:", "--file", "x"], ["--file", "/nowhere"]])
def test_what_to_keep_must_be_said_once(tahoe, node, asked, words):
    assert tahoe("-d", node, "keeper", "add", *words).code == 3
    assert sent(asked) == []


def test_thousands_go_in_several_requests(tahoe, node, asked, tmp_path):
    (tmp_path / "caps").write_text(f"{VERIFY}\n" * 12_000)
    done = tahoe("-d", node, "keeper", "add", "--file", tmp_path / "caps")
    assert done.out == "12,000 files added, 0 kept already\n"
    assert [body.count("\n") + 1 for body in sent(asked)] == [5000, 5000, 2000]


def test_files_can_be_let_go(tahoe, node, asked, tmp_path):
    (tmp_path / "caps").write_text(VERIFY)
    done = tahoe("-d", node, "keeper", "remove", "--file", tmp_path / "caps")
    assert done.out == "1 file no longer kept\n"


def test_status_says_how_the_files_are(tahoe, node, asked):
    done = tahoe("-d", node, "keeper", "status")
    assert done.out.splitlines()[0] == HEALTH["verdict"]
    assert "may lose   7 servers: 2 files" in done.out
    assert json.loads(tahoe("-d", node, "keeper", "status", "--json").out) == HEALTH


def test_the_list_goes_on_to_its_end(tahoe, node, asked):
    done = tahoe("-d", node, "keeper", "list")
    assert done.out == f"well         7  {VERIFY}\n" * 2


def test_run_now_says_so(tahoe, node, asked):
    assert tahoe("-d", node, "keeper", "run-now", "--read").code == 0
    assert asked[-1][2] == {"t": "run-now", "read": "true"}


def test_health_is_one_page_and_its_exit_code_tells(tahoe, node, asked):
    done = tahoe("-d", node, "health")
    assert done.code == 0
    assert done.out.splitlines()[0] == HEALTH["verdict"]
    assert "1 of 2 servers connected" in done.out
    assert "s2: away for 2.0 h, being emptied, up 50.0% of the time" in done.out
    assert "s1:" not in done.out
    asked.clear()
    assert json.loads(tahoe("-d", node, "health", "--json").out) == HEALTH


def test_health_that_is_bad_leaves_with_1(tahoe, node, asked, monkeypatch):
    monkeypatch.setitem(HEALTH, "well", False)
    assert tahoe("-d", node, "health").code == 1


def test_a_server_is_emptied_by_name(tahoe, node, asked):
    done = tahoe("-d", node, "servers", "drain", "Söder 1", "--dry-run")
    assert done.code == 0, done.err
    assert asked[-1][2] == {"t": "drain", "server": "Söder 1", "dry-run": "true"}
    assert done.out.splitlines() == [
        "3 shares of 3 files, 6.0 kB, would be made",
        "  s2                           3 shares     6.0 kB",
        "1 files find no place for all of theirs",
    ]


def test_files_are_spread_again(tahoe, node, asked):
    assert tahoe("-d", node, "servers", "rebalance").code == 0
    assert asked[-1][2] == {"t": "rebalance", "dry-run": "false"}


def test_a_server_takes_shares_again(tahoe, node, asked):
    done = tahoe("-d", node, "servers", "undrain", "s1")
    assert done.out == "s1 takes new shares\n"
