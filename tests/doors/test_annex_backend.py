"""The library for external backends of git-annex, and the backend made with it."""

import io
import os
import subprocess
import sys

import pytest

from allmydata import __version__
from allmydata.doors import annex
from allmydata.doors.annex import Backend, BackendError, Master, Protocol, program
from allmydata.doors.annex import backend as backend_module
from allmydata.doors.annex import xtahoe as xtahoe_program
from allmydata.doors.annex.xtahoe import XTahoe


class Counting(Backend):
    """Names a file by its length."""

    secure = False

    def can_verify(self):
        return True

    def is_stable(self):
        return True

    def is_cryptographically_secure(self):
        return self.secure

    def gen_key(self, local_file):
        if "bad" in local_file:
            raise BackendError("it is bad")
        if "broken" in local_file:
            raise ValueError("a mistake\nin two lines")
        self.annex.progress(3.9)
        return f"XCOUNT--{len(local_file)}"

    def verify_content(self, key, content_file):
        if "bad" in content_file:
            raise BackendError("it is bad")
        return key == f"XCOUNT--{len(content_file)}"


def said(text, kind=Counting):
    """Return the lines that are answered, and the exit code."""
    output = io.StringIO()
    master = Master(output)
    master.LinkBackend(kind(master))
    code = None
    try:
        master.Listen(io.StringIO(text))
    except SystemExit as e:
        code = e.code
    return output.getvalue().splitlines(), code


@pytest.mark.parametrize(
    ("line", "replies"),
    [
        ("GETVERSION", ["VERSION 1"]),
        ("getversion", ["VERSION 1"]),
        ("CANVERIFY", ["CANVERIFY-YES"]),
        ("ISSTABLE", ["ISSTABLE-YES"]),
        ("ISCRYPTOGRAPHICALLYSECURE", ["ISCRYPTOGRAPHICALLYSECURE-NO"]),
        ("GENKEY a b ", ["PROGRESS 3", "GENKEY-SUCCESS XCOUNT--4"]),
        ("GENKEY bad", ["GENKEY-FAILURE it is bad"]),
        ("VERIFYKEYCONTENT XCOUNT--3 a b", ["VERIFYKEYCONTENT-SUCCESS"]),
        ("VERIFYKEYCONTENT XCOUNT--4 a b", ["VERIFYKEYCONTENT-FAILURE"]),
        ("VERIFYKEYCONTENT X bad", ["DEBUG it is bad", "VERIFYKEYCONTENT-FAILURE"]),
        ("WHAT is it", ["DEBUG Unknown request 'WHAT is it'", "UNSUPPORTED-REQUEST"]),
    ],
)
def test_each_request_has_its_reply(line, replies):
    assert said(f"{line}\nGETVERSION\n") == ([*replies, "VERSION 1"], None)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("\n", "ERROR a line without a request"),
        ("GETVERSION 1\n", "ERROR GETVERSION: too many positional arguments"),
        ("GENKEY\n", "ERROR GENKEY: one argument is wanted, 0 given"),
        ("VERIFYKEYCONTENT key\n", "ERROR VERIFYKEYCONTENT: a key and a file are wanted"),
        ("GENKEY broken\n", "ERROR a mistake in two lines"),
        ("ERROR you\n", "ERROR you"),
    ],
)
def test_what_can_not_be_served_ends_the_program(text, error):
    lines, code = said(text + "GETVERSION\n")
    assert (lines[-1], code) == (error, 1)
    assert all(line.startswith("DEBUG ") for line in lines[:-1])


def test_a_line_without_end_is_an_error(monkeypatch):
    monkeypatch.setattr(backend_module, "LONGEST_LINE", 100)
    lines, code = said("GENKEY " + "x" * 200 + "\n")
    assert (lines[-1], code) == ("ERROR a line of more than 100 characters", 1)


def test_nobody_listens_without_a_backend():
    with pytest.raises(annex.NotLinkedError):
        Master(io.StringIO()).Listen(io.StringIO("GETVERSION\n"))


def test_a_backend_must_have_all_methods():
    class Half(Backend):
        def can_verify(self):
            return True

    with pytest.raises(TypeError):
        Half(Master(io.StringIO()))


