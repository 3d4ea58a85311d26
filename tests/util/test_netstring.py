import pytest
from hypothesis import given
from hypothesis import strategies as st

from allmydata.util.netstring import netstring, split_netstring


@given(st.binary(max_size=300), st.binary(max_size=20), st.binary(max_size=20))
def test_a_netstring_reads_back_from_wherever_it_stands(data, before, after):
    text = before + netstring(data) + after
    assert split_netstring(text, len(before)) == (data, len(text) - len(after))


@pytest.mark.parametrize(
    ("data", "text"),
    [(b"", b"0:,"), (b"hello world!", b"12:hello world!,"), (b",", b"1:,,")],
)
def test_netstrings_are_those_of_their_author(data, text):
    assert netstring(data) == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "no netstring length at offset 0"),
        (b":a,", "no netstring length"),
        (b"1a,", "no netstring length"),
        (b"01:a,", "no netstring length"),
        (b"+1:a,", "no netstring length"),
        (b"-1:a,", "no netstring length"),
        (b"1 :a,", "no netstring length"),
        (b"99999999999:a,", "no netstring length"),
        (b"1:a", "does not end where it says"),
        (b"1:ab,", "does not end where it says"),
        (b"2:a,", "does not end where it says"),
        (b"9999999999:a,", "does not end where it says"),
    ],
)
def test_what_is_no_netstring_is_refused(text, why):
    with pytest.raises(ValueError, match=why):
        split_netstring(text)
