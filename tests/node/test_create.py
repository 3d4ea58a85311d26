import json
import os
import re
import socket
import stat

import pytest
import yaml
from attrs import evolve

from allmydata.errors import ConflictError, UsageError
from allmydata.node import create as create_module
from allmydata.node import ports
from allmydata.node.config import read
from allmydata.node.create import WEB_PORT, Answers, create

FURL = f"pb://{'a' * 32}@tcp:127.0.0.1:1/name"
STORAGE = Answers("client", nickname="s1", introducer=FURL, storage=True)
CLIENT = Answers("client", listen=False)
INTRODUCER = Answers("introducer")
VDRIVE = Answers("vdrive")


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def everything(path):
    return {
        str(p.relative_to(path)): p.read_bytes() if p.is_file() else None
        for p in path.rglob("*")
    }


@pytest.mark.parametrize("answers", [STORAGE, CLIENT, INTRODUCER, VDRIVE])
def test_what_is_made_starts(tmp_path, answers):
    basedir = tmp_path / "deep" / "node"
    assert create(basedir, answers)
    config = read(basedir)
    assert config.kind == answers.kind
    assert config.warnings == ()
    assert config.storage_enabled == (answers.storage or answers.kind != "client")
    assert config.listens is answers.listen


def test_modes_do_not_depend_on_the_umask(tmp_path):
    umask = os.umask(0)
    try:
        create(tmp_path / "n", STORAGE)
    finally:
        os.umask(umask)
    assert mode(tmp_path / "n") == mode(tmp_path / "n" / "private") == 0o700
    for path in (tmp_path / "n" / "private").iterdir():
        assert mode(path) == 0o600, path


def test_the_introducer_is_named_in_yaml(tmp_path):
    create(tmp_path, STORAGE)
    known = yaml.safe_load((tmp_path / "private" / "introducers.yaml").read_text())
    assert known == {"introducers": {"default": {"furl": FURL}}}
    assert FURL not in (tmp_path / "tahoe.cfg").read_text()


def test_the_vdrive_server_is_kept_private(tmp_path):
    create(tmp_path, evolve(CLIENT, vdrive=FURL))
    assert (tmp_path / "private" / "vdrive.furl").read_text() == FURL + "\n"


def test_shares_are_written_only_when_given(tmp_path):
    create(tmp_path / "a", CLIENT)
    assert "shares." not in (tmp_path / "a" / "tahoe.cfg").read_text()
    create(tmp_path / "b", evolve(CLIENT, shares_needed=2, shares_total=4))
    config = read(tmp_path / "b")
    assert (config.shares_needed, config.shares_happy, config.shares_total) == (2, None, 4)
    create(tmp_path / "c", evolve(INTRODUCER, shares_happy=2))
    assert read(tmp_path / "c").advice_happy == 2


def test_a_hostname_gets_a_port_that_stays(tmp_path):
    answers = evolve(STORAGE, hostname="host.example")
    create(tmp_path, answers)
    config = read(tmp_path)
    (port,) = config.tub_ports
    assert config.tub_hints == (f"tcp:host.example:{port.removeprefix('tcp:')}",)
    assert not create(tmp_path, answers)
    assert read(tmp_path) == config


def test_port_and_location_are_written_as_given(tmp_path):
    port, location = "tcp:4000:interface=127.0.0.1", "tcp:127.0.0.1:4000"
    create(tmp_path, evolve(STORAGE, port=port, location=location))
    config = read(tmp_path)
    assert (config.tub_ports, config.tub_hints) == ((port,), (location,))


def test_a_node_that_answers_nothing_listens_where_it_can(tmp_path):
    create(tmp_path, STORAGE)
    config = read(tmp_path)
    assert (config.tub_ports, config.tub_hints) == (None, None)


def test_web_ports(tmp_path):
    for name, given, wanted in (
        ("b", "none", None),
        ("c", "3457", "tcp:3457"),
    ):
        create(tmp_path / name, evolve(CLIENT, webport=given))
        assert read(tmp_path / name).web_port == wanted
    create(tmp_path / "i", INTRODUCER)
    assert read(tmp_path / "i").web_port is None


def test_a_gateway_listens_elsewhere_where_somebody_is_at_its_port(tmp_path, monkeypatch):
    with socket.create_server((ports.LOOPBACK, 0)) as server:
        number = server.getsockname()[1]
        monkeypatch.setattr(create_module, "_WEB", number)
        create(tmp_path / "beside", CLIENT)
    web = read(tmp_path / "beside").web_port
    assert re.fullmatch(r"tcp:\d+:interface=127\.0\.0\.1", web)
    assert f":{number}:" not in web
    create(tmp_path / "alone", CLIENT)
    assert read(tmp_path / "alone").web_port == WEB_PORT.replace("3456", str(number))


