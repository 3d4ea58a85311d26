"""Several writers of one file: one wins, or is told; there is never a mixture."""

import random

import pytest
from pytest_twisted import ensureDeferred
from twisted.python.failure import Failure

from allmydata.errors import (
    NotEnoughSharesError,
    RollbackError,
    UncoordinatedWriteError,
)
from allmydata.util.deferreds import settle


async def versions(grid, node):
    found = await grid.client().survey(node.cap, everywhere=True)
    return found.versions()


def stash(grid):
    return {path: path.read_bytes() for path in grid.share_files().values()}


def put_back(files):
    for path, data in files.items():
        path.write_bytes(data)


@ensureDeferred
async def test_of_two_who_write_at_once_one_wins_and_the_other_is_told(grid):
    node = await grid.mutables.create("SDMF", b"start")
    two = [grid.client().node_for(node.cap) for _ in range(2)]
    for turn in range(8):
        outcomes = await settle(
            one.overwrite(b"%d by %d" % (turn, i)) for i, one in enumerate(two)
        )
        lost = [one for one in outcomes if isinstance(one, Failure)]
        assert all(one.check(UncoordinatedWriteError) for one in lost)
        held = await grid.client().node_for(node.cap).download_to_data()
        won = [i for i, one in enumerate(outcomes) if one is None]
        assert len(won) >= 1
        assert held in [b"%d by %d" % (turn, i) for i in won]
        assert len(await versions(grid, node)) == 1  # whoever lost has written nothing


@ensureDeferred
async def test_changes_of_many_writers_all_come_to_be(grid):
    node = await grid.mutables.create("SDMF", b"")
    writers = [grid.client().node_for(node.cap) for _ in range(3)]

    async def write(writer, number):
        for turn in range(5):
            word = b"%d.%d " % (number, turn)
            await writer.modify(lambda old, word=word: old + word)

    outcomes = await settle(write(one, i) for i, one in enumerate(writers))
    assert not any(isinstance(one, Failure) for one in outcomes)
    words = (await node.download_to_data()).decode().split()
    assert sorted(words) == sorted(f"{i}.{turn}" for i in range(3) for turn in range(5))
    for i in range(3):
        mine = [word for word in words if word.startswith(f"{i}.")]
        assert mine == sorted(mine)


@ensureDeferred
async def test_who_missed_a_write_finds_out_and_writes_nothing(grid):
    node = await grid.mutables.create("SDMF", b"one")
    first, second = grid.client(), grid.client()
    now = await second._to_be_replaced(node.cap)  # what it believes from here on
    await first.node_for(node.cap).overwrite(b"two")
    with pytest.raises(UncoordinatedWriteError, match="somebody else"):
        await second._write_whole(node.cap, now, now.found.next_seqnum(), b"three")
    assert await grid.client().node_for(node.cap).download_to_data() == b"two"
    assert len(await versions(grid, node)) == 1


@ensureDeferred
async def test_a_version_begun_and_not_finished_hinders_writers_not_readers(grid):
    node = await grid.mutables.create("SDMF", b"whole")
    old = stash(grid)
    await node.overwrite(b"begun")
    put_back(dict([*old.items()][:8]))  # two shares of it are all that was written
    fresh = grid.client().node_for(node.cap)
    assert await fresh.download_to_data() == b"whole"
    with pytest.raises(UncoordinatedWriteError, match="begun"):
        await fresh.overwrite(b"other")


@ensureDeferred
async def test_servers_that_go_back_are_found_out_by_who_saw_more(grid):
    node = await grid.mutables.create("SDMF", b"one")
    old = stash(grid)
    await node.overwrite(b"two")
    put_back(old)
    for doing in (node.download_to_data(), node.overwrite(b"x"), node.update(b"x", 0)):
        with pytest.raises(RollbackError, match="version 1 of a file that had 2"):
            await doing
    # who has just started cannot know
    assert await grid.client().node_for(node.cap).download_to_data() == b"one"


@ensureDeferred
async def test_a_few_servers_that_go_back_change_nothing(grid):
    node = await grid.mutables.create("SDMF", b"one")
    old = stash(grid)
    await node.overwrite(b"two")
    put_back(dict([*old.items()][:7]))
    assert await node.download_to_data() == b"two"
    await node.overwrite(b"three")
    assert await grid.client().node_for(node.cap).download_to_data() == b"three"
    assert len(await versions(grid, node)) == 1  # the old shares were replaced


@pytest.mark.parametrize("num_back", [8, 9, 10])
@ensureDeferred
async def test_a_majority_that_goes_back_fools_nobody_who_saw_more(grid, num_back):
    node = await grid.mutables.create("SDMF", b"one")
    for content in (b"two", b"three"):
        old = stash(grid)
        await node.overwrite(content)
    put_back(dict([*old.items()][:num_back]))
    for doing in (node.download_to_data(), node.overwrite(b"x"), node.update(b"x", 0)):
        with pytest.raises(RollbackError, match="version 2 of a file that had 3"):
            await doing
    fresh = grid.client().node_for(node.cap)
    assert await fresh.download_to_data() == b"two"  # what its owner wrote, if not last
    if num_back < 10:  # and who has a single newer share in sight won't write
        with pytest.raises(UncoordinatedWriteError, match="begun"):
            await fresh.overwrite(b"x")
    now = stash(grid)
    assert all(now[path] == old[path] for path in [*old][:num_back])


@ensureDeferred
async def test_a_reader_of_a_file_that_is_rewritten_gets_one_version(grid):
    pieces = [random.Random(i).randbytes(300_000) for i in range(2)]
    node = await grid.mutables.create("MDMF", pieces[0])
    reader = grid.client().node_for(node.cap)
    snapshot = await reader.snapshot()
    await node.overwrite(pieces[1])
    from allmydata.streams import target

    with pytest.raises(UncoordinatedWriteError):
        await snapshot.read(target.Data())
    assert await reader.download_to_data() == pieces[1]


@ensureDeferred
async def test_too_few_shares_are_an_error_for_readers_and_writers(grid):
    node = await grid.mutables.create("SDMF", b"one")
    for path in [*grid.share_files().values()][2:]:
        path.unlink()
    for doing in (node.download_to_data(), node.overwrite(b"x")):
        with pytest.raises(NotEnoughSharesError, match="2 good shares"):
            await doing
