import random
import time

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor

from allmydata.keeper.schedule import Rules, State
from allmydata.util import base32
from allmydata.util.deferreds import sleep

ALL_TEN = list(range(10))


def numbers(shares):
    return sorted({shnum for _, shnum in shares})


@ensureDeferred
async def test_files_that_are_whole_are_well(bench):
    keeper = await bench.run()
    assert await keeper.add(await bench.put(5)) == 5
    await bench.until_well()
    for entry in bench.files():
        assert (entry.num_good, entry.file.spare) == (10, 7)
        assert entry.loss < 1e-6
        assert entry.due > time.time() + 2000
    assert bench.health.verdict()[0]


@ensureDeferred
async def test_what_a_server_lost_is_made_again(bench):
    caps = await bench.put(12)
    before = bench.shares()
    bench.delete_server(3)
    keeper = await bench.run()
    await keeper.add(caps)
    await bench.until_well()
    assert all(numbers(shares) == ALL_TEN for shares in bench.shares().values())
    assert len(bench.shares()) == len(before) == 12
    assert keeper.figures()["repairs"] == 12


@ensureDeferred
async def test_the_weakest_are_repaired_first(bench):
    caps = await bench.put(24)
    rng = random.Random(3)
    for cap in caps:
        index = base32.b2a(cap.storage_index)
        doomed = rng.sample(ALL_TEN, rng.randrange(1, 8))
        for (_, shnum), paths in bench.paths().items():
            for path in paths:
                if path.parent.name == index and shnum in doomed:
                    path.unlink()
    keeper = await bench.run()
    await keeper.add(caps)
    await bench.until_well()
    order = sorted(bench.files(), key=lambda entry: entry.repaired)
    weakness = [entry.repaired_from for entry in order]
    assert weakness[0] == 0
    at_once = 4
    for i, spare in enumerate(weakness):
        assert spare >= max(weakness[: max(0, i - at_once)], default=0)


@ensureDeferred
async def test_a_server_that_is_away_for_a_while_is_waited_for(bench):
    caps = await bench.put(6)
    keeper = await bench.run()
    await keeper.add(caps)
    await bench.until_well()
    bench.grid.kill(2)
    bench.grid.broker.on_change.notify()
    await keeper.run_now()
    await bench.until(lambda: State.WAITING in bench.states())
    await bench.until(lambda: not bench.store.due(time.time(), 1))
    assert State.WEAK not in bench.states()
    assert keeper.figures()["repairs"] == 0


@ensureDeferred
async def test_but_not_longer_than_the_owner_wants(bench):
    caps = await bench.put(6)
    keeper = await bench.run(Rules(0, 3600, 10**9, patience_s=0.5))
    await keeper.add(caps)
    await bench.until_well()
    bench.grid.kill(2)
    bench.grid.broker.on_change.notify()
    await keeper.run_now()
    await bench.until(lambda: keeper.figures()["repairs"] == 6)
    await bench.until_well()
    for shares in bench.shares().values():
        assert numbers([one for one in shares if one[0] != 2]) == ALL_TEN


@ensureDeferred
async def test_a_sample_is_read_and_what_is_bad_is_made_again_elsewhere(bench):
    caps = await bench.put(8)
    for (server, _), paths in bench.paths().items():
        for path in paths if server == 4 else ():
            data = bytearray(path.read_bytes())
            data[60] ^= 1
            path.write_bytes(data)
    keeper = await bench.run(Rules(0, 3600, verify_every_s=3600))
    await keeper.add(caps)
    await bench.until(lambda: keeper.figures()["repairs"] == 8)
    await bench.until_well()
    for shares in bench.shares().values():
        assert numbers([one for one in shares if one[0] != 4]) == ALL_TEN
    num_repairs = keeper.figures()["repairs"]
    await keeper.run_now()
    await bench.until(lambda: not bench.store.due(time.time(), 1))
    await sleep(0.2, reactor)
    assert keeper.figures()["repairs"] == num_repairs  # the bad one stays; that is known


@ensureDeferred
async def test_one_bad_share_has_all_of_its_server_read(bench):
    caps = await bench.put(3)
    keeper = await bench.run(Rules(0, 3600, verify_every_s=3600))
    await keeper.add(caps)
    await bench.until(lambda: keeper.figures()["reads"] >= 3)
    await bench.until_well()
    path = next(paths[0] for (server, _), paths in bench.paths().items() if server == 1)
    data = bytearray(path.read_bytes())
    data[60] ^= 1
    path.write_bytes(data)
    before = keeper.figures()["reads"]
    await keeper.run_now(read=True)
    await bench.until(lambda: keeper.figures()["repairs"] == 1)
    await bench.until(lambda: keeper.figures()["reads"] >= before + 4)
    await bench.until_well()


@ensureDeferred
async def test_leases_are_renewed_and_a_server_that_lacks_a_share_is_noticed(bench):
    caps = await bench.put(4)
    keeper = await bench.run()
    await keeper.add(caps)
    await bench.until_well()
    await bench.halt()
    bench.delete_server(5)
    for proxy in bench.grid.proxies:
        bench.store.save_renewal(proxy.nodeid, 0.0, 0)
    keeper = await bench.run()
    await bench.until(lambda: keeper.figures()["renewals"] >= 36)
    await bench.until(lambda: keeper.figures()["repairs"] == 4)
    await bench.until_well()