def test_errors_have_the_given_names():
    assert issubclass(annex.UnexpectedMessage, annex.ProtocolError)
    assert issubclass(annex.UnsupportedRequest, annex.ProtocolError)
    for kind in (annex.ProtocolError, annex.BackendError, annex.NotLinkedError):
        assert issubclass(kind, annex.AnnexError)


def test_words_are_found_however_they_are_spelt():
    protocol = Protocol(Counting(Master(io.StringIO())))
    assert protocol.lookupMethod("CanVerify") == protocol.do_CANVERIFY
    assert protocol.lookupMethod("nothing") is None
    with pytest.raises(annex.UnsupportedRequest, match="Unknown request 'nothing'"):
        protocol.command("nothing")
    with pytest.raises(annex.ProtocolError):
        protocol.command("")
    with pytest.raises(SyntaxError):
        protocol.command("CANVERIFY x y")


# ---- XTAHO and XTAHOE


@pytest.fixture
def xtahoe():
    return XTahoe(Master(io.StringIO()))


def test_a_key_is_size_and_hash_and_is_verified(xtahoe, tmp_path):
    path = tmp_path / "a b"
    path.write_bytes(b"x" * 3_000_000)
    key = xtahoe.gen_key(str(path))
    assert key.startswith("XTAHO-s3000000--")
    assert xtahoe.annex.output.getvalue().endswith("PROGRESS 3000000\n")
    assert xtahoe.verify_content(key, str(path))
    assert xtahoe.verify_content(key.replace("XTAHO", "XTAHOE"), str(path))
    path.write_bytes(b"x" * 2_999_999 + b"y")
    assert not xtahoe.verify_content(key, str(path))
    path.write_bytes(b"x")
    assert not xtahoe.verify_content(key, str(path))


def test_a_key_stays_what_it_is(xtahoe, tmp_path):
    (tmp_path / "f").write_bytes(b"hello")
    known = "f5d4e87e532b89f85cfa52c25e620e7dea4577139040731f1be7290dca23d8ff"
    assert xtahoe.gen_key(str(tmp_path / "f")) == f"XTAHO-s5--{known}"


@pytest.mark.parametrize("key", ["", "XTAHO", "XTAHO-s1--" + "0" * 63, "SHA256-s1--00"])
def test_other_keys_are_not_verified(xtahoe, tmp_path, key):
    (tmp_path / "f").write_bytes(b"x")
    assert not xtahoe.verify_content(key, str(tmp_path / "f"))


@pytest.mark.parametrize("path", ["nowhere", "", ".", "a\0b"])
def test_what_can_not_be_read_has_no_key(xtahoe, path):
    with pytest.raises(BackendError, match="can't be read"):
        xtahoe.gen_key(path)
    with pytest.raises(BackendError, match="can't be read"):
        xtahoe.verify_content(f"XTAHO-s{os.path.getsize('.')}--" + "0" * 64, path)


def test_the_program_takes_file_names_of_any_bytes(tmp_path):
    name = os.fsencode(tmp_path) + b"/\xff \xc3\xa4"
    with open(name, "wb") as f:
        f.write(b"hello")
    code = "from allmydata.doors.annex.xtahoe import main; main([])"
    done = subprocess.run(
        [sys.executable, "-c", code], input=b"GENKEY " + name + b"\nGENKEY \xff\n",
        capture_output=True, timeout=60,
    )  # fmt: skip
    progress, key, failure = done.stdout.splitlines()
    assert (progress, done.stderr) == (b"PROGRESS 5", b"")
    assert key.startswith(b"GENKEY-SUCCESS XTAHO-s5--")
    assert failure.startswith(b"GENKEY-FAILURE")


@pytest.mark.parametrize("program", [program, xtahoe_program], ids=["remote", "backend"])
@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--version"], 0, f"allmydata/{__version__}"),
        (["-h"], 0, "git-annex runs this program"),
        (["what"], 3, "git-annex runs this program"),
    ],
)
def test_a_person_who_runs_a_program_is_told_what_it_is_for(
    capsys, program, words, code, told
):
    assert program.main(words) == code
    assert capsys.readouterr().out.startswith(told)
