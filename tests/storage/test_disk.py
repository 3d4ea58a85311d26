"""Every system call of an upload made to fail in turn, and the order they come in."""

import errno
import os
from threading import Event

import pytest
from attrs import evolve
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from allmydata.errors import GridError, NoSpaceError
from allmydata.storage import disk
from allmydata.storage.disk import SYSTEM, Calls, Disk, begin_sync, explain
from allmydata.storage.incoming import BEGIN_SYNC
from tests.support.checks import until

from .peer import (
    CANCEL,
    CANCEL2,
    OTHER_SI,
    RENEW,
    RENEW2,
    SI,
    Peer,
    bucket,
    container_bytes,
    files,
    incoming_files,
    leases_of,
    plant,
    refused,
)


class Saboteur:
    """Writes down system calls, and lets one of them fail."""

    def __init__(self):
        self.failing = None
        self.error = errno.EIO
        self.trace = []

    def fail(self, step, error=errno.EIO):
        """Forget what was, and let the call of that number from now fail."""
        self.trace.clear()
        self.failing = step
        self.error = error

    def calls(self):
        return Calls(
            pwrite=self._spy("pwrite", os.pwrite),
            begin_sync=self._spy("begin_sync", begin_sync),
            fsync=self._spy("fsync", os.fsync),
            rename=self._spy("rename", os.rename),
        )

    def _spy(self, name, call):
        def spy(target, *args):
            where = (
                os.readlink(f"/proc/self/fd/{target}")
                if isinstance(target, int)
                else target
            )
            number = len(self.trace)
            self.trace.append((name, str(where)))
            if number == self.failing:
                raise OSError(self.error, os.strerror(self.error))
            return call(target, *args)

        return spy


def open_files():
    links = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
    return [os.readlink(link) for link in links if os.path.lexists(link)]


def steps_of(saboteur, storedir):
    top = str(storedir / "shares")
    return [(name, os.path.relpath(where, top)) for name, where in saboteur.trace]


NAME = "aaaqeayeaudaocajbifqydiob4"


@pytest.fixture
def saboteur():
    return Saboteur()


@pytest.fixture
def server(serve, saboteur):
    return serve(calls=saboteur.calls())


@pytest.fixture
def peer(server, saboteur):
    saboteur.trace.clear()
    return Peer(server)


@ensureDeferred
async def test_close_answers_after_file_rename_and_every_new_directory(
    peer, saboteur, storedir
):
    await peer.put({0: b"x"})
    file = f"incoming/{NAME}.0"
    assert steps_of(saboteur, storedir) == [
        *[("pwrite", file)] * 3,  # header, lease, data
        ("fsync", file),
        ("rename", file),
        ("fsync", f"aa/{NAME}"),
        ("fsync", "aa"),
        ("fsync", "."),
    ]


@ensureDeferred
async def test_directories_known_to_be_on_disk_are_not_synced_again(
    peer, saboteur, storedir
):
    await peer.put({0: b"x"})
    saboteur.trace.clear()
    await peer.put({1: b"x"}, renew=RENEW, cancel=CANCEL)
    synced = [where for name, where in steps_of(saboteur, storedir) if name == "fsync"]
    assert synced == [f"incoming/{NAME}.1", f"aa/{NAME}"]


@ensureDeferred
async def test_directories_a_killed_process_may_not_have_synced_are_synced_again(
    peer, saboteur, storedir
):
    plant(storedir, "0", container_bytes(b"x"))
    await peer.put({1: b"y"})
    synced = [where for name, where in steps_of(saboteur, storedir) if name == "fsync"]
    assert synced[-3:] == [f"aa/{NAME}", "aa", "."]


@ensureDeferred
async def test_no_close_is_answered_before_the_disk_has_the_share(serve):
    reached, go_on = Deferred(), Event()

    def slow_fsync(fd):
        reactor.callFromThread(lambda: reached.called or reached.callback(None))
        go_on.wait()
        os.fsync(fd)

    server = serve()
    server._tree.calls = evolve(SYSTEM, fsync=slow_fsync)
    _, writers = await Peer(server).allocate({0}, 1)
    await writers[0].callRemote("write", 0, b"x")
    closing = writers[0].callRemote("close")
    await reached
    assert not closing.called
    assert await Peer(server).read_all() == {}
    go_on.set()
    await closing
    assert await Peer(server).read_all() == {0: b"x"}


