"""The lease index is what the share files say, whatever happened to it."""

import os
import random
import shutil
import sqlite3

import pytest
from attrs import evolve
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.task import deferLater

from allmydata.formats.container import LEASE_DURATION_S, MUTABLE_MAGICS
from allmydata.formats.slot import Slot
from allmydata.storage.books import SWEEP_EVERY_S, WRITE_EVERY_S
from allmydata.storage.disk import SYSTEM
from allmydata.storage.inventory import (
    ALL,
    IMMUTABLE,
    MUTABLE,
    UNREADABLE,
    Held,
    Holdings,
    Over,
    Tally,
    look,
)
from allmydata.storage.leaseindex import FILE_NAME, Change, LeaseIndex
from allmydata.storage.ledger import MOST_CHANGES, Ledger

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
    plant,
)

EXPIRES = NOW + LEASE_DURATION_S


def indexed(server):
    """Return what the index has: {(storage index, number): Held}."""
    ledger = server.books.ledger
    ledger.flush()
    keys = ledger.ask(lambda index: index.between(bytes(16), b"\xff" * 16))
    return {key: ledger.ask(lambda index, key=key: index.held(key)) for key in keys}


def on_disk(storedir):
    """Return what :func:`indexed` should, from the files alone."""
    found = {}
    for si in (SI, OTHER_SI):
        for path in bucket(storedir, si).glob("[0-9]*"):
            found[si, int(path.name)] = look(path, SYSTEM)
    return found


def sums(found):
    tally = Tally()
    for held in found.values():
        tally.count(held)
    return tally


@ensureDeferred
async def test_every_change_of_a_file_arrives(serve, storedir, clock):
    server = serve()
    await server.holdings()
    peer = Peer(server)
    await peer.put({0: b"x", 3: b"y"})
    await peer.put({7: b"other"}, OTHER_SI)
    clock.advance(5)
    await peer.call("add_lease", SI, RENEW2, CANCEL2)
    await peer.call("renew_lease", OTHER_SI, RENEW)
    assert indexed(server) == on_disk(storedir)
    assert indexed(server)[SI, 0] == Held(157, IMMUTABLE, 2, EXPIRES, EXPIRES + 5, (0,))
    await peer.call("cancel_lease", SI, CANCEL)
    await peer.call("cancel_lease", OTHER_SI, CANCEL)
    assert indexed(server) == on_disk(storedir)
    assert set(indexed(server)) == {(SI, 0), (SI, 3)}
    assert await server.holdings() == Holdings(2, 2 * 85)


@ensureDeferred
async def test_sums_are_right_at_every_moment(serve, storedir):
    server = serve()
    peer, rng = Peer(server), random.Random(5)
    for n in range(60):
        si = rng.choice([SI, OTHER_SI])
        secrets = {"renew": bytes([n % 3]) * 32, "cancel": bytes([n % 3]) * 32}
        if rng.random() < 0.6:
            await peer.put({rng.randrange(4): b"z" * 5}, si, **secrets)
        else:
            call = peer.call("cancel_lease", si, secrets["cancel"])
            call.addErrback(lambda _: None)
            await call
        if rng.random() < 0.2:
            server.books.ledger.flush()
        assert await server.holdings() == sums(on_disk(storedir)).of()
    assert indexed(server) == on_disk(storedir)
    assert server.books.ledger.ask(lambda index: index.tally()) == sums(on_disk(storedir))