def test_the_same_answers_change_nothing(tmp_path):
    assert create(tmp_path, STORAGE)
    before = everything(tmp_path)
    assert not create(tmp_path, STORAGE)
    assert everything(tmp_path) == before


def test_the_same_answers_leave_what_its_owner_edited(tmp_path):
    create(tmp_path, STORAGE)
    (tmp_path / "tahoe.cfg").write_text("[node]\nnickname = mine\n")
    (tmp_path / "private" / "introducers.yaml").unlink()
    assert not create(tmp_path, STORAGE)
    assert read(tmp_path).nickname == "mine"
    assert not (tmp_path / "private" / "introducers.yaml").exists()


def test_other_answers_are_refused_and_named(tmp_path):
    create(tmp_path, STORAGE)
    before = everything(tmp_path)
    other = evolve(STORAGE, nickname="s2", shares_needed=1, introducer=FURL + "x")
    with pytest.raises(ConflictError, match="made with other answers") as caught:
        create(tmp_path, other)
    assert "nickname, introducer, shares-needed" in caught.value.why
    assert "aaaa" not in caught.value.why
    assert everything(tmp_path) == before


def test_a_directory_of_something_else_is_refused(tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(ConflictError, match="is not empty"):
        create(tmp_path, CLIENT)
    assert list(tmp_path.iterdir()) == [tmp_path / "letter.txt"]


def test_a_file_in_the_way_is_refused(tmp_path):
    (tmp_path / "n").touch()
    with pytest.raises(ConflictError, match="no directory"):
        create(tmp_path / "n", CLIENT)


def test_a_directory_left_half_made_is_made_whole(tmp_path):
    answers = evolve(STORAGE, webport="3457")
    create(tmp_path, answers)
    whole = everything(tmp_path)
    (tmp_path / "tahoe.cfg").unlink()
    (tmp_path / "tahoe-client.tac").unlink()
    assert create(tmp_path, answers)
    assert everything(tmp_path) == whole


def test_a_record_that_does_not_parse_is_no_record(tmp_path):
    create(tmp_path, STORAGE)
    (tmp_path / "private" / "created.json").write_text("{")
    with pytest.raises(ConflictError, match="is not empty"):
        create(tmp_path, STORAGE)


def test_the_record_holds_the_answers(tmp_path):
    create(tmp_path, CLIENT)
    record = json.loads((tmp_path / "private" / "created.json").read_text())
    assert record["kind"] == "client"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"hostname": "h", "port": "tcp:1"}, "--hostname chooses"),
        ({"location": "tcp:h:1"}, "--location needs --port"),
        ({"listen": False}, "a storage node must listen"),
        ({"listen": False, "hostname": "h"}, "--listen none goes with"),
        ({"introducer": "http://x"}, "--introducer is not a FURL"),
        ({"vdrive": "x"}, "--vdrive is not a FURL"),
        ({"nickname": "a\nb"}, "--nickname holds a character"),
        ({"storage_dir": "a\n[node]"}, "--storage-dir holds a character"),
        ({"port": "0", "location": "tcp:h:1"}, "would not start"),
        ({"webport": "nowhere"}, "would not start"),
        ({"hostname": "a b"}, "would not start"),
        ({"shares_needed": 5, "shares_total": 4}, "would not start"),
    ],
)
def test_refuses_and_makes_nothing(tmp_path, changes, why):
    with pytest.raises(UsageError, match=why):
        create(tmp_path / "n", evolve(STORAGE, **changes))
    assert not (tmp_path / "n").exists()


def test_an_introducer_must_listen(tmp_path):
    with pytest.raises(UsageError, match="an introducer must listen"):
        create(tmp_path / "n", evolve(INTRODUCER, listen=False))


def test_a_vdrive_server_must_listen(tmp_path):
    with pytest.raises(UsageError, match="a vdrive server must listen"):
        create(tmp_path / "n", evolve(VDRIVE, listen=False))
    assert not (tmp_path / "n").exists()


@pytest.mark.parametrize("answers", [INTRODUCER, VDRIVE])
def test_directories_are_kept_and_a_root_offered_unless_told_otherwise(tmp_path, answers):
    create(tmp_path / "a", answers)
    config = read(tmp_path / "a")
    assert config.vdrive_enabled and config.vdrive_public_root
    create(tmp_path / "b", evolve(answers, no_public_root=True))
    config = read(tmp_path / "b")
    assert config.vdrive_enabled and not config.vdrive_public_root


def test_an_introducer_may_keep_no_directories(tmp_path):
    create(tmp_path, evolve(INTRODUCER, no_vdrive=True))
    assert not read(tmp_path).vdrive_enabled


def test_a_record_from_before_there_were_directories_is_understood(tmp_path):
    create(tmp_path, INTRODUCER)
    path = tmp_path / "private" / "created.json"
    record = json.loads(path.read_text())
    del record["no_vdrive"], record["no_public_root"]
    path.write_text(json.dumps(record))
    assert not create(tmp_path, INTRODUCER)