async def put_and_see(peer, data=b"some data"):
    """Store a share as a client does; return True if every call was answered well."""
    _, writers = await peer.allocate({0}, len(data))
    if not writers:
        return False
    try:
        await writers[0].callRemote("write", 0, data)
        await writers[0].callRemote("close")
    except Exception:
        return False
    return True


STEPS = range(8)


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("step", STEPS)
@ensureDeferred
async def test_whichever_step_fails_nothing_is_acknowledged_and_nothing_stays(
    server, peer, saboteur, storedir, step, error
):
    saboteur.fail(step, error)
    assert not await put_and_see(peer)
    shares = str(storedir / "shares")
    # a count of what is there may have a directory open for a moment
    await until(lambda: not any(path.startswith(shares) for path in open_files()))
    assert len(saboteur.trace) > step
    assert files(storedir) == {}
    assert incoming_files(storedir) == []
    assert server.num_uploads == 0
    assert await peer.read_all() == {}
    assert await put_and_see(peer), "room again, without a restart"
    assert await peer.read_all() == {0: b"some data"}


@ensureDeferred
async def test_the_steps_above_are_all_there_are(peer, saboteur):
    assert await put_and_see(peer)
    assert len(saboteur.trace) == len(STEPS)


@ensureDeferred
async def test_a_failed_fsync_is_never_tried_again(peer, saboteur):
    saboteur.fail(3)
    await put_and_see(peer)
    assert [name for name, _ in saboteur.trace] == ["pwrite"] * 3 + ["fsync"]


@ensureDeferred
async def test_the_client_hears_that_the_disk_is_full_but_no_path(peer, saboteur):
    saboteur.fail(2, errno.ENOSPC)
    _, writers = await peer.allocate({0}, 1)
    kind, text = await refused(writers[0].callRemote("write", 0, b"x"))
    assert (kind, text) == ("NoSpaceError", "the server's disk is full")
    assert (await refused(writers[0].callRemote("close")))[0] == "UsageError"


@pytest.mark.parametrize("step", range(4))
@ensureDeferred
async def test_an_allocation_stops_at_the_first_share_the_disk_refuses(
    peer, saboteur, storedir, step
):
    saboteur.fail(step, errno.ENOSPC)
    held, writers = await peer.allocate({0, 1, 2}, 10)
    assert (held, set(writers)) == (set(), {0} if step >= 2 else set())
    assert len(incoming_files(storedir)) == len(writers)
    for writer in writers.values():
        await writer.callRemote("write", 0, b"x" * 10)
        await writer.callRemote("close")
    assert set(await peer.read_all()) == set(writers)


