"""Missing and bad shares made again, bit for bit, from a verify capability."""

import random

import pytest
import pytest_twisted

from allmydata import uri
from allmydata.errors import (
    BadCapError,
    CorruptError,
    NoSharesError,
    NotEnoughServersError,
    NotEnoughSharesError,
)
from allmydata.formats.container import LEASE_DURATION_S
from allmydata.immutable.upload import Uploader
from allmydata.util.deferreds import gather
from tests.support.checks import until

CONTAINER = 12  # bytes before the share's own, in a share file
LEASE = 72  # and behind, for each lease


def content(size):
    return random.Random(size).randbytes(size)


def verify_cap(cap):
    return uri.from_string(cap).get_verify_cap().to_string()


def data_of(path):
    """Return the share that a share file holds, without leases."""
    raw = path.read_bytes()
    num_leases = int.from_bytes(raw[8:12], "big")
    return raw[CONTAINER : len(raw) - LEASE * num_leases]


def shares(grid):
    """Return what is in each share, by number; copies must be equal."""
    found = {}
    for (_, shnum), path in grid.share_files().items():
        assert found.setdefault(shnum, data_of(path)) == data_of(path)
    return found


def spoil(path, at=100):
    raw = bytearray(path.read_bytes())
    raw[CONTAINER + at] ^= 1
    path.write_bytes(raw)


def lose(grid, *shnums):
    """Delete shares from the servers that hold them; return those servers."""
    files = grid.share_files()
    gone = [(i, n) for i, n in files if n in shnums]
    for pair in gone:
        files[pair].unlink()
    return [i for i, _ in gone]


@pytest.mark.parametrize("size", [56, 5000, 3_000_000])
@pytest_twisted.ensureDeferred
async def test_what_is_missing_is_made_again_bit_for_bit_without_the_key(size, make_grid):
    grid = await make_grid()
    cap = await grid.put(content(size))
    before = shares(grid)
    lose(grid, 0, 4, 9)
    report = await grid.repairer.repair(verify_cap(cap))
    assert report.was_needed and report.error is None
    assert (report.before.num_good, report.after.num_good) == (7, 10)
    assert sorted(report.placed) == [0, 4, 9]
    assert shares(grid) == before
    assert (await grid.checker.check(cap, verify=True)).spare == 7
    assert await grid.get(cap) == content(size)
    assert not grid.incoming_files()


@pytest_twisted.ensureDeferred
async def test_a_file_that_is_whole_is_left_alone(make_grid):
    grid = await make_grid()
    cap = await grid.put(content(5000))
    for line in grid.lines:
        line.calls.clear()
    report = await grid.repairer.repair(cap)
    assert not report.was_needed and report.before == report.after
    assert {name for line in grid.lines for name in line.calls} == {"get_buckets"}


@pytest_twisted.ensureDeferred
async def test_shares_of_dead_servers_go_to_others_those_that_hold_nothing_first(make_grid):
    grid = await make_grid(14)
    cap = await grid.put(content(5000))
    holders = sorted({i for i, _ in grid.share_files()})
    for i in holders[:3]:
        grid.kill(i)
    report = await grid.repairer.repair(cap)
    idle = {grid.proxies[i].nodeid for i in range(14) if i not in holders}
    assert report.error is None and set(report.placed.values()) <= idle
    assert report.after.spare == 7


@pytest_twisted.ensureDeferred
async def test_a_bad_share_is_made_again_elsewhere_and_stays_where_it_is(make_grid):
    grid = await make_grid(11)
    cap = await grid.put(content(5000))
    files = grid.share_files()
    (i, shnum), path = next(iter(files.items()))
    good = data_of(path)
    spoil(path)
    assert not (await grid.repairer.repair(cap)).was_needed  # nobody looked
    report = await grid.repairer.repair(cap, verify=True)
    assert report.error is None and report.placed.keys() == {shnum}
    assert report.after.is_healthy and report.after.corrupt == report.before.corrupt
    copies = [p for (j, n), p in grid.share_files().items() if n == shnum and j != i]
    assert [data_of(one) for one in copies] == [good]
    assert data_of(path) != good


@pytest_twisted.ensureDeferred
async def test_what_proves_bad_while_it_is_read_is_made_again_too(make_grid):
    grid = await make_grid(12)
    cap = await grid.put(content(5000))
    lose(grid, 7)
    for (_, shnum), path in grid.share_files().items():
        if shnum < 2:
            spoil(path)
    report = await grid.repairer.repair(cap)
    assert report.error is None
    bad = {shnum for shnum, _ in report.after.corrupt}
    assert bad and set(report.placed) == bad | {7}


