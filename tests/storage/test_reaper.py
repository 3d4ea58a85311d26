"""Shares that nobody wants go, and none that somebody wants, whatever the clock says."""

import json
import os

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.task import deferLater

from allmydata.formats.container import LEASE_DURATION_S, MUTABLE_MAGICS
from allmydata.formats.slot import Slot
from allmydata.storage.disk import SYSTEM
from allmydata.storage.expiry import DAY_S, ExpiryPolicy
from allmydata.storage.inventory import Held
from allmydata.storage.leaseindex import FILE_NAME
from allmydata.storage.reaper import HISTORY_NAME, MOST_HISTORY
from allmydata.storage.slotfile import SlotClaim, SlotFile

from .conftest import NOW
from .peer import (
    CANCEL,
    CANCEL2,
    OTHER_SI,
    RENEW,
    RENEW2,
    SI,
    Peer,
    bucket,
    container_bytes,
    files,
    leases_of,
    plant,
)

YEAR_S = 365 * DAY_S
GRACE_S = 30 * DAY_S
POLICY = ExpiryPolicy(enabled=True, mode="age")


class Running:
    """The time a server runs, which no clock can change."""

    seconds = 5.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def running():
    return Running()


@pytest.fixture
def reaping(serve, running):
    """Start a server that deletes; its first look, which it takes by itself, is over."""

    async def start(policy=POLICY, **options):
        server = serve(expiry=policy, monotonic=running, **options)
        while server.books.reaper.last is None:
            await deferLater(reactor, 0)
        return server

    return start


async def look(server):
    return await server.books.reaper.cycle()


@ensureDeferred
async def test_a_share_goes_when_its_lease_is_over_and_the_grace_too(
    reaping, running, clock, storedir
):
    server = await reaping()
    await Peer(server).put({0: b"x", 1: b"y"})
    clock.rightNow += LEASE_DURATION_S + 1
    assert (await look(server)).expired == 2
    running.seconds += GRACE_S - 1
    assert (await look(server)).deleted == 0
    running.seconds += 1
    reaped = await look(server)
    assert (reaped.doomed, reaped.deleted, reaped.deleted_bytes) == (2, 2, 2 * 85)
    assert files(storedir) == {}
    assert not bucket(storedir).exists()
    assert (await server.holdings()).num_shares == 0
    assert await Peer(server).read_all() == {}
    assert server.expiry_figures() == {"expired": 0, "doomed": 0, "reclaimed": 170}


@ensureDeferred
async def test_time_off_is_no_grace(reaping, running, clock):
    server = await reaping()
    await Peer(server).put({0: b"x"})
    clock.rightNow += LEASE_DURATION_S + 1
    await look(server)
    await server.stopService()
    clock.rightNow += YEAR_S
    running.seconds = 77_777_777.0  # another process counts from anywhere
    server = await reaping()
    running.seconds += GRACE_S - DAY_S
    assert (await look(server)).deleted == 0
    running.seconds += DAY_S
    assert (await look(server)).deleted == 1


@pytest.mark.parametrize("jump", [10 * YEAR_S, -10 * YEAR_S])
@ensureDeferred
async def test_a_jump_of_the_clock_takes_nothing_from_those_who_renew(
    reaping, running, clock, jump
):
    server = await reaping()
    peer = Peer(server)
    await peer.put({0: b"x"})
    clock.rightNow += jump
    for _ in range(20):  # days
        await look(server)
        running.seconds += DAY_S
        clock.rightNow += DAY_S
    await peer.call("add_lease", SI, RENEW, CANCEL)
    for _ in range(20):
        assert (await look(server)).deleted == 0
        running.seconds += DAY_S
        clock.rightNow += DAY_S
    clock.rightNow -= jump
    for _ in range(20):
        assert (await look(server)).deleted == 0
        running.seconds += DAY_S
        clock.rightNow += DAY_S
    assert await peer.read_all() == {0: b"x"}


