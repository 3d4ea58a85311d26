"""What a gateway tells of a directory, taken apart while it comes."""

import json

import pytest

from allmydata.cli import members
from allmydata.cli.listing import Columns
from allmydata.cli.printing import AT_ONCE
from allmydata.errors import GridError
from allmydata.web.children import as_members
from allmydata.webapi import RemoteNodeError
from tests.support.fake_drive import FURL, FakeChild

FILE = "URI:CHK:" + "a" * 26 + ":" + "a" * 52 + ":3:10:5000"
FOLDER = f"URI:DIR-RO:{FURL}:{'a' * 26}"
NAMES = [
    "b",
    "a c",
    'x": ["filenode", {',
    "\\",
    '"',
    "ü\u202e",
    "\x1b\n",
    "}}]",
    "👩‍🚀",
    "{",
]
HEAD = b'["dirnode", {"mutable": true, "rw_uri": "URI:DIR:x", "children": {\n'
TAIL = b"\n}}]\n"


def listing(names=NAMES):
    """Return the answer of our gateway."""
    texts = [(None, FOLDER if name == "b" else FILE) for name in names]
    page = [
        FakeChild(name, 1.0, 2.0, text, None)
        for name, text in zip(names, texts, strict=True)
    ]
    return HEAD + as_members(page).encode() + TAIL


def cut(answer, size):
    return [answer[at : at + size] for at in range(0, len(answer), size)]


@pytest.mark.parametrize("size", [1, 7, 100, 10**6])
def test_all_children_are_found_however_the_answer_comes(size):
    answer = listing()
    assert sorted(members.names("", cut(answer, size))) == sorted(NAMES)
    told = json.loads(answer)[1]["children"]
    found = list(members.children("", cut(answer, size)))
    assert {name: [kind, facts] for name, kind, facts in found} == told
    assert [kind for name, kind, _ in found if name == "b"] == ["dirnode"]


@pytest.mark.parametrize("indent", [None, 1, 2])
def test_an_answer_of_another_shape_tells_the_same(indent):
    answer = json.dumps(json.loads(listing()), indent=indent, ensure_ascii=False).encode()
    assert list(members.names("", cut(answer, 10))) == NAMES
    wanted = list(members.children("", [listing()]))
    assert list(members.children("", cut(answer, 10))) == wanted


def test_a_directory_may_be_empty():
    assert list(members.names("", [listing([])])) == []
    assert list(members.children("", [listing([])])) == []


def test_a_file_has_the_name_by_which_it_was_asked_for():
    answer = json.dumps(["filenode", {"size": 5}]).encode()
    assert list(members.names("f", [answer])) == ["f"]
    assert list(members.children("f", [answer])) == [("f", "filenode", {"size": 5})]


@pytest.mark.parametrize("read", [members.names, members.children])
def test_a_child_is_there_before_the_rest_is_asked_for(read):
    def pieces():
        yield listing()[:-100]
        raise AssertionError("asked for more")

    next(iter(read("", pieces())))


@pytest.mark.parametrize("read", [members.names, members.children])
def test_a_list_that_is_cut_between_two_lines_is_no_list(read):
    lines = listing().splitlines(keepends=True)
    for num in range(1, len(lines)):
        with pytest.raises(GridError, match="ended before it was whole"):
            list(read("", [b"".join(lines[:num]).rstrip(b"\n").removesuffix(b"}}]")]))


@pytest.mark.parametrize("read", [members.names, members.children])
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>",
        b"5",
        b'["dirnode", {"children": 5}]',
        b'["dirnode", {}]',
        HEAD + b"nonsense" + TAIL,
        HEAD + b'"\xff": ["filenode", {}]' + TAIL,
        HEAD + b'"\\q": ["filenode", {}]' + TAIL,
        HEAD + b'"a": 5' + TAIL,
    ],
)
def test_what_makes_no_sense_is_an_error(read, answer):
    with pytest.raises(RemoteNodeError, match="in no known way"):
        list(read("", [answer]))


def test_what_is_kept_of_a_child_is_what_is_printed():
    columns = Columns(0.0, long=True, classify=True, uri=False, readonly_uri=True)
    child = ("d", "dirnode", {"rw_uri": "URI:DIR:w", "ro_uri": "URI:DIR-RO:r"})
    assert columns.row(child) == ("d", ("drwx", "-", "-", "d/"), ("URI:DIR-RO:r",))


def test_a_listing_cut_by_the_node_prints_nothing(tahoe, gateway, node, drive, monkeypatch):
    monkeypatch.setenv("TAHOE_NODE_DIRECTORY", str(node))
    whole = listing().decode()
    for answer in (whole[:-5], whole[: len(whole) // 2]):
        gateway.errors["GET"] = 200, "text/plain", answer
        done = tahoe("ls", drive.make())
        assert done.code == 1 and done.out == ""


def test_thousands_of_names_are_printed_in_order(tahoe, gateway, node, drive, monkeypatch):
    monkeypatch.setenv("TAHOE_NODE_DIRECTORY", str(node))
    names = [f"n{i:05}" for i in range(2 * AT_ONCE + 3)]
    gateway.errors["GET"] = 200, "text/plain", listing(names[::-1]).decode()
    cap = drive.make()
    assert tahoe("ls", cap).out.split() == names
    lines = tahoe("ls", "-l", cap).out.splitlines()
    assert [line.split()[-1] for line in lines] == names
    assert tahoe("ls", "--json", cap).out == listing(names[::-1]).decode() + "\n"
