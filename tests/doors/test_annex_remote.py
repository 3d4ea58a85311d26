"""The external special remote, over a real grid."""

import subprocess
from contextlib import contextmanager

import pytest

from tests.support.annex_remote import Peer, served
from tests.support.running_demo import TAHOE, running_demo

CONTENT = bytes(range(256)) * 500


@pytest.fixture(scope="module")
def demo():
    with running_demo() as demo:
        yield demo


@contextmanager
def remote(demo, **config):
    """Give git-annex's side of a remote that is made, and ready."""
    peer = Peer(**{"node": str(demo.node_directory), **config})
    try:
        assert peer.ask("INITREMOTE") == "INITREMOTE-SUCCESS"
        assert peer.ask("PREPARE") == "PREPARE-SUCCESS"
        yield peer
    finally:
        peer.close()


@pytest.fixture
def source(tmp_path):
    (tmp_path / "a source").write_bytes(CONTENT)
    return tmp_path / "a source"


@pytest.mark.parametrize("mode", ["dir", "state"])
def test_a_content_is_stored_fetched_and_removed(demo, source, tmp_path, mode):
    with remote(demo, mode=mode) as peer:
        assert peer.ask("CHECKPRESENT K") == "CHECKPRESENT-FAILURE K"
        for _ in range(2):
            assert peer.ask("TRANSFER STORE K", source) == "TRANSFER-SUCCESS STORE K"
            assert peer.ask("CHECKPRESENT K") == "CHECKPRESENT-SUCCESS K"
        got = tmp_path / "got"
        assert peer.ask("TRANSFER RETRIEVE K", got) == "TRANSFER-SUCCESS RETRIEVE K"
        assert got.read_bytes() == CONTENT
        for _ in range(2):
            assert peer.ask("REMOVE K") == "REMOVE-SUCCESS K"
            assert peer.ask("CHECKPRESENT K") == "CHECKPRESENT-FAILURE K"
        failed = peer.ask("TRANSFER RETRIEVE K", got)
        assert failed.startswith("TRANSFER-FAILURE RETRIEVE K ")


@pytest.mark.parametrize("there", [0, 1, 1000, len(CONTENT), len(CONTENT) + 5])
def test_what_is_there_of_a_content_is_not_fetched_again(demo, source, tmp_path, there):
    mark = b"M" * there  # fetched bytes would show
    with remote(demo) as peer:
        peer.ask("TRANSFER STORE K", source)
        (tmp_path / "got").write_bytes(mark)
        assert peer.ask("TRANSFER RETRIEVE K", tmp_path / "got").startswith("TRANSFER-S")
    kept = mark if there <= len(CONTENT) else b""
    assert (tmp_path / "got").read_bytes() == kept + CONTENT[len(kept) :]


@pytest.mark.parametrize(
    "key", ["GPGHMACSHA1--00", "S-s1-S5-C7--a", "WORM--\udcff", "URL--" + "x" * 400, "é"]
)
def test_keys_of_all_kinds(demo, tmp_path, key):
    (tmp_path / "f").write_bytes(b"")
    with remote(demo) as peer:
        assert peer.ask("TRANSFER STORE", key, tmp_path / "f").startswith("TRANSFER-S")
        assert peer.ask("CHECKPRESENT", key) == f"CHECKPRESENT-SUCCESS {key}"
        assert peer.ask("TRANSFER RETRIEVE", key, tmp_path / "g").startswith("TRANSFER-S")
        assert (tmp_path / "g").read_bytes() == b""
        assert peer.ask("REMOVE", key) == f"REMOVE-SUCCESS {key}"


def test_an_empty_key_is_an_error(demo, source):
    with remote(demo) as peer:
        for words in (["TRANSFER STORE", "", source], ["CHECKPRESENT "], ["REMOVE "]):
            assert "a key is empty" in peer.ask(*words)


def test_what_another_clone_removes_or_stores_is_seen(demo, source):
    with remote(demo) as one:
        config = {name: one.config[name] for name in ("directory",)}
        other = Peer(node=str(demo.node_directory), **config)
        other.secrets = dict(one.secrets)
        one.ask("TRANSFER STORE K", source)
        assert other.ask("CHECKPRESENT K") == "CHECKPRESENT-SUCCESS K"
        assert one.ask("CHECKPRESENT K") == "CHECKPRESENT-SUCCESS K"
        assert other.ask("REMOVE K") == "REMOVE-SUCCESS K"
        assert one.ask("CHECKPRESENT K") == "CHECKPRESENT-FAILURE K"
        other.close()


