import pytest
from pytest_twisted import ensureDeferred

from allmydata.formats import cbor
from allmydata.formats import gbs_messages as messages
from allmydata.formats.gbs import CANCEL, RENEW, UPLOAD
from allmydata.storage.http import uploads
from allmydata.storage.http.visitors import GRACE_S
from tests.storage.http.calls import (
    IMMUTABLE,
    LEASE,
    NAME,
    SI,
    UP,
    allocate,
    patch,
    put,
    ranged,
)
from tests.support.https import certificate, request

DATA = bytes(range(256)) * 10


async def get(wire, shnum, *, headers=()):
    return await wire.ask("GET", f"{IMMUTABLE}/{shnum}", headers=headers)


async def shares(wire):
    return cbor.decode((await wire.ask("GET", f"{IMMUTABLE}/shares")).body)


@ensureDeferred
async def test_a_share_is_kept_when_its_last_byte_came(dial, storage):
    wire = await dial()
    assert await allocate(wire, {0, 3}, len(DATA)) == (set(), {0, 3})
    half = await patch(wire, 3, 1000, DATA[1000:])
    assert half.status == 200
    assert cbor.decode(half.body) == {"required": [{"begin": 0, "end": 1000}]}
    assert await shares(wire) == set()
    whole = await patch(wire, 3, 0, DATA[:1000])
    assert whole.status == 201 and cbor.decode(whole.body) == {"required": []}
    assert await shares(wire) == {3}
    assert (await get(wire, 3)).body == DATA
    assert storage.num_uploads == 1


@ensureDeferred
async def test_a_large_body_goes_to_the_share_in_pieces(dial, monkeypatch):
    monkeypatch.setattr(uploads, "PIECE", 1000)
    wire = await dial()
    data = DATA * 500
    await put(wire, 0, data)
    assert (await get(wire, 0)).body == data


@ensureDeferred
async def test_what_is_held_is_told_and_what_is_being_written_is_in_neither_list(dial):
    wire = await dial()
    await put(wire, 1, DATA)
    assert await allocate(wire, {2}, 10) == ({1}, {2})
    assert await allocate(wire, {1, 2, 4}, 10) == ({1}, {4})


@ensureDeferred
async def test_the_same_bytes_again_are_fine_and_others_are_a_conflict(dial):
    wire = await dial()
    await allocate(wire, {0}, 20)
    assert (await patch(wire, 0, 0, b"0123456789")).status == 200
    assert (await patch(wire, 0, 5, b"56789abcde")).status == 200
    assert (await patch(wire, 0, 8, b"XX")).status == 409
    assert (await patch(wire, 0, 15, b"fghij")).status == 201
    assert (await get(wire, 0)).body == b"0123456789abcdefghij"


@pytest.mark.parametrize("call", ["patch", "abort"])
@ensureDeferred
async def test_another_upload_secret_is_refused_and_changes_nothing(dial, call):
    wire = await dial()
    await allocate(wire, {0}, 4)
    other = {UPLOAD: b"v" * 20}
    if call == "patch":
        assert (await patch(wire, 0, 0, b"evil", secrets=other)).status == 401
    else:
        path = f"{IMMUTABLE}/0/abort"
        assert (await wire.ask("PUT", path, secrets=other)).status == 401
    assert (await patch(wire, 0, 0, b"good")).status == 201
    assert (await get(wire, 0)).body == b"good"


@ensureDeferred
async def test_the_secret_of_one_share_is_no_right_to_another(dial):
    wire = await dial()
    await allocate(wire, {0}, 4)
    await allocate(wire, {1}, 4, LEASE | {UPLOAD: b"v" * 20})
    assert (await patch(wire, 1, 0, b"evil")).status == 401


@ensureDeferred
async def test_what_is_not_being_written_is_not_there(dial):
    wire = await dial()
    assert (await patch(wire, 0, 0, b"data")).status == 404
    await put(wire, 0, b"data")
    assert (await patch(wire, 0, 0, b"data")).status == 404


