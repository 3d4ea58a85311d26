"""Mutable files made, read, replaced and changed in part, over ten servers."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_twisted import ensureDeferred

from allmydata import uri
from allmydata.errors import BadCapError, NotMutableError, UsageError
from allmydata.streams import target

SEGMENT = 131073  # of 3-of-10
SIZES = [0, 1, 55, 56, 1000, 200_000]
LONG = [*SIZES, SEGMENT, SEGMENT + 1, 3 * SEGMENT, 1_500_000]
CASES = [("SDMF", n) for n in SIZES] + [("MDMF", n) for n in LONG]


def some(size, seed=1):
    return random.Random(seed).randbytes(size)


async def read(node, offset=0, size=None):
    return await node.read(target.Data(), offset, size)


@pytest.mark.parametrize(("kind", "size"), CASES)
@ensureDeferred
async def test_what_is_made_reads_back_and_can_be_replaced(grid, kind, size):
    node = await grid.mutables.create(kind, some(size))
    assert isinstance(uri.from_string(node.get_uri()), uri.MutableFileURI)
    reader = grid.client().node_for(node.get_immutable_uri())
    assert await reader.download_to_data() == some(size)
    assert await reader.get_size() == size
    await node.overwrite(some(size + 7, 2))
    assert await reader.download_to_data() == some(size + 7, 2)
    await node.overwrite(b"short")
    assert await reader.download_to_data() == b"short"
    assert {number for _, number in grid.share_files()} == set(range(10))


@pytest.mark.parametrize("kind", ["SDMF", "MDMF"])
@ensureDeferred
async def test_any_range_is_what_it_is_of_the_whole(grid, kind):
    data = some(3 * SEGMENT + 100)
    node = await grid.mutables.create(kind, data)
    ranges = [
        (0, 1),
        (0, 0),
        (SEGMENT - 1, 2),
        (SEGMENT, SEGMENT),
        (100, 2 * SEGMENT),
        (len(data) - 1, 50),
        (len(data), 5),
        (len(data) + 5, None),
        (7, None),
    ]
    for offset, size in ranges:
        end = len(data) if size is None else offset + size
        assert await read(node, offset, size) == data[offset:end], (offset, size)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    kind=st.sampled_from(["SDMF", "MDMF"]),
    size=st.sampled_from([0, 10, SEGMENT - 1, SEGMENT, SEGMENT + 1, 2 * SEGMENT + 9]),
    changes=st.lists(
        st.tuples(st.integers(0, 4 * SEGMENT), st.integers(1, 2 * SEGMENT)), max_size=3
    ),
)
@ensureDeferred
async def test_updates_leave_what_a_buffer_would_hold(grid, kind, size, changes):
    held = bytearray(some(size))
    node = await grid.mutables.create(kind, bytes(held))
    for seed, (offset, length) in enumerate(changes):
        piece = some(length, seed)
        await node.update(piece, offset)
        held.extend(bytes(max(0, offset - len(held))))
        held[offset : offset + length] = piece
        assert await grid.client().node_for(node.cap).download_to_data() == bytes(held)


@ensureDeferred
async def test_a_part_of_a_long_file_is_written_in_place(grid):
    data = some(20 * SEGMENT)
    node = await grid.mutables.create("MDMF", data)
    before = {place: path.read_bytes() for place, path in grid.share_files().items()}
    await node.update(b"here", 10 * SEGMENT + 5)
    held = data[: 10 * SEGMENT + 5] + b"here" + data[10 * SEGMENT + 9 :]
    assert await node.download_to_data() == held
    block = SEGMENT // 3
    for place, path in grid.share_files().items():
        changed = path.read_bytes()
        pairs = zip(before[place], changed, strict=True)
        assert sum(a != b for a, b in pairs) < 2 * block  # not the other 19 blocks


@ensureDeferred
async def test_a_change_is_made_of_what_is_there(grid):
    node = await grid.mutables.create("SDMF", b"a")
    await node.modify(lambda old: old + b"b")
    await node.modify(lambda old: None)
    assert await node.download_to_data() == b"ab"


@ensureDeferred
async def test_who_only_reads_cannot_write(grid):
    node = await grid.mutables.create("SDMF", b"a")
    reader = grid.mutables.node_for(node.get_immutable_uri())
    for writing in (
        reader.overwrite(b"b"),
        reader.update(b"b", 0),
        reader.modify(lambda old: b"b"),
    ):
        with pytest.raises(NotMutableError):
            await writing
    assert await reader.download_to_data() == b"a"
    assert reader.is_readonly() and not node.is_readonly()


@ensureDeferred
async def test_caps_of_other_kinds_and_odd_parts_are_refused(grid):
    node = await grid.mutables.create("SDMF", b"a")
    for text in ("URI:LIT:", node.get_refresh_capability(), "URI:FUTURE:x"):
        with pytest.raises(BadCapError):
            grid.mutables.node_for(text)
    with pytest.raises(UsageError):
        await node.update(b"x", -1)
    with pytest.raises(UsageError):
        await read(node, -1)


@ensureDeferred
async def test_a_node_tells_no_secret(grid):
    node = await grid.mutables.create("SDMF", b"a")
    words = node.get_uri().split(":")[2:]
    assert not any(word in repr(node) for word in words)