@ensureDeferred
async def test_a_renewal_that_changes_no_lease_still_begins_the_grace_anew(
    reaping, running, clock, storedir
):
    server = await reaping(ExpiryPolicy(enabled=True, mode="cutoff-date", cutoff=2**31))
    await Peer(server).put({0: b"x"})
    await look(server)
    running.seconds += GRACE_S
    await Peer(server).call("renew_lease", SI, RENEW)  # within the same second
    assert (await look(server)).deleted == 0
    running.seconds += GRACE_S
    assert (await look(server)).deleted == 1


@ensureDeferred
async def test_a_renewal_after_the_share_was_picked_saves_it(reaping, running, clock):
    server = await reaping()
    peer = Peer(server)
    await peer.put({0: b"x"})
    clock.rightNow += LEASE_DURATION_S + 1
    await look(server)
    running.seconds += GRACE_S
    reaper = server.books.reaper
    picked = reaper._doomed()
    assert picked == [(SI, 0)]
    await peer.call("add_lease", SI, RENEW2, CANCEL2)
    deleted = {}
    reaper._delete(picked, deleted)
    assert deleted == {}
    assert await peer.read_all() == {0: b"x"}


@ensureDeferred
async def test_the_file_decides_not_the_index(reaping, running, clock, storedir):
    server = await reaping()
    await Peer(server).put({0: b"x"})
    clock.rightNow += LEASE_DURATION_S + 1
    await look(server)
    running.seconds += GRACE_S
    far = [(0, RENEW, CANCEL, int(clock.seconds()) + DAY_S)]
    plant(storedir, "0", container_bytes(b"x", leases=far))  # behind the server's back
    reaped = await look(server)
    assert (reaped.doomed, reaped.deleted, reaped.spared) == (1, 0, 1)


@ensureDeferred
async def test_one_live_lease_keeps_a_share(reaping, running, clock, storedir):
    server = await reaping()
    peer = Peer(server)
    await peer.put({0: b"x"})
    clock.rightNow += LEASE_DURATION_S - DAY_S
    await peer.call("add_lease", SI, RENEW2, CANCEL2)
    clock.rightNow += 2 * DAY_S
    await look(server)
    running.seconds += GRACE_S
    assert (await look(server)).expired == 0
    assert len(leases_of(bucket(storedir) / "0")) == 2


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\0\0\3" + bytes(100),
        b"\0\0\0\2\0\0\0\1\0\0\0\7" + bytes(100),
        MUTABLE_MAGICS[0] + bytes(440),
        MUTABLE_MAGICS[1] + bytes(440),
        container_bytes(b"no lease", leases=[]),
    ],
)
@ensureDeferred
async def test_what_has_no_lease_that_can_be_read_is_never_deleted(
    reaping, running, clock, storedir, content
):
    path = plant(storedir, "0", content)
    server = await reaping(ExpiryPolicy(enabled=True, mode="cutoff-date", cutoff=2**33))
    for _ in range(3):
        assert (await look(server)).expired == 0
        clock.rightNow += YEAR_S
        running.seconds += YEAR_S
    assert path.read_bytes() == content


@ensureDeferred
async def test_a_share_that_breaks_after_it_was_doomed_stays(
    reaping, running, clock, storedir
):
    server = await reaping()
    await Peer(server).put({0: b"x"})
    clock.rightNow += LEASE_DURATION_S + 1
    await look(server)
    running.seconds += GRACE_S
    path = plant(storedir, "0", b"garbage")
    assert (await look(server)).spared == 1
    assert path.read_bytes() == b"garbage"


@ensureDeferred
async def test_a_dry_run_tells_and_deletes_nothing(reaping, running, clock):
    server = await reaping(ExpiryPolicy(enabled=True, mode="age", dry_run=True))
    await Peer(server).put({0: b"x"})
    clock.rightNow += LEASE_DURATION_S + 1
    await look(server)
    running.seconds += GRACE_S
    reaped = await look(server)
    assert (reaped.doomed, reaped.deleted, reaped.dry_run) == (1, 0, True)
    assert await Peer(server).read_all() == {0: b"x"}
    assert server.expiry_figures() == {"expired": 1, "doomed": 1, "reclaimed": 0}


