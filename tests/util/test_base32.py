import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allmydata.util import base32

# octets over a multiple of 5 -> characters over a multiple of 8, legal last characters
LAST = {
    1: (2, "aeimquy4"),
    2: (4, "aq"),
    3: (5, "acegikmoqsuwy246"),
    4: (7, "aiqy"),
    0: (8, base32.ALPHABET),
}


@given(st.binary(max_size=100))
def test_bytes_survive_a_round_trip(data):
    assert base32.a2b(base32.b2a(data)) == data


@given(st.text("abcdefghijklmnopqrstuvwxyz2345670189=A ", max_size=12))
def test_whatever_is_read_has_no_other_spelling(text):
    try:
        data = base32.a2b(text)
    except ValueError:
        return
    assert base32.b2a(data) == text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"f", "my"),
        (b"fo", "mzxq"),
        (b"foo", "mzxw6"),
        (b"foob", "mzxw6yq"),
        (b"fooba", "mzxw6ytb"),
        (b"foobar", "mzxw6ytboi"),
        (bytes(16), "a" * 26),
        (b"\xff" * 20, "7" * 32),
    ],
)
def test_vectors_of_rfc_4648_hold_in_lower_case(data, text):
    assert base32.b2a(data) == text
    assert base32.b2a(data) == base64.b32encode(data).decode().strip("=").lower()
    assert base32.a2b(text) == data


def test_last_characters_are_those_with_no_spare_bits():
    for octets, (length, legal) in LAST.items():
        for last in base32.ALPHABET:
            text = "a" * (length - 1) + last
            if last in legal:
                assert len(base32.a2b(text)) % 5 == octets
            else:
                with pytest.raises(ValueError, match="spare bits"):
                    base32.a2b(text)


def test_a_16_and_a_32_byte_field_have_one_spelling():
    for size, length, last in [(16, 26, "aeimquy4"), (32, 52, "aq")]:
        heads = "a" * (length - 1)
        legal = [c for c in base32.ALPHABET if _reads(heads + c)]
        assert "".join(legal) == last
        assert len(base32.a2b(heads + last[0])) == size


@pytest.mark.parametrize("length", [1, 3, 6, 9, 11, 14])
def test_lengths_that_are_no_whole_bytes_are_refused(length):
    with pytest.raises(ValueError, match=f"{length} characters can't be whole bytes"):
        base32.a2b("a" * length)


@pytest.mark.parametrize("text", ["MY", "m1", "m0", "m8", "m9", "my======", " my", "my\n"])
def test_other_characters_are_refused(text):
    with pytest.raises(ValueError, match="only a-z and 2-7"):
        base32.a2b(text)


def test_refusals_do_not_quote_what_may_be_a_secret():
    for text in ["secretx!", "secretsecretx", "secrettz"[:7]]:
        with pytest.raises(ValueError, match="not base 32") as caught:
            base32.a2b(text)
        assert "secret" not in str(caught.value)


def _reads(text):
    try:
        base32.a2b(text)
    except ValueError:
        return False
    return True
