"""A client renews its leases: many in a message where the server can, else one by one."""

import pytest
from pytest_twisted import ensureDeferred

from allmydata.crypto.keys import LeaseSecrets
from allmydata.errors import ServerLostError, ServerRefusedError
from allmydata.formats.renewals import Renewal
from allmydata.grid.server import (
    CALLS_IN_FLIGHT,
    OURS,
    RENEWED_AT_ONCE,
    ServerVersion,
    StorageServerProxy,
)
from tests.support.grid import LocalGrid

OLD = ServerVersion()
UNKNOWN = b"\xee" * 16


async def running_grid(tmp_path, num_servers=3):
    return await LocalGrid(tmp_path, num_servers, parameters=(1, 1, num_servers)).start()


async def stored(grid, number=3):
    """Upload files, each with a share on every server; return their storage indexes."""
    from allmydata.uri import from_string

    caps = [await grid.put(b"file %d " % n * 20) for n in range(number)]
    return [from_string(cap).storage_index for cap in caps]


@ensureDeferred
async def test_every_server_renews_all_in_one_message(tmp_path):
    grid = await running_grid(tmp_path)
    try:
        indexes = await stored(grid)
        for line in grid.lines:
            line.calls.clear()
        told = await grid.broker.renew([indexes[0], UNKNOWN, *indexes[1:]])
        wanted = [Renewal.RENEWED, Renewal.NO_SHARE, Renewal.RENEWED, Renewal.RENEWED]
        assert told == {proxy: wanted for proxy in grid.proxies}
        assert [line.calls for line in grid.lines] == [["renew_leases"]] * 3
    finally:
        await grid.stop()


@ensureDeferred
async def test_thousands_go_in_several_messages_in_their_order(tmp_path):
    grid = await running_grid(tmp_path, 1)
    try:
        indexes = await stored(grid, 2)
        asked = [indexes[0], *[UNKNOWN] * (2 * RENEWED_AT_ONCE), indexes[1]]
        (told,) = (await grid.broker.renew(asked)).values()
        assert told[0] == told[-1] == Renewal.RENEWED
        assert set(told[1:-1]) == {Renewal.NO_SHARE}
        assert grid.lines[0].calls.count("renew_leases") == 3
    finally:
        await grid.stop()


@ensureDeferred
async def test_an_older_server_is_asked_one_by_one(tmp_path):
    grid = await running_grid(tmp_path, 1)
    try:
        indexes = await stored(grid)
        proxy, line = grid.proxies[0], grid.lines[0]
        proxy.version = OLD
        line.calls.clear()
        many = indexes * CALLS_IN_FLIGHT
        assert await proxy.renew_leases(many) == [Renewal.UNTOLD] * len(many)
        assert line.calls == ["add_lease"] * len(many)
        line.answer_filter = lambda name, result: 1 / 0
        assert await proxy.renew_leases(indexes) == [Renewal.NO_SPACE] * 3
    finally:
        await grid.stop()


@pytest.mark.parametrize("answer", [b"", b"\1\1", b"\4\4\4", b"\xff\1\1"])
@ensureDeferred
async def test_an_answer_that_can_not_be_meant_is_not_believed(tmp_path, answer):
    grid = await running_grid(tmp_path, 1)
    try:
        indexes = await stored(grid)
        grid.lines[0].answer_filter = lambda name, result: answer
        with pytest.raises(ServerRefusedError, match="does not tell"):
            await grid.proxies[0].renew_leases(indexes)
    finally:
        await grid.stop()


@ensureDeferred
async def test_a_server_that_is_lost_is_left_out_of_the_answer(tmp_path):
    grid = await running_grid(tmp_path)
    try:
        indexes = await stored(grid)
        grid.lines[1].hang()
        waiting = grid.broker.renew(indexes)
        grid.kill(1)
        told = await waiting
        assert set(told) == {grid.proxies[0], grid.proxies[2]}
        assert set(await grid.broker.renew(indexes)) == set(told)
    finally:
        await grid.stop()


@ensureDeferred
async def test_nothing_to_renew_needs_a_connection_no_more_than_it_has():
    proxy = StorageServerProxy(b"\2" * 20, LeaseSecrets(b"s" * 32))
    assert await proxy.renew_leases([]) == []
    with pytest.raises(ServerLostError):
        await proxy.renew_leases([UNKNOWN])


@pytest.mark.parametrize("said", [None, -5, True, "many", b"5000", []])
def test_a_server_that_says_nonsense_of_its_messages_is_an_older_one(said):
    version = ServerVersion.parse({OURS: {b"batched-leases": said}})
    assert version.batched_leases == 0