@ensureDeferred
async def test_an_upload_can_be_aborted_and_begun_again(dial, storage):
    wire = await dial()
    await allocate(wire, {0}, 10)
    await patch(wire, 0, 0, b"half")
    path = f"{IMMUTABLE}/0/abort"
    assert (await wire.ask("PUT", path, secrets=UP)).status == 200
    assert (await wire.ask("PUT", path, secrets=UP)).status == 404
    assert (await patch(wire, 0, 4, b"half")).status == 404
    assert storage.num_uploads == 0
    await put(wire, 0, b"whole")
    assert (await wire.ask("PUT", path, secrets=UP)).status == 405


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ([], b"data", 416),
        ([(b"Content-Range", b"bytes 0-")], b"data", 416),
        ([(b"Content-Range", b"bytes 3-0/*")], b"data", 416),
        ([(b"Content-Range", b"items 0-3/*")], b"data", 416),
        ([(b"Content-Range", b"bytes 0-2/*")], b"data", 400),
        ([(b"Content-Range", b"bytes 0-3/*")], b"", 400),
        ([(b"Content-Range", b"bytes 8-11/*")], b"data", 416),
        ([(b"Content-Range", b"bytes 0-3/3")], b"data", 416),
        ([(b"Content-Range", b"bytes 0-3/*")] * 2, b"data", 400),
    ],
)
@ensureDeferred
async def test_a_range_that_does_not_fit_writes_nothing(dial, headers, body, status):
    wire = await dial()
    await allocate(wire, {0}, 10)
    assert (await patch(wire, 0, 0, body, headers=headers)).status == status
    assert (await patch(wire, 0, 0, b"0123456789")).status == 201


@pytest.mark.parametrize(
    "secrets",
    [
        {},
        UP,
        LEASE,
        LEASE | UP | {"write-enabler": b"w" * 32},
        UP | {RENEW: b"r" * 31, CANCEL: b"c" * 32},
        UP | {RENEW: b"r" * 32, CANCEL: b"c" * 33},
    ],
)
@ensureDeferred
async def test_room_is_made_for_exactly_the_right_secrets(dial, secrets, storage):
    wire = await dial()
    body = cbor.encode({"share-numbers": {0}, "allocated-size": 1})
    assert (await wire.ask("POST", IMMUTABLE, body, secrets=secrets)).status == 400
    assert storage.num_uploads == 0


@ensureDeferred
async def test_half_a_body_is_half_written_and_can_be_completed(dial):
    wire = await dial()
    await allocate(wire, {0}, 3 * 2**20)
    data = bytes(3 * 2**20)
    headers = [(b"Content-Range", b"bytes 0-%d/*" % (len(data) - 1))]
    whole = request("PATCH", f"{IMMUTABLE}/0", data, secrets=UP, headers=headers)
    wire.transport.write(whole[: 2**21])
    other = await dial()
    await patch(other, 0, 2**21, data[2**21 :])
    wire.transport.loseConnection()
    await wire.lost
    assert await shares(other) == set()
    assert (await patch(other, 0, 0, data)).status == 201
    assert await shares(other) == {0}


@ensureDeferred
async def test_an_upload_of_a_client_nobody_knows_outlasts_its_connection(dial, clock):
    wire = await dial()
    await allocate(wire, {0}, 4)
    wire.transport.loseConnection()
    await wire.lost
    clock.advance(GRACE_S + 1)
    assert (await patch(await dial(), 0, 0, b"data")).status == 201


@ensureDeferred
async def test_an_upload_of_a_known_client_ends_when_it_is_gone(
    dial, clock, storage, https
):
    wire = await dial(certificate(1))
    await allocate(wire, {0}, 4)
    wire.transport.loseConnection()
    await wire.lost
    other = await dial(certificate(2))
    assert await allocate(other, {0}, 4) == (set(), set())
    clock.advance(GRACE_S + 1)
    while storage.num_uploads:
        await shares(other)
    assert await allocate(other, {0}, 4) == (set(), {0})


@ensureDeferred
async def test_a_known_client_may_come_back_in_time(dial, clock):
    wire = await dial(certificate(1))
    await allocate(wire, {0}, 4)
    wire.transport.loseConnection()
    await wire.lost
    again = await dial(certificate(1))
    await shares(again)
    clock.advance(GRACE_S + 1)
    assert (await patch(again, 0, 0, b"data")).status == 201


