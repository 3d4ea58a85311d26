"""Bodies made to cost a server dear, and files on its disk that are shares of no kind."""

import pytest
from pytest_twisted import ensureDeferred

from allmydata.formats import cbor
from allmydata.formats.gbs import CBOR as CBOR_TYPE
from tests.storage.http.calls import (
    CBOR,
    IMMUTABLE,
    LEASE,
    MUTABLE,
    NAME,
    SI,
    UP,
    WRITER,
    allocate,
    put,
    rewrite,
)

BOMBS = {
    "deep lists": b"\x81" * 8000,
    "deep sets": b"\xd9\x01\x02\x81" * 1500 + b"\x00",
    "deep maps": b"\xa1\x00" * 3000,
    "a list of 2**64": b"\x9b" + b"\xff" * 8,
    "a map of 2**32": b"\xba" + b"\xff" * 4,
    "a string of 2**63": b"\x5b\x7f" + b"\xff" * 7,
    "a text of 4 GB": b"\x7a" + b"\xff" * 4 + b"x",
    "lists in lists": b"\x99\x00\xff" * 7,
    "without an end": b"\x9f" * 4000,
    "strings without an end": b"\x5f" * 4000,
    "many keys": b"\xb9\x0f\x00" + b"".join(cbor.encode(i) + b"\0" for i in range(2000)),
    "a number beyond all": cbor.encode({"share-numbers": {2**64 - 1}, "allocated-size": 1}),
    "a size beyond all": cbor.encode({"share-numbers": {1}, "allocated-size": 2**64 - 1}),
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())
@pytest.mark.parametrize(
    ("path", "secrets"),
    [
        (IMMUTABLE, LEASE | UP),
        (f"{IMMUTABLE}/0/corrupt", None),
        (f"{MUTABLE}/read-test-write", WRITER),
        (f"{MUTABLE}/0/corrupt", None),
    ],
)
@ensureDeferred
async def test_a_bomb_is_a_bad_request_and_the_next_one_is_answered(
    dial, storage, path, secrets, bomb
):
    wire = await dial()
    answer = await wire.ask("POST", path, bomb, secrets=secrets, headers=[CBOR])
    assert answer.status in (400, 404)  # 404: there is no share to report
    assert answer.status == 400 or "corrupt" in path
    assert (await wire.ask("GET", "/storage/v1/version")).status == 200
    assert (await storage.holdings()).num_shares == 0


# ---- neither an immutable container nor a mutable one ------------------------------------

STRANGE = {
    "nothing": b"",
    "text": b"these are no share data, but somebody's letter\n" * 20,
    "a later version of both": b"\0\0\0\x09Tahoe mutable container v9\n" + bytes(600),
    "almost mutable": b"Tahoe mutable container v1\n\x75\x09\x44\x03\x8f" + bytes(600),
    "almost immutable": b"\0\0\1\0" + bytes(600),
}


@pytest.mark.parametrize("content", STRANGE.values(), ids=STRANGE.keys())
@ensureDeferred
async def test_a_file_of_no_kind_is_neither_read_nor_changed_nor_in_the_way(
    dial, storage, storedir, content
):
    path = storedir / "shares" / NAME[:2] / NAME / "3"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    wire = await dial()
    for kind in (IMMUTABLE, MUTABLE):
        assert (await wire.ask("GET", f"{kind}/3")).status == 404
        shares = await wire.ask("GET", f"{kind}/shares", headers=[(b"Accept", CBOR_TYPE)])
        assert cbor.decode(shares.body) == frozenset()
    assert await storage.remote_get_buckets(SI) == {}
    assert await storage.remote_slot_readv(SI, [], [(0, 10)]) == {}
    held, begun = await allocate(wire, {3, 4}, 5)
    assert not held and 3 not in begun
    await wire.ask("PUT", f"{IMMUTABLE}/4/abort", secrets=UP)
    await rewrite(wire, {3: ([], [(0, b"new")], None)})
    await wire.ask("PUT", f"/storage/v1/lease/{NAME}", secrets=LEASE)
    assert path.read_bytes() == content
    await put(wire, 5, b"whole")
    assert (await wire.ask("GET", f"{IMMUTABLE}/5")).body == b"whole"
    assert path.read_bytes() == content
