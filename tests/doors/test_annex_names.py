import pytest
from hypothesis import given
from hypothesis import strategies as st

from allmydata.doors.annex.names import path_of, place_of_export, place_of_key
from allmydata.errors import BadNameError, UsageError
from allmydata.util.names import check_name


@given(st.binary(min_size=1, max_size=400))
def test_every_key_has_a_place_whose_names_can_be_kept(key):
    place = place_of_key(key.decode("utf-8", "surrogateescape"))
    assert [check_name(name) for name in place] == list(place)
    assert [len(name) for name in place[:2]] == [1, 1]


def test_a_plain_key_is_its_own_name():
    assert place_of_key("SHA256E-s3-S1-C2--ab.tar.gz")[2] == "SHA256E-s3-S1-C2--ab.tar.gz"


@pytest.mark.parametrize("key", ["a/b", "a b", ".a", "%a", "\u00e9", "e\u0301", "x" * 201])
def test_another_key_is_named_by_its_hash(key):
    name = place_of_key(key)[2]
    assert name.startswith("%")
    assert len(name) == 65


def test_keys_that_differ_only_in_unicode_form_lie_apart():
    assert place_of_key("WORM--\u00e9") != place_of_key("WORM--e\u0301")


def test_a_key_may_not_be_empty():
    with pytest.raises(UsageError, match="empty"):
        place_of_key("")


def test_exported_files_keep_their_names():
    assert place_of_export("a/b c/\u00e9") == ("a", "b c", "\u00e9")


@pytest.mark.parametrize("name", ["", "/", "a/", "a//b", ".", "a/..", "\udcff", "e\u0301"])
def test_a_name_that_can_not_be_kept_is_refused(name):
    with pytest.raises(BadNameError):
        place_of_export(name)


def test_a_path_is_quoted():
    assert path_of("URI:X", ("a b", "%c")) == "/uri/URI%3AX/a%20b/%25c"
