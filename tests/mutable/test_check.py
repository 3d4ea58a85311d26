"""Mutable files looked at, verified, and made whole; and shares that are wrong."""

import pytest
from pytest_twisted import ensureDeferred

from allmydata.errors import BadCapError, NotCapableError, NotEnoughSharesError
from allmydata.formats.slot import DATA
from allmydata.mutable.check import MutableChecker


@pytest.fixture
def checker(grid):
    return MutableChecker(grid.client())


def spoil(path, at):
    """Flip a bit of the share data at *at*."""
    raw = bytearray(path.read_bytes())
    raw[DATA + at] ^= 1
    path.write_bytes(bytes(raw))


PARTS = {  # of a share of 1000 bytes in SDMF: a byte in each part
    "version": 0,
    "sequence number": 8,
    "root hash": 20,
    "salt": 45,
    "k": 57,
    "size": 74,
    "offsets": 80,
    "public key": 200,
    "signature": 500,
    "chain": 700,
    "block tree": 800,
    "data": 900,
}


@pytest.mark.parametrize("part", PARTS)
@ensureDeferred
async def test_damage_anywhere_is_read_around(grid, checker, part):
    data = bytes(range(250)) * 4
    node = await grid.mutables.create("SDMF", data)
    for path in [*grid.share_files().values()][:7]:
        spoil(path, PARTS[part])
    fresh = grid.client().node_for(node.cap)
    assert await fresh.download_to_data() == data
    await fresh.overwrite(data + b"new")
    assert await fresh.download_to_data() == data + b"new"
    report = await checker.check(node.get_uri(), verify=True)
    assert report.is_healthy and not report.damages


@pytest.mark.parametrize("kind", ["SDMF", "MDMF"])
@ensureDeferred
async def test_a_healthy_file_is_called_so_by_every_capability(grid, checker, kind):
    node = await grid.mutables.create(kind, b"x" * 300_000)
    for cap in (node.get_uri(), node.get_immutable_uri(), node.get_refresh_capability()):
        for verify in (False, True):
            report = await checker.check(cap, verify)
            assert report.is_healthy and report.is_recoverable
            assert (report.num_good, report.needed, report.total) == (10, 3, 10)
            assert (report.spare, report.happiness, report.size) == (7, 10, 300_000)
            assert not report.damages and not report.silent
    assert all(name.startswith("seq1-") for name in report.sharemap)


@ensureDeferred
async def test_verifying_finds_what_checking_cannot(grid, checker):
    node = await grid.mutables.create("MDMF", b"x" * 300_000)
    (server, number), path = next(iter(grid.share_files().items()))
    spoil(path, 60_000)
    assert (await checker.check(node.get_uri())).is_healthy
    report = await checker.check(node.get_refresh_capability(), verify=True)
    assert not report.is_healthy
    assert report.num_good == 9
    assert report.corrupt == [(number, grid.proxies[server].nodeid)]
    advisories = await grid.servers[server].advisories()
    assert [(one.share_type, one.shnum) for one in advisories] == [("mutable", number)]


@ensureDeferred
async def test_only_who_can_write_sees_a_damaged_private_key(grid, checker):
    node = await grid.mutables.create("MDMF", b"x")
    spoil(next(iter(grid.share_files().values())), 300)
    assert (await checker.check(node.get_refresh_capability(), verify=True)).is_healthy
    assert not (await checker.check(node.get_uri(), verify=True)).is_healthy
    await node.overwrite(b"y")  # another share has it right
    assert await node.download_to_data() == b"y"


