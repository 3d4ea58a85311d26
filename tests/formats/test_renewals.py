import pytest
from hypothesis import given
from hypothesis import strategies as st

from allmydata.errors import UsageError
from allmydata.formats.renewals import (
    MOST_RENEWALS,
    Renewal,
    pack_renewals,
    parse_answer,
    unpack_renewals,
)

one = st.tuples(
    st.binary(min_size=16, max_size=16),
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=32, max_size=32),
)


@given(st.lists(one, max_size=20))
def test_unpacking_gives_what_was_packed(asked):
    assert unpack_renewals(pack_renewals(asked)) == asked


def test_a_message_is_index_and_secrets_back_to_back():
    packed = pack_renewals([(b"i" * 16, b"r" * 32, b"c" * 32)] * 2)
    assert packed == (b"i" * 16 + b"r" * 32 + b"c" * 32) * 2


@pytest.mark.parametrize("size", [1, 79, 81, 80 * MOST_RENEWALS + 80])
def test_what_is_no_whole_number_of_files_or_too_many_is_refused(size):
    with pytest.raises(UsageError, match=f"{size} bytes are no renewals"):
        unpack_renewals(bytes(size))


def test_an_answer_is_a_byte_for_each_file():
    told = [Renewal.NO_SHARE, Renewal.RENEWED, Renewal.UNREADABLE, Renewal.NO_SPACE]
    assert parse_answer(b"\0\1\2\3", 4) == told


@pytest.mark.parametrize(
    ("answer", "asked"), [(b"", 1), (b"\0\0", 1), (b"\4", 1), (b"\xff", 1)]
)
def test_an_answer_to_something_else_is_refused(answer, asked):
    with pytest.raises(ValueError, match="do not answer"):
        parse_answer(answer, asked)
