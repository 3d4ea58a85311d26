"""Small files: each server is given its shares in one call, and what happens if not."""

import hashlib
import json
import random
from pathlib import Path

import pytest
from attrs import evolve
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred

from allmydata.coding.geometry import Geometry
from allmydata.crypto.aes import AES_CTR
from allmydata.errors import NotEnoughServersError
from allmydata.immutable import upload
from allmydata.immutable.whole import make_shares
from allmydata.uri import from_string
from tests.immutable.test_vectors import plaintext
from tests.support.checks import until

VECTORS = json.loads(Path(__file__).parents[1].joinpath("vectors/chk.json").read_text())
SMALL = [case for case in VECTORS["chk"] if case["size"] <= case["max_segment_size"]]
DATA = random.Random(5).randbytes(4096)


def calls(grid):
    """Return what each server was asked, and forget it."""
    asked = [list(line.calls) for line in grid.lines]
    for line in grid.lines:
        line.calls.clear()
    return asked


@pytest.mark.parametrize(
    "case", SMALL, ids=lambda case: f"{case['size']}-{case['k']}of{case['n']}"
)
def test_shares_made_at_once_are_those_of_the_reference(case):
    if case["share_version"] != 1:
        return  # the layout is chosen by size; these are too small for the second
    k, n, limit = case["k"], case["n"], case["max_segment_size"]
    geometry = Geometry.for_new_file(case["size"], k, n, limit)
    crypttext = AES_CTR(bytes.fromhex(case["key_hex"])).process(plaintext(case["size"]))
    file = make_shares(crypttext, geometry)
    made = [hashlib.sha256(share).hexdigest() for share in file.shares]
    assert made == case["share_sha256"]
    assert file.seal == from_string(case["cap"]).uri_extension_hash


@pytest.mark.parametrize("size", [56, 4096, 70_000, upload.MOST_WHOLE])
@ensureDeferred
async def test_a_small_file_costs_each_server_one_call(make_grid, size):
    grid = await make_grid()
    calls(grid)
    data = random.Random(size).randbytes(size)
    cap = await grid.put(data)
    assert calls(grid) == [["put_shares"]] * 10
    assert await grid.get(cap) == data
    (told,) = [one.as_json() for one in grid.uploader.transfers.recent()]
    assert (told["done"], told["segments"], len(told["servers"])) == (size, 1, 10)
    assert sorted(n for one in told["servers"] for n in one["shares"]) == list(range(10))


@ensureDeferred
async def test_a_larger_file_is_written_as_it_is_made(make_grid):
    grid = await make_grid()
    calls(grid)
    await grid.put(bytes(upload.MOST_WHOLE + 1))
    assert not any("put_shares" in asked for asked in calls(grid))


@ensureDeferred
async def test_shares_are_the_same_however_they_are_written(make_grid):
    short, long = await make_grid(), await make_grid()
    for proxy in long.proxies:
        proxy.version = evolve(proxy.version, whole_shares=0)
    assert await short.put(DATA) == await long.put(DATA)
    both = [
        {shnum: path.read_bytes()[:1400] for (_, shnum), path in grid.share_files().items()}
        for grid in (short, long)
    ]
    assert both[0] == both[1] and len(both[0]) == 10
    assert not any("put_shares" in asked for asked in calls(long))


@ensureDeferred
async def test_one_server_that_does_not_know_the_call_is_enough_for_the_long_way(make_grid):
    grid = await make_grid()
    grid.proxies[4].version = evolve(grid.proxies[4].version, whole_shares=1000)
    cap = await grid.put(DATA)
    assert not any("put_shares" in asked for asked in calls(grid))
    assert await grid.get(cap) == DATA


@ensureDeferred
async def test_fewer_servers_hold_several_shares_each(make_grid):
    grid = await make_grid(4, (3, 4, 10))
    calls(grid)
    cap = await grid.put(DATA)
    assert calls(grid) == [["put_shares"]] * 4
    assert {shnum for _, shnum in grid.share_files()} == set(range(10))
    assert await grid.get(cap) == DATA


@ensureDeferred
async def test_where_too_few_servers_are_nothing_is_stored(make_grid):
    grid = await make_grid(6)
    with pytest.raises(NotEnoughServersError):
        await grid.put(DATA)
    assert grid.share_files() == {} and grid.incoming_files() == []


@ensureDeferred
async def test_what_is_stored_already_is_leased_and_not_written_again(make_grid):
    grid = await make_grid()
    cap = await grid.put(DATA)
    before = {key: path.read_bytes() for key, path in grid.share_files().items()}
    calls(grid)
    assert await grid.put(DATA) == cap
    assert calls(grid) == [["put_shares"]] * 10
    assert grid.share_files().keys() == before.keys()


@ensureDeferred
async def test_a_server_that_takes_nothing_is_replaced(make_grid):
    grid = await make_grid(11)
    taking = sorted(i for i, _ in (await put_and_list(grid, b"other" * 20)))
    assert len(taking) == 10
    grid.servers[taking[0]].readonly = True  # it has not told so yet
    data = next_file_that_wants(grid, taking[0])
    cap = await grid.put(data)
    index = from_string(cap).storage_index
    assert not grid.servers[taking[0]]._tree.numbers(index)
    held = {n for one in grid.servers for n in one._tree.numbers(index)}
    assert held == set(range(10)) and await grid.get(cap) == data


async def put_and_list(grid, data):
    await grid.put(data)
    return grid.share_files()


def next_file_that_wants(grid, i):
    """Return content whose first ten servers have server *i* among them: most have."""
    return b"%d wants" % i * 300


@ensureDeferred
async def test_a_server_lost_meanwhile_is_replaced(make_grid):
    grid = await make_grid(10, (3, 7, 10))
    grid.lines[2].answer_filter = lambda name, answer: grid.kill(2) or answer
    cap = await grid.put(DATA)
    assert await grid.get(cap) == DATA
    assert {shnum for i, shnum in grid.share_files() if i != 2} == set(range(10))


@ensureDeferred
async def test_a_frozen_server_is_not_waited_for_and_its_share_goes_elsewhere(make_grid):
    grid = await make_grid(10, (3, 7, 10))
    await grid.put(b"what is usual" * 100)
    grid.freeze(6)
    cap = await grid.put(DATA)
    index = from_string(cap).storage_index
    held = {n for one in grid.servers for n in one._tree.numbers(index)}
    assert held == set(range(10))
    assert await grid.get(cap) == DATA


@ensureDeferred
async def test_a_put_that_is_given_up_leaves_whole_shares_or_none(make_grid):
    grid = await make_grid()
    grid.freeze(3)
    putting = Deferred.fromCoroutine(grid.put(DATA))
    await until(lambda: len(grid.share_files()) == 9)
    putting.addErrback(lambda _: None)
    putting.cancel()
    grid.thaw(3)
    await until(lambda: len(grid.share_files()) == 10)
    assert grid.incoming_files() == []
    assert await grid.get(await grid.put(DATA)) == DATA