@ensureDeferred
async def test_a_repair_brings_back_what_is_missing_and_bad(grid, checker):
    node = await grid.mutables.create("SDMF", b"precious" * 100)
    paths = [*grid.share_files().values()]
    for path in paths[:4]:
        path.unlink()
    spoil(paths[5], 900)
    repair = await checker.repair(node.get_uri(), verify=True)
    assert repair.was_needed and repair.is_success
    assert repair.before.num_good == 5 and not repair.before.is_healthy
    assert repair.after.is_healthy and repair.after.version.seqnum == 2
    assert await grid.client().node_for(node.cap).download_to_data() == b"precious" * 100
    again = await checker.repair(node.get_uri(), verify=True)
    assert not again.was_needed


@ensureDeferred
async def test_a_repair_goes_on_from_the_last_whole_version(grid, checker):
    node = await grid.mutables.create("SDMF", b"whole")
    old = {path: path.read_bytes() for path in grid.share_files().values()}
    await node.overwrite(b"begun")
    for path in [*old][:8]:
        path.write_bytes(old[path])
    report = await checker.check(node.get_uri())
    assert not report.is_healthy and report.is_recoverable
    assert (report.num_wrong, report.num_recoverable, report.num_lost) == (2, 1, 1)
    repair = await checker.repair(node.get_uri())
    assert repair.is_success and repair.after.is_healthy
    fresh = grid.client().node_for(node.cap)
    assert await fresh.download_to_data() == b"whole"
    await fresh.overwrite(b"next")


@ensureDeferred
async def test_a_repair_needs_the_write_capability(grid, checker):
    node = await grid.mutables.create("SDMF", b"x")
    next(iter(grid.share_files().values())).unlink()
    for cap in (node.get_immutable_uri(), node.get_refresh_capability()):
        with pytest.raises(NotCapableError, match="write capability"):
            await checker.repair(cap)


@pytest.mark.parametrize("kind", ["SDMF", "MDMF"])
@ensureDeferred
async def test_a_repair_makes_shares_again_that_a_drained_server_holds(grid, checker, kind):
    node = await grid.mutables.create(kind, b"precious" * 100)
    drained = [grid.proxies[i].nodeid for i in (2, 5)]
    grid.broker.drain(drained)
    assert (await checker.check(node.get_uri())).is_healthy  # they are still there
    repair = await checker.repair(node.get_uri())
    assert repair.before.num_good == 8 and repair.after.num_good == 10
    assert repair.is_success and not set(drained) & set(repair.after.holdings)
    assert not (await checker.repair(node.get_uri())).was_needed
    grid.kill(2), grid.kill(5)
    report = await checker.check(node.get_uri(), verify=True)
    assert report.is_healthy and report.num_good == 10
    assert await grid.client().node_for(node.cap).download_to_data() == b"precious" * 100


@ensureDeferred
async def test_a_repair_that_finds_no_place_for_shares_says_so(grid, checker):
    node = await grid.mutables.create("SDMF", b"precious")
    grid.broker.drain([one.nodeid for one in grid.proxies])
    repair = await checker.repair(node.get_uri())
    assert repair.was_needed and not repair.is_success
    assert "0 of 10 shares" in repair.error.message
    assert await grid.client().node_for(node.cap).download_to_data() == b"precious"


@ensureDeferred
async def test_a_file_that_is_lost_is_called_so(grid, checker):
    node = await grid.mutables.create("SDMF", b"x")
    for path in [*grid.share_files().values()][2:]:
        path.unlink()
    report = await checker.check(node.get_uri(), verify=True)
    assert not report.is_recoverable and not report.is_healthy
    assert (report.num_recoverable, report.num_lost, report.spare) == (0, 1, -1)
    with pytest.raises(NotEnoughSharesError):
        await checker.repair(node.get_uri())


@ensureDeferred
async def test_other_capabilities_are_refused(checker):
    with pytest.raises(BadCapError):
        await checker.check("URI:LIT:")


@ensureDeferred
async def test_leases_are_renewed_on_request(grid, checker):
    node = await grid.mutables.create("SDMF", b"x")
    await checker.check(node.get_uri(), add_lease=True)
    assert all("add_lease" in line.calls for line in grid.lines)
