"""Capabilities of mutable files, and of directories in files."""

import json
from pathlib import Path

import pytest

from allmydata import uri
from allmydata.errors import BadCapError
from allmydata.interfaces import IURI, IDirnodeURI, IMutableFileURI

VECTORS = json.loads(Path(__file__).parent.joinpath("vectors/mutable.json").read_text())
CAPS = VECTORS["caps"]  # write, read, verify: of SSK, MDMF, DIR2, DIR2-MDMF
FILES, DIRECTORIES = CAPS[:6], CAPS[6:]
KEY, FINGERPRINT = CAPS[0].split(":")[2:]
CHK = f"CHK:{KEY}:{FINGERPRINT}:3:10:200"
WEAKER = [*zip(CAPS[::3], CAPS[1::3], CAPS[2::3], strict=True)]


@pytest.mark.parametrize("text", CAPS)
def test_what_tahoe_lafs_writes_reads_back(text):
    cap = uri.from_string(text)
    assert cap.to_string() == text
    assert uri.from_string(text) == cap
    assert IURI.providedBy(cap)
    assert cap.is_mutable()
    assert KEY not in repr(cap) and FINGERPRINT not in repr(cap)


@pytest.mark.parametrize(("write", "read", "verify"), WEAKER)
def test_weaker_caps_follow_from_stronger_ones_and_not_the_other_way(write, read, verify):
    strong, weak, weakest = map(uri.from_string, (write, read, verify))
    assert not strong.is_readonly() and weak.is_readonly() and weakest.is_readonly()
    assert strong.get_readonly() == weak == weak.get_readonly()
    assert strong.get_verify_cap() == weak.get_verify_cap() == weakest
    assert weakest.get_readonly() == weakest


@pytest.mark.parametrize("text", FILES)
def test_a_file_tells_its_format_and_storage_index(text):
    cap = uri.from_string(text)
    assert cap.format == ("MDMF" if "MDMF" in text else "SDMF")
    assert cap.storage_index == uri.from_string(CAPS[0]).storage_index
    assert IMutableFileURI.providedBy(cap) == ("Verifier" not in text)


@pytest.mark.parametrize(("directory", "file"), [*zip(DIRECTORIES, FILES, strict=True)])
def test_a_directory_has_the_capability_of_its_file_inside(directory, file):
    cap = uri.from_string(directory)
    assert cap.file == uri.from_string(file)
    assert IDirnodeURI.providedBy(cap) == ("Verifier" not in directory)


@pytest.mark.parametrize(
    "text", [f"URI:DIR2-{CHK}", f"URI:DIR2-{CHK.replace('CHK', 'CHK-Verifier')}"]
)
def test_a_directory_nobody_can_change_is_on_a_file_nobody_can_change(text):
    cap = uri.from_string(text)
    assert cap.to_string() == text
    assert (cap.is_readonly(), cap.is_mutable()) == (True, False)
    assert cap.get_readonly() is cap
    assert uri.from_string(f"imm.{text}") == cap


def test_a_directory_may_lie_in_its_capability():
    cap = uri.from_string("URI:DIR2-LIT:nbswy3dp")
    assert cap.file.data == b"hello"
    assert cap.get_verify_cap() is None
    assert cap.to_string() == "URI:DIR2-LIT:nbswy3dp"


def test_what_follows_a_cap_of_mdmf_is_dropped():
    for text in (CAPS[3], CAPS[4], CAPS[5], CAPS[9]):
        assert uri.from_string(f"{text}:3:131073").to_string() == text


@pytest.mark.parametrize(
    "text",
    [
        f"{CAPS[0]}:3",
        f"{CAPS[6]}:3",
        f"URI:SSK:{KEY}",
        f"URI:SSK:{KEY[:-1]}:{FINGERPRINT}",
        f"URI:SSK-RO:{KEY}:{FINGERPRINT[:-2]}",
        f"URI:MDMF:{FINGERPRINT}:{KEY}",
        f"URI:DIR2:{KEY}:",
        "URI:DIR2-CHK:abc",
        f"URI:DIR2-{CHK}:7",
        f"ro.{CAPS[0]}",
        f"imm.{CAPS[1]}",
        f"ro.{CAPS[6]}",
    ],
)
def test_mistyped_caps_and_false_assertions_are_refused_and_not_quoted(text):
    with pytest.raises(BadCapError) as caught:
        uri.from_string(text)
    told = f"{caught.value} {caught.value.why} {caught.value.fix}"
    assert KEY[:20] not in told and FINGERPRINT[:20] not in told


def test_a_true_assertion_is_dropped():
    assert uri.from_string(f"ro.{CAPS[1]}") == uri.from_string(CAPS[1])
    assert uri.from_string(f"ro.{CAPS[7]}") == uri.from_string(CAPS[7])
