import pytest
from pytest_twisted import ensureDeferred

from allmydata.errors import ConflictError, NotEnoughServersError, NotFoundError
from allmydata.grid.drains import load_drained, save_drained
from allmydata.keeper.drains import Drains
from allmydata.keeper.moves import find_server


@pytest.fixture
def kept():
    return []


async def begin(bench, kept, num=5):
    keeper = await bench.run()
    await keeper.add(await bench.put(num))
    await bench.until_well()
    return Drains(keeper.care, keeper, kept.append)


def on(bench, server):
    return sum(one == server for shares in bench.shares().values() for one, _ in shares)


@ensureDeferred
async def test_a_server_is_emptied_and_what_is_said_before_is_what_is_done(bench, kept):
    drains = await begin(bench, kept)
    before, held = bench.shares(), [on(bench, i) for i in range(10)]
    plan = await drains.drain("s6", dry_run=True)
    assert (plan["files"], plan["without_a_place"]) == (5, 0)
    assert sum(one["shares"] for one in plan["to"]) == plan["shares"] >= 5
    assert "s6" not in {one["server"] for one in plan["to"]}
    assert bench.shares() == before and not kept and not bench.grid.broker.drained
    done = await drains.drain("s6")
    assert {**done, "dry_run": True} == plan
    assert kept == [{bench.grid.proxies[6].nodeid}]
    await bench.until(lambda: bench.keeper.figures()["repairs"] == 5)
    await bench.until_well()
    placed = {one["server"]: one["shares"] for one in plan["to"]}
    grown = [on(bench, i) - held[i] for i in range(10)]
    assert {f"s{i}": num for i, num in enumerate(grown) if num} == placed
    assert (await drains.drain("s6", dry_run=True))["files"] == 0


@ensureDeferred
async def test_a_server_that_is_filled_again_takes_new_shares(bench, kept):
    drains = await begin(bench, kept, 1)
    await drains.drain("s6")
    assert (await drains.undrain("s6"))["was_drained"]
    assert not (await drains.undrain("s6"))["was_drained"]
    assert not bench.grid.proxies[6].readonly
    assert kept[-1] == frozenset()


@ensureDeferred
async def test_the_last_servers_can_not_be_emptied(bench, kept):
    drains = await begin(bench, kept, 1)
    for i in range(1, 10):
        bench.grid.kill(i)
    with pytest.raises(NotEnoughServersError):
        await drains.drain("s0")
    assert not kept


@ensureDeferred
async def test_files_are_spread_over_servers_that_came_later(small_bench, kept):
    bench = small_bench
    drains = await begin(bench, kept, 3)
    assert (await drains.rebalance(dry_run=True))["files"] == 0
    for i in range(4, 10):
        await bench.grid.add_server(i)
    plan = await drains.rebalance(dry_run=True)
    assert (plan["files"], plan["shares"]) == (3, 18)
    assert on(bench, 9) == 0
    await drains.rebalance()
    await bench.until(lambda: bench.keeper.figures()["repairs"] == 3)
    await bench.until_well()
    assert [on(bench, i) for i in range(4, 10)] == [3] * 6
    assert (await drains.rebalance(dry_run=True))["files"] == 0


@ensureDeferred
async def test_servers_are_found_by_name_or_by_the_begin_of_their_id(bench):
    servers = bench.grid.broker.servers()
    assert find_server(servers, "s3").name == "s3"
    assert find_server(servers, servers[4].nodeid) is servers[4]
    with pytest.raises(NotFoundError, match="no server is called 's99'"):
        find_server(servers, "s99")
    with pytest.raises(NotFoundError):
        find_server(servers, "")
    with pytest.raises(ConflictError, match="servers are called 'a'"):
        find_server(servers, "a")


def test_drained_servers_are_kept_in_a_file(tmp_path):
    path = tmp_path / "drained"
    assert load_drained(path) == frozenset()
    save_drained(path, {"b" * 32, "a" * 32})
    assert load_drained(path) == {"a" * 32, "b" * 32}
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_bytes(b"\xff\xfe garbage")
    assert load_drained(path) == frozenset()
