"""The calls of a storage server on mutable shares, as a client makes them."""

import pytest
import pytest_twisted
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred

from allmydata.crypto.keys import LeaseSecrets
from allmydata.errors import ServerLostError, ServerRefusedError
from allmydata.formats.renewals import Renewal
from allmydata.storage.disk import SYSTEM
from allmydata.storage.slotfile import SlotFile
from tests.support.grid import LocalGrid

SI, ENABLER = b"i" * 16, b"e" * 32
NEW = [(0, 1, b"eq", b"")]


@pytest.fixture
def make(tmp_path):
    grids = []

    async def make(**options):
        grid = LocalGrid(tmp_path / f"grid{len(grids)}", 1, (1, 1, 1), **options)
        grids.append(grid)
        await grid.start()
        return grid, grid.proxies[0]

    yield make
    for grid in grids:
        pytest_twisted.blockon(Deferred.fromCoroutine(grid.stop()))


def slot_of(grid, shnum=0):
    return SlotFile.open(grid.share_files()[0, shnum], SYSTEM)


async def put(proxy, data, tests=NEW, shnum=0, enabler=ENABLER, parts=()):
    writes = {shnum: (list(tests), [(0, data)], None)}
    return await proxy.write_slots(SI, enabler, writes, list(parts))


@ensureDeferred
async def test_what_is_written_is_read_and_compared(make):
    _, proxy = await make()
    assert await proxy.read_slots(SI, (), [(0, 9)]) == {}
    assert await put(proxy, b"one") == (True, {})
    assert await put(proxy, b"two", parts=[(0, 2), (1, 9)]) == (False, {0: [b"on", b"ne"]})
    equal = [(0, 3, b"eq", b"one")]
    assert await put(proxy, b"two", equal, parts=[(0, 9)]) == (True, {0: [b"one"]})
    assert await put(proxy, b"x", shnum=7) == (True, {0: []})
    assert await proxy.read_slots(SI, (), [(0, 9)]) == {0: [b"two"], 7: [b"x"]}
    assert await proxy.read_slots(SI, [7, 9], [(0, 9)]) == {7: [b"x"]}


@ensureDeferred
async def test_a_share_of_many_megabytes_travels_in_one_call(make):
    _, proxy = await make()
    data = bytes(20 * 2**20)
    assert await put(proxy, data) == (True, {})
    told = await proxy.read_slots(SI, (), [(0, len(data))])
    assert told[0][0] == data


@ensureDeferred
async def test_another_write_enabler_is_refused(make):
    _, proxy = await make()
    await put(proxy, b"one")
    with pytest.raises(ServerRefusedError) as caught:
        await put(proxy, b"two", (), enabler=b"f" * 32)
    assert caught.value.why == "BadWriteEnablerError"
    assert (await proxy.read_slots(SI, (), [(0, 9)]))[0] == [b"one"]


@ensureDeferred
async def test_a_readonly_server_takes_no_new_share_and_changes_those_it_has(make):
    grid, proxy = await make()
    await put(proxy, b"one")
    grid.servers[0].readonly = True
    assert await put(proxy, b"longer", [(0, 3, b"eq", b"one")]) == (True, {0: []})
    with pytest.raises(ServerRefusedError) as caught:
        await put(proxy, b"new", shnum=1)
    assert caught.value.why == "NoSpaceError"


@ensureDeferred
async def test_shares_grow_no_further_than_the_server_may(make):
    _, proxy = await make(max_size=5000)
    await put(proxy, bytes(3000))
    with pytest.raises(ServerRefusedError) as caught:
        await put(proxy, bytes(6000), [(0, 1, b"eq", b"\0")])
    assert caught.value.why == "NoSpaceError"
    assert len((await proxy.read_slots(SI, (), [(0, 9999)]))[0][0]) == 3000


@ensureDeferred
async def test_a_write_leases_and_add_lease_and_renew_leases_renew(make):
    grid, proxy = await make()
    await put(proxy, b"one")
    slot = slot_of(grid)
    assert len(slot.leases()) == 1
    await proxy.add_lease(SI)
    assert len(slot.leases()) == 1  # the same client's is renewed
    assert await proxy.renew_leases([SI, b"o" * 16]) == [Renewal.RENEWED, Renewal.NO_SHARE]
    proxy._secrets = LeaseSecrets(b"another client's")
    await proxy.add_lease(SI)
    assert len(slot.leases()) == 2
    slot.close()


@ensureDeferred
async def test_the_books_know_mutable_shares_and_their_leases(make):
    grid, proxy = await make()
    await put(proxy, b"one")
    held = await grid.servers[0].holdings()
    size = grid.share_files()[0, 0].stat().st_size
    assert (held.num_shares, held.num_bytes) == (1, size)
    writes = {0: ([], [], 0)}  # a new length of 0 deletes it
    await proxy.write_slots(SI, ENABLER, writes, [])
    assert (await grid.servers[0].holdings()).num_shares == 0


@ensureDeferred
async def test_what_a_server_answers_must_be_what_it_was_asked(make):
    grid, proxy = await make()
    await put(proxy, b"one")
    for lie in ({0: [b"too long"]}, {0: []}, {0: [b"o", b"n"]}):
        grid.lines[0].answer_filter = lambda name, result, lie=lie: (
            lie if name == "slot_readv" else result
        )
        with pytest.raises(ServerRefusedError):
            await proxy.read_slots(SI, (), [(0, 3)])


@ensureDeferred
async def test_a_server_that_is_gone_is_an_error(make):
    grid, proxy = await make()
    grid.kill(0)
    with pytest.raises(ServerLostError):
        await proxy.read_slots(SI, (), [(0, 3)])


@ensureDeferred
async def test_a_damage_report_of_a_mutable_share_is_kept_as_one(make):
    grid, proxy = await make()
    await put(proxy, b"one")
    await proxy.advise_corrupt_share(SI, 0, "bad", is_mutable=True)
    (told,) = await grid.servers[0].advisories()
    assert (told.share_type, told.shnum) == ("mutable", 0)
