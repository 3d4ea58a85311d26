import pytest
from pytest_twisted import ensureDeferred

from allmydata.formats import cbor
from allmydata.formats import gbs_messages as messages
from allmydata.formats.gbs import ENABLER
from allmydata.formats.renewals import Renewal, pack_renewals
from tests.storage.http.calls import (
    CBOR,
    LEASE,
    MUTABLE,
    NAME,
    SI,
    WRITER,
    put,
    ranged,
    rewrite,
)
from tests.support.https import certificate

NEW = [(0, 1, b"eq", b"")]


async def make(wire, shnum, data):
    answer = await rewrite(wire, {shnum: (NEW, [(0, data)], None)})
    assert messages.parse_slot_answer(answer.body) == (True, {})


@ensureDeferred
async def test_a_share_is_made_changed_and_deleted(dial):
    wire = await dial()
    await make(wire, 1, b"first version")
    changed = {1: ([(0, 5, b"eq", b"first")], [(0, b"other")], None)}
    answer = messages.parse_slot_answer((await rewrite(wire, changed, [(0, 5)])).body)
    assert answer == (True, {1: [b"first"]})
    answer = messages.parse_slot_answer((await rewrite(wire, changed, [(0, 5)])).body)
    assert answer == (False, {1: [b"other"]})
    assert (await wire.ask("GET", f"{MUTABLE}/1")).body == b"other version"
    assert cbor.decode((await wire.ask("GET", f"{MUTABLE}/shares")).body) == {1}
    await rewrite(wire, {1: ([], [], 0)})
    assert cbor.decode((await wire.ask("GET", f"{MUTABLE}/shares")).body) == set()


@ensureDeferred
async def test_of_two_who_write_the_same_share_one_loses_and_hears_it(dial):
    one, two = await dial(), await dial()
    answers = []
    for wire, data in ((one, b"one"), (two, b"two")):
        answers.append(wire.ask("POST", *_first(data), secrets=WRITER))
    done = [messages.parse_slot_answer((await answer).body)[0] for answer in answers]
    assert sorted(done) == [False, True]
    left = (await one.ask("GET", f"{MUTABLE}/0")).body
    assert left == (b"one" if done[0] else b"two")


def _first(data):
    body = messages.pack_slot_request({0: (NEW, [(0, data)], None)}, [])
    return f"{MUTABLE}/read-test-write", body


@ensureDeferred
async def test_another_write_enabler_is_refused_and_changes_nothing(dial):
    wire = await dial()
    await make(wire, 0, b"data")
    other = WRITER | {ENABLER: b"x" * 32}
    answer = await rewrite(wire, {0: ([], [(0, b"evil")], None)}, secrets=other)
    assert answer.status == 401
    assert (await wire.ask("GET", f"{MUTABLE}/0")).body == b"data"


@pytest.mark.parametrize("secrets", [LEASE, {}, {ENABLER: b"w" * 32}])
@ensureDeferred
async def test_secrets_that_are_missing_are_a_bad_request(dial, secrets):
    wire = await dial()
    path, body = _first(b"data")
    assert (await wire.ask("POST", path, body, secrets=secrets)).status == 400


@pytest.mark.parametrize(
    ("headers", "status", "body"),
    [
        ((), 200, b"0123456789"),
        (ranged(2, 4), 206, b"234"),
        (ranged(8, 99), 206, b"89"),
        (ranged(10, 10), 204, b""),
        ([(b"Range", b"bytes=1-")], 416, None),
    ],
)
@ensureDeferred
async def test_ranges_of_a_share(dial, headers, status, body):
    wire = await dial()
    await make(wire, 0, b"0123456789")
    answer = await wire.ask("GET", f"{MUTABLE}/0", headers=headers)
    assert answer.status == status and (body is None or answer.body == body)
    assert (await wire.ask("GET", f"{MUTABLE}/1", headers=headers)).status in (404, 416)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"\x81" * 8000, 400),
        (b"\xbb" + b"\xff" * 8, 400),
        (cbor.encode({"test-write-vectors": {}, "read-vector": [], "more": 1}), 400),
        (messages.pack_slot_request({}, []), 200),
    ],
)
@ensureDeferred
async def test_what_a_body_may_be(dial, body, status):
    wire = await dial()
    path = f"{MUTABLE}/read-test-write"
    assert (await wire.ask("POST", path, body, secrets=WRITER)).status == status


@ensureDeferred
async def test_the_kind_of_a_body_and_of_an_answer_must_be_cbor(dial):
    wire = await dial()
    path, body = _first(b"data")

    async def status(*headers):
        return (await wire.ask("POST", path, body, secrets=WRITER, headers=headers)).status

    assert await status((b"Content-Type", b"text/plain")) == 415
    assert await status((b"Accept", b"text/html")) == 406
    assert await status(CBOR, (b"Accept", b"application/cbor")) == 200


@ensureDeferred
async def test_an_immutable_share_is_no_mutable_one(dial):
    wire = await dial()
    await put(wire, 0, b"data")
    assert (await wire.ask("GET", f"{MUTABLE}/0")).status == 404
    assert cbor.decode((await wire.ask("GET", f"{MUTABLE}/shares")).body) == set()
    answer = await rewrite(wire, {0: (NEW, [(0, b"evil")], None)})
    assert messages.parse_slot_answer(answer.body)[0] is False


# ---- leases ----------------------------------------------------------------------------


@ensureDeferred
async def test_leases_of_both_kinds_are_renewed_and_of_none_is_not_found(dial):
    wire = await dial()
    path = f"/storage/v1/lease/{NAME}"
    assert (await wire.ask("PUT", path, secrets=LEASE)).status == 404
    await make(wire, 0, b"data")
    answer = await wire.ask("PUT", path, secrets=LEASE)
    assert (answer.status, answer.body) == (204, b"")
    assert (await wire.ask("PUT", path, secrets=WRITER)).status == 400


@ensureDeferred
async def test_a_known_client_s_leases_are_its_account_s(dial, storage, workers):
    known, unknown = await dial(certificate(1)), await dial()
    await put(known, 0, b"data")
    await put(unknown, 1, b"data")
    accounts = {one.accounts for one in _held(storage)}
    assert len(accounts) == 2 and {0} in [set(one) for one in accounts]


def _held(storage):
    from allmydata.storage.inventory import Held
    from allmydata.storage.shares import ShareFile

    for path in storage._tree.numbers(SI).values():
        share = ShareFile.open(path, storage._tree.calls)
        yield Held.of(share.container, share.leases()[:1])


@ensureDeferred
async def test_leases_of_many_files_are_renewed_at_once(dial):
    wire = await dial()
    await put(wire, 0, b"data")
    asked = pack_renewals([(SI, b"r" * 32, b"c" * 32), (b"\2" * 16, b"r" * 32, b"c" * 32)])
    answer = await wire.ask("POST", "/allmydata/v1/leases", asked)
    assert list(answer.body) == [Renewal.RENEWED, Renewal.NO_SHARE]
    assert (await wire.ask("POST", "/allmydata/v1/leases", b"x")).status == 400
