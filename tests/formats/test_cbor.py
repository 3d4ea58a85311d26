import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allmydata.errors import CorruptError
from allmydata.formats.cbor import MAX_DEPTH, decode, encode

plain = st.one_of(
    st.integers(-(2**64), 2**64 - 1), st.binary(max_size=40), st.text(max_size=20)
)
messages = st.recursive(
    st.one_of(st.none(), st.booleans(), plain, st.frozensets(st.integers(0, 300))),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5), st.dictionaries(plain, inner, max_size=5)
    ),
    max_leaves=20,
)


@given(messages)
def test_decode_reads_back_what_encode_wrote(message):
    assert decode(encode(message), max_depth=40) == message


@given(messages)
def test_another_implementation_reads_the_same(message):
    assert cbor2.loads(encode(message)) == message


@given(messages)
def test_what_another_implementation_wrote_is_read(message):
    assert decode(cbor2.dumps(message), max_depth=40) == message


@given(st.binary(max_size=60))
def test_any_bytes_are_a_message_or_an_error(data):
    try:
        decode(data)
    except CorruptError:
        pass


def test_the_examples_of_the_protocol_are_these_bytes():
    allocated = {"already-have": frozenset(), "allocated": frozenset({0, 1})}
    wanted = "a26c616c72656164792d68617665d901028069616c6c6f6361746564d90102820001"
    assert encode(allocated).hex() == wanted
    assert encode({0}).hex() == "d901028100"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "ends early"),
        (b"\x00\x00", "behind the end"),
        (b"\x81" * 100_000 + b"\x00", "too deeply"),
        (b"\xd9\x01\x02" * 1000 + b"\x80", "too deeply"),
        (b"\xa1\x00" * 1000 + b"\x00", "too deeply"),
        (b"\x9b" + b"\xff" * 8, "claims 18446744073709551615 parts"),
        (b"\xbb" + b"\xff" * 8, "claims"),
        (b"\x5b" + b"\xff" * 8 + b"x", "ends early"),
        (b"\x7b\x00\x00\x00\xff\xff\xff\xff\xff", "ends early"),
        (b"\x9f\x00\xff", "not told"),
        (b"\x5f\x41a\xff", "not told"),
        (b"\xfb" + b"\0" * 8, "no part of this protocol"),
        (b"\xf7", "no part of this protocol"),
        (b"\xc2\x41\x01", "a tag other than"),
        (b"\xd9\x01\x02\x00", "a tag other than"),
        (b"\xd9\x01\x02\x82\x01\x01", "twice"),
        (b"\xd9\x01\x02\x81\x80", "a tag other than"),
        (b"\xa2\x01\x01\x01\x02", "twice"),
        (b"\xa1\x80\x01", "a key that can't be"),
        (b"\xa1\xf5\x01", "a key that can't be"),
        (b"\x61\xff", "UTF-8"),
    ],
)
def test_decode_refuses(data, why):
    with pytest.raises(CorruptError, match=why):
        decode(data)


def test_many_parts_are_too_many():
    with pytest.raises(CorruptError, match="too many parts"):
        decode(b"\x9a\x00\x02\x00\x00" + b"\x00" * 2**17)


def test_a_message_may_be_as_deep_as_it_says():
    assert decode(b"\x81" * MAX_DEPTH + b"\x00")
    with pytest.raises(CorruptError):
        decode(b"\x81" * (MAX_DEPTH + 1) + b"\x00")


@pytest.mark.parametrize("value", [1.5, object(), 2**64, [1.5]])
def test_what_can_t_be_said_is_not_written(value):
    with pytest.raises((TypeError, ValueError)):
        encode(value)
