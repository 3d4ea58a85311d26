import json
import os
import signal
import stat
import subprocess
import sys

import pytest

from allmydata.util import base32

VERIFIER = f"URI:CHK-Verifier:{base32.b2a(bytes(16))}:{base32.b2a(bytes(32))}:3:10:99"
DIRECTORY = f"URI:DIR:pb://{'a' * 32}@tcp:h:1/v:{base32.b2a(bytes(16))}"


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_bytes(bytes(range(256)) * 4000)
    return path


@pytest.fixture
def target(tmp_path):
    return tmp_path / "out" / "back.txt"


@pytest.fixture(autouse=True)
def target_directory(target):
    target.parent.mkdir()


def nothing_left(target):
    return os.listdir(target.parent) == []


# ---- put


def test_put_prints_the_capability_alone(tahoe, node, gateway, source):
    done = tahoe("-d", node, "put", source)
    (cap,) = gateway.files
    assert (done.code, done.out, done.err) == (0, cap + "\n", "")
    assert gateway.files[cap] == source.read_bytes()


def test_put_takes_the_node_from_the_environment(tahoe, node, gateway, source, monkeypatch):
    monkeypatch.setenv("TAHOE_NODE_DIRECTORY", str(node))
    assert tahoe("put", source).code == 0
    assert gateway.files


@pytest.mark.parametrize("words", [[], ["-"]])
def test_put_stores_standard_input_of_unknown_size(tahoe, node, gateway, words):
    data = os.urandom(600_000)
    done = tahoe("-d", node, "put", *words, stdin=data)
    assert gateway.files[done.out.strip()] == data
    assert gateway.requests[0].headers["Transfer-Encoding"] == "chunked"


def test_put_of_an_empty_file(tahoe, node, gateway, tmp_path):
    (tmp_path / "empty").touch()
    done = tahoe("-d", node, "put", tmp_path / "empty")
    assert gateway.files[done.out.strip()] == b""


def test_put_hands_on_happy_and_convergence(tahoe, node, gateway, source):
    tahoe("-d", node, "put", "--happy", "2", "--convergence", "none", source)
    assert gateway.requests[0].path == "/uri?happy=2&convergence=none"


def test_put_tells_the_size_in_json(tahoe, node, gateway, source):
    said = json.loads(tahoe("-d", node, "put", "--json", source).out)
    assert said["size"] == source.stat().st_size
    assert said["cap"] in gateway.files


def test_put_asks_for_errors_as_json(tahoe, node, gateway, source):
    tahoe("-d", node, "put", source)
    assert "application/json" in gateway.requests[0].headers["Accept"]


def make_missing(path):
    pass


def make_directory(path):
    path.mkdir()


def make_fifo(path):
    os.mkfifo(path)


def make_link_to_nowhere(path):
    path.symlink_to("nowhere")


def make_device(path):
    path.symlink_to("/dev/null")


@pytest.mark.parametrize(
    ("make", "code", "why"),
    [
        (make_missing, 2, "there is no file"),
        (make_link_to_nowhere, 2, "there is no file"),
        (make_directory, 1, "is a directory"),
        (make_fifo, 1, "is a FIFO"),
        (make_device, 1, "is no plain file"),
    ],
)
def test_put_refuses(tahoe, node, gateway, tmp_path, make, code, why):
    path = tmp_path / "bad"
    make(path)
    done = tahoe("-d", node, "put", path)
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith("error: ")
    assert why in done.err
    assert not gateway.requests


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_put_refuses_what_it_may_not_read(tahoe, node, source):
    source.chmod(0)
    done = tahoe("-d", node, "put", source)
    assert done.code == 1
    assert "can't be read" in done.err


def test_put_explains_too_few_servers(tahoe, node, gateway, source):
    message = "storing it needs 7 servers, only 1 answers"
    gateway.refuse("PUT", 500, "not-enough-servers", message)
    done = tahoe("-d", node, "put", source)
    assert done.code == 12
    first, who, fix = done.err.splitlines()
    assert first.startswith(f"error: {message}")
    assert first.endswith("[12 not enough servers]")
    assert who == "  up: s1   down: s2 (Reconnecting in 2 seconds (last attempt 0s ago))"
    assert fix.startswith("  fix: start more servers")
    assert fix.endswith(f"tahoe put --happy 1 {source}")


def test_put_hears_an_early_refusal_of_a_large_body(tahoe, node, gateway, tmp_path):
    gateway.refuse("PUT", 507, "no-space", "no server has room")
    large = tmp_path / "large"
    large.write_bytes(bytes(30_000_000))
    done = tahoe("-d", node, "put", large)
    assert done.code in (17, 10)  # the reset may overtake the answer
    assert done.err.startswith("error: ")