@ensureDeferred
async def test_the_grace_begins_anew_with_a_new_index(reaping, running, clock, storedir):
    server = await reaping()
    await Peer(server).put({0: b"x"})
    clock.rightNow += LEASE_DURATION_S + 1
    await look(server)
    running.seconds += GRACE_S - DAY_S
    await server.stopService()
    os.unlink(storedir / FILE_NAME)
    server = await reaping()
    await look(server)
    running.seconds += GRACE_S - DAY_S
    assert (await look(server)).deleted == 0
    running.seconds += DAY_S
    assert (await look(server)).deleted == 1


@ensureDeferred
async def test_nothing_goes_while_files_are_not_counted(reaping, running, clock):
    server = await reaping(ExpiryPolicy(enabled=True, mode="age", grace_s=0))
    await Peer(server).put({0: b"x"})
    clock.rightNow += LEASE_DURATION_S + 1
    server.books.ledger.is_true = False
    assert (await look(server)).deleted == 0
    server.books.ledger.is_true = True
    assert (await look(server)).deleted == 1


@ensureDeferred
async def test_a_server_that_is_not_told_to_deletes_nothing(serve, clock, storedir):
    server = serve()
    await Peer(server).put({0: b"x"})
    before = files(storedir)
    for _ in range(5):
        clock.advance(YEAR_S)
        await server.holdings()
    await server.stopService()
    assert files(storedir) == before
    assert server.expiry_figures() == {"expired": None, "doomed": None, "reclaimed": None}


@ensureDeferred
async def test_the_history_is_kept_short_and_survives_garbage(
    reaping, running, clock, storedir
):
    (storedir).mkdir(parents=True)
    (storedir / HISTORY_NAME).write_bytes(b"{garbage")
    server = await reaping()
    for _ in range(MOST_HISTORY + 3):
        await look(server)
    history = json.loads((storedir / HISTORY_NAME).read_bytes())
    assert len(history) == MOST_HISTORY
    assert history[-1]["deleted"] == 0


@ensureDeferred
async def test_a_file_uploaded_again_after_its_end_is_a_new_one(reaping, running, clock):
    server = await reaping()
    peer = Peer(server)
    await peer.put({0: b"x"})
    clock.rightNow += LEASE_DURATION_S + 1
    await look(server)
    running.seconds += GRACE_S
    assert (await look(server)).deleted == 1
    assert await peer.put({0: b"x"}) == {0}
    assert await peer.put({0: b"z"}, OTHER_SI) == {0}
    running.seconds += GRACE_S
    assert (await look(server)).deleted == 0
    assert server.books.ledger.ask(lambda index: index.held((SI, 0))) == Held(
        85, 1, 1, *[int(clock.seconds()) + LEASE_DURATION_S] * 2, (0,)
    )


@ensureDeferred
async def test_mutable_shares_go_as_others_do_unless_they_are_kept(
    reaping, running, clock, storedir
):
    path = plant(storedir, "0", Slot(2, bytes(20), bytes(32)).pack_new())
    slot = SlotFile.open(path, SYSTEM, writable=True)
    slot.add_or_renew(SlotClaim(SI, bytes(32), RENEW, CANCEL, bytes(20), NOW))
    slot.close()
    clock.rightNow += DAY_S
    kept = ExpiryPolicy(enabled=True, mode="age", mutable=False)
    for policy, num_deleted in ((kept, 0), (POLICY, 1)):
        server = await reaping(policy)
        await look(server)
        running.seconds += GRACE_S
        assert (await look(server)).deleted == num_deleted
        await server.stopService()
    assert not path.exists()