@ensureDeferred
async def test_a_missing_index_is_made_from_the_files(serve, storedir):
    plant(storedir, "0", container_bytes(b"x", leases=[(0, RENEW, CANCEL, 5)]))
    plant(
        storedir, "1", container_bytes(b"x", version=1, leases=[(9, RENEW, CANCEL, 6)] * 2)
    )
    plant(storedir, "2", b"garbage")
    plant(storedir, "3", MUTABLE_MAGICS[1] + bytes(440), OTHER_SI)
    plant(storedir, "4", Slot(2, bytes(20), bytes(32)).pack_new(), OTHER_SI)
    plant(storedir, "notes.txt", b"?")
    plant(storedir, "007", container_bytes(b"x"))
    (storedir / "shares" / "zz" / "not-base-32").mkdir(parents=True)
    (storedir / "shares" / "zz" / ("a" * 26)).mkdir()
    (storedir / "shares" / "zz" / "file").write_bytes(b"?")
    server = serve()
    assert await server.holdings() == Holdings(5, 85 + 157 + 7 + 2 * 472)
    assert indexed(server) == {
        (SI, 0): Held(85, IMMUTABLE, 1, 5, 5, (0,)),
        (SI, 1): Held(157, IMMUTABLE, 2, 6, 6, (9,)),
        (SI, 2): Held(7, UNREADABLE),
        (OTHER_SI, 3): Held(472, UNREADABLE),
        (OTHER_SI, 4): Held(472, MUTABLE),
    }


GARBAGE = {
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_bytes(b"this is no database\n" * 100),
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "another database": lambda path: other_database(path),
    "zeros in the middle": lambda path: overwrite(path, 4096, bytes(4096)),
    "noise behind the head": lambda path: overwrite(path, 100, os.urandom(20_000)),
    "a directory": lambda path: (path.unlink(), (path / "x").mkdir(parents=True)),
    "a log of something else": lambda path: path.with_name(f"{path.name}-wal").write_bytes(
        os.urandom(5000)
    ),
}


def other_database(path):
    path.unlink()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE shares (x)")
    db.close()


def overwrite(path, offset, data):
    with path.open("r+b") as f:
        f.seek(offset)
        f.write(data)


@pytest.mark.parametrize("spoil", GARBAGE.values(), ids=GARBAGE.keys())
@ensureDeferred
async def test_an_index_of_garbage_is_made_again(serve, storedir, spoil):
    server = serve()
    await Peer(server).put({n: b"share" for n in range(40)})
    await server.stopService()
    before = files(storedir)
    spoil(storedir / FILE_NAME)
    server = serve(max_size=10**9)
    assert await server.holdings() == Holdings(40, 40 * 89)
    assert indexed(server) == on_disk(storedir)
    await Peer(server).call("add_lease", SI, RENEW2, CANCEL2)
    assert indexed(server) == on_disk(storedir)
    await server.stopService()
    assert files(storedir).keys() == before.keys()


@ensureDeferred
async def test_an_index_that_breaks_in_use_is_made_again(serve, storedir, clock):
    server = serve()
    await Peer(server).put({0: b"x"})
    ledger = server.books.ledger
    ledger.flush()
    ledger._index._db.execute("DROP TABLE shares")
    await Peer(server).put({1: b"y"})
    clock.advance(WRITE_EVERY_S)
    while not (ledger.is_true and ledger.num_losses):
        await deferLater(reactor, 0.001)
    assert await server.holdings() == Holdings(2, 2 * 85)
    assert indexed(server) == on_disk(storedir)


@ensureDeferred
async def test_after_a_crash_every_file_is_looked_at(serve, storedir, tmp_path):
    server = serve()
    await Peer(server).put({0: b"x"})
    server.books.ledger.flush()
    await Peer(server).put({1: b"lost"})  # after the last write of the index
    shutil.copytree(storedir, tmp_path / "as killed")
    await server.stopService()
    shutil.rmtree(storedir)
    shutil.copytree(tmp_path / "as killed", storedir)
    server = serve()
    while not server.books.ledger.is_true:
        await deferLater(reactor, 0.001)
    assert set(indexed(server)) == {(SI, 0), (SI, 1)}


@ensureDeferred
async def test_an_index_closed_well_is_believed_for_a_week(serve, storedir):
    server = serve()
    while not server.books.ledger.is_true:
        await deferLater(reactor, 0.001)
    await Peer(server).put({0: b"x"})
    await server.stopService()
    plant(storedir, "5", container_bytes(b"by hand"))
    server = serve()
    assert await server.holdings() == Holdings(1, 85)
    await server.stopService()
    server = serve(monotonic=iter(range(0, 10**9, SWEEP_EVERY_S)).__next__)
    while (await server.holdings()).num_shares != 2:
        await deferLater(reactor, 0.001)
    assert indexed(server) == on_disk(storedir)