@ensureDeferred
async def test_a_drained_server_is_emptied(bench):
    caps = await bench.put(5)
    keeper = await bench.run()
    await keeper.add(caps)
    await bench.until_well()
    nodeid = bench.grid.proxies[6].nodeid
    bench.grid.broker.drain({nodeid})
    await keeper.run_now()
    await bench.until(lambda: keeper.figures()["repairs"] == 5)
    await bench.until_well()
    for shares in bench.shares().values():
        assert numbers([one for one in shares if one[0] != 6]) == ALL_TEN
    more = await bench.put(1, first=900)
    assert all(one[0] != 6 for one in bench.shares()[base32.b2a(more[0].storage_index)])


@ensureDeferred
async def test_a_file_with_too_few_shares_is_told_of_and_comes_back(bench):
    caps = await bench.put(1)
    keeper = await bench.run()
    await keeper.add(caps)
    await bench.until_well()
    for i in range(8):
        bench.grid.kill(i)
    await keeper.run_now()
    await bench.until(lambda: bench.states() == [State.UNREADABLE])
    await keeper.count()
    well, words = bench.health.verdict()
    assert not well and words == "1 file of 1 can't be read now."


@ensureDeferred
async def test_where_there_is_no_room_it_tries_again_later(bench):
    caps = await bench.put(2)
    bench.delete_server(0)
    for proxy in bench.grid.proxies:
        proxy.is_drained = True
    keeper = await bench.run()
    await keeper.add(caps)
    await bench.until(lambda: all(e.file.failures == 1 for e in bench.files()))
    assert bench.states() == [State.WEAK, State.WEAK]
    assert all(e.error and e.due > time.time() + 300 for e in bench.files())


@ensureDeferred
async def test_two_keepers_of_the_same_files_do_no_harm(bench):
    caps = await bench.put(10)
    bench.delete_server(3)
    keeper = await bench.run()
    from allmydata.keeper.care import Care
    from allmydata.keeper.service import Keeper
    from allmydata.keeper.store import KeeperStore

    other_store = KeeperStore(bench.base / "other.sqlite")
    care = keeper.care
    other = Keeper(
        Care(
            *(other_store, care.broker, care.uptime, care.checker, care.repairer),
            *(care.rules, care.disk, care.clock),
        )
    )
    other.startService()
    await keeper.add(caps)
    await other.add(caps)
    await bench.until_well()
    wanted = {State.WELL}
    await bench.until(lambda: {e.file.state for e in other_store.entries(0, 99)} == wanted)
    await other.stopService()
    for shares in bench.shares().values():
        assert sorted(shnum for _, shnum in shares) == ALL_TEN  # none twice


@ensureDeferred
async def test_a_keeper_that_is_stopped_goes_on_where_it_was(bench):
    caps = await bench.put(15)
    bench.delete_server(3)
    keeper = await bench.run()
    await keeper.add(caps)
    for _ in range(6):
        await sleep(0.05, reactor)
        keeper = await bench.run()
    await bench.until_well()
    assert all(numbers(shares) == ALL_TEN for shares in bench.shares().values())


@ensureDeferred
async def test_it_keeps_within_its_budget(bench):
    caps = await bench.put(10, size=30_000)
    bench.delete_server(3)
    keeper = await bench.run(Rules(200_000, 3600, 10**9, 3600))
    began = reactor.seconds()
    await keeper.add(caps)
    await bench.until_well()
    moved = 10 * 4 * (10_000 + 1024)
    last = 4 * (10_000 + 1024)
    assert reactor.seconds() - began >= (moved - last - 200_000) / 200_000


@ensureDeferred
async def test_without_files_nothing_is_written(bench):
    keeper = await bench.run()
    await keeper.run_now(read=True)
    await keeper.count()
    assert not (bench.base / "keeper.sqlite").exists()
    assert bench.health.verdict() == (True, "The keeper was given no files.")


@ensureDeferred
async def test_a_damaged_list_is_told_of_and_the_node_goes_on(bench):
    (bench.base / "keeper.sqlite").write_bytes(b"garbage" * 1000)
    keeper = await bench.run()
    await bench.until(lambda: keeper.trouble)
    well, words = bench.health.verdict()
    assert not well and "can't use" in words
    assert (bench.base / "keeper.sqlite").read_bytes() == b"garbage" * 1000


@pytest.mark.parametrize("read", [False, True])
@ensureDeferred
async def test_looks_can_be_asked_for(bench, read):
    keeper = await bench.run()
    await keeper.add(await bench.put(2))
    await bench.until_well()
    looks = keeper.figures()["looks"]
    await keeper.run_now(read=read)
    await bench.until(lambda: keeper.figures()["looks"] >= looks + 2)
    await bench.until(lambda: not read or keeper.figures()["reads"] >= 2)
