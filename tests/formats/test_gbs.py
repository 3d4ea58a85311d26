from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allmydata.errors import CorruptError
from allmydata.formats import cbor
from allmydata.formats import gbs_messages as messages
from allmydata.formats.gbs import (
    CANCEL,
    ENABLER,
    RENEW,
    UPLOAD,
    HttpError,
    demand_cbor,
    demand_takes_cbor,
    pack_content_range,
    pack_range,
    pack_secret,
    parse_content_range,
    parse_range,
    parse_secrets,
)

LEASE = [pack_secret(RENEW, b"r" * 32), pack_secret(CANCEL, b"c" * 32)]
UP = pack_secret(UPLOAD, b"u" * 20)


def status_of(f, *args):
    with pytest.raises(HttpError) as caught:
        f(*args)
    return caught.value.status


# ---- secrets ---------------------------------------------------------------------------


def test_secrets_are_read_by_name():
    assert parse_secrets([UP, *LEASE], {RENEW, CANCEL, UPLOAD}) == {
        RENEW: b"r" * 32,
        CANCEL: b"c" * 32,
        UPLOAD: b"u" * 20,
    }
    assert parse_secrets([], set()) == {}


@pytest.mark.parametrize(
    "values",
    [
        [],
        LEASE[:1],
        [*LEASE, UP],
        [*LEASE, LEASE[0]],
        [LEASE[0], pack_secret(CANCEL, b"c" * 31)],
        [LEASE[0], pack_secret(CANCEL, b"c" * 33)],
        [LEASE[0], CANCEL.encode() + b" "],
        [LEASE[0], CANCEL.encode()],
        [LEASE[0], CANCEL.encode() + b" not base 64!"],
        [LEASE[0], CANCEL.encode() + b" " + b64encode(b"c" * 32)[:-1]],
        [LEASE[0], pack_secret("cancel-secret", b"c" * 32)],
        [LEASE[0], b"\xff\xfe " + b64encode(b"c" * 32)],
    ],
)
def test_other_secrets_than_those_wanted_are_refused(values):
    assert status_of(parse_secrets, values, {RENEW, CANCEL}) == 400


def test_a_refusal_quotes_no_secret():
    with pytest.raises(HttpError) as caught:
        parse_secrets([pack_secret(ENABLER, b"sesame")], {RENEW})
    assert b64encode(b"sesame").decode() not in str(caught.value)


# ---- ranges and types ------------------------------------------------------------------


@given(st.integers(0, 10**17), st.integers(1, 10**6))
def test_ranges_read_back(offset, length):
    assert parse_range(pack_range(offset, length)) == (offset, offset + length)
    packed = pack_content_range(offset, length)
    assert parse_content_range(packed) == (offset, offset + length)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"bytes=0-",
        b"bytes=-5",
        b"bytes=0-1,3-4",
        b"bytes=5-4",
        b"lines=0-1",
        b"bytes=a-b",
        b"bytes=0-1 ",
        b"bytes=0-" + b"9" * 30,
    ],
)
def test_a_range_that_is_not_one_with_both_ends_is_refused(value):
    assert status_of(parse_range, value) == 416


@pytest.mark.parametrize(
    "value",
    [None, b"", b"bytes 0-", b"bytes 5-4/*", b"lines 0-1/*", b"bytes 0-4/4", b"bytes */5"],
)
def test_a_content_range_that_says_nothing_is_refused(value):
    assert status_of(parse_content_range, value) == 416


def test_bodies_are_cbor_or_say_nothing():
    demand_cbor(None)
    demand_cbor(b"application/cbor; x=y")
    assert status_of(demand_cbor, b"application/json") == 415


@pytest.mark.parametrize(
    ("accept", "is_taken"),
    [
        ([], True),
        ([b"application/cbor"], True),
        ([b"text/html, */*;q=0.1"], True),
        ([b"application/*"], True),
        ([b"text/html"], False),
        ([b"application/cbor;q=0"], False),
        ([b"application/cbor; q=0.000"], False),
        ([b""], False),
    ],
)
def test_a_client_may_not_take_cbor(accept, is_taken):
    if is_taken:
        demand_takes_cbor(accept)
    else:
        assert status_of(demand_takes_cbor, accept) == 406


# ---- messages --------------------------------------------------------------------------


