"""Objects in envelopes: what comes back, what is refused, and that nothing is executed."""

import datetime
import fractions
import json
import pickle
import runpy
import sys
import uuid
import warnings
from collections import Counter, OrderedDict, defaultdict, deque
from decimal import Decimal
from pathlib import Path

import pytest
import wrpme
from hypothesis import given
from hypothesis import strategies as st
from wrpme.envelope import MAGIC, Envelopes

SHOW = Path(__file__).parents[2] / "misc/shows/hive_pickles.py"
KEY, OTHER = b"k" * 16, b"o" * 16


class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __eq__(self, other):
        return vars(self) == vars(other)


class Slotted:
    __slots__ = ("x",)


PLAIN = [
    None,
    True,
    0,
    -(2**200),
    1.5,
    complex(1, -2),
    b"",
    b"\x80\xff",
    "",
    "é😀",
    bytearray(b"ab"),
    [],
    [1, [2]],
    (),
    (1, "a"),
    {},
    {"a": {1: None}},
    set(),
    {1, 2},
    frozenset({3}),
    range(1, 9, 2),
    slice(1, None),
    OrderedDict(a=1),
    defaultdict(list, a=[1]),
    deque([1, 2], 5),
    Counter("abca"),
    datetime.date(2026, 1, 2),
    datetime.datetime(2026, 1, 2, 3, 4, 5, 6, datetime.UTC),
    datetime.time(1, 2),
    datetime.timedelta(1, 2, 3),
    datetime.timezone(datetime.timedelta(hours=2)),
    Decimal("1.50"),
    fractions.Fraction(2, 3),
    uuid.UUID(int=5),
]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("obj", PLAIN, ids=repr)
def test_plain_data_comes_back_whatever_the_protocol(obj, protocol):
    back = Envelopes().open("a", pickle.dumps(obj, protocol))
    assert back == obj and type(back) is type(obj)


finite = st.floats(allow_nan=False, allow_infinity=False)
json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | finite | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(json_like, st.sampled_from(["pickle", "json"]), st.text(max_size=20))
def test_what_is_sealed_is_opened(obj, format_, alias):
    made = Envelopes(key=KEY, format=format_)
    assert made.open(alias, made.seal(alias, obj)) == obj


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_an_object_or_an_error(data, in_envelope):
    head = MAGIC + b"\1" + bytes(40) if in_envelope else b""
    try:
        Envelopes().open("a", head + data)
    except wrpme.Error:
        pass


