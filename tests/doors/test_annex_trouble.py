"""The external special remote where nodes move, clones meet and transfers break."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from urllib.parse import urlsplit

import pytest

from tests.support.annex_remote import Peer
from tests.support.bottleneck import bottleneck
from tests.support.running_demo import running_demo

CONTENT = bytes(range(256)) * 2000


@pytest.fixture(scope="module")
def demo():
    with running_demo() as demo:
        yield demo


@pytest.fixture
def peers(demo):
    """Give what makes clones of one remote; those after the first share its directory."""
    made = []

    def make(**config):
        config = {"node": str(demo.node_directory), **config}
        if made:
            config["directory"] = made[0].config["directory"]
        peer = Peer(**config)
        if made:
            peer.secrets = dict(made[0].secrets)
        else:
            assert peer.ask("INITREMOTE") == "INITREMOTE-SUCCESS"
        made.append(peer)
        return peer

    yield make
    for peer in made:
        peer.close()


@pytest.fixture
def source(tmp_path):
    (tmp_path / "source").write_bytes(CONTENT)
    return tmp_path / "source"


def port_of(demo):
    return urlsplit(demo.url).port


# ---- nodes -------------------------------------------------------------------------------


def test_a_node_that_comes_back_elsewhere_is_found(demo, peers, source, tmp_path):
    node = tmp_path / "node"
    node.mkdir()
    (node / "private").symlink_to(demo.node_directory / "private")
    peers().ask("TRANSFER STORE K", source)
    clone = peers(node=str(node))
    for url, reply in (
        (None, "CHECKPRESENT-UNKNOWN K no node has offered"),
        ("http://127.0.0.1:1/", "CHECKPRESENT-UNKNOWN K no node answers"),
        (demo.url, "CHECKPRESENT-SUCCESS K"),
        ("http://127.0.0.1:1/", "CHECKPRESENT-UNKNOWN K no node answers"),
        (demo.url, "CHECKPRESENT-SUCCESS K"),
    ):
        if url:
            (node / "node.url").write_text(url)
        assert clone.ask("CHECKPRESENT K").startswith(reply)


def test_on_another_machine_a_node_that_is_not_there_is_passed_over(
    demo, peers, source, tmp_path, monkeypatch
):
    peers().ask("TRANSFER STORE K", source)
    monkeypatch.setenv("TAHOE_NODE_DIRECTORY", str(demo.node_directory))
    moved = peers(node=str(tmp_path / "home of another machine"))
    assert moved.ask("CHECKPRESENT K") == "CHECKPRESENT-SUCCESS K"
    moved = peers(node=str(tmp_path / "nowhere"), **{"node-url": demo.url})
    assert moved.ask("TRANSFER RETRIEVE K", tmp_path / "got").startswith("TRANSFER-S")
    assert (tmp_path / "got").read_bytes() == CONTENT


@pytest.mark.parametrize("status", [404, 500, 200])
def test_of_another_server_nothing_is_believed(peers, source, tmp_path, status):
    class Other(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"<html>")

        do_DELETE = do_PUT = do_POST = do_GET  # noqa: N815

        def log_message(self, *words):
            pass

    peers().ask("TRANSFER STORE K", source)
    with HTTPServer(("127.0.0.1", 0), Other) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        clone = peers(node="", **{"node-url": f"http://127.0.0.1:{server.server_port}"})
        for key in ("K", "L"):
            assert clone.ask("CHECKPRESENT", key).startswith(f"CHECKPRESENT-UNKNOWN {key} ")
            assert clone.ask("REMOVE", key).startswith(f"REMOVE-FAILURE {key} ")
        for words in (["STORE", "L", source], ["RETRIEVE", "K", tmp_path / "got"]):
            assert "-FAILURE" in clone.ask("TRANSFER", *words)
        server.shutdown()


def test_servers_that_are_gone_and_servers_without_room(tmp_path):
    path, got = tmp_path / "source", tmp_path / "got"
    path.write_bytes(CONTENT)
    others = (1, 2, 3, 4)  # the last may hold two shares, not three
    with running_demo() as demo:
        configs = [{"mode": "dir", "presence": "shares"}, {"mode": "state"}]
        peers = [Peer(node=str(demo.node_directory), **config) for config in configs]
        for peer in peers:
            assert peer.ask("INITREMOTE") == "INITREMOTE-SUCCESS"
            assert peer.ask("TRANSFER STORE K", path) == "TRANSFER-SUCCESS STORE K"
        demo.tell("kill", *others)
        demo.until(dict.fromkeys(others, "killed"))
        for peer in peers:
            told = peer.ask("CHECKPRESENT K")
            assert told.startswith("CHECKPRESENT-UNKNOWN K too few shares are found")
            told = peer.ask("TRANSFER RETRIEVE K", got)
            assert told.startswith("TRANSFER-FAILURE RETRIEVE K ")
        for number in others:
            config = demo.node_directory.parent / f"storage{number}" / "tahoe.cfg"
            config.write_text(
                config.read_text().replace("_space = 0", f"_space = {10**17}")
            )
        demo.tell("revive", *others)
        demo.until(dict.fromkeys(others, "up"))
        path.write_bytes(CONTENT + b"more")
        for peer in peers:
            told = peer.ask("TRANSFER STORE L", path)
            assert told.startswith("TRANSFER-FAILURE STORE L ")
            assert peer.ask("CHECKPRESENT L") == "CHECKPRESENT-FAILURE L"
            assert peer.ask("CHECKPRESENT K") == "CHECKPRESENT-SUCCESS K"
            assert peer.ask("TRANSFER RETRIEVE K", got) == "TRANSFER-SUCCESS RETRIEVE K"
            assert got.read_bytes() == CONTENT
            got.unlink()
            peer.close()


# ---- clones ------------------------------------------------------------------------------


def test_clones_that_store_at_once_lose_nothing(peers, tmp_path):
    clones = [peers() for _ in range(4)]
    num_keys = 8

    def store(number):
        path = tmp_path / str(number)
        for i in range(num_keys):
            for key in (f"K{number}-{i}", f"BOTH-{i}"):  # one of its own, one of all
                path.write_bytes(key.encode() * 200)
                assert clones[number].ask(f"TRANSFER STORE {key}", path).endswith(key)

    with ThreadPoolExecutor(len(clones)) as threads:
        list(threads.map(store, range(len(clones))))
    keys = [f"K{number}-{i}" for number in range(4) for i in range(num_keys)]
    after = peers()
    for key in [*keys, *(f"BOTH-{i}" for i in range(num_keys))]:
        assert after.ask(f"CHECKPRESENT {key}") == f"CHECKPRESENT-SUCCESS {key}"
        got = tmp_path / "got"
        got.unlink(missing_ok=True)
        assert after.ask(f"TRANSFER RETRIEVE {key}", got).startswith("TRANSFER-S")
        assert got.read_bytes() == key.encode() * 200


# ---- transfers ---------------------------------------------------------------------------


def test_a_store_that_is_cut_off_leaves_no_name(demo, peers, source):
    whole = peers()
    with bottleneck(port_of(demo), 300_000) as narrow:
        clone = peers(node="", **{"node-url": narrow.url})
        assert clone.ask("TRANSFER STORE K", source).startswith("TRANSFER-FAILURE STORE K")
        assert narrow.is_full.is_set()
        assert clone.ask("CHECKPRESENT K").startswith("CHECKPRESENT-UNKNOWN K ")
    assert whole.ask("CHECKPRESENT K") == "CHECKPRESENT-FAILURE K"
    assert source.read_bytes() == CONTENT


def test_a_fetch_that_is_cut_off_goes_on_where_it_was(demo, peers, source, tmp_path):
    got = tmp_path / "got"
    whole = peers()
    whole.ask("TRANSFER STORE K", source)
    with bottleneck(port_of(demo), 300_000) as narrow:
        clone = peers(node="", **{"node-url": narrow.url})
        assert "-FAILURE RETRIEVE K" in clone.ask("TRANSFER RETRIEVE K", got)
    there = got.read_bytes()
    assert 0 < len(there) < 300_000 and CONTENT.startswith(there)
    mark = b"M" * len(there)  # what is fetched again would show
    got.write_bytes(mark)
    assert whole.ask("TRANSFER RETRIEVE K", got) == "TRANSFER-SUCCESS RETRIEVE K"
    assert got.read_bytes() == mark + CONTENT[len(mark) :]


def test_a_program_that_is_killed_while_it_stores_leaves_no_name(demo, peers, source):
    whole = peers()
    replies = {
        "GETCREDS": f"CREDS x {whole.secrets['dircap']}",
        "GETCONFIG directory": f"VALUE {whole.config['directory']}",
    }
    with bottleneck(port_of(demo), 300_000, breaks=False) as narrow:
        replies["GETCONFIG node-url"] = f"VALUE {narrow.url}"
        code = "from allmydata.doors.annex.program import main; main([])"
        with subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        ) as program:  # fmt: skip
            program.stdin.write(f"TRANSFER STORE K {source}\n")
            while line := program.stdout.readline().strip():
                if line.startswith("GET"):
                    word = line.removesuffix(" dircap")
                    program.stdin.write(replies.get(word, "VALUE ") + "\n")
                if line == "GETCREDS dircap":
                    break
            assert narrow.is_full.wait(20)
            program.kill()
    assert whole.ask("CHECKPRESENT K") == "CHECKPRESENT-FAILURE K"
    listed = demo.ask("GET", f"/uri/{whole.secrets['dircap']}?t=json")
    assert json.loads(listed.body)[1]["children"] == {}


def test_a_source_that_can_not_be_read_is_not_stored(peers, tmp_path):
    peer = peers()
    (tmp_path / "a directory").mkdir()
    for name in ("nowhere", "a directory", "x" * 300):
        told = peer.ask("TRANSFER STORE K", tmp_path / name)
        assert told.startswith("TRANSFER-FAILURE STORE K ")
    assert peer.ask("CHECKPRESENT K") == "CHECKPRESENT-FAILURE K"


def test_exported_files_that_nobody_named(peers, source):
    peer = peers(exporttree="yes")
    for words in ("TRANSFEREXPORT STORE K f", "CHECKPRESENTEXPORT K", "REMOVEEXPORT K"):
        assert "no EXPORT said which file is meant" in peer.ask(words)
    assert peer.ask("RENAMEEXPORT K g") == "RENAMEEXPORT-FAILURE K"
