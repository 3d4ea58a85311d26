"""The backup of a vdrive server: what it holds, and what is not taken for one."""

import io
import json
import os
import shutil
import stat
import tarfile

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.threads import deferToThread

from allmydata.errors import ConfigError, ConflictError, CorruptError, NotFoundError
from allmydata.node.config import detect_kind
from allmydata.node.create import Answers, create
from allmydata.node.vdrive_archive import (
    MAX_SMALL,
    TABLES,
    make_archive,
    members_of,
    restore,
)
from allmydata.storage.tables import Tables

FURL = f"pb://{'a' * 32}@tcp:127.0.0.1:1/name\n"
LIT = "URI:LIT:nbuq"


@pytest.fixture
def server(tmp_path):
    """Return the directory of a vdrive server that has run and runs no more."""
    basedir = tmp_path / "server"
    create(basedir, Answers("vdrive"))
    (basedir / "private" / "node.pem").write_text("certificate and key")
    (basedir / "private" / "vdrive.furl").write_text(FURL)
    (basedir / "private" / "vdrive-root").write_text("a" * 26 + "\n")
    (basedir / "vdrive.port").write_text("tcp:1234\n")
    (basedir / "vdrive").mkdir()
    Tables.open(basedir / TABLES).close()
    return basedir


def archived(basedir, scratch):
    scratch.mkdir()
    archive = make_archive(basedir, scratch)
    data = b"".join(iter(lambda: archive.read(1000), b""))
    assert len(data) == archive.size
    return data


@pytest.fixture
def data(server, tmp_path):
    return archived(server, tmp_path / "scratch")


def files_in(basedir):
    return {
        str(path.relative_to(basedir)): path.read_bytes()
        for path in basedir.rglob("*")
        if path.is_file() and path.name != "tables.sqlite3"
    }


def test_what_comes_back_is_what_was_there(server, data, tmp_path):
    assert restore(io.BytesIO(data), tmp_path / "deep" / "again") == "vdrive"
    again = tmp_path / "deep" / "again"
    assert files_in(again) == files_in(server)
    assert detect_kind(again) == "vdrive"
    for path in again.rglob("*"):
        private = path.is_dir() or path.parent != again
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600 if private else 0o644)
    assert stat.S_IMODE(again.stat().st_mode) == 0o700
    assert os.listdir(tmp_path / "deep") == ["again"]


def test_it_is_a_tar_like_any_other(data):
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        names = tar.getnames()
        assert json.load(tar.extractfile("backup.json")) == {"format": 1, "kind": "vdrive"}
    assert set(names) < set(members_of("vdrive"))
    assert names[-1] == TABLES


def test_an_empty_directory_is_filled(data, tmp_path):
    (tmp_path / "empty").mkdir()
    restore(io.BytesIO(data), tmp_path / "empty")
    assert (tmp_path / "empty" / "tahoe.cfg").exists()