@ensureDeferred
async def test_a_kernel_that_takes_half_gets_the_rest(serve, storedir):
    def miserly(fd, data, offset):
        return os.pwrite(fd, bytes(data)[: max(1, len(data) // 2)], offset)

    peer = Peer(serve(calls=evolve(SYSTEM, pwrite=miserly)))
    await peer.put({0: b"0123456789"})
    assert await peer.read_all() == {0: b"0123456789"}
    assert len(leases_of(bucket(storedir) / "0")) == 1


# ---- a disk that begins early ----------------------------------------------------------


@ensureDeferred
async def test_the_disk_begins_with_a_large_share_while_more_of_it_comes(
    peer, saboteur, storedir
):
    (writer,) = (await peer.allocate({0}, 2 * BEGIN_SYNC + 10))[1].values()
    for offset in range(0, 2 * BEGIN_SYNC, BEGIN_SYNC // 4):
        await writer.callRemote("write", offset, b"x" * (BEGIN_SYNC // 4))
    await writer.callRemote("write", 2 * BEGIN_SYNC, b"x" * 10)
    names = [name for name, _ in saboteur.trace]
    first = ["pwrite"] * 2  # header, lease
    assert names == first + (["pwrite"] * 4 + ["begin_sync"]) * 2 + ["pwrite"]
    saboteur.trace.clear()
    await writer.callRemote("close")
    assert saboteur.trace[0] == ("fsync", str(storedir / f"shares/incoming/{NAME}.0"))


@pytest.mark.parametrize("function", [None, lambda *_: -1])
def test_a_system_that_can_not_begin_early_does_without(monkeypatch, function):
    monkeypatch.setattr(disk, "_sync_file_range", lambda: function)
    begin_sync(-1)


# ---- leases ----------------------------------------------------------------------------


@pytest.mark.parametrize("step", range(3))  # lease, fsync, count
@ensureDeferred
async def test_a_lease_that_could_not_be_written_leaves_the_file_as_it_was(
    peer, saboteur, storedir, step
):
    path = plant(storedir, "0", container_bytes(b"data"))
    before = path.read_bytes()
    saboteur.fail(step, errno.ENOSPC)
    kind, _ = await refused(peer.call("add_lease", SI, RENEW2, CANCEL2))
    assert kind == "NoSpaceError"
    assert path.read_bytes() == before


@ensureDeferred
async def test_a_share_that_can_not_be_leased_does_not_count_as_here(
    peer, saboteur, storedir
):
    plant(storedir, "0", container_bytes(b"data"))
    saboteur.fail(0)
    held, writers = await peer.allocate({0}, 4, renew=RENEW2, cancel=CANCEL2)
    assert (held, writers) == (set(), {})
    assert await peer.read_all() == {0: b"data"}


def contents_after_each_step(path, calls_made):
    """Return Calls that keep the file's content as it is before each change."""

    def spy(call):
        def noting(*args):
            calls_made.append(path.read_bytes())
            return call(*args)

        return noting

    return Calls(pwrite=spy(os.pwrite), fsync=spy(os.fsync))


@pytest.mark.parametrize("name", ["add_lease", "cancel_lease"])
@ensureDeferred
async def test_a_crash_at_any_step_of_a_lease_change_leaves_the_data_whole(
    serve, storedir, name
):
    """Readers find the data's size by the count: it may seem longer, never shorter."""
    leases = [
        (0, b"a" * 32, b"A" * 32, 5),
        (0, b"r" * 32, CANCEL, 6),
        (0, b"b" * 32, b"B" * 32, 7),
    ]
    path = plant(storedir, "0", container_bytes(b"the data", leases=leases))
    seen = []
    server = serve(calls=contents_after_each_step(path, seen))
    args = (RENEW2, CANCEL2) if name == "add_lease" else (CANCEL,)
    await Peer(server).call(name, SI, *args)
    assert len(leases_of(path)) == (4 if name == "add_lease" else 2)
    assert len(seen) == 3
    for content in seen:
        crashed = plant(storedir, "0", content, OTHER_SI)
        ((_, data),) = (await Peer(server).read_all(OTHER_SI)).items()
        assert data[:8] == b"the data"
        crashed.unlink()


@ensureDeferred
async def test_the_count_is_never_on_disk_before_the_lease(peer, saboteur, storedir):
    path = plant(storedir, "0", container_bytes(b"data"))
    await peer.call("add_lease", SI, RENEW2, CANCEL2)
    assert saboteur.trace == [
        ("pwrite", str(path)),
        ("fsync", str(path)),
        ("pwrite", str(path)),
    ]


# ---- Disk itself -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "kind", "text"),
    [
        (errno.ENOSPC, NoSpaceError, "full"),
        (errno.EDQUOT, NoSpaceError, "full"),
        (errno.EIO, GridError, "Input/output error"),
    ],
)
def test_errors_name_no_path(number, kind, text):
    error = explain(OSError(number, os.strerror(number), "/secret/place"))
    assert type(error) is kind
    assert text in str(error)
    assert "/secret" not in str(error)


@ensureDeferred
async def test_shutting_waits_for_what_follows_on_what_is_in_hand(workers):
    disk = Disk(workers)
    disk.open()
    done = []

    async def two_steps():
        await disk.run(done.append, 1)
        await disk.run(done.append, 2)

    work = Deferred.fromCoroutine(two_steps())
    await disk.shut(lambda: done.append("last"))
    assert done == [1, 2, "last"]
    await work
    with pytest.raises(GridError, match="stopped"):
        await disk.run(done.append, 3)
