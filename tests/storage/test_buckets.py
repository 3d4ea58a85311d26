import os

import pytest
from foolscap.api import Violation
from foolscap.eventual import fireEventually
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_twisted import ensureDeferred

from allmydata.errors import UsageError
from allmydata.formats.container import Lease
from allmydata.interfaces import MAX_SHARE_DATA
from allmydata.storage.buckets import (
    IDLE_LIMIT_S,
    MOST_OPEN_SHARES,
    MOST_WAITING,
    READ_AT_ONCE,
)
from allmydata.storage.disk import SYSTEM
from allmydata.storage.incoming import MOST_SPANS, IncomingShare
from allmydata.storage.shares import ShareFile
from allmydata.storage.tree import ShareTree
from allmydata.util.deferreds import gather

from .peer import (
    SI,
    Peer,
    bucket,
    container_bytes,
    files,
    incoming_files,
    plant,
    refused,
    until_no_uploads,
)


async def begin(server, size):
    _, writers = await Peer(server).allocate({0}, size)
    return writers[0]


# ---- writing ---------------------------------------------------------------------------


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
@ensureDeferred
async def test_pieces_in_any_order_make_the_share(serve, order):
    server = serve()
    writer = await begin(server, 9)
    for i in order:
        await writer.callRemote("write", 3 * i, b"abcdefghi"[3 * i : 3 * i + 3])
    await writer.callRemote("close")
    assert await Peer(server).read_all() == {0: b"abcdefghi"}


@ensureDeferred
async def test_writes_and_close_may_be_sent_all_at_once(serve):
    server = serve()
    writer = await begin(server, 1000)
    writes = [writer.callRemote("write", i, bytes([i % 251])) for i in range(1000)]
    await gather([*writes, writer.callRemote("close")])
    assert await Peer(server).read_all() == {0: bytes(i % 251 for i in range(1000))}


@pytest.mark.parametrize(
    "writes",
    [
        [],
        [(0, b"ab")],
        [(1, b"bcd")],
        [(0, b"a"), (2, b"cd")],
        [(0, b"abc"), (1, b"bc")],
    ],
)
@ensureDeferred
async def test_a_share_closed_with_a_hole_is_thrown_away(serve, storedir, writes):
    server = serve()
    writer = await begin(server, 4)
    for offset, data in writes:
        await writer.callRemote("write", offset, data)
    kind, text = await refused(writer.callRemote("close"))
    assert kind == "UsageError"
    assert "nothing written at" in text
    assert files(storedir) == {}
    assert server.num_uploads == 0
    assert set((await Peer(server).allocate({0}, 4))[1]) == {0}


@pytest.mark.parametrize(
    ("offset", "data"), [(4, b"x"), (3, b"xx"), (0, b"abcde"), (-1, b"x")]
)
@ensureDeferred
async def test_a_write_outside_the_share_is_refused_and_changes_nothing(
    serve, offset, data
):
    server = serve()
    writer = await begin(server, 4)
    await writer.callRemote("write", 0, b"abcd")
    assert (await refused(writer.callRemote("write", offset, data)))[0] == "UsageError"
    await writer.callRemote("close")
    assert await Peer(server).read_all() == {0: b"abcd"}


@ensureDeferred
async def test_writing_the_same_bytes_again_is_allowed(serve):
    server = serve()
    writer = await begin(server, 6)
    for offset, data in [(0, b"abc"), (1, b"bcde"), (0, b"abcdef"), (5, b"f"), (2, b"")]:
        await writer.callRemote("write", offset, data)
    await writer.callRemote("close")
    assert await Peer(server).read_all() == {0: b"abcdef"}


@pytest.mark.parametrize(
    ("offset", "data"), [(0, b"aX"), (1, b"Xcd"), (2, b"cXef"), (5, b"X")]
)
@ensureDeferred
async def test_writing_other_bytes_is_a_conflict_and_changes_nothing(serve, offset, data):
    server = serve()
    writer = await begin(server, 8)
    await writer.callRemote("write", 0, b"abcd")
    await writer.callRemote("write", 5, b"fg")
    kind, _ = await refused(writer.callRemote("write", offset, data))
    assert kind == "ConflictError"
    for offset, data in [(4, b"e"), (7, b"h")]:
        await writer.callRemote("write", offset, data)
    await writer.callRemote("close")
    assert await Peer(server).read_all() == {0: b"abcdefgh"}


