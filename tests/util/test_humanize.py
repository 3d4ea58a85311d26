import pytest
from hypothesis import given
from hypothesis import strategies as st

from allmydata.util.humanize import duration, parse_duration, parse_size, size


@pytest.mark.parametrize(
    ("text", "num_bytes"),
    [
        ("0", 0),
        ("5", 5),
        ("5B", 5),
        ("1k", 1000),
        ("1K", 1000),
        ("1Ki", 1024),
        ("1kib", 1024),
        (" 1.5 MB ", 1_500_000),
        ("4.35G", 4_350_000_000),
        ("2T", 2 * 10**12),
        ("1Pi", 2**50),
        ("1E", 10**18),
        ("0.3", 0),
        ("9007199254740993", 9007199254740993),  # more than a float can hold
    ],
)
def test_sizes_are_read_as_people_write_them(text, num_bytes):
    assert parse_size(text) == num_bytes


@pytest.mark.parametrize(
    "text",
    [
        *("", "K", "-1", "+1", "1.G", ".5G", "1,5G", "1KK", "1iB", "1 2", "1e3", "1X"),
        *("\u0663", "1K\u0131", "1\u212a"),  # an Arabic 3, a dotless i, the sign of Kelvin
        "9" * 400,
    ],
)
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match="not a size"):
        parse_size(text)


@given(st.integers(0, 10**18))
def test_whole_bytes_are_read_exactly(num_bytes):
    assert parse_size(str(num_bytes)) == num_bytes


@pytest.mark.parametrize(
    ("num_bytes", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (1_500_000, "1.5 MB"),
        (10**12, "1.0 TB"),
        (10**21, "1000.0 EB"),
    ],
)
def test_sizes_are_printed_for_people(num_bytes, text):
    assert size(num_bytes) == text


@given(st.integers(0, 10**19))
def test_a_printed_size_is_within_a_twentieth_of_the_truth(num_bytes):
    assert abs(parse_size(size(num_bytes)) - num_bytes) <= num_bytes / 20


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.00 s"),
        (0.421, "0.42 s"),
        (59, "59.00 s"),
        (60, "1.0 min"),
        (186, "3.1 min"),
        (3600, "1.0 h"),
        (172_800, "2.0 d"),
    ],
)
def test_durations_are_printed_for_people(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90 s", 90),
        ("3 seconds", 3),
        ("5min", 300),
        ("12 h", 43_200),
        ("30d", 2_592_000),
        (" 7 Days ", 604_800),
        ("2w", 1_209_600),
        ("2 months", 62 * 86_400),
        ("6 mo", 186 * 86_400),
        ("1 year", 365 * 86_400),
        ("0 d", 0),
    ],
)
def test_times_are_read_as_people_write_them(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "d", "60", "1.5 d", "-1 d", "1 m", "5 fortnights", "1 d 2 h", "9" * 12 + "d"],
)
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ValueError, match="not a time"):
        parse_duration(text)
