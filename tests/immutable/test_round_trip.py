import pytest
import pytest_twisted
from twisted.internet import reactor

from allmydata.errors import (
    BadCapError,
    NoSharesError,
    NotCapableError,
    NotEnoughServersError,
    NotEnoughSharesError,
    UsageError,
)
from allmydata.immutable.upload import Uploader
from allmydata.streams.uploadable import Data
from allmydata.uri import from_string
from allmydata.util.deferreds import gather


def content(size):
    return bytes((i * 31 + i // 256 * 7) % 251 for i in range(size))


@pytest.mark.parametrize(
    "size", [0, 1, 55, 56, 1000, 70_000, 2**20, 2**20 + 3, 5 * 2**20 + 77]
)
@pytest_twisted.ensureDeferred
async def test_what_was_put_is_got_back(make_grid, size):
    grid = await make_grid()
    data = content(size)
    cap = await grid.put(data)
    assert from_string(cap).get_size() == size
    assert await grid.get(cap) == data
    assert len(grid.share_files()) == (10 if size > 55 else 0)
    assert grid.incoming_files() == []


@pytest.mark.parametrize(
    ("k", "happy", "n", "servers"),
    [(1, 1, 1, 1), (1, 3, 3, 5), (7, 7, 7, 7), (25, 5, 40, 5)],
)
@pytest_twisted.ensureDeferred
async def test_any_k_and_n(make_grid, k, happy, n, servers):
    grid = await make_grid(servers, (k, happy, n))
    data = content(300_001)
    cap = await grid.put(data)
    assert await grid.get(cap) == data
    assert {shnum for _, shnum in grid.share_files()} == set(range(n))


@pytest_twisted.ensureDeferred
async def test_any_part_can_be_read(make_grid):
    grid = await make_grid()
    data = content(3 * 2**20 + 5)
    cap = await grid.put(data)
    edge = 1048578  # where the second segment begins
    for offset, size in [
        (0, 1),
        (0, None),
        (edge - 1, 2),
        (edge, edge),
        (len(data) - 1, 1),
        (len(data) - 1, 100),
        (len(data), 5),
        (len(data) + 9, None),
        (17, 0),
        (5, 3 * 2**20),
    ]:
        end = None if size is None else offset + size
        assert await grid.get(cap, offset, size) == data[offset:end]


@pytest_twisted.ensureDeferred
async def test_a_part_is_read_from_the_segments_it_touches_only(make_grid):
    grid = await make_grid()
    data = content(20 * 2**20)
    cap = await grid.put(data)
    for line in grid.lines:
        line.calls.clear()
    received = []

    def count(name, answer):
        if name == "read":
            received.append(len(answer))
        return answer

    for line in grid.lines:
        line.answer_filter = lambda name, x: (
            received.append(len(x)) or x if name == "read" else x
        )
    assert await grid.get(cap, 7 * 2**20, 10) == data[7 * 2**20 : 7 * 2**20 + 10]
    assert sum(received) < 1.2 * 2**20


@pytest_twisted.ensureDeferred
async def test_equal_content_is_stored_once(make_grid):
    grid = await make_grid()
    cap = await grid.put(content(5000))
    before = {key: path.stat().st_mtime_ns for key, path in grid.share_files().items()}
    assert await grid.put(content(5000)) == cap
    after = {key: path.stat().st_mtime_ns for key, path in grid.share_files().items()}
    assert after.keys() == before.keys()


@pytest_twisted.ensureDeferred
async def test_random_keys_make_different_files(make_grid):
    grid = await make_grid()
    caps = [await grid.uploader.upload(Data(content(5000))) for _ in range(2)]
    assert caps[0] != caps[1]
    assert await grid.get(caps[0]) == await grid.get(caps[1]) == content(5000)


@pytest_twisted.ensureDeferred
async def test_every_server_gets_a_share(make_grid):
    grid = await make_grid()
    await grid.put(content(5000))
    assert {server for server, _ in grid.share_files()} == set(range(10))


@pytest_twisted.ensureDeferred
async def test_any_seven_servers_may_die_and_an_eighth_is_named(make_grid):
    grid = await make_grid()
    data = content(200_000)
    cap = await grid.put(data)
    for i in range(7):
        grid.kill(i)
    assert await grid.get(cap) == data
    grid.kill(7)
    with pytest.raises(NotEnoughSharesError) as e:
        await grid.get(cap)
    left = sorted(shnum for server, shnum in grid.share_files() if server >= 8)
    gone = sorted(shnum for server, shnum in grid.share_files() if server < 8)
    assert f"found: {left[0]} {left[1]};" in e.value.why
    assert "missing: " + " ".join(map(str, gone)) in e.value.why


@pytest_twisted.ensureDeferred
async def test_a_cap_nobody_has_is_no_shares(make_grid):
    grid = await make_grid()
    cap = await grid.put(content(5000))
    for path in grid.share_files().values():
        path.unlink()
    with pytest.raises(NoSharesError):
        await grid.get(cap)


@pytest_twisted.ensureDeferred
async def test_too_few_servers_refuse_and_leave_nothing(make_grid):
    grid = await make_grid(4)
    with pytest.raises(NotEnoughServersError, match="needs 7 servers, only 4"):
        await grid.put(content(5000))
    assert grid.share_files() == {}
    await grid.put(content(5000), happy=4)
    assert len(grid.share_files()) == 10


@pytest_twisted.ensureDeferred
async def test_happiness_must_be_a_number_of_servers(make_grid):
    grid = await make_grid(1, (1, 1, 1))
    for happy in (0, 2):
        with pytest.raises(UsageError, match=f"happy is {happy}"):
            await grid.put(content(5000), happy=happy)


@pytest_twisted.ensureDeferred
async def test_caps_that_are_not_files_to_read_are_refused(make_grid):
    grid = await make_grid(1, (1, 1, 1))
    cap = await grid.put(content(5000))
    with pytest.raises(NotCapableError, match="verify"):
        await grid.get(from_string(cap).get_verify_cap().to_string())
    with pytest.raises(BadCapError, match="not a file's"):
        await grid.get("URI:FUTURE:abc")
    with pytest.raises(BadCapError, match="mistyped"):
        await grid.get(cap[:20] + "1" + cap[21:])


@pytest_twisted.ensureDeferred
async def test_an_uploader_without_mutable_files_says_so(make_grid):
    from allmydata.errors import NotYetError

    grid = await make_grid(1, (1, 1, 1))
    with pytest.raises(NotYetError, match="mutable"):
        await grid.uploader.upload_ssk("URI:SSK:x", 1, None)


@pytest_twisted.ensureDeferred
async def test_equal_files_put_at_once_are_stored_once(make_grid):
    grid = await make_grid(5, (3, 5, 5))
    caps = await gather([grid.put(content(300_000)) for _ in range(4)])
    assert len(set(caps)) == 1
    assert len(grid.share_files()) == 5


@pytest_twisted.ensureDeferred
async def test_two_clients_may_put_the_same_file_at_once(make_grid):
    grid = await make_grid(5, (3, 5, 5))
    other = Uploader(
        grid.broker, grid.workers, b"convergence", lambda: grid.parameters, reactor
    )
    data = content(3 * 2**20)
    caps = await gather([grid.put(data), other.upload(Data(data, b"convergence"))])
    assert caps[0] == caps[1]
    assert await grid.get(caps[0]) == data
    assert len(grid.share_files()) == 5