@ensureDeferred
async def test_after_close_the_writer_is_dead(serve, storedir):
    server = serve()
    writer = await begin(server, 1)
    await writer.callRemote("write", 0, b"x")
    await writer.callRemote("close")
    before = files(storedir)
    assert (await refused(writer.callRemote("write", 0, b"x")))[0] == "UsageError"
    assert (await refused(writer.callRemote("close")))[0] == "UsageError"
    await writer.callRemote("abort")
    assert files(storedir) == before
    assert len(before) == 1


@ensureDeferred
async def test_abort_deletes_what_was_written(serve, storedir):
    server = serve()
    writer = await begin(server, 2)
    await writer.callRemote("write", 0, b"x")
    writing = writer.callRemote("write", 1, b"y")
    await writer.callRemote("abort")
    await writing
    assert files(storedir) == {}
    assert incoming_files(storedir) == []
    assert (await refused(writer.callRemote("close")))[0] == "UsageError"
    await writer.callRemote("abort")


@ensureDeferred
async def test_abort_sent_after_close_waits_and_keeps_the_share(serve):
    server = serve()
    writer = await begin(server, 1)
    await writer.callRemote("write", 0, b"x")
    closing, aborting = writer.callRemote("close"), writer.callRemote("abort")
    await gather([closing, aborting])
    assert await Peer(server).read_all() == {0: b"x"}


@ensureDeferred
async def test_a_connection_lost_after_close_was_sent_keeps_the_share(serve):
    server = serve()
    writer = await begin(server, 1)
    await writer.callRemote("write", 0, b"x")
    writer.callRemoteOnly("close")
    await fireEventually()  # the close has arrived, and the disk is at it
    writer.lose()
    await until_no_uploads(server)
    assert await Peer(server).read_all() == {0: b"x"}


@ensureDeferred
async def test_a_connection_lost_before_the_answer_to_an_allocation_leaves_nothing(
    serve, storedir
):
    server = serve()
    peer = Peer(server)
    peer.allocate({0, 1}, 5).addErrback(lambda _: None)
    await fireEventually()
    assert server.num_uploads == 2
    peer.rref.lose()
    await until_no_uploads(server)
    assert incoming_files(storedir) == []


@ensureDeferred
async def test_an_upload_is_given_up_30_minutes_after_its_last_write(
    serve, storedir, clock
):
    server = serve()
    writer = await begin(server, 3)
    for i in range(3):
        clock.advance(IDLE_LIMIT_S - 1)
        await writer.callRemote("write", i, b"x")
    clock.advance(IDLE_LIMIT_S - 1)
    assert server.num_uploads == 1
    clock.advance(1)
    await until_no_uploads(server)
    assert incoming_files(storedir) == []
    _, text = await refused(writer.callRemote("close"))
    assert text == "this bucket is closed: nothing was written for 30 minutes"


@ensureDeferred
async def test_a_finished_upload_leaves_no_clock_and_no_watch_behind(serve, clock):
    server = serve()
    peer = Peer(server)
    _, writers = await peer.allocate({0, 1, 2}, 1)
    await writers[0].callRemote("abort")
    await writers[1].callRemote("write", 0, b"x")
    await writers[1].callRemote("close")
    await refused(writers[2].callRemote("close"))
    waits = [call.getTime() - clock.seconds() for call in clock.getDelayedCalls()]
    assert IDLE_LIMIT_S not in waits
    assert peer.rref.line.num_watchers == 0


@ensureDeferred
async def test_a_writer_that_floods_is_refused_until_the_disk_has_caught_up(serve):
    block = bytes(MAX_SHARE_DATA)
    num_fitting = MOST_WAITING // len(block)
    writer = await begin(serve(), len(block) * (num_fitting + 1))
    offsets = [i * len(block) for i in range(num_fitting + 1)]
    *fitting, flood = [writer.callRemote("write", offset, block) for offset in offsets]
    assert (await refused(flood))[0] == "UsageError"
    await gather(fitting)
    await writer.callRemote("write", offsets[-1], block)
    await writer.callRemote("abort")


def test_a_share_in_too_many_pieces_is_refused(storedir):
    tree = ShareTree(storedir, SYSTEM)
    tree.prepare()
    lease = Lease(0, b"r" * 32, b"c" * 32, 1)
    share = IncomingShare.begin(tree, SI, 0, 10 * MOST_SPANS, lease)
    for i in range(MOST_SPANS):
        share.write(2 * i, b"x")
    with pytest.raises(UsageError, match="pieces"):
        share.write(2 * MOST_SPANS, b"x")
    share.discard()
    assert incoming_files(storedir) == []


