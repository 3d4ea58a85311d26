"""put_shares: whole shares in one call, as durable as those that are written by parts."""

import os

import pytest
from attrs import evolve
from pytest_twisted import ensureDeferred

from allmydata.interfaces import MAX_WHOLE_SHARE
from allmydata.storage.disk import SYSTEM

from .peer import (
    CANCEL,
    CANCEL2,
    OTHER_SI,
    RENEW,
    RENEW2,
    SI,
    Canary,
    Peer,
    bucket,
    container_bytes,
    leases_of,
    plant,
    refused,
)

DATA = b"share data"


def put_shares(peer, shares, si=SI, renew=RENEW, cancel=CANCEL):
    return peer.call("put_shares", si, renew, cancel, shares, Canary())


@ensureDeferred
async def test_shares_are_kept_as_if_they_were_written_by_parts(serve, storedir):
    peer = Peer(serve())
    assert await put_shares(peer, {0: DATA, 7: DATA}) == (set(), {0, 7})
    assert await peer.put({0: DATA, 7: DATA}, si=OTHER_SI) == {0, 7}
    assert await peer.read_all() == {0: DATA, 7: DATA}
    for name in "07":
        one, other = bucket(storedir) / name, bucket(storedir, OTHER_SI) / name
        assert one.read_bytes() == other.read_bytes()


@ensureDeferred
async def test_shares_that_are_here_are_leased_and_not_written(serve, storedir):
    peer = Peer(serve())
    await peer.put({1: DATA})
    other = {"renew": RENEW2, "cancel": CANCEL2}
    told = await put_shares(peer, {1: b"other data", 2: b"other data"}, **other)
    assert told == ({1}, {2})
    assert await peer.read_all() == {1: DATA, 2: b"other data"}
    assert len(leases_of(bucket(storedir) / "1")) == 2


@ensureDeferred
async def test_a_share_that_is_being_written_is_not_taken(serve):
    peer = Peer(serve())
    _, writers = await peer.allocate({3}, len(DATA))
    assert await put_shares(peer, {3: DATA, 4: DATA}) == (set(), {4})
    await writers[3].callRemote("write", 0, DATA)
    await writers[3].callRemote("close")
    assert set(await peer.read_all()) == {3, 4}


@ensureDeferred
async def test_a_full_or_readonly_server_takes_none(serve, storedir):
    full = Peer(serve(reserved_space=2**60))
    assert await put_shares(full, {0: DATA}) == (set(), set())
    assert bucket(storedir).exists() is False


@ensureDeferred
async def test_a_readonly_server_leases_what_it_has(serve, storedir):
    plant(storedir, "0", container_bytes(DATA))
    peer = Peer(serve(readonly=True))
    assert await put_shares(peer, {0: DATA, 1: DATA}) == ({0}, set())
    assert len(leases_of(bucket(storedir) / "0")) == 1


@pytest.mark.parametrize(
    ("shares", "why"),
    [
        ({0: b"a", 1: b"bb"}, "one size"),
        ({256: b"a"}, "numbered 0 to 255"),
    ],
)
@ensureDeferred
async def test_what_can_not_be_meant_is_refused(serve, storedir, shares, why):
    kind, text = await refused(put_shares(Peer(serve()), shares))
    assert kind in ("UsageError", "Violation") and (why in text or kind == "Violation")
    assert not bucket(storedir).exists()


@ensureDeferred
async def test_a_share_that_is_too_large_is_not_sent(serve):
    with pytest.raises(Exception, match="|".join(["Violation", "too long", "large"])):
        await put_shares(Peer(serve()), {0: bytes(MAX_WHOLE_SHARE + 1)})


@pytest.mark.parametrize("step", ["pwrite", "fsync", "rename"])
@ensureDeferred
async def test_where_the_disk_fails_nothing_is_acknowledged_or_left(serve, storedir, step):
    def fail(*_):
        raise OSError(5, "Input/output error")

    server = serve()
    server._tree.calls = evolve(SYSTEM, **{step: fail})
    peer = Peer(server)
    kind, text = await refused(put_shares(peer, {0: DATA, 1: DATA}))
    assert (kind, "disk failed" in text) == ("GridError", True)
    left = [name for _, _, names in os.walk(storedir / "shares") for name in names]
    assert left == [] and server.num_uploads == 0
    assert server._room.num_promised == 0
