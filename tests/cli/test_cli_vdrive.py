import io
import json
import os
import tarfile

import pytest

from allmydata.node.config import read
from allmydata.node.create import Answers, create
from allmydata.storage.tables import Tables
from allmydata.util import base32

FURL = f"pb://{'a' * 32}@tcp:127.0.0.1:1/name\n"
CAP = f"URI:CHK:{base32.b2a(bytes(16))}:{base32.b2a(bytes(32))}:3:10:99"


@pytest.fixture
def server(tmp_path):
    basedir = tmp_path / "server"
    create(basedir, Answers("vdrive"))
    (basedir / "private" / "node.pem").write_text("certificate and key")
    (basedir / "private" / "vdrive.furl").write_text(FURL)
    (basedir / "vdrive").mkdir()
    Tables.open(basedir / "vdrive" / "tables.sqlite3").close()
    return basedir


def test_a_backup_is_one_capability_and_comes_back(tahoe, node, gateway, server, tmp_path):
    done = tahoe("vdrive", "backup", "-d", server, "--via", node)
    assert (done.code, done.err) == (0, "")
    cap = done.out.strip()
    assert gateway.requests[-1].path == "/uri?convergence=none"
    assert gateway.files[cap].startswith(b"backup.json\0")
    done = tahoe("vdrive", "restore", cap, "--via", node, tmp_path / "again")
    assert done.code == 0
    assert done.out == f"vdrive restored in '{tmp_path}/again'\n"
    assert f"tahoe -d {tmp_path}/again start" in done.err
    assert read(tmp_path / "again").kind == "vdrive"
    pem = tmp_path / "again" / "private" / "node.pem"
    assert pem.read_text() == "certificate and key"


def test_the_server_may_stand_before_the_command(tahoe, node, server):
    done = tahoe("-d", server, "vdrive", "backup", "--via", node, "--json")
    said = json.loads(done.out)
    assert done.code == 0
    assert said["cap"].startswith("URI:CHK:") and said["size"] > 1000


def test_the_capability_may_come_from_standard_input(tahoe, node, server, tmp_path):
    cap = tahoe("vdrive", "backup", "-d", server, "--via", node).out
    words = ("vdrive", "restore", "-", "--via", node, tmp_path / "again", "--json")
    done = tahoe(*words, stdin=cap.encode())
    assert json.loads(done.out) == {
        "node_directory": f"{tmp_path}/again",
        "kind": "vdrive",
    }


def test_nothing_is_fetched_for_a_directory_that_is_not_empty(
    tahoe, node, gateway, tmp_path
):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter").write_text("dear")
    done = tahoe("vdrive", "restore", CAP, "--via", node, tmp_path / "full")
    assert done.code == 16
    assert "is not empty" in done.err
    assert gateway.requests == []
    assert os.listdir(tmp_path / "full") == ["letter"]


def test_a_file_that_is_no_backup_leaves_nothing(tahoe, node, gateway, tmp_path):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("../evil"))
    cap = gateway.hold(out.getvalue())
    done = tahoe("vdrive", "restore", cap, "--via", node, tmp_path / "place" / "x")
    assert done.code == 14
    assert "not the backup of a vdrive server" in done.err
    assert os.listdir(tmp_path / "place") == []


def test_a_transfer_cut_short_leaves_nothing(tahoe, node, gateway, server, tmp_path):
    cap = tahoe("vdrive", "backup", "-d", server, "--via", node).out.strip()
    gateway.cuts = [3000]
    gateway.resumable = False
    done = tahoe("vdrive", "restore", cap, "--via", node, tmp_path / "place" / "x")
    assert done.code == 1
    assert os.listdir(tmp_path / "place") == []


@pytest.mark.parametrize("cap", ["URI:LIT:nbuq", "URI:CHK:abc", "x", ""])
def test_what_is_no_capability_of_a_backup_is_refused(tahoe, node, tmp_path, cap):
    done = tahoe("vdrive", "restore", cap, "--via", node, tmp_path / "x")
    assert done.code == 3
    assert not (tmp_path / "x").exists()


def test_a_node_that_keeps_no_directories_is_not_backed_up(tahoe, node, tmp_path):
    create(tmp_path / "c", Answers("client", listen=False))
    done = tahoe("vdrive", "backup", "-d", tmp_path / "c", "--via", node)
    assert done.code == 2
    assert "keeps no directories" in done.err


def test_a_client_that_does_not_run_is_named(tahoe, server, tmp_path):
    done = tahoe("vdrive", "backup", "-d", server, "--via", tmp_path / "gone")
    assert done.code == 10
    assert tahoe("vdrive", "backup", "-d", server).code == 3


@pytest.mark.parametrize(
    ("words", "enabled", "root"),
    [
        (["create-introducer"], True, True),
        (["create-introducer", "--no-vdrive"], False, True),
        (["create-introducer", "--no-public-root"], True, False),
        (["create-vdrive"], True, True),
        (["create-vdrive", "--no-public-root", "--hostname", "h"], True, False),
    ],
)
def test_servers_of_directories_are_made(tahoe, tmp_path, words, enabled, root):
    done = tahoe(*words, tmp_path / "n")
    assert done.code == 0
    config = read(tmp_path / "n")
    assert (config.vdrive_enabled, config.vdrive_public_root) == (enabled, root)
    assert config.kind == words[0].removeprefix("create-")


def test_a_vdrive_server_needs_a_name_and_takes_no_shares(tahoe, tmp_path):
    done = tahoe("create-vdrive")
    assert done.code == 3
    assert tahoe("create-vdrive", "--shares-total", "3", tmp_path / "n").code == 3
    done = tahoe("create-vdrive", tmp_path / "n")
    assert done.out == f"Vdrive server created in '{tmp_path}/n'\n"