def test_a_clone_needs_the_right_capability(demo, monkeypatch):
    with remote(demo) as one:
        known = {"node": str(demo.node_directory), "directory": one.config["directory"]}
        cap = one.secrets["dircap"]
    for given, reply in (
        ("", "INITREMOTE-FAILURE this clone does not hold"),
        ("URI:CHK:x", "INITREMOTE-FAILURE "),
        (demo.tahoe("mkdir"), "INITREMOTE-FAILURE the capability given is not that"),
        (cap, "INITREMOTE-SUCCESS"),
    ):
        monkeypatch.setenv("TAHOEGRID_CAP", given)
        peer = Peer(**known)
        assert peer.ask("INITREMOTE").startswith(reply)
        assert ("dircap" in peer.secrets) == (given == cap)
        peer.close()


def test_who_may_only_read_can_only_read(demo, source, tmp_path, monkeypatch):
    with remote(demo) as one:
        one.ask("TRANSFER STORE K", source)
        path = f"/uri/{one.secrets['dircap']}?t=readonly-uri"
        monkeypatch.setenv("TAHOEGRID_CAP", demo.ask("GET", path).text)
        known = {"directory": one.config["directory"]}
    with remote(demo, **known) as reader:
        assert reader.ask("TRANSFER RETRIEVE K", tmp_path / "g").startswith("TRANSFER-S")
        for words in (["TRANSFER STORE L", source], ["REMOVE K"]):
            assert "-FAILURE" in reader.ask(*words)
        assert reader.ask("CHECKPRESENT K") == "CHECKPRESENT-SUCCESS K"


def test_an_exported_tree(demo, source):
    with remote(demo, exporttree="yes") as peer:
        peer.ask("GETCOST")  # so that EXPORT, which has no reply, is followed by another
        assert exported(peer, "a b/c d", "TRANSFEREXPORT STORE K", source)
        assert exported(peer, "a b/c d", "CHECKPRESENTEXPORT K")
        assert exported(peer, "a b/c d", "RENAMEEXPORT K e/f g")
        assert not exported(peer, "a b/c d", "CHECKPRESENTEXPORT K")
        assert exported(peer, "e/f g", "CHECKPRESENTEXPORT K")
        assert peer.ask("REMOVEEXPORTDIRECTORY e") == "REMOVEEXPORTDIRECTORY-FAILURE"
        for name in ("a b", "a b", "nowhere/at all"):
            told = peer.ask("REMOVEEXPORTDIRECTORY", name)
            assert told == "REMOVEEXPORTDIRECTORY-SUCCESS"
        assert exported(peer, "e/f g", "REMOVEEXPORT K")
        assert exported(peer, "e/f g", "REMOVEEXPORT K")
        for name in ("", "/a", "a//b", "..", "a/../b", "x" * 256, "e\u0301", "\udcff"):
            assert not exported(peer, name, "TRANSFEREXPORT STORE K", source)
        assert peer.ask("WHEREIS K") == "WHEREIS-FAILURE"


def exported(peer, name, *words):
    """Ask of an exported file; tell whether the reply is yes."""
    peer._lines.write("EXPORT", name)
    return "-SUCCESS" in peer.ask(*words)


def test_a_directory_is_no_file_and_is_not_overwritten(demo, source):
    with remote(demo, exporttree="yes") as peer:
        assert exported(peer, "d/f", "TRANSFEREXPORT STORE K", source)
        assert not exported(peer, "d", "TRANSFEREXPORT STORE K", source)
        assert not exported(peer, "d", "CHECKPRESENTEXPORT K")
        assert exported(peer, "d", "REMOVEEXPORT K")
        assert exported(peer, "d/f", "CHECKPRESENTEXPORT K")


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"mode": "other"}, "mode='other' is not known"),
        ({"presence": "x"}, "presence='x' is not known"),
        ({"mode": "state", "exporttree": "yes"}, "exporttree=yes needs names"),
        ({"directory": "URI:DIR:x"}, "directory= is no place for a capability"),
        ({"node": "", "node-url": "nowhere"}, "node-url is no address"),
        ({"node": "", "node-url": "http://127.0.0.1:1"}, "no node answers"),
    ],
)
def test_settings_that_make_no_sense(demo, config, why):
    peer = Peer(**{"node": str(demo.node_directory), **config})
    assert why in peer.ask("INITREMOTE")
    assert peer.ask("GETCOST") == "COST 200"
    assert peer.close() == 0