@pytest.mark.parametrize("data", [bytearray(b"abc"), memoryview(b"abc"), "abc"])
@ensureDeferred
async def test_only_bytes_can_be_written(serve, data):
    writer = await begin(serve(), 3)
    with pytest.raises(Violation):
        await writer.callRemote("write", 0, data)


# ---- reading ---------------------------------------------------------------------------


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=50), st.integers(0, 70), st.integers(0, 70))
def test_reads_are_clipped_to_the_data(tmp_path, data, offset, length):
    path = tmp_path / "share"
    path.write_bytes(container_bytes(data))
    share = ShareFile.open(path, SYSTEM)
    assert share.read(offset, length) == data[offset : offset + length]
    assert share.read_cached(offset, length) in (None, data[offset : offset + length])


@pytest.mark.parametrize(
    "length", [READ_AT_ONCE - 1, READ_AT_ONCE, READ_AT_ONCE + 1, 500_000]
)
@ensureDeferred
async def test_small_and_large_reads_give_the_same_bytes(serve, storedir, length):
    data = os.urandom(300_000)
    plant(storedir, "0", container_bytes(data))
    reader = (await Peer(serve()).call("get_buckets", SI))[0]
    for offset in (0, 1, 299_999, 300_000, 400_000):
        found = await reader.callRemote("read", offset, length)
        assert found == data[offset : offset + length]


@pytest.mark.parametrize(("offset", "length"), [(-1, 5), (0, -1), (0, MAX_SHARE_DATA + 1)])
@ensureDeferred
async def test_impossible_reads_are_refused(serve, storedir, offset, length):
    plant(storedir, "0", container_bytes(b"data"))
    reader = (await Peer(serve()).call("get_buckets", SI))[0]
    assert (await refused(reader.callRemote("read", offset, length)))[0] == "UsageError"


def open_descriptors():
    return len(os.listdir("/proc/self/fd"))


@ensureDeferred
async def test_any_number_of_readers_holds_few_descriptors(serve, storedir):
    for n in range(200):
        plant(storedir, str(n), container_bytes(b"share %d" % n))
    server = serve()
    await server.holdings()
    before = open_descriptors()
    readers = [await Peer(server).call("get_buckets", SI) for _ in range(3)]
    for n in range(200):
        assert await readers[n % 3][n].callRemote("read", 0, 99) == b"share %d" % n
    assert open_descriptors() <= before + MOST_OPEN_SHARES
    await server.stopService()
    assert open_descriptors() <= before + 2  # a thread holds what it returned last


@ensureDeferred
async def test_uploads_leave_no_descriptor_open(serve):
    server = serve()
    await Peer(server).put({0: b"warm up"})
    server.books.ledger.flush()  # the index opens its log with the first
    before = open_descriptors()
    for n in range(1, 20):
        _, writers = await Peer(server).allocate({n}, 2)
        await writers[n].callRemote("write", 0, b"x")
        if n % 3:
            await writers[n].callRemote("abort")
        else:
            await refused(writers[n].callRemote("close"))
    assert open_descriptors() <= before


@ensureDeferred
async def test_a_reader_of_a_deleted_share_says_so(serve, storedir):
    for n in range(MOST_OPEN_SHARES + 2):
        plant(storedir, str(n), container_bytes(b"x"))
    readers = await Peer(serve()).call("get_buckets", SI)
    (bucket(storedir) / "0").unlink()
    kind, text = await refused(readers[0].callRemote("read", 0, 1))
    assert (kind, text) == ("NotFoundError", "this share is gone")


@ensureDeferred
async def test_damage_on_disk_is_what_readers_see_next(serve, storedir):
    peer = Peer(serve())
    path = plant(storedir, "0", container_bytes(b"good bytes"))
    reader = (await peer.call("get_buckets", SI))[0]
    assert await reader.callRemote("read", 0, 99) == b"good bytes"
    with path.open("r+b") as f:
        f.seek(12)
        f.write(b"BAD!")
    assert await reader.callRemote("read", 0, 99) == b"BAD! bytes"
    os.truncate(path, 12 + 4)
    assert await reader.callRemote("read", 0, 99) == b"BAD!"
    path.write_bytes(container_bytes(b"cut"))
    assert await peer.read_all() == {0: b"cut"}