def test_put_understands_a_gateway_of_tahoe_lafs(tahoe, node, gateway, source):
    text = "Traceback …\nallmydata.interfaces.UploadUnhappinessError: only 2 server(s)"
    gateway.errors["PUT"] = 500, "text/plain", text
    assert tahoe("-d", node, "put", source).code == 12


def test_put_without_a_node(tahoe, tmp_path, source):
    done = tahoe("-d", tmp_path, "put", source)
    assert done.code == 10
    assert f"fix: tahoe -d {tmp_path} start" in done.err


def test_put_with_a_node_that_is_gone(tahoe, node, gateway, source):
    (node / "node.url").write_text("http://127.0.0.1:1/\n")
    done = tahoe("-d", node, "put", source)
    assert done.code == 10
    assert f"no node answers at http://127.0.0.1:1/ of {node}" in done.err
    assert "Connection refused" in done.err


# ---- get


def test_get_writes_the_file(tahoe, node, gateway, target):
    cap = gateway.hold(b"x" * 700_000)
    done = tahoe("-d", node, "get", cap, target)
    assert (done.code, done.out) == (0, "")
    assert target.read_bytes() == b"x" * 700_000
    assert os.listdir(target.parent) == [target.name]


@pytest.mark.parametrize("words", [[], ["-"]])
def test_get_writes_to_standard_output(tahoe, node, gateway, words):
    data = bytes(range(256))
    assert tahoe("-d", node, "get", gateway.hold(data), *words).data == data


def test_get_makes_a_file_with_the_usual_mode(tahoe, node, gateway, target):
    umask = os.umask(0o027)
    try:
        tahoe("-d", node, "get", gateway.hold(b"x"), target)
    finally:
        os.umask(umask)
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_get_replaces_a_file_and_keeps_its_mode(tahoe, node, gateway, target):
    target.write_bytes(b"old")
    target.chmod(0o600)
    tahoe("-d", node, "get", gateway.hold(b"new"), target)
    assert target.read_bytes() == b"new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_get_follows_a_link_to_the_file_it_replaces(tahoe, node, gateway, target, tmp_path):
    real = tmp_path / "real"
    real.write_bytes(b"old")
    target.symlink_to(real)
    tahoe("-d", node, "get", gateway.hold(b"new"), target)
    assert target.is_symlink()
    assert real.read_bytes() == b"new"


def test_get_into_a_device(tahoe, node, gateway):
    assert tahoe("-d", node, "get", gateway.hold(b"x"), "/dev/null").code == 0


def test_get_of_an_unrecoverable_file_leaves_nothing(tahoe, node, gateway, target):
    gateway.refuse("GET", 410, "unrecoverable", "found 2 shares, wanted 3", why="at s1, s2")
    done = tahoe("-d", node, "get", gateway.hold(b"x"), target)
    assert done.code == 13
    first, why = done.err.splitlines()
    assert first.startswith("error: found 2 shares, wanted 3")
    assert why == "  at s1, s2"
    assert nothing_left(target)


def test_get_goes_on_where_it_was_cut(tahoe, node, gateway, target):
    data = os.urandom(900_000)
    cap = gateway.hold(data)
    gateway.cuts = [300_000, 1]
    assert tahoe("-d", node, "get", cap, target).code == 0
    assert target.read_bytes() == data
    ranges = [request.headers["Range"] for request in gateway.requests]
    assert ranges == [None, "bytes=300000-", "bytes=300001-"]


def test_get_asks_why_it_was_cut(tahoe, node, gateway, target):
    cap = gateway.hold(bytes(900_000))
    gateway.cuts = [300_000]
    answer = gateway.get

    def lose_the_shares(request):
        answer(request)
        gateway.refuse("GET", 410, "unrecoverable", "a share was lost meanwhile")

    gateway.get = lose_the_shares
    done = tahoe("-d", node, "get", cap, target)
    assert done.code == 13
    assert nothing_left(target)


@pytest.mark.parametrize("resumable", [True, False])
def test_get_that_is_always_cut_fails_and_leaves_the_old_file(
    tahoe, node, gateway, target, resumable
):
    target.write_bytes(b"old")
    cap = gateway.hold(bytes(900_000))
    gateway.cuts = [1000] * 9
    gateway.resumable = resumable
    done = tahoe("-d", node, "get", cap, target)
    assert done.code == 1
    assert "the transfer was cut after" in done.err
    assert target.read_bytes() == b"old"
    assert os.listdir(target.parent) == [target.name]


