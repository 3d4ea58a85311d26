"""Shares that are damaged, swapped or forged cost themselves, never a wrong byte."""

import random

import pytest
import pytest_twisted

from allmydata.errors import NotEnoughSharesError
from allmydata.formats.share import HEADER_SIZE, ShareLayout
from tests.support.checks import until

CONTAINER = 12  # bytes before the share's own, in a share file
PARTS = (
    "version",
    "header",
    "data",
    "crypttext_hashes",
    "block_hashes",
    "share_hashes",
    "uri_extension",
)


def content(size):
    return random.Random(size).randbytes(size)


def where(path, part):
    """Return the offset in a share file of a byte in the middle of *part*."""
    raw = path.read_bytes()[CONTAINER:]
    layout = ShareLayout.parse(raw[:HEADER_SIZE])
    starts = {
        "version": (0, 4),
        "header": (12, 36),
        "data": (layout.data, layout.plaintext_hashes),
        "crypttext_hashes": (layout.crypttext_hashes, layout.block_hashes),
        "block_hashes": (layout.block_hashes, layout.share_hashes),
        "share_hashes": (layout.share_hashes, layout.uri_extension),
        "uri_extension": (layout.uri_extension + 4, layout.uri_extension + 300),
    }
    first, end = starts[part]
    return CONTAINER + (first + end) // 2


def flip(path, offset, bit=1):
    raw = bytearray(path.read_bytes())
    raw[offset] ^= bit
    path.write_bytes(raw)


def by_share(grid):
    return {shnum: path for (_, shnum), path in grid.share_files().items()}


@pytest.mark.parametrize("size", [2000, 3 * 2**20])
@pytest.mark.parametrize("part", PARTS)
@pytest_twisted.ensureDeferred
async def test_seven_shares_damaged_in_one_part_leave_three_that_do(make_grid, part, size):
    grid = await make_grid()
    cap = await grid.put(content(size))
    files = by_share(grid)
    for shnum in range(7):
        flip(files[shnum], where(files[shnum], part))
    assert await grid.get(cap) == content(size)


@pytest.mark.parametrize("part", [part for part in PARTS if part != "crypttext_hashes"])
@pytest_twisted.ensureDeferred
async def test_eight_damaged_shares_are_an_error_and_no_wrong_byte(make_grid, part):
    grid = await make_grid()
    cap = await grid.put(content(3 * 2**20))
    files = by_share(grid)
    for shnum in range(8):
        flip(files[shnum], where(files[shnum], part))
    with pytest.raises(NotEnoughSharesError, match="2 good shares were found and 3 of 10"):
        await grid.get(cap)


@pytest_twisted.ensureDeferred
async def test_a_truncated_share_is_passed_over(make_grid):
    grid = await make_grid(4, (3, 4, 4))
    cap = await grid.put(content(5000))
    path = by_share(grid)[0]
    whole = path.read_bytes()
    rng = random.Random(4)
    for length in [0, 1, 11, 12, 13, 48, *rng.sample(range(len(whole)), 20)]:
        path.write_bytes(whole[:length])
        assert await grid.get(cap) == content(5000)


@pytest_twisted.ensureDeferred
async def test_an_extended_share_is_still_right(make_grid):
    grid = await make_grid(3, (3, 3, 3))
    cap = await grid.put(content(5000))
    for path in by_share(grid).values():
        path.write_bytes(path.read_bytes() + b"x" * 144)
    assert await grid.get(cap) == content(5000)


@pytest_twisted.ensureDeferred
async def test_shares_of_another_file_are_passed_over(make_grid):
    grid = await make_grid()
    cap = await grid.put(content(5000))
    mine = by_share(grid)
    await grid.put(content(5001))
    files = [path for path in grid.base.glob("server*/shares/??/*/*")]
    other = {int(path.name): path for path in files if path not in mine.values()}
    for shnum in range(7):
        mine[shnum].write_bytes(other[shnum].read_bytes())
    assert await grid.get(cap) == content(5000)