@pytest_twisted.ensureDeferred
async def test_where_only_the_server_of_the_bad_share_is_left_that_is_told(make_grid):
    grid = await make_grid(2, parameters=(1, 1, 2))
    cap = await grid.put(content(100))
    (i, shnum), path = next(iter(grid.share_files().items()))
    spoil(path)
    grid.proxies[1 - i].version = _readonly(grid.proxies[1 - i].version)
    report = await grid.repairer.repair(cap, verify=True)
    assert isinstance(report.error, NotEnoughServersError)
    assert f"share {shnum}, which is in the way there" in report.error.why
    assert not report.is_success and report.after.num_good == 1


def _readonly(version):
    from attrs import evolve

    return evolve(version, readonly=True)


@pytest_twisted.ensureDeferred
async def test_too_few_shares_are_an_error_that_says_how_many(make_grid):
    grid = await make_grid()
    cap = await grid.put(content(5000))
    lose(grid, *range(8))
    report = await grid.repairer.repair(cap)
    assert isinstance(report.error, NotEnoughSharesError)
    assert "2 good shares were found and 3 of 10" in report.error.message
    lose(grid, 8, 9)
    report = await grid.repairer.repair(cap)
    assert isinstance(report.error, NoSharesError) and report.was_needed


@pytest_twisted.ensureDeferred
async def test_shares_that_prove_too_few_when_read_leave_nothing_behind(make_grid):
    grid = await make_grid()
    cap = await grid.put(content(400_000))
    lose(grid, 3)
    for (_, shnum), path in grid.share_files().items():
        if shnum not in (1, 2):
            spoil(path, at=400)
    report = await grid.repairer.repair(cap)
    assert isinstance(report.error, NotEnoughSharesError)
    assert not report.placed and len(report.after.corrupt) == 7
    await until(lambda: not grid.incoming_files())
    assert 3 not in {n for _, n in grid.share_files()}


@pytest_twisted.ensureDeferred
async def test_servers_to_be_avoided_are_read_and_count_for_nothing(make_grid):
    grid = await make_grid(5, parameters=(3, 3, 5))
    cap = await grid.put(content(5000))
    avoid = {grid.proxies[i].nodeid for i in (0, 1, 2)}
    report = await grid.repairer.repair(cap, avoid=avoid)
    assert (report.before.num_good, report.after.num_good) == (2, 5)
    assert not avoid & set(report.placed.values())
    for i in (0, 1, 2):
        grid.kill(i)
    assert await grid.get(cap) == content(5000)


@pytest_twisted.ensureDeferred
async def test_a_file_on_few_servers_is_spread_where_that_is_asked_for(make_grid):
    grid = await make_grid(2, parameters=(3, 2, 10))
    cap = await grid.put(content(5000))
    for i in range(2, 6):
        await grid.add_server(i)
    assert not (await grid.repairer.repair(cap)).was_needed
    report = await grid.repairer.repair(cap, happy=6)
    assert report.error is None and report.after.happiness == 6
    assert not (await grid.repairer.repair(cap, happy=6)).was_needed


@pytest_twisted.ensureDeferred
async def test_leases_are_renewed_on_every_share(make_grid, monkeypatch):
    grid = await make_grid()
    cap = await grid.put(content(5000))
    lose(grid, 5)
    later = 20 * 86400
    for server in grid.servers:
        monkeypatch.setattr(server, "_clock", _Ahead(later))
    await grid.repairer.repair(cap)
    for path in grid.share_files().values():
        expires = int.from_bytes(path.read_bytes()[-4:], "big")
        assert expires >= _Ahead(later).seconds() + LEASE_DURATION_S - 60


class _Ahead:
    def __init__(self, by):
        from twisted.internet import reactor

        self._reactor, self._by = reactor, by

    def seconds(self):
        return self._reactor.seconds() + self._by

    def callLater(self, *args):
        return self._reactor.callLater(*args)