@ensureDeferred
async def test_what_nobody_writes_any_more_is_thrown_away(dial, clock, storage):
    wire = await dial()
    await allocate(wire, {0}, 4)
    clock.advance(29 * 60)
    wire = await dial()
    await patch(wire, 0, 0, b"da")
    clock.advance(29 * 60)
    wire = await dial()
    assert (await patch(wire, 0, 0, b"da")).status == 200
    clock.advance(31 * 60)
    wire = await dial()
    while storage.num_uploads:
        await shares(wire)
    assert (await patch(wire, 0, 2, b"ta")).status == 404


# ---- reading ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status", "body", "told"),
    [
        ((), 200, DATA, None),
        (ranged(0, 9), 206, DATA[:10], b"bytes 0-9/*"),
        (ranged(2550, 9999), 206, DATA[2550:], b"bytes 2550-2559/*"),
        (ranged(2560, 2560), 204, b"", None),
        (ranged(10**17, 10**17), 204, b"", None),
        ([(b"Range", b"bytes=5-")], 416, None, None),
        ([(b"Range", b"bytes=-5")], 416, None, None),
        ([(b"Range", b"bytes=0-1,4-5")], 416, None, None),
        ([(b"Range", b"lines=0-1")], 416, None, None),
        (ranged(0, 1) * 2, 400, None, None),
    ],
)
@ensureDeferred
async def test_ranges_of_a_share(dial, headers, status, body, told):
    wire = await dial()
    await put(wire, 0, DATA)
    answer = await get(wire, 0, headers=headers)
    assert answer.status == status
    assert body is None or answer.body == body
    assert answer.head.only(b"content-range") == told


@ensureDeferred
async def test_a_share_that_is_not_there(dial):
    wire = await dial()
    assert (await get(wire, 0)).status == 404
    await put(wire, 0, DATA)
    assert (await get(wire, 1)).status == 404
    mutable = IMMUTABLE.replace("immutable", "mutable")
    assert (await wire.ask("GET", f"{mutable}/0")).status == 404


@ensureDeferred
async def test_a_large_share_comes_whole(dial):
    wire = await dial()
    data = DATA * 2000
    await put(wire, 0, data)
    assert (await get(wire, 0)).body == data


@ensureDeferred
async def test_a_damaged_share_is_reported(dial, storage):
    wire = await dial()
    body = cbor.encode({"reason": "block 3"})
    path = f"{IMMUTABLE}/0/corrupt"
    assert (await wire.ask("POST", path, body)).status == 404
    await put(wire, 0, DATA)
    assert (await wire.ask("POST", path, cbor.encode({"reason": ""}))).status == 400
    assert (await wire.ask("POST", path, body)).status == 200
    [kept] = await storage.advisories()
    assert (kept.storage_index, kept.shnum, kept.reason) == (SI, 0, b"block 3")


@ensureDeferred
async def test_whole_shares_are_kept_in_one_request(dial):
    wire = await dial()
    path, body = f"/allmydata/v1/immutable/{NAME}", messages.pack_shares({0: DATA, 5: DATA})
    answer = await wire.ask("POST", path, body, secrets=LEASE)
    assert answer.status == 200
    assert messages.parse_allocated(answer.body) == (frozenset(), {0, 5})
    assert await shares(wire) == {0, 5} and (await get(wire, 5)).body == DATA
    again = await wire.ask("POST", path, body, secrets=LEASE)
    assert messages.parse_allocated(again.body) == ({0, 5}, frozenset())


@pytest.mark.parametrize(
    "body",
    [
        cbor.encode({"shares": {0: "text"}}),
        cbor.encode({"shares": [b"x"]}),
        cbor.encode({"shares": {256: b"x"}}),
        cbor.encode({"shares": {0: b"x", 1: b"xx"}}),
        cbor.encode({}),
        b"\xff",
    ],
)
@ensureDeferred
async def test_what_are_no_whole_shares_is_refused(dial, body):
    wire = await dial()
    path = f"/allmydata/v1/immutable/{NAME}"
    assert (await wire.ask("POST", path, body, secrets=LEASE)).status == 400
    assert (await wire.ask("POST", path, body)).status == 400  # without its secrets
    assert await shares(wire) == set()