@pytest_twisted.ensureDeferred
async def test_swapped_shares_are_passed_over(make_grid):
    grid = await make_grid()
    cap = await grid.put(content(5000))
    files = by_share(grid)
    one, two = files[0].read_bytes(), files[1].read_bytes()
    files[0].write_bytes(two)
    files[1].write_bytes(one)
    assert await grid.get(cap) == content(5000)


@pytest_twisted.ensureDeferred
async def test_the_server_of_a_bad_share_is_told(make_grid):
    grid = await make_grid(3, (3, 3, 3))
    cap = await grid.put(content(5000))
    [(server, path)] = [(s, p) for (s, n), p in grid.share_files().items() if n == 0]
    flip(path, where(path, "data"))
    with pytest.raises(NotEnoughSharesError, match="2 good shares"):
        await grid.get(cap)
    advices = grid.base / f"server{server}" / "corruption-advisories"
    await until(lambda: advices.exists() and any(advices.iterdir()))
    [advice] = advices.iterdir()
    text = advice.read_text()
    assert "share_number: 0" in text
    assert "a block does not match its hash" in text
    assert cap.split(":")[2] not in text


# ---- peers that answer as they should not ------------------------------------------------


@pytest_twisted.ensureDeferred
async def test_a_peer_that_sends_more_than_asked_for_is_passed_over(make_grid):
    grid = await make_grid()
    cap = await grid.put(content(5000))
    for line in grid.lines[:7]:
        line.answer_filter = lambda name, x: x * 2 if name == "read" else x
    assert await grid.get(cap) == content(5000)


@pytest_twisted.ensureDeferred
async def test_a_peer_that_sends_nothing_is_passed_over(make_grid):
    grid = await make_grid()
    cap = await grid.put(content(5000))
    for line in grid.lines[:7]:
        line.answer_filter = lambda name, x: b"" if name == "read" else x
    assert await grid.get(cap) == content(5000)


@pytest_twisted.ensureDeferred
async def test_a_peer_that_fails_each_read_is_passed_over(make_grid):
    grid = await make_grid()
    cap = await grid.put(content(5000))

    def refuse(name, answer):
        if name == "read":
            raise OSError("disk on fire")
        return answer

    for line in grid.lines[:7]:
        line.answer_filter = refuse
    assert await grid.get(cap) == content(5000)


@pytest_twisted.ensureDeferred
async def test_a_peer_that_claims_shares_that_do_not_exist_is_passed_over(make_grid):
    grid = await make_grid()
    cap = await grid.put(content(5000))
    for line in grid.lines[:7]:
        line.answer_filter = lambda name, x: (
            {n + 100: r for n, r in x.items()} if name == "get_buckets" else x
        )
    assert await grid.get(cap) == content(5000)


# ---- silence and loss --------------------------------------------------------------------


@pytest_twisted.ensureDeferred
async def test_frozen_servers_are_not_waited_for_by_a_download(make_grid):
    grid = await make_grid()
    data = content(4 * 2**20)
    cap = await grid.put(data)
    for i in range(7):
        grid.freeze(i)
    assert await grid.get(cap) == data


@pytest_twisted.ensureDeferred
async def test_servers_that_freeze_during_a_download_are_replaced(make_grid):
    grid = await make_grid()
    data = content(12 * 2**20)
    cap = await grid.put(data)
    reads = []

    def freeze_at_the_second(i):
        def see(name, answer):
            if name == "read":
                reads.append(i)
                if reads.count(i) > 2:
                    grid.freeze(i)
            return answer

        return see

    for i in range(5):
        grid.lines[i].answer_filter = freeze_at_the_second(i)
    assert await grid.get(cap) == data


@pytest_twisted.ensureDeferred
async def test_servers_lost_during_a_download_are_replaced(make_grid):
    grid = await make_grid()
    data = content(12 * 2**20)
    cap = await grid.put(data)

    def die_at_the_third(i):
        reads = []

        def see(name, answer):
            reads.append(name)
            if reads.count("read") > 2:
                grid.kill(i)
            return answer

        return see

    for i in range(7):
        grid.lines[i].answer_filter = die_at_the_third(i)
    assert await grid.get(cap) == data


