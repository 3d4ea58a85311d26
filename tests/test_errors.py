import inspect

import pytest

from allmydata import errors
from allmydata.errors import (
    BadHashError,
    BadShareError,
    CorruptError,
    GridError,
    NoSharesError,
    NoSuchChildError,
    NotCapableError,
    NotEnoughHashesError,
    NotEnoughServersError,
    NotEnoughSharesError,
    NotFoundError,
    NotMutableError,
)

ALL = [
    c
    for _, c in inspect.getmembers(errors, inspect.isclass)
    if c.__module__ == errors.__name__
]


def test_every_error_is_a_grid_error_with_a_word_programs_compare():
    assert len(ALL) > 20
    for error in ALL:
        assert issubclass(error, GridError)
        assert error.code.replace("-", "").isalpha()
        assert error.code == error.code.lower()


def test_json_leaves_out_what_was_not_said():
    assert NotEnoughServersError("7 wanted, 3 answer").as_json() == {
        "code": "not-enough-servers",
        "message": "7 wanted, 3 answer",
    }


def test_json_holds_message_cause_and_cure():
    error = NotEnoughServersError("no", why="3 of 7", fix="start more")
    assert str(error) == error.message == "no"
    assert error.as_json() == {
        "code": "not-enough-servers",
        "message": "no",
        "why": "3 of 7",
        "fix": "start more",
    }


@pytest.mark.parametrize(
    ("error", "parents"),
    [
        (NotMutableError, [NotCapableError]),
        (BadShareError, [CorruptError]),
        (BadHashError, [CorruptError]),
        (NotEnoughHashesError, [CorruptError]),
        (NoSharesError, [NotEnoughSharesError]),
        (NoSuchChildError, [NotFoundError, IndexError]),
    ],
)
def test_who_catches_the_family_catches_the_child(error, parents):
    for parent in parents:
        with pytest.raises(parent) as caught:
            raise error("gone")
        assert str(caught.value) == "gone"
        assert caught.value.code == parents[0].code
