import pytest
from hypothesis import given
from hypothesis import strategies as st

from allmydata.util.version import Version

numbers = st.integers(0, 10**6)


@given(numbers, numbers, numbers, st.sampled_from(["", ".post3", "rc1", ".dev0+g1234"]))
def test_a_version_reads_back_as_printed(major, minor, micro, tail):
    version = Version(major, minor, micro, tail)
    parsed = Version.parse(str(version))
    assert (parsed, parsed.tail) == (version, tail)


@pytest.mark.parametrize(
    ("text", "version", "tail"),
    [
        ("1", (1, 0, 0), ""),
        ("1.20", (1, 20, 0), ""),
        ("1.20.0.post3", (1, 20, 0), ".post3"),
        ("tahoe-lafs/1.20.0", (1, 20, 0), ""),
        ("allmydata/0.1.0+g12ab", (0, 1, 0), "+g12ab"),
        (" 2.0rc1\n", (2, 0, 0), "rc1"),
    ],
)
def test_versions_of_nodes_are_read(text, version, tail):
    parsed = Version.parse(text)
    assert (parsed.major, parsed.minor, parsed.micro) == version
    assert parsed.tail == tail


def test_versions_are_ordered_by_number_and_not_by_text():
    texts = ["1.10", "1.9.9", "1.9", "0.99"]
    assert [str(v) for v in sorted(map(Version.parse, texts))] == [
        "0.99.0",
        "1.9.0",
        "1.9.9",
        "1.10.0",
    ]


def test_versions_that_differ_in_their_tail_are_of_equal_age():
    assert Version.parse("1.2.3rc1") == Version.parse("1.2.3")
    assert not Version.parse("1.2.3rc1") < Version.parse("1.2.3")


@pytest.mark.parametrize("text", ["", "v", ".1", "one/two", "a b/1.2", "/1.2"])
def test_what_has_no_number_is_refused(text):
    with pytest.raises(ValueError, match="not a version"):
        Version.parse(text)
