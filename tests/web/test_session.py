"""Tokens, codes and cookies: made, believed, and believed no more."""

import hashlib
import hmac
from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allmydata.crypto.hashutil import web_session_key
from allmydata.web.session import CODE_S, COOKIE_S, MOST_CODES, GatewayKeys

TOKEN = b"the token of a node"


class Now:
    """A clock that goes when it is told to."""

    seconds = 1_800_000_000.5

    def __call__(self):
        return self.seconds


@pytest.fixture
def now():
    return Now()


@pytest.fixture
def keys(now):
    return GatewayKeys(TOKEN, now)


def test_the_token_and_nothing_like_it(keys):
    assert keys.is_token(TOKEN.decode())
    for text in ("", " ", TOKEN.decode()[:-1], TOKEN.decode() + " ", "\xe9" * 19):
        assert not keys.is_token(text)
    assert TOKEN.decode() not in repr(keys)


# ---- codes


def test_a_code_is_good_once(keys):
    code = keys.new_code()
    assert keys.use_code(code)
    assert not keys.use_code(code)
    assert not keys.use_code("") and not keys.use_code("x")


def test_a_code_is_good_for_five_minutes(keys, now):
    early, late = keys.new_code(), keys.new_code()
    now.seconds += CODE_S - 1
    assert keys.use_code(early)
    now.seconds += 1
    assert not keys.use_code(late)


def test_a_lasting_code_is_good_as_long_as_the_keys_live(keys, now):
    code = keys.new_code(lasting=True)
    for _ in range(2 * MOST_CODES):
        keys.new_code()
    now.seconds += 10 * COOKIE_S
    assert keys.use_code(code) and keys.use_code(code)
    assert not GatewayKeys(TOKEN, now).use_code(code)


def test_no_more_than_some_codes_are_kept_and_none_is_kept_as_it_is(keys):
    codes = [keys.new_code() for _ in range(MOST_CODES + 1)]
    assert len(set(codes)) == len(codes)
    assert not any(code in str(keys._codes) for code in codes)
    assert not keys.use_code(codes[0])
    assert all(keys.use_code(code) for code in codes[1:])


# ---- cookies


def test_a_cookie_is_good_for_thirty_days_and_after_a_start(keys, now):
    cookie = keys.new_cookie()
    assert GatewayKeys(TOKEN, now).is_cookie(cookie)
    now.seconds += COOKIE_S - 1
    assert keys.is_cookie(cookie)
    now.seconds += 1
    assert not keys.is_cookie(cookie)


def test_a_cookie_is_sealed_by_the_token_and_by_nothing_else(keys, now):
    assert not GatewayKeys(b"another token", now).is_cookie(keys.new_cookie())
    words, _, mac = keys.new_cookie().rpartition(".")
    key = web_session_key(TOKEN)
    wanted = hmac.new(key, words.encode(), hashlib.sha256).digest()
    assert mac == urlsafe_b64encode(wanted).decode().rstrip("=")


@given(st.integers(0, 80), st.characters(codec="utf-8"))
def test_a_cookie_with_one_letter_changed_is_none(at, letter):
    keys = GatewayKeys(TOKEN, Now())
    cookie = keys.new_cookie()
    changed = cookie[: at % len(cookie)] + letter + cookie[at % len(cookie) + 1 :]
    assert keys.is_cookie(changed) is (changed == cookie)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.replace("18", "19", 1),
        lambda c: "9" + c,
        lambda c: "0" + c,
        lambda c: c + "=",
        lambda c: c + "\n",
        lambda c: " " + c,
        lambda c: c.rpartition(".")[0] + ".",
        lambda c: c.rpartition(".")[0],
        lambda c: "..",
        lambda c: "",
        lambda c: "\u0661" + c[1:],
    ],
)
def test_what_looks_like_a_cookie_is_none(change, keys):
    assert not keys.is_cookie(change(keys.new_cookie()))


def test_a_session_that_was_ended_is_over_and_no_other(keys):
    one, other = keys.new_cookie(), keys.new_cookie()
    keys.end_cookie(one)
    keys.end_cookie("no cookie")
    assert not keys.is_cookie(one) and keys.is_cookie(other)


def test_ended_sessions_are_forgotten_when_they_would_have_ended_anyway(keys, now):
    for _ in range(3):
        keys.end_cookie(keys.new_cookie())
    now.seconds += COOKIE_S + 1
    keys.end_cookie(keys.new_cookie())
    assert len(keys._ended) == 1
