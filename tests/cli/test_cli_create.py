import json
import re
from pathlib import Path

import pytest

from allmydata.node.config import read

FURL = f"pb://{'a' * 32}@tcp:127.0.0.1:1/name"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_the_words_of_the_bench(tahoe, tmp_path):
    where = ["--port=tcp:4000:interface=127.0.0.1", "--location=tcp:127.0.0.1:4000"]
    shares = ["--shares-needed=3", "--shares-happy=7", "--shares-total=10"]
    common = [f"--introducer={FURL}", *shares]
    assert tahoe("create-introducer", "--listen=tcp", *where, tmp_path / "i").code == 0
    node = ["create-node", *common, "--webport=none", "--nickname=s0", *where]
    assert tahoe(*node, tmp_path / "n").code == 0
    client = ["create-client", *common, "--webport=tcp:4001:interface=127.0.0.1"]
    assert tahoe(*client, "--nickname=client", tmp_path / "c").code == 0
    assert read(tmp_path / "i").kind == "introducer"
    assert read(tmp_path / "n").storage_enabled
    assert read(tmp_path / "n").web_port is None
    assert not read(tmp_path / "c").storage_enabled
    assert read(tmp_path / "c").shares_total == 10


def test_the_words_of_git_annex(tahoe, tmp_path):
    basedir = tmp_path / "uuid"
    words = ["create-client", "--nickname", "git-annex", "--introducer", FURL]
    assert tahoe("-d", basedir, *words).code == 0
    assert read(basedir).nickname == "git-annex"


def test_the_words_of_gridsync(tahoe, tmp_path):
    words = ["--webport=tcp:0:interface=127.0.0.1", "--listen", "none", "--no-storage"]
    assert tahoe("-d", tmp_path / "n", "create-node", *words).code == 0
    assert not read(tmp_path / "n").listens


@pytest.mark.parametrize("command", ["create-introducer", "create-node", "create-client"])
def test_create_alone_makes_a_node_that_starts(tahoe, tmp_path, command):
    done = tahoe(command, tmp_path / "n")
    assert done.code == 0
    assert re.fullmatch(r"(Node|Introducer) created in '.*/n'\n", done.out)
    assert f"tahoe -d {tmp_path}/n start" in done.err
    read(tmp_path / "n")


@pytest.mark.parametrize("command", ["create-introducer", "create-node", "create-client"])
def test_the_same_command_again_says_so(tahoe, tmp_path, command):
    tahoe(command, tmp_path / "n")
    done = tahoe(command, tmp_path / "n")
    assert done.code == 0
    assert "was made with these answers already" in done.out


def test_other_answers_are_a_conflict(tahoe, tmp_path):
    tahoe("create-node", tmp_path)
    done = tahoe("create-node", "--nickname=x", tmp_path)
    assert done.code == 16
    assert "different: nickname" in done.err


def test_where_the_directory_is_named(tahoe, tmp_path, home, monkeypatch):
    def made(*words):
        said = json.loads(tahoe(*words, "--json").out)
        return Path(said["node_directory"])

    assert made("-d", tmp_path / "a", "create-client") == tmp_path / "a"
    assert made("create-client", "-C", tmp_path / "b") == tmp_path / "b"
    assert made("-d", tmp_path / "a", "create-client", tmp_path / "c") == tmp_path / "c"
    assert made("create-client") == home / ".tahoe"
    monkeypatch.setenv("TAHOE_NODE_DIRECTORY", str(tmp_path / "d"))
    assert made("create-client") == tmp_path / "d"
    monkeypatch.chdir(tmp_path)
    assert made("create-introducer", "e") == tmp_path / "e"


def test_an_introducer_needs_a_directory(tahoe, home):
    done = tahoe("create-introducer")
    assert done.code == 3
    assert "no node directory given" in done.err
    assert not home.exists()


def test_json(tahoe, tmp_path):
    said = json.loads(tahoe("create-node", "--json", tmp_path / "n").out)
    assert said == {
        "node_directory": str(tmp_path / "n"),
        "kind": "client",
        "created": True,
    }
    assert not json.loads(tahoe("create-node", "--json", tmp_path / "n").out)["created"]


@pytest.mark.parametrize(
    "words",
    [
        ["--hide-ip"],
        ["--join", "1-a-b"],
        ["--helper"],
        ["--tor-executable=x"],
        ["--listen=tor"],
        ["--listen", "i2p"],
    ],
)
def test_what_is_not_offered_is_said_so(tahoe, tmp_path, words):
    done = tahoe("create-node", *words, tmp_path / "n")
    assert done.code == 3
    assert "not offered by this version" in done.err
    assert not (tmp_path / "n").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--shares-needed=0"], "'0' is out of range"),
        (["--shares-total", "x"], "'x' is not a whole number"),
        (["--port=tcp:0"], "has port 0"),
        (["--introducer=pb:x"], "--introducer is not a FURL"),
        (["--storage-dirs=x"], "No such option '--storage-dirs'"),
    ],
)
def test_bad_answers(tahoe, tmp_path, words, said):
    done = tahoe("create-node", *words, tmp_path / "n")
    assert done.code == 3
    assert said in done.err
    assert not (tmp_path / "n").exists()


def test_a_directory_that_can_not_be_made(tahoe):
    done = tahoe("create-client", "/dev/null/x")
    assert done.code == 1
    assert "/dev/null" in done.err
    assert "Traceback" not in done.err
