"""What the commands do with directories of Tahoe-LAFS."""

import json

import pytest

from allmydata.cli.copying.grid import GridDirectory, of_cap, read_only
from allmydata.cli.directories import _key
from allmydata.cli.keeper import _cap_in

KEY, PRINT = "a" * 26, "a" * 52
WRITE, READ = f"URI:DIR2:{KEY}:{PRINT}", f"URI:DIR2-RO:{KEY}:{PRINT}"
FIXED = f"URI:DIR2-CHK:{KEY}:{PRINT}:3:10:5000"


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (["mkdir"], "/uri?t=mkdir"),
        (["mkdir", "--format", "mdmf"], "/uri?t=mkdir&format=MDMF"),
        (["create-alias", "work"], "/uri?t=mkdir"),
        (["create-alias", "--kind", "dir2", "work"], "/uri?t=mkdir&format=SDMF"),
        (["create-alias", "--kind", "dir2", "tahoe"], "/uri?t=mkdir&format=SDMF"),
    ],
)
def test_the_kind_of_a_new_directory_is_told_to_the_node(
    tahoe, node, gateway, words, asked
):
    got = tahoe("-d", node, *words)
    assert got.code == 0, got.err
    assert gateway.requests[-1].path == asked


def test_a_format_that_no_directory_has_is_refused(tahoe, node, gateway):
    assert tahoe("-d", node, "mkdir", "--format", "chk").code == 3
    assert not gateway.requests


def test_their_directories_are_copied_from_and_to():
    for cap in (WRITE, READ, FIXED):
        assert isinstance(of_cap(cap, "work:"), GridDirectory)
    assert of_cap(WRITE, "work:").identity == read_only(WRITE)
    assert read_only(FIXED) == FIXED


def test_two_immutable_directories_of_one_size_are_not_one():
    assert _key(FIXED) != _key(FIXED.replace(KEY, "b" * 25 + "a"))
    assert _key(WRITE) == _key(READ)


def test_what_a_manifest_names_is_kept_by_the_file_it_lies_in():
    assert _cap_in(FIXED).startswith("URI:CHK-Verifier:")
    assert _cap_in("URI:DIR2-LIT:") == "URI:LIT:"


@pytest.mark.parametrize(
    ("cap", "kind", "readonly", "mutable"),
    [
        (WRITE, "DIR2", False, True),
        (READ, "DIR2-RO", True, True),
        (FIXED, "DIR2-CHK", True, False),
        ("URI:DIR2-LIT:", "DIR2-LIT", True, False),
    ],
)
def test_dump_cap_tells_what_they_are(tahoe, cap, kind, readonly, mutable):
    told = json.loads(tahoe("debug", "dump-cap", "--json", cap).out)
    assert (told["kind"], told["readonly"], told["mutable"]) == (kind, readonly, mutable)
    assert ("storage_index" in told) == (kind != "DIR2-LIT")