def test_get_to_a_directory_that_is_not_there(tahoe, node, gateway, tmp_path):
    done = tahoe("-d", node, "get", gateway.hold(b"x"), f"{tmp_path}/new/")
    assert done.code == 2
    assert f"there is no directory {tmp_path}/new/" in done.err
    assert not (tmp_path / "new").exists()
    assert not gateway.requests


def test_get_to_a_directory(tahoe, node, gateway, tmp_path):
    done = tahoe("-d", node, "get", gateway.hold(b"x"), tmp_path)
    assert done.code == 1
    assert "is a directory" in done.err
    assert not gateway.requests


def test_get_below_no_directory(tahoe, node, gateway, tmp_path):
    done = tahoe("-d", node, "get", gateway.hold(b"x"), tmp_path / "none" / "x")
    assert done.code == 2
    assert not gateway.requests


def test_get_with_no_room(tahoe, node, gateway):
    done = tahoe("-d", node, "get", gateway.hold(bytes(100_000)), "/dev/full")
    assert done.code == 17
    assert "no room for /dev/full" in done.err


@pytest.mark.parametrize(
    ("cap", "code", "why"),
    [
        ("URI:CHK:abc:def:3:10:5", 3, "mistyped"),
        ("URI:NEW:abc:def", 3, "not the capability of a file"),
        ("nowhere:hello", 2, "there is no alias 'nowhere'"),
        (DIRECTORY, 3, "this is a directory"),
        (VERIFIER, 15, "a verify capability can't be read"),
    ],
)
def test_get_refuses_before_it_asks_the_node(tahoe, node, gateway, target, cap, code, why):
    done = tahoe("-d", node, "get", cap, target)
    assert done.code == code
    assert why in done.err
    assert len(cap) < 6 or cap not in done.err
    assert not gateway.requests
    assert nothing_left(target)


def test_get_of_what_looks_right_and_is_not_says_what_is_wrong(
    tahoe, node, gateway, target
):
    gateway.refuse("GET", 400, "bad-cap", "GET unknown URI type")  # as 1.20 words it
    cap = f"URI:CHK:{'a' * 26}:{'a' * 52}:0:10:99"
    done = tahoe("-d", node, "get", cap, target)
    assert done.code == 3
    assert "mistyped capability: after URI:CHK:… it says 0 of 10 shares" in done.err
    assert "fix: copy the whole capability" in done.err
    assert nothing_left(target)


def test_get_into_standard_output_and_json_can_not_both_be(tahoe, node, gateway):
    assert tahoe("-d", node, "get", "--json", gateway.hold(b"x")).code == 3


def command(*words):
    return [sys.executable, "-m", "allmydata.cli.main", *map(str, words)]


@pytest.mark.system
def test_a_reader_that_leaves_is_no_error(node, gateway):
    cap = gateway.hold(bytes(5_000_000))
    child = subprocess.Popen(
        command("-d", node, "get", cap), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    child.stdout.read(10)
    child.stdout.close()
    assert child.stderr.read() == b""
    child.stderr.close()
    assert child.wait() == 141


@pytest.mark.system
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_get_that_is_stopped_leaves_nothing(node, gateway, target, number, code):
    cap = gateway.hold(bytes(5_000_000))
    answer = gateway.get

    def stop_it_half_way(request):
        request.send_response(200)
        request.send_header("Content-Length", "5000000")
        request.end_headers()
        request.wfile.write(bytes(1_000_000))
        request.wfile.flush()
        while nothing_left(target):
            pass
        child.send_signal(number)
        request.rfile.read(1)  # until it hangs up
        request.close_connection = True

    gateway.get = stop_it_half_way
    child = subprocess.Popen(
        command("-d", node, "get", cap, target), stderr=subprocess.PIPE
    )
    child.stderr.read()
    child.stderr.close()
    assert child.wait() == code
    assert nothing_left(target)
    gateway.get = answer


# ---- servers


def test_servers_lists_them_with_their_state(tahoe, node, gateway):
    done = tahoe("-d", node, "servers")
    assert done.out.splitlines() == [
        "s1     5.0 GB free  Connected to tcp:127.0.0.1:2 via tcp",
        "s2          ? free  Reconnecting in 2 seconds (last attempt 0s ago)",
    ]
    assert done.err == "1 of 2 servers connected\n"


def test_servers_as_json(tahoe, node, gateway):
    said = json.loads(tahoe("-d", node, "servers", "--json").out)
    assert [server["nickname"] for server in said["servers"]] == ["s1", "s2"]


def test_quiet_says_nothing_but_results(tahoe, node, gateway):
    assert tahoe("-q", "-d", node, "servers").err == ""