def test_nothing_is_put_where_something_is(data, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter").write_text("dear")
    (tmp_path / "file").write_text("dear")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("full", "file", "link"):
        with pytest.raises(ConflictError):
            restore(io.BytesIO(data), tmp_path / name)
    assert os.listdir(tmp_path / "full") == ["letter"]
    assert not (tmp_path / "elsewhere").exists()


def test_only_a_vdrive_server_is_backed_up(server, tmp_path):
    create(tmp_path / "client", Answers("client", listen=False))
    with pytest.raises(NotFoundError, match="keeps no directories"):
        make_archive(tmp_path / "client", tmp_path)
    create(tmp_path / "introducer", Answers("introducer", no_vdrive=True))
    with pytest.raises(NotFoundError, match="keeps no directories"):
        make_archive(tmp_path / "introducer", tmp_path)
    (server / "private" / "node.pem").unlink()
    with pytest.raises(ConfigError, match=r"node\.pem is missing"):
        make_archive(server, tmp_path)


# ---- what is no backup -----------------------------------------------------------------


def changed(data, change):
    """Return the tar *data* after *change* had its way with the list of its members."""
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        members = [
            (member, tar.extractfile(member).read() if member.isreg() else b"")
            for member in tar
        ]
    change(members)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def named(name, content=b"x", kind=tarfile.REGTYPE, target=""):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return lambda members: members.insert(1, (member, content))


def without(name):
    return lambda members: members.remove(next(m for m in members if m[0].name == name))


def holding(name, content):
    def change(members):
        i = next(i for i, m in enumerate(members) if m[0].name == name)
        members[i] = (members[i][0], content)

    return change


HOSTILE = {
    "above": named("../evil"),
    "absolute": named("/tmp/evil"),
    "roundabout": named("private/../../evil"),
    "dotted": named("./tahoe.cfg"),
    "unknown": named("evil.py"),
    "code": named("private/introducers.yaml"),
    "symlink": named("vdrive.port", b"", tarfile.SYMTYPE, "/etc/passwd"),
    "symlinked directory": named("private", b"", tarfile.SYMTYPE, "/tmp"),
    "hard link": named("vdrive.port", b"", tarfile.LNKTYPE, "../../evil"),
    "device": named("vdrive.port", b"", tarfile.CHRTYPE),
    "fifo": named("vdrive.port", b"", tarfile.FIFOTYPE),
    "directory": named("vdrive.port", b"", tarfile.DIRTYPE),
    "twice": named("tahoe.cfg"),
    "other kind": named("private/node.pem/x"),
    "huge": holding("private/vdrive.furl", bytes(MAX_SMALL + 1)),
    "no certificate": without("private/node.pem"),
    "no tables": without(TABLES),
    "no kind": without("tahoe-vdrive.tac"),
    "no record": without("backup.json"),
    "bad record": holding("backup.json", b"[]"),
    "record no JSON": holding("backup.json", b"{"),
    "later": holding("backup.json", b'{"format": 2, "kind": "vdrive"}'),
    "client": holding("backup.json", b'{"format": 1, "kind": "client"}'),
    "kind a path": holding("backup.json", b'{"format": 1, "kind": "../x"}'),
    "bad tables": holding(TABLES, b"SQLite format 3\0" + bytes(5000)),
    "text for tables": holding(TABLES, b"nothing"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_backup_leaves_nothing(name, data, tmp_path):
    place = tmp_path / "place"
    place.mkdir()
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(CorruptError):
        restore(io.BytesIO(changed(data, HOSTILE[name])), place / "node")
    assert os.listdir(place) == []
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize("part", [0, 100, 512, 700, 3000, -20_000, -1200])
def test_a_backup_cut_short_leaves_nothing(part, data, tmp_path):
    with pytest.raises(CorruptError):
        restore(io.BytesIO(data[:part]), tmp_path / "place" / "node")
    assert os.listdir(tmp_path / "place") == []


@pytest.mark.parametrize("junk", [b"", b"dear diary\n" * 999, b"\x1f\x8b\x08" + bytes(999)])
def test_something_else_leaves_nothing(junk, tmp_path):
    with pytest.raises(CorruptError):
        restore(io.BytesIO(junk), tmp_path / "place" / "node")
    assert os.listdir(tmp_path / "place") == []


# ---- with nodes ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["introducer", "vdrive"])
@ensureDeferred
async def test_all_directories_are_back_under_the_same_capabilities(nodes, tmp_path, kind):
    server = await nodes.start(kind, "server")
    (server.basedir / f"tahoe-{kind}.tac").write_text("# a node\n")
    furl = (server.private / "vdrive.furl").read_text().strip()
    client = await nodes.start(
        "client", "c", storage={"enabled": "false"}, client={"vdrive.furl": furl}
    )
    drive = client.getService("vdrive")
    root = await drive.get_private_root()
    public = await drive.get_public_root()
    sub = await root.create_empty_directory("sub")
    await sub.set_children({f"n{i}": LIT for i in range(1500)})
    data = await deferToThread(archived, server.basedir, tmp_path / "scratch")
    await root.set_uri("later", LIT)
    await server.stopService()
    shutil.rmtree(server.basedir)
    assert restore(io.BytesIO(data), server.basedir) == kind
    again = nodes.again_from(kind, server.basedir)
    again.startService()
    await again.when_running()
    assert again.nodeid == server.nodeid
    assert again.furl == server.furl
    assert list(await root.list()) == ["sub"]
    assert len(await sub.list_children()) == 1500
    assert (await drive.get_node_at_path("~/sub/n7")).get_uri() == LIT
    assert await public.list() == {}
    await root.set_uri("again", LIT)
    assert await root.has_child("again")
