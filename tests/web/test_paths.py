"""What a path means, before anybody is asked."""

import pytest

from allmydata.errors import BadNameError
from allmydata.web.paths import PRIVATE, PUBLIC, Place

DIR = f"URI:DIR:pb://{'a' * 32}@tcp:127.0.0.1:1,tcp:[::1]:2/vdrive:{'a' * 26}"
RO = DIR.replace("URI:DIR:", "URI:DIR-RO:")


@pytest.mark.parametrize(
    ("segments", "place"),
    [
        (["uri", "URI:LIT:"], Place("URI:LIT:")),
        (["cap", DIR], Place(DIR)),
        (["uri", DIR, ""], Place(DIR, [], True)),
        (["uri", DIR, "a", "b"], Place(DIR, ["a", "b"])),
        (["uri", DIR, "a", "b", ""], Place(DIR, ["a", "b"], True)),
        (["uri", *DIR.split("/")], Place(DIR)),
        (["uri", *DIR.split("/"), ""], Place(DIR, [], True)),
        (["uri", *f"ro.{RO}".split("/"), "a"], Place(f"ro.{RO}", ["a"])),
        (["uri", "URI:DIR:pb:", "a"], Place("URI:DIR:pb:", ["a"])),
        (["uri", DIR, "e\u0301"], Place(DIR, ["\u00e9"])),
        (["vdrive", "private"], Place(PRIVATE)),
        (["vdrive", "public", "a", ""], Place(PUBLIC, ["a"], True)),
    ],
)
def test_a_path_is_a_root_and_names(segments, place):
    assert Place.parse(segments) == place


@pytest.mark.parametrize(
    "names", [["", ""], ["", "a"], ["a", "", "b"], ["."], [".."], ["a/b"], ["a\0"]]
)
def test_names_that_can_not_be_are_refused(names):
    with pytest.raises(BadNameError, match="can't be a name"):
        Place.parse(["uri", DIR, *names])


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (DIR, Place(DIR)),
        (f" {RO}\n", Place(RO)),
        (f"{DIR}/a/b c ", Place(DIR, ["a", "b c "])),
        (f"{DIR}/a/", Place(DIR, ["a"])),
        ("URI:DIR2:x:y/a", Place("URI:DIR2:x:y", ["a"])),
        ("nonsense", Place("nonsense")),
        ("", Place("")),
    ],
)
def test_a_cap_may_have_a_path_in_text(text, place):
    assert Place.of_text(text) == place