@pytest_twisted.ensureDeferred
async def test_a_frozen_server_is_not_waited_for_by_an_upload(make_grid):
    grid = await make_grid(5, (3, 4, 5))
    grid.freeze(2)
    data = content(3 * 2**20)
    cap = await grid.put(data)
    assert {server for server, _ in grid.share_files()} == {0, 1, 3, 4}
    grid.thaw(2)
    assert await grid.get(cap) == data


@pytest_twisted.ensureDeferred
async def test_what_a_late_server_allocated_is_given_back(make_grid):
    grid = await make_grid(5, (3, 4, 5))
    grid.freeze(2)
    await grid.put(content(5000))
    grid.thaw(2)
    await until(lambda: "abort" in grid.lines[2].calls)
    await until(lambda: grid.servers[2].num_uploads == 0 and not grid.incoming_files())


def lose_at_write(grid, i, act):
    def see(name, answer):
        if name == "write":
            act(i)
        return answer

    grid.lines[i].answer_filter = see


@pytest.mark.parametrize("what", ["kill", "freeze"])
@pytest_twisted.ensureDeferred
async def test_a_server_lost_during_an_upload_is_dropped_while_happy(make_grid, what):
    grid = await make_grid(5, (2, 4, 5))
    lose_at_write(grid, 1, getattr(grid, what))
    data = content(12 * 2**20)
    cap = await grid.put(data)
    assert {server for server, _ in grid.share_files()} == {0, 2, 3, 4}
    assert await grid.get(cap) == data


@pytest_twisted.ensureDeferred
async def test_two_servers_lost_of_five_are_one_too_many(make_grid):
    from allmydata.errors import NotEnoughServersError

    grid = await make_grid(5, (2, 4, 5))
    for i in (1, 3):
        lose_at_write(grid, i, grid.kill)
    with pytest.raises(NotEnoughServersError, match="lost too many servers"):
        await grid.put(content(12 * 2**20))
    await until(lambda: not grid.incoming_files())
    assert grid.share_files() == {}


@pytest_twisted.ensureDeferred
async def test_full_servers_pass_their_shares_on(make_grid):
    grid = await make_grid(3, (3, 3, 10))
    await grid.add_server(3, max_size=100)
    await grid.add_server(4, readonly=True)
    cap = await grid.put(content(5000))
    assert {server for server, _ in grid.share_files()} == {0, 1, 2}
    assert {shnum for _, shnum in grid.share_files()} == set(range(10))
    assert await grid.get(cap) == content(5000)


@pytest_twisted.ensureDeferred
async def test_a_cancelled_upload_leaves_nothing(make_grid):
    from twisted.internet.defer import CancelledError, Deferred

    grid = await make_grid()
    uploading = Deferred.fromCoroutine(grid.put(content(20 * 2**20)))
    while not any(line.calls.count("write") for line in grid.lines):
        await grid.lines[0].callRemote("get_version")
    uploading.cancel()
    with pytest.raises(CancelledError):
        await uploading
    await until(lambda: not grid.incoming_files())
    assert grid.share_files() == {}


@pytest_twisted.ensureDeferred
async def test_an_upload_cancelled_while_it_asks_for_room_leaves_nothing(make_grid):
    """Some servers have given room, and one has not answered yet."""
    from twisted.internet.defer import CancelledError, Deferred

    grid = await make_grid()
    grid.freeze(4)
    uploading = Deferred.fromCoroutine(grid.put(content(2**20)))
    await until(lambda: len(grid.incoming_files()) == 9)
    for _ in range(3):  # until the answers have come back, too
        await grid.lines[0].callRemote("get_version")
    uploading.cancel()
    grid.thaw(4)
    with pytest.raises(CancelledError):
        await uploading
    await until(lambda: not grid.incoming_files())
    assert grid.share_files() == {}