@pytest_twisted.ensureDeferred
async def test_two_repairers_and_an_upload_at_once_do_no_harm(make_grid):
    from twisted.internet import reactor

    from allmydata.immutable.repair import Repairer
    from allmydata.streams.uploadable import Data

    grid = await make_grid()
    data = content(2_000_000)
    cap = await grid.put(data)
    before = shares(grid)
    lose(grid, 1, 2, 3)
    other = Repairer(grid.checker, grid.workers, reactor)
    uploader = Uploader(
        grid.broker, grid.workers, b"convergence", lambda: grid.parameters, reactor
    )
    uploader.start_up.until = 0.0
    one, two, again = await gather(
        [
            grid.repairer.repair(cap),
            other.repair(cap),
            uploader.upload(Data(data, b"convergence")),
        ]
    )
    assert again == cap and (one.error, two.error) == (None, None)
    assert shares(grid) == before
    await until(lambda: not grid.incoming_files())


@pytest_twisted.ensureDeferred
async def test_a_server_lost_while_it_is_written_to_is_replaced(make_grid):
    grid = await make_grid(11)
    cap = await grid.put(content(2_000_000))
    (idle,) = set(range(11)) - {i for i, _ in grid.share_files()}
    grid.kill(next(i for i, n in grid.share_files() if n == 6))
    target = grid.lines[idle]

    def die(name, result):
        if name == "write":
            target.lose()
        return result

    target.answer_filter = die
    report = await grid.repairer.repair(cap)
    assert report.error is None and report.after.is_healthy
    assert grid.proxies[idle].nodeid not in report.placed.values()


@pytest_twisted.ensureDeferred
async def test_a_repair_that_is_called_off_leaves_nothing_behind(make_grid):
    grid = await make_grid()
    cap = await grid.put(content(3_000_000))
    lose(grid, 6)
    work = grid.repairer.repair(cap)
    await until(grid.incoming_files)
    work.cancel()
    with pytest.raises(BaseException):  # noqa: B017
        await work
    await until(lambda: not grid.incoming_files())
    report = await grid.repairer.repair(cap)
    assert report.error is None and report.after.is_healthy


@pytest_twisted.ensureDeferred
async def test_other_segments_than_todays_are_kept(make_grid):
    grid = await make_grid()
    grid.uploader.max_segment_size = 3 * 10_000
    cap = await grid.put(content(100_000))
    before = shares(grid)
    lose(grid, 0, 5)
    assert (await grid.repairer.repair(cap)).error is None
    assert shares(grid) == before


@pytest_twisted.ensureDeferred
async def test_shares_that_would_be_others_are_not_kept(make_grid, monkeypatch):
    grid = await make_grid()
    cap = await grid.put(content(5000))
    lose(grid, 0)
    real = "allmydata.immutable.encode.encode_segment"
    from allmydata.immutable import encode

    def wrong(code, crypttext, size, made=encode.encode_segment):
        return made(code, bytes(len(crypttext)), size)

    monkeypatch.setattr(real, wrong)
    report = await grid.repairer.repair(cap)
    assert isinstance(report.error, CorruptError) and not report.placed
    await until(lambda: not grid.incoming_files())
    assert 0 not in {n for _, n in grid.share_files()}


@pytest_twisted.ensureDeferred
async def test_a_literal_needs_no_repair_and_a_directory_gets_none(make_grid):
    grid = await make_grid()
    assert not (await grid.repairer.repair(await grid.put(b"small"))).was_needed
    with pytest.raises(BadCapError):
        await grid.repairer.repair("URI:NEW:what")


@pytest_twisted.ensureDeferred
async def test_a_check_renews_leases_if_it_is_told_to(make_grid):
    grid = await make_grid()
    cap = await grid.put(content(5000))
    for line in grid.lines:
        line.calls.clear()
    await grid.checker.check(cap, add_lease=True)
    assert [line.calls.count("add_lease") for line in grid.lines] == [1] * 10


# ---- trust -----------------------------------------------------------------------------


@pytest_twisted.ensureDeferred
async def test_who_gave_a_bad_share_is_asked_last_and_that_is_seen(make_grid):
    grid = await make_grid(12)
    cap = await grid.put(content(5000))
    (i, _), path = next(iter(grid.share_files().items()))
    spoil(path)
    await grid.checker.check(cap, verify=True)
    told = {one["nodeid"]: one["advisories"] for one in grid.broker.statuses()}
    assert told.pop(grid.proxies[i].nodeid) == 1 and set(told.values()) == {0}
    for size in range(3000, 3010):
        await grid.put(content(size))
    kept = [path for (j, _), path in grid.share_files().items() if j == i]
    assert kept == [path]  # nothing new, with enough others there
