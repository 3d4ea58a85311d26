"""Parts of files, decided without a network."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allmydata.web.ranges import BeyondEndError, Part, has_already, parse_ranges


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("bytes=0-9", (0, 10)),
        ("bytes=10-", (10, 10230)),
        ("bytes=-5", (10235, 5)),
        ("bytes=-99999", (0, 10240)),
        ("bytes=10239-20000", (10239, 1)),
        ("bytes=0-9999999999", (0, 10240)),
        ("bytes=0-1,", (0, 2)),
        ("bytes= 0-1", (0, 2)),
    ],
)
def test_ranges_that_select(header, part):
    assert parse_ranges(header, 10240) == (Part(*part, 10240),)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes=10240-",
        "bytes=-0",
        "bytes=5-2",
        "bytes=a-b",
        "bytes=-",
        "bytes=",
        "bytes=1-2x",
        "bytes=0x1-2",
        "bytes=" + "9" * 5000 + "-",
        "garbage",
        "lines=1-2",
    ],
)
def test_ranges_that_mean_the_whole(header):
    assert parse_ranges(header, 10240) == ()


@pytest.mark.parametrize(
    ("header", "total"), [("bytes=20000-20001", 10240), ("bytes=0-1", 0), ("bytes=5-5", 5)]
)
def test_ranges_beyond_the_end(header, total):
    with pytest.raises(BeyondEndError):
        parse_ranges(header, total)


@pytest.mark.parametrize("header", ["bytes=-5", "bytes=0-", "bytes=-0"])
def test_an_empty_file_has_no_parts(header):
    assert parse_ranges(header, 0) == ()


@given(st.integers(0, 99), st.integers(0, 99), st.integers(0, 60))
def test_a_part_lies_in_its_file_and_is_what_python_slices(first, last, total):
    content = bytes(range(total))
    try:
        parts = parse_ranges(f"bytes={first}-{last}", total)
    except BeyondEndError:
        assert first >= total
        return
    if not parts:
        assert last < first
        return
    (part,) = parts
    assert content[part.offset :][: part.size] == content[first : last + 1]
    assert part.size > 0
    assert part.content_range() == f"bytes {first}-{part.offset + part.size - 1}/{total}"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, False),
        ("", False),
        ("abc-", True),
        ('"abc-"', True),
        ('W/"abc-"', True),
        ("x, abc-", True),
        ("*", True),
        ("abc", False),
        ("abc-json", False),
    ],
)
def test_if_none_match(header, expected):
    assert has_already(header, "abc-") is expected