@ensureDeferred
async def test_files_that_went_behind_the_servers_back_are_forgotten(serve, storedir):
    server = serve()
    await Peer(server).put({0: b"x", 1: b"y"})
    await Peer(server).put({2: b"z"}, OTHER_SI)
    await server.holdings()  # its first count is over
    server.books.ledger.is_true = False  # as after a crash
    await server.stopService()
    (bucket(storedir) / "0").unlink()
    shutil.rmtree(bucket(storedir, OTHER_SI).parent)
    server = serve()
    while not server.books.ledger.is_true:
        await deferLater(reactor, 0.001)
    assert set(indexed(server)) == {(SI, 1)}
    assert await server.holdings() == Holdings(1, 85)


def open_ledger(path):
    ledger = Ledger(path, lambda: 0.0)
    ledger.open()
    return ledger


def test_what_waits_is_written_by_whoever_brings_too_much(tmp_path):
    ledger = open_ledger(tmp_path / "index")
    held = Held(10, IMMUTABLE, 1, 5, 5, (7,))
    for n in range(MOST_CHANGES):
        ledger.note((n.to_bytes(16, "big"), 0), None, held)
    assert not ledger.has_changes
    assert ledger.held(7) == ledger.held() == Holdings(MOST_CHANGES, 10 * MOST_CHANGES)
    ledger.close()


def test_running_time_goes_on_from_one_process_to_the_next(tmp_path):
    now = [50.0]
    for start in (50.0, 3.0, 1e9):
        now[0] = start
        ledger = Ledger(tmp_path / "index", lambda: now[0])
        ledger.open()
        before = ledger.running_time()
        now[0] += 100
        assert ledger.running_time() == before + 100
        ledger.close()
    assert before == 200


def test_a_mark_stays_until_the_lease_grows_or_a_client_asks(tmp_path):
    index = LeaseIndex.open(tmp_path / "index")
    key, held = (SI, 0), Held(10, IMMUTABLE, 1, 5, 5)
    index.write({key: Change(held, True)}, 1.0)
    index.mark(Over(6, (IMMUTABLE,)), 1.0)
    index.mark(Over(6, (IMMUTABLE,)), 2.0)
    index.write({key: Change(held, False)}, 3.0)  # looked at again
    assert index.doomed_since(key) == 1.0
    index.write({key: Change(evolve(held, latest=6), False)}, 3.0)
    assert index.doomed_since(key) is None
    index.mark(Over(7, (IMMUTABLE,)), 4.0)
    assert index.doomed_since(key) == 4.0
    index.write({key: Change(evolve(held, latest=6), True)}, 5.0)
    assert index.doomed_since(key) is None
    index.mark(Over(7, (IMMUTABLE,)), 6.0)
    index.mark(Over(6, (IMMUTABLE,)), 7.0)  # the clock went back
    assert index.doomed_since(key) is None
    index.close()


def test_sums_count_a_share_for_each_account_and_once_in_all():
    tally = Tally()
    tally.count(Held(10, IMMUTABLE, 2, 1, 1, (3, 9)))
    tally.count(Held(5, UNREADABLE))
    assert (tally.of(ALL), tally.of(3), tally.of(4)) == (
        Holdings(2, 15),
        Holdings(1, 10),
        Holdings(),
    )
    assert tally.accounts() == [3, 9]


@ensureDeferred
async def test_what_changes_while_the_server_stops_is_written(serve, storedir):
    server = serve()
    await Peer(server).put({0: b"x"})
    adding = server.remote_add_lease(SI, RENEW2, CANCEL2)  # a thread is at it
    await server.stopService()
    await adding
    index = LeaseIndex.open_to_read(storedir / FILE_NAME)
    assert (index.held((SI, 0)), index.fact("clean")) == (on_disk(storedir)[SI, 0], 1)
    assert index.held((SI, 0)).num_leases == 2
    index.close()