def test_messages_read_back():
    assert messages.parse_allocation(messages.pack_allocation({0, 255}, 9)) == ({0, 255}, 9)
    assert messages.parse_allocated(messages.pack_allocated({1}, {2})) == ({1}, {2})
    assert messages.parse_numbers(messages.pack_numbers({3})) == {3}
    assert messages.parse_reason(messages.pack_reason("bad")) == "bad"
    writes = {4: ([(0, 1, b"eq", b"a")], [(5, b"data")], None), 7: ([], [], 0)}
    wish = messages.parse_slot_request(messages.pack_slot_request(writes, [(1, 2)]))
    assert wish.writes == writes and wish.reads == [(1, 2)]
    answer = messages.pack_slot_answer(False, {3: [b"a", b""]})
    assert messages.parse_slot_answer(answer) == (False, {3: [b"a", b""]})


def test_a_long_reason_is_cut_between_characters():
    cut = messages.parse_reason(messages.pack_reason("ä" * 40_000))
    assert set(cut) == {"ä"} and len(cut) > 16_000


def test_the_version_has_exactly_the_members_that_everybody_knows():
    sizes = {name: 2**64 - 1 for name in messages.SIZES}
    more = {messages.STORAGE_V1: {**sizes, b"more": True}, b"application-version": b"a/1"}
    told = cbor.decode(messages.pack_version({**more, b"ours": {}}))
    assert told == {messages.STORAGE_V1: sizes, b"application-version": b"a/1"}
    assert messages.parse_version(messages.pack_version(more)) == told


NO_SET = {"share-numbers": [0], "allocated-size": 1}


@pytest.mark.parametrize(
    ("parse", "value"),
    [
        (messages.parse_allocation, NO_SET),
        (messages.parse_allocation, {"share-numbers": {0}}),
        (messages.parse_allocation, {"share-numbers": {0}, "allocated-size": -1}),
        (messages.parse_allocation, {"share-numbers": {0}, "allocated-size": True}),
        (messages.parse_allocation, {"share-numbers": {256}, "allocated-size": 1}),
        (messages.parse_allocation, {"share-numbers": {"0"}, "allocated-size": 1}),
        (messages.parse_allocation, {"share-numbers": {0}, "allocated-size": 1, "x": 1}),
        (messages.parse_allocation, {b"share-numbers": {0}, b"allocated-size": 1}),
        (messages.parse_allocation, []),
        (messages.parse_numbers, [1]),
        (messages.parse_numbers, set(range(257))),
        (messages.parse_reason, {"reason": ""}),
        (messages.parse_reason, {"reason": b"bytes"}),
        (messages.parse_reason, {"reason": "a" * 32_766}),
        (messages.parse_version, {}),
        (messages.parse_version, {messages.STORAGE_V1: {messages.SIZES[0]: 1}}),
        (messages.parse_slot_answer, {"success": 1, "data": {}}),
        (messages.parse_slot_answer, {"success": True, "data": {0: [1]}}),
        (messages.parse_slot_answer, {"success": True, "data": {-1: []}}),
        (messages.parse_slot_request, {"test-write-vectors": {}}),
        (messages.parse_slot_request, {"test-write-vectors": [], "read-vector": []}),
    ],
)
def test_a_message_of_another_shape_is_refused(parse, value):
    with pytest.raises(CorruptError):
        parse(cbor.encode(value))


TEST = {"offset": 0, "size": 1, "specimen": b"a"}
WRITE = {"offset": 0, "data": b"a"}


@pytest.mark.parametrize(
    "vector",
    [
        {"test": [TEST] * 31, "write": [], "new-length": None},
        {"test": [{**TEST, "operator": b"eq"}], "write": [], "new-length": None},
        {"test": [{**TEST, "specimen": "a"}], "write": [], "new-length": None},
        {"test": [{**TEST, "offset": -1}], "write": [], "new-length": None},
        {"test": [], "write": [{**WRITE, "data": "a"}], "new-length": None},
        {"test": [], "write": [{**WRITE, "offset": 2**63}], "new-length": None},
        {"test": [], "write": [], "new-length": -1},
        {"test": [], "write": []},
        {"test": {}, "write": [], "new-length": None},
    ],
)
def test_a_vector_of_another_shape_is_refused(vector):
    body = cbor.encode({"test-write-vectors": {0: vector}, "read-vector": []})
    with pytest.raises(CorruptError):
        messages.parse_slot_request(body)


@pytest.mark.parametrize("shnum", [256, -1, "0"])
def test_a_share_number_that_can_t_be_is_refused(shnum):
    vector = {"test": [], "write": [], "new-length": None}
    body = cbor.encode({"test-write-vectors": {shnum: vector}, "read-vector": []})
    with pytest.raises(CorruptError):
        messages.parse_slot_request(body)
