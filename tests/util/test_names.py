import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allmydata.errors import BadNameError
from allmydata.util.names import MAX_NAME_SIZE, PRIVATE_ROOT, check_name, split_path


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "''"),
        (".", "'.'"),
        ("..", "'..'"),
        ("a/b", "a slash"),
        ("/", "a slash"),
        ("a\0", "a NUL"),
        ("x" * 256, "256 bytes"),
        ("é" * 128, "256 bytes"),
        ("\udce4", "no Unicode text"),
        ("caf\ud800", "no Unicode text"),
    ],
)
def test_what_can_not_be_a_name_is_refused(name, why):
    with pytest.raises(BadNameError, match=why) as e:
        check_name(name)
    assert e.value.code == "bad-name"
    assert str(e.value).isprintable()
    assert len(str(e.value)) < 200


@pytest.mark.parametrize(
    "name",
    [
        "~",
        "...",
        " ",
        "a\nb",
        "%2e%2e",
        "\u202egpj.exe",
        "C:\\x",
        "x" * 255,
        "é" * 127,
        "\U0001f600",
        "-rf",
        "\x7f",
    ],
)
def test_what_only_looks_odd_is_a_name(name):
    assert check_name(name) == name


def test_combining_forms_are_one_name():
    assert check_name("cafe\u0301") == check_name("caf\xe9") == "caf\xe9"


def test_the_limit_is_of_the_form_that_is_stored():
    assert len(check_name("e\u0301" * 127).encode()) == 254
    with pytest.raises(BadNameError):
        check_name("\ufb2c" * 50)  # NFC makes three characters of each


@given(st.text())
def test_a_name_that_passes_is_stored_as_it_is(name):
    try:
        stored = check_name(name)
    except BadNameError:
        return
    assert check_name(stored) == stored == unicodedata.normalize("NFC", name)
    assert 0 < len(stored.encode()) <= MAX_NAME_SIZE
    assert "/" not in stored
    assert "\0" not in stored


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("", []),
        ("/", []),
        ([], []),
        ("a", ["a"]),
        ("a/b", ["a", "b"]),
        ("/a/b", ["a", "b"]),
        (["a", "b"], ["a", "b"]),
        (("a", "b"), ["a", "b"]),
        ("~", [PRIVATE_ROOT]),
        ("~/a", [PRIVATE_ROOT, "a"]),
        ("/~/a", [PRIVATE_ROOT, "a"]),
        ("a/~", ["a", "~"]),
        ("cafe\u0301/x", ["caf\xe9", "x"]),
    ],
)
def test_paths(path, names):
    assert split_path(path) == names


@pytest.mark.parametrize(
    "path", ["//", "a//b", "//a", "a/", "a/../b", "./a", ["a/b"], [""]]
)
def test_a_path_of_what_is_no_name_is_refused(path):
    with pytest.raises(BadNameError):
        split_path(path)