def test_while_the_node_is_down_nothing_is_known(demo, source, tmp_path):
    with remote(demo) as one:
        known = {"directory": one.config["directory"], "node-url": "http://127.0.0.1:1"}
        peer = Peer(**known)
        peer.secrets = dict(one.secrets)
    assert peer.ask("PREPARE") == "PREPARE-SUCCESS"
    assert peer.ask("CHECKPRESENT K").startswith("CHECKPRESENT-UNKNOWN K no node answers")
    for words in (["TRANSFER STORE K", source], ["TRANSFER RETRIEVE K", tmp_path / "g"]):
        assert "-FAILURE" in peer.ask(*words)
    assert peer.ask("REMOVE K").startswith("REMOVE-FAILURE K ")
    peer.close()


def test_no_capability_is_ever_told_but_by_whereis(demo, source):
    with remote(demo) as peer:
        peer.ask("TRANSFER STORE K", source)
        peer.ask("TRANSFER RETRIEVE none /nowhere")
        assert not any("URI:" in line for line in peer.told)
        assert peer.ask("WHEREIS K").endswith("/K")


# ---- lines


@pytest.mark.parametrize(
    ("data", "replies", "code"),
    [
        (b"", [], 0),
        (b"GETCOST", [], 0),  # cut off: no line
        (b"\nwhat is it\n\xff\n", ["UNSUPPORTED-REQUEST"] * 3, 0),
        (b"VALUE x\nCREDS a b\n", ["UNSUPPORTED-REQUEST"] * 2, 0),
        (b"getcost\nGETCOST\n", ["UNSUPPORTED-REQUEST", "COST 200"], 0),
        (b"GETAVAILABILITY\n", ["AVAILABILITY GLOBAL"], 0),
        (b"EXTENSIONS ASYNC\n", ["EXTENSIONS"], 0),
        (b"EXTENSIONS ASYNC INFO\n", ["EXTENSIONS INFO"], 0),
        (
            b"CLAIMURL http://x\nCHECKURL http://x\n",
            ["CLAIMURL-FAILURE", "CHECKURL-FAILURE"],
            0,
        ),
        (b"ERROR you\nGETCOST\n", [], 1),
        (b"GETCOST 1\n", ["ERROR GETCOST with 1 words, wanted 0"], 1),
        (b"TRANSFER STORE K\n", ["ERROR TRANSFER with 2 words, wanted 3"], 1),
        (
            b"PREPARE\nGETCOST\n",
            ["GETCONFIG mode", "ERROR VALUE was to come, and 'GETCOST' came"],
            1,
        ),
        (b"PREPARE\nERROR no\n", ["GETCONFIG mode"], 1),
        (b"PREPARE\n", ["GETCONFIG mode"], 1),
        (
            b"GETCOST\n" + b"x" * 2**21,
            ["COST 200", "ERROR a line of more than 1048576 bytes"],
            1,
        ),
    ],
)
def test_lines_out_of_order_unknown_and_too_long(data, replies, code):
    assert served(data) == (["VERSION 1", *replies], code)


def test_a_transfer_of_no_direction_ends_it():
    data = b"TRANSFER UP K f\n" + b"VALUE \n" * 9
    lines, code = served(data)
    assert code == 1
    assert lines[-1].startswith("ERROR")


def test_the_program_loads_nothing_heavy():
    code = "import sys, allmydata.doors.annex.program as p; print(*sys.modules)"
    done = subprocess.run(
        [TAHOE[0], "-c", code], capture_output=True, text=True, check=True
    )
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert not loaded & {"twisted", "foolscap", "click", "zope", "cryptography"}
