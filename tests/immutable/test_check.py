"""Which shares are there, and whether every byte of them is right."""

import random

import pytest
import pytest_twisted

from allmydata import uri
from allmydata.errors import BadCapError
from allmydata.formats.share import HEADER_SIZE, ShareLayout

CONTAINER = 12  # bytes before the share's own, in a share file
LEASE = 72  # and behind, for each lease


def content(size):
    return random.Random(size).randbytes(size)


def verify_cap(cap):
    return uri.from_string(cap).get_verify_cap().to_string()


@pytest_twisted.ensureDeferred
async def test_a_file_just_stored_is_healthy_and_bears_the_loss_of_seven(make_grid):
    grid = await make_grid()
    cap = await grid.put(content(100_000))
    for verify in (False, True):
        report = await grid.checker.check(verify_cap(cap), verify)
        assert report.is_healthy and report.is_recoverable
        assert (report.num_good, report.happiness, report.spare) == (10, 10, 7)
        assert sorted(report.sharemap) == list(range(10))
        assert report.was_verified is verify


@pytest_twisted.ensureDeferred
async def test_dead_servers_leave_less_to_spare_until_the_file_is_lost(make_grid):
    grid = await make_grid()
    cap = await grid.put(content(5000))
    for num_dead in range(1, 9):
        grid.kill(num_dead)
        report = await grid.checker.check(cap)
        assert report.spare == max(7 - num_dead, -1)
        assert not report.is_healthy
        assert report.is_recoverable is (num_dead <= 7)


@pytest_twisted.ensureDeferred
async def test_a_frozen_server_is_told_of_and_counts_for_nothing(make_grid, monkeypatch):
    grid = await make_grid()
    cap = await grid.put(content(5000))
    monkeypatch.setattr("allmydata.immutable.check.GIVE_UP_S", 0.2)
    grid.freeze(4)
    report = await grid.checker.check(cap)
    assert report.silent == {grid.proxies[4].nodeid: "it does not answer"}
    assert report.num_good == 9


@pytest_twisted.ensureDeferred
async def test_a_literal_needs_nobody(make_grid):
    grid = await make_grid()
    report = await grid.checker.check(await grid.put(b"small"), verify=True)
    assert report.is_healthy and report.is_literal and report.storage_index == ""


@pytest_twisted.ensureDeferred
async def test_what_is_no_file_is_refused(make_grid):
    grid = await make_grid()
    for text in ("URI:NEW:what", "URI:DIR:pb://x@y:1/z:" + "a" * 26, "nonsense"):
        with pytest.raises(BadCapError):
            await grid.checker.check(text)


@pytest_twisted.ensureDeferred
async def test_a_share_that_never_was_the_files_is_found_by_reading_it(make_grid):
    grid = await make_grid()
    cap, other = await grid.put(content(5000)), await grid.put(content(5001))
    mine = {n: path for (_, n), path in grid.share_files().items() if _is_of(path, cap)}
    theirs = {n: path for (_, n), path in grid.share_files().items() if _is_of(path, other)}
    mine[2].write_bytes(theirs[2].read_bytes())  # another file's
    mine[3].write_bytes(mine[4].read_bytes())  # under another number
    assert (await grid.checker.check(cap)).is_healthy  # it was only asked for
    report = await grid.checker.check(cap, verify=True)
    assert [shnum for shnum, _ in report.corrupt] == [2, 3]
    assert report.num_good == 8


def _is_of(path, cap):
    from allmydata.util import base32

    return path.parent.name == base32.b2a(uri.from_string(cap).storage_index)


@pytest_twisted.ensureDeferred
async def test_its_server_is_told_of_a_bad_share(make_grid):
    from tests.support.checks import until

    grid = await make_grid()
    cap = await grid.put(content(5000))
    (i, _), path = next(iter(grid.share_files().items()))
    _flip(path, 8 * (CONTAINER + 100))
    await grid.checker.check(cap, verify=True)
    advisories = grid.base / f"server{i}" / "corruption-advisories"
    await until(lambda: list(advisories.glob("*")))


def harmless(raw):
    """Return the bytes nobody reads: the reserved tree, and the container's own."""
    share = raw[CONTAINER:-LEASE]
    layout = ShareLayout.parse(share[:HEADER_SIZE])
    spare = set(range(4, 8)) | set(range(len(raw) - LEASE, len(raw)))
    start, end = layout.plaintext_hashes, layout.crypttext_hashes
    return spare | set(range(CONTAINER + start, CONTAINER + end))


def _flip(path, bit):
    raw = bytearray(path.read_bytes())
    raw[bit // 8] ^= 1 << bit % 8
    path.write_bytes(raw)


@pytest_twisted.ensureDeferred
async def test_every_byte_of_a_small_share_matters_or_is_known_not_to(make_grid):
    """One bit of each byte here; every bit in misc/shows/rot.py."""
    grid = await make_grid(2, parameters=(1, 1, 2))
    cap = verify_cap(await grid.put(content(100)))
    path = next(iter(grid.share_files().values()))
    raw = path.read_bytes()
    spare, rng = harmless(raw), random.Random(1)
    for byte in range(len(raw)):
        _flip(path, 8 * byte + rng.randrange(1, 8))  # bit 0 could make it no lease at all
        report = await grid.checker.check(cap, verify=True)
        assert (report.num_good == 1) is (byte not in spare), byte
        path.write_bytes(raw)


@pytest_twisted.ensureDeferred
async def test_a_share_cut_short_anywhere_is_bad(make_grid):
    grid = await make_grid(2, parameters=(1, 1, 2))
    cap = verify_cap(await grid.put(content(100)))
    path = next(iter(grid.share_files().values()))
    raw = path.read_bytes()
    for length in range(0, len(raw) - LEASE, 7):
        path.write_bytes(raw[:length])
        assert (await grid.checker.check(cap, verify=True)).num_good == 1, length