def test_hostile_pickles_are_errors_and_nothing_is_executed(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", [str(SHOW), "--count", "1500", "--seed", "7"])
    with warnings.catch_warnings(), pytest.raises(SystemExit) as e:
        runpy.run_path(str(SHOW), run_name="__main__")
    told = capsys.readouterr().out
    assert (e.value.code, "opened: 0" in told) == (0, True), told
    assert "nothing was executed" in told


@pytest.mark.parametrize(
    ("pickled", "why"),
    [
        (b"cos\nsystem\n(S'true'\ntR.", "os.system"),
        (b"\x80\x04\x8c\x04uuid\x8c\x09os.system\x93.", "uuid.os.system"),
        (b"\x80\x02Pabc\n.", "PERSID"),
        (b"\x80\x02\x82\x01.", "EXT1"),
        (b"(ios\nsystem\n.", "INST"),
        (b"Nr\xff\xff\xff\x7f.", "memo"),
        (b")" + b"\x85" * 1001 + b".", "deep"),
        (b"cuuid\nUUID\n(N}S'x'\nNstb.", "changed"),
        (b"cbuiltins\nset\n(cbuiltins\nrange\n(I0\nI9\nI1\ntRtR.", "made from such"),
        (b"cbuiltins\nbytearray\n(I99\ntR.", "made from such"),
        (b"cbuiltins\nlist\n(tR.", "damaged"),
        (b"N", "no whole pickle"),
        (b"", "no whole pickle"),
    ],
)
def test_what_is_refused_says_why(pickled, why):
    with pytest.raises(wrpme.Error, match=why):
        Envelopes().open("a", pickled)


def test_classes_are_allowed_one_by_one():
    point = Point(1, [2])
    with pytest.raises(TypeError, match=r"Point is not allowed; .*allow=\[cls\]"):
        Envelopes().seal("a", point)
    allowed = Envelopes(allow=[Point])
    sealed = allowed.seal("a", point)
    assert allowed.open("a", sealed) == point
    with pytest.raises(wrpme.UnsafeObject, match="Point is not allowed"):
        Envelopes().open("a", sealed)
    for protocol in range(6):
        assert allowed.open("a", pickle.dumps(point, protocol)) == point
    with pytest.raises(wrpme.InvalidOption):
        Envelopes(allow=["Point"])
    with pytest.raises(TypeError):
        wrpme.allow("Point")


def test_an_allowed_class_itself_is_not_changed():
    name = Point.__qualname__.encode()
    module = Point.__module__.encode()
    change = b"c" + module + b"\n" + name + b"\n(N}S'__eq__'\nNstb."
    with pytest.raises(wrpme.UnsafeObject, match="changed"):
        Envelopes(allow=[Point]).open("a", change)
    assert Point.__eq__ is not None


@pytest.mark.parametrize(
    "obj", [lambda: 1, Slotted, open, sys], ids=["lambda", "slotted", "builtin", "module"]
)
def test_what_can_t_be_read_back_is_not_sealed(obj):
    with pytest.raises(TypeError):
        Envelopes().seal("a", obj)


@pytest.mark.parametrize("obj", [float("inf"), float("nan"), {1, 2}, b"x"], ids=repr)
def test_what_json_has_no_words_for_is_not_sealed(obj):
    with pytest.raises(TypeError):
        Envelopes(format="json").seal("a", [obj])


def test_signatures_bind_object_alias_and_key():
    ours = Envelopes(key=KEY)
    sealed = ours.seal("a", [1])
    assert ours.open("a", sealed) == [1]
    assert Envelopes(key=OTHER, old_keys=[KEY]).open("a", sealed) == [1]
    assert Envelopes().open("a", sealed) == [1]  # plain data needs no trust
    spoiled = sealed[:-3] + bytes([sealed[-3] ^ 1]) + sealed[-2:]
    for alias, data in (("b", sealed), ("a", spoiled)):
        with pytest.raises(wrpme.UnsafeObject, match="signature"):
            ours.open(alias, data)
    for data in (Envelopes().seal("a", [1]), Envelopes(key=OTHER).seal("a", [1])):
        with pytest.raises(wrpme.UnsafeObject, match="no key of ours"):
            ours.open("a", data)


def test_any_pickle_is_made_only_of_what_our_key_signed():
    with pytest.raises(wrpme.InvalidOption, match="needs a key"):
        Envelopes(unsafe_pickle=True)
    with pytest.warns(RuntimeWarning, match="unsafe_pickle is on"):
        unsafe = Envelopes(key=KEY, unsafe_pickle=True)
    sealed = unsafe.seal("a", Point(1, 2))
    assert unsafe.open("a", sealed) == Point(1, 2)
    for data in (
        pickle.dumps(Point(1, 2)),
        Envelopes(allow=[Point]).seal("a", Point(1, 2)),
    ):
        with pytest.raises(wrpme.UnsafeObject):
            unsafe.open("a", data)
    with pytest.warns(RuntimeWarning, match="trust_unsigned is on"):
        trusting = Envelopes(unsafe_pickle=True, trust_unsigned=True)
    assert trusting.open("a", pickle.dumps(Point(1, 2))) == Point(1, 2)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (MAGIC + b"\1", "too early"),
        (MAGIC + b"\x09" + bytes(40), "format 9"),
        (MAGIC + b"\2" + bytes(40) + b"{", "damaged json"),
    ],
)
def test_an_envelope_that_is_none_is_an_error(data, why):
    with pytest.raises(wrpme.UnexpectedReply, match=why):
        Envelopes().open("a", data)


def test_options_are_checked():
    for options in ({"key": b"short"}, {"key": "k" * 16}, {"format": "xml"}):
        with pytest.raises(wrpme.InvalidOption):
            Envelopes(**options)
    with pytest.raises(wrpme.UnexpectedReply, match="at most"):
        Envelopes(max_size=10).open("a", b"x" * 11)
    assert json.loads(Envelopes(format="json").seal("a", [1])[45:]) == [1]
