import pytest
from foolscap.eventual import fireEventually
from pytest_twisted import ensureDeferred

from allmydata.errors import GridError
from allmydata.formats.container import LEASE_DURATION_S, MUTABLE_MAGICS, Lease, stored
from allmydata.storage.server import GRID_V1, PROTOCOL_V1
from allmydata.util.deferreds import gather

from .peer import (
    CANCEL,
    CANCEL2,
    OTHER_SI,
    RENEW,
    RENEW2,
    SI,
    Canary,
    Peer,
    bucket,
    container_bytes,
    files,
    incoming_files,
    leases_of,
    plant,
    refused,
    until_no_uploads,
)

NOW = 1_700_000_000
EXPIRES = NOW + LEASE_DURATION_S
DAY = 86_400


@ensureDeferred
async def test_a_share_comes_back_and_lies_where_the_format_says(serve, storedir):
    peer = Peer(serve())
    assert await peer.put({3: b"hello"}) == {3}
    assert await peer.read_all() == {3: b"hello"}
    lease = Lease.grant(2, 0, RENEW, CANCEL, EXPIRES)
    path = "aa/aaaqeayeaudaocajbifqydiob4/3"
    assert files(storedir) == {
        path: bytes.fromhex("000000020000000500000001") + b"hello" + lease.pack()
    }
    assert incoming_files(storedir) == []


@ensureDeferred
async def test_version_is_the_one_of_the_protocol_and_ours(serve):
    server = serve(nickname="köln", zone="cellar", version="1.2")
    version = await Peer(server).call("get_version")
    v1 = version[PROTOCOL_V1]
    assert v1[b"maximum-immutable-share-size"] == v1[b"available-space"] > 0
    assert v1[b"maximum-mutable-share-size"] == 69105000000000000
    flags = (
        b"tolerates-immutable-read-overrun",
        b"delete-mutable-shares-with-zero-length-writev",
        b"fills-holes-with-zero-bytes",
        b"prevents-read-past-end-of-share-data",
    )
    assert all(v1[flag] is True for flag in flags)
    assert len(v1) == 7
    assert version[b"application-version"] == b"allmydata/1.2"
    assert version[GRID_V1] == {
        b"nickname": "köln",
        b"zone": "cellar",
        b"readonly": False,
        b"batched-leases": 5000,
        b"whole-shares": 2**20,
    }


@ensureDeferred
async def test_all_shares_held_are_told_not_only_those_asked_for(serve):
    peer = Peer(serve())
    await peer.put({0: b"aa", 5: b"bb"})
    held, writers = await peer.allocate({5, 6}, 2)
    assert held == {0, 5}
    assert set(writers) == {6}


@ensureDeferred
async def test_what_somebody_else_writes_is_in_neither_part(serve):
    server = serve()
    first, second = Peer(server), Peer(server)
    _, begun = await first.allocate({0, 1}, 2)
    assert set(begun) == {0, 1}
    held, writers = await second.allocate({1, 2}, 2)
    assert (held, set(writers)) == (set(), {2})


@ensureDeferred
async def test_two_who_ask_at_once_never_get_the_same_share(serve):
    server = serve()
    peers = [Peer(server) for _ in range(4)]
    answers = await gather([peer.allocate({0, 1, 2}, 10) for peer in peers])
    given = [n for _, writers in answers for n in writers]
    assert sorted(given) == [0, 1, 2]


@ensureDeferred
async def test_readers_see_finished_shares_only(serve):
    peer = Peer(serve())
    _, writers = await peer.allocate({0}, 3)
    await writers[0].callRemote("write", 0, b"abc")
    assert await peer.read_all() == {}
    await writers[0].callRemote("close")
    assert await peer.read_all() == {0: b"abc"}


@ensureDeferred
async def test_a_file_nobody_stored_has_no_shares(serve):
    assert await Peer(serve()).call("get_buckets", OTHER_SI) == {}


# ---- arguments that can't be meant -------------------------------------------------------


@ensureDeferred
async def test_a_storage_index_of_another_size_reaches_no_directory(serve, storedir):
    peer = Peer(serve())
    for si in (b"", b"\0" * 15):
        for call in (
            peer.allocate({0}, 1, si),
            peer.call("get_buckets", si),
            peer.call("add_lease", si, RENEW, CANCEL),
            peer.call("renew_lease", si, RENEW),
            peer.call("cancel_lease", si, CANCEL),
            peer.call("advise_corrupt_share", b"immutable", si, 0, b"why"),
        ):
            assert (await refused(call))[0] == "UsageError"
    assert files(storedir) == {}


@pytest.mark.parametrize(
    ("numbers", "size"), [({256}, 1), ({-1}, 1), ({0, 300}, 1), ({0}, -1)]
)
@ensureDeferred
async def test_impossible_shares_are_refused(serve, numbers, size):
    server = serve()
    assert (await refused(Peer(server).allocate(numbers, size)))[0] == "UsageError"
    assert server.num_uploads == 0


@ensureDeferred
async def test_share_255_and_a_share_of_no_bytes_are_possible(serve):
    peer = Peer(serve())
    assert await peer.put({255: b""}) == {255}
    assert await peer.read_all() == {255: b""}


# ---- room --------------------------------------------------------------------------------


@ensureDeferred
async def test_a_readonly_server_leases_what_it_has_and_takes_nothing(serve, storedir):
    plant(storedir, "0", container_bytes(b"old"))
    peer = Peer(serve(readonly=True))
    held, writers = await peer.allocate({0, 1}, 3, renew=RENEW2, cancel=CANCEL2)
    assert (held, writers) == ({0}, {})
    assert len(leases_of(bucket(storedir) / "0")) == 2
    version = await peer.call("get_version")
    assert version[PROTOCOL_V1][b"maximum-immutable-share-size"] == 0
    assert version[PROTOCOL_V1][b"available-space"] == 0
    assert version[GRID_V1][b"readonly"] is True


@ensureDeferred
async def test_reserved_space_is_kept_free(serve):
    peer = Peer(serve(reserved_space=2**62))
    assert await peer.allocate({0}, 1) == (set(), {})
    assert (await peer.call("get_version"))[PROTOCOL_V1][b"available-space"] == 0


@ensureDeferred
async def test_max_size_counts_kept_and_promised_bytes_of_files(serve, storedir):
    plant(storedir, "0", container_bytes(b"x" * 100, leases=[]))  # a file of 112 bytes
    limit = 112 + 2 * (84 + 50)
    server = serve(max_size=limit)
    peer = Peer(server)
    _, first = await peer.allocate({1, 2, 3}, 50, OTHER_SI)
    assert set(first) == {1, 2}
    assert (await peer.allocate({3}, 1, OTHER_SI))[1] == {}
    await first[2].callRemote("abort")
    assert set((await peer.allocate({3}, 50, OTHER_SI))[1]) == {3}


@ensureDeferred
async def test_max_size_has_room_again_when_a_share_is_deleted(serve):
    peer = Peer(serve(max_size=84 + 10))
    await peer.put({0: b"x" * 10})
    assert (await peer.allocate({1}, 10))[1] == {}
    await peer.call("cancel_lease", SI, CANCEL)
    assert set((await peer.allocate({1}, 10))[1]) == {1}


@ensureDeferred
async def test_max_size_is_what_the_version_tells(serve):
    peer = Peer(serve(max_size=1000))
    await peer.put({0: b"x" * 16})
    assert (await peer.call("get_version"))[PROTOCOL_V1][b"available-space"] == 900


@ensureDeferred
async def test_holdings_are_counted_once_and_kept_up(serve, storedir):
    plant(storedir, "0", container_bytes(b"x" * 10))
    plant(storedir, "7", b"garbage")
    plant(storedir, "notes.txt", b"not counted")
    server = serve()
    assert (await server.holdings()).num_shares == 2
    await Peer(server).put({1: b"abc"}, OTHER_SI)
    holdings = await server.holdings()
    assert (holdings.num_shares, holdings.num_bytes) == (3, 94 + 7 + 87)


# ---- files that are not what they should be ----------------------------------------------

GARBAGE = {
    "empty": b"",
    "short": b"\0\0\0\2\0\0",
    "text": b"these are no share data, but somebody's letter\n",
    "version 3": b"\0\0\0\3" + bytes(100),
    "more leases than bytes": b"\0\0\0\2\0\0\0\1\0\0\0\7" + bytes(100),
    "mutable v1": MUTABLE_MAGICS[0] + bytes(440),
    "mutable v2": MUTABLE_MAGICS[1] + bytes(440),
}


@pytest.mark.parametrize("content", GARBAGE.values(), ids=GARBAGE.keys())
@ensureDeferred
async def test_a_file_that_is_no_immutable_share_is_left_alone(serve, storedir, content):
    path = plant(storedir, "4", content)
    plant(storedir, "0", container_bytes(b"good"))
    server = serve()
    peer = Peer(server)
    assert await peer.read_all() == {0: b"good"}
    held, writers = await peer.allocate({0, 4}, 4)
    assert (held, set(writers)) == ({0}, set())
    await peer.call("add_lease", SI, RENEW2, CANCEL2)
    await peer.call("renew_lease", SI, RENEW)
    await peer.call("cancel_lease", SI, CANCEL2)
    await peer.call("cancel_lease", SI, CANCEL)
    assert path.read_bytes() == content
    await server.stopService()
    assert await Peer(serve()).read_all() == {}
    assert path.read_bytes() == content


@ensureDeferred
async def test_every_truncation_is_served_short_or_not_at_all_and_kept(serve, storedir):
    whole = container_bytes(b"0123456789", leases=[(0, RENEW, CANCEL, 5)] * 2)
    peer = Peer(serve())
    for length in range(len(whole)):
        path = plant(storedir, "0", whole[:length])
        shares = await peer.read_all()
        if length < 12 + 2 * 72:
            assert shares == {}
        else:
            assert shares == {0: whole[12 : length - 2 * 72]}
        assert path.read_bytes() == whole[:length]


@ensureDeferred
async def test_names_that_are_no_share_numbers_are_ignored(serve, storedir):
    for name in ("00", "01", "256", "999", "1000", "-1", "1.tmp", "x", "٣"):
        plant(storedir, name, container_bytes(b"data"))
    (bucket(storedir) / "7").mkdir()
    peer = Peer(serve())
    assert await peer.read_all() == {}
    held, writers = await peer.allocate({0, 1, 7}, 4)
    assert (held, set(writers)) == (set(), {0, 1})


@ensureDeferred
async def test_version_1_containers_are_served_and_leased(serve, storedir):
    path = plant(storedir, "2", container_bytes(b"old share", version=1))
    peer = Peer(serve())
    assert await peer.read_all() == {2: b"old share"}
    await peer.call("add_lease", SI, RENEW2, CANCEL2)
    await peer.call("renew_lease", SI, RENEW)
    first, second = leases_of(path)
    assert first == Lease(0, RENEW, CANCEL, EXPIRES)
    assert second == Lease(1, RENEW2, CANCEL2, EXPIRES)
    assert await peer.read_all() == {2: b"old share"}
    await peer.call("cancel_lease", SI, CANCEL)
    assert path.read_bytes() == container_bytes(
        b"old share", version=1, leases=[(1, RENEW2, CANCEL2, EXPIRES)]
    )


@ensureDeferred
async def test_a_file_in_the_place_of_a_bucket_is_no_bucket(serve, storedir):
    bucket(storedir).parent.mkdir(parents=True)
    bucket(storedir).write_bytes(b"?")
    peer = Peer(serve())
    assert await peer.read_all() == {}
    _, writers = await peer.allocate({0}, 0)
    assert (await refused(writers[0].callRemote("close")))[0] == "GridError"
    assert bucket(storedir).read_bytes() == b"?"


# ---- leases ------------------------------------------------------------------------------


@ensureDeferred
async def test_asking_again_renews_the_same_lease(serve, storedir, clock):
    peer = Peer(serve())
    await peer.put({0: b"x", 1: b"y"})
    clock.advance(DAY)
    await peer.allocate({0}, 1)
    for n in "01":
        (lease,) = leases_of(bucket(storedir) / n)
        assert lease.expires == EXPIRES + DAY


@ensureDeferred
async def test_another_client_gets_its_own_lease_on_every_share(serve, storedir):
    server = serve()
    await Peer(server).put({0: b"x", 1: b"y"})
    await Peer(server).allocate({0}, 1, renew=RENEW2, cancel=CANCEL2)
    for n in "01":
        first, second = leases_of(bucket(storedir) / n)
        assert first.renew_secret == stored(2, RENEW)
        assert second == Lease.grant(2, 0, RENEW2, CANCEL2, EXPIRES)
    assert await Peer(server).read_all() == {0: b"x", 1: b"y"}


@ensureDeferred
async def test_add_lease_adds_with_owner_1_renews_and_is_silent_without_shares(
    serve, storedir, clock
):
    peer = Peer(serve())
    await peer.put({0: b"x"})
    await peer.call("add_lease", SI, RENEW2, CANCEL2)
    clock.advance(DAY)
    await peer.call("add_lease", SI, RENEW2, CANCEL2)
    assert leases_of(bucket(storedir) / "0") == [
        Lease.grant(2, 0, RENEW, CANCEL, EXPIRES),
        Lease.grant(2, 1, RENEW2, CANCEL2, EXPIRES + DAY),
    ]
    assert await peer.call("add_lease", OTHER_SI, RENEW, CANCEL) is None


@ensureDeferred
async def test_a_renewal_never_shortens_a_lease(serve, storedir):
    lease = (0, RENEW, CANCEL, EXPIRES + 5 * DAY)
    path = plant(storedir, "0", container_bytes(b"x", leases=[lease]))
    before = path.read_bytes()
    await Peer(serve()).call("renew_lease", SI, RENEW)
    assert path.read_bytes() == before


@ensureDeferred
async def test_renewing_or_cancelling_a_lease_that_is_not_there_is_an_index_error(serve):
    peer = Peer(serve())
    await peer.put({0: b"x"})
    for call in (
        peer.call("renew_lease", SI, RENEW2),
        peer.call("renew_lease", SI, CANCEL),
        peer.call("renew_lease", OTHER_SI, RENEW),
        peer.call("cancel_lease", SI, CANCEL2),
        peer.call("cancel_lease", SI, RENEW),
        peer.call("cancel_lease", OTHER_SI, CANCEL),
    ):
        call.addCallbacks(
            lambda _: None, lambda f: f.value.failure.check("builtins.IndexError")
        )
        assert await call == "builtins.IndexError"
    assert await peer.read_all() == {0: b"x"}


@ensureDeferred
async def test_the_last_lease_takes_the_share_and_its_directory_with_it(serve, storedir):
    peer = Peer(serve())
    await peer.put({0: b"x", 1: b"y"})
    await peer.call("add_lease", SI, RENEW2, CANCEL2)
    await peer.call("cancel_lease", SI, CANCEL)
    assert await peer.read_all() == {0: b"x", 1: b"y"}
    assert leases_of(bucket(storedir) / "0") == [
        Lease.grant(2, 1, RENEW2, CANCEL2, EXPIRES)
    ]
    await peer.call("cancel_lease", SI, CANCEL2)
    assert await peer.read_all() == {}
    assert not bucket(storedir).exists()


@ensureDeferred
async def test_shares_of_others_survive_a_cancel(serve, storedir):
    peer = Peer(serve())
    await peer.put({0: b"x"})
    await peer.put({1: b"y"}, renew=RENEW2, cancel=CANCEL2)  # leases share 0 too
    await peer.call("cancel_lease", SI, CANCEL2)
    assert await peer.read_all() == {0: b"x"}


@ensureDeferred
async def test_a_file_cancelled_can_be_stored_again(serve):
    peer = Peer(serve())
    for content in (b"one", b"two"):
        await peer.put({0: content})
        assert await peer.read_all() == {0: content}
        await peer.call("cancel_lease", SI, CANCEL)
        assert await peer.read_all() == {}


@ensureDeferred
async def test_leases_change_while_others_read_and_write(serve, storedir):
    server = serve()
    await Peer(server).put({n: b"data" for n in range(4)})
    secrets = [bytes([n]) * 32 for n in range(8)]
    await gather([Peer(server).call("add_lease", SI, s, s) for s in secrets])
    assert await Peer(server).read_all() == {n: b"data" for n in range(4)}
    assert len(leases_of(bucket(storedir) / "0")) == 9
    await gather([Peer(server).call("cancel_lease", SI, s) for s in secrets])
    assert len(leases_of(bucket(storedir) / "0")) == 1


# ---- corruption reports ------------------------------------------------------------------


@ensureDeferred
async def test_reports_of_corruption_are_kept_as_text(serve, storedir, clock):
    peer = Peer(serve())
    await peer.put({3: b"x"})
    clock.advance(0.25)
    await peer.call(
        "advise_corrupt_share", b"immutable", SI, 3, b"block 7 is b\xc3\xa4d\xff"
    )
    (report,) = (storedir / "corruption-advisories").iterdir()
    assert report.name == "2023-11-14T221320.250000--aaaqeayeaudaocajbifqydiob4-3"
    assert report.read_text(encoding="utf-8") == (
        "report: Share Corruption\ntype: immutable\n"
        "storage_index: aaaqeayeaudaocajbifqydiob4\nshare_number: 3\n"
        "\nblock 7 is bäd\ufffd\n\n"
    )


@ensureDeferred
async def test_reports_can_be_read_again_the_newest_first(serve, storedir, clock):
    server = serve()
    peer = Peer(server)
    await peer.put({3: b"x", 4: b"y"})
    assert await server.advisories() == []
    for shnum, why in ((3, b"b\xc3\xa4d\n\nblock"), (4, b"z" * 5000)):
        clock.advance(0.25)
        await peer.call("advise_corrupt_share", b"immutable", SI, shnum, why[:900])
    for name in ("x", "x--y-z", "2023-11-14T221320.250000--aaaa-x"):
        (storedir / "corruption-advisories" / name).write_text("nonsense")
    four, three = await server.advisories()
    assert (four.shnum, four.reason) == (4, b"z" * 900)
    assert (three.storage_index, three.shnum) == (SI, 3)
    assert three.share_type == "immutable" and three.when == clock.seconds() - 0.25
    assert three.reason == b"b\xc3\xa4d\n\nblock"


@ensureDeferred
async def test_readers_report_their_own_share(serve, storedir):
    peer = Peer(serve())
    await peer.put({3: b"x"})
    readers = await peer.call("get_buckets", SI)
    await readers[3].callRemote("advise_corrupt_share", b"one")
    await readers[3].callRemote("advise_corrupt_share", b"two")
    reports = [p.read_bytes() for p in (storedir / "corruption-advisories").iterdir()]
    assert b"\n\none\n" in b"".join(reports)
    assert b"\n\ntwo\n" in b"".join(reports)


@ensureDeferred
async def test_reports_of_shares_not_here_or_of_odd_types_are_dropped(serve, storedir):
    peer = Peer(serve())
    await peer.put({3: b"x"})
    await peer.call("advise_corrupt_share", b"immutable", SI, 4, b"why")
    await peer.call("advise_corrupt_share", b"immutable", OTHER_SI, 3, b"why")
    odd = peer.call("advise_corrupt_share", b"../x", SI, 3, b"why")
    assert (await refused(odd))[0] == "UsageError"
    assert not (storedir / "corruption-advisories").exists()


# ---- starting and stopping ---------------------------------------------------------------


@ensureDeferred
async def test_what_a_crash_left_half_written_is_cleared_at_start(serve, storedir):
    for place in (
        "incoming/aa/aaaqeayeaudaocajbifqydiob4/0",
        "incoming/junk",
        "incoming/a/b/c/d",
    ):
        path = storedir / "shares" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
    plant(storedir, "1", container_bytes(b"whole"))
    peer = Peer(serve())
    assert incoming_files(storedir) == []
    assert await peer.read_all() == {1: b"whole"}
    assert await peer.put({0: b"again"}) == {0}


@ensureDeferred
async def test_stopping_throws_away_what_is_half_written(serve, storedir):
    server = serve()
    peer = Peer(server)
    _, writers = await peer.allocate({0, 1}, 3)
    await writers[0].callRemote("write", 0, b"abc")
    writing = writers[1].callRemote("write", 0, b"abc")
    await fireEventually()  # now it has arrived
    await server.stopService()
    await writing
    assert incoming_files(storedir) == []
    assert server.num_uploads == 0
    assert (await refused(writers[0].callRemote("close")))[0] == "UsageError"
    assert files(storedir) == {}


@ensureDeferred
async def test_stopping_during_an_allocation_leaves_nothing(serve, storedir):
    server = serve()
    allocating = server.remote_allocate_buckets(SI, RENEW, CANCEL, {0, 1, 2}, 3, Canary())
    assert server.num_uploads == 3  # a thread is at it
    stopping = server.stopService()
    with pytest.raises(GridError, match="stopped"):
        await allocating
    await stopping
    assert server.num_uploads == 0
    assert incoming_files(storedir) == []


@ensureDeferred
async def test_a_stopped_server_answers_with_an_error_and_can_start_again(serve):
    server = serve()
    peer = Peer(server)
    await peer.put({0: b"x"})
    readers = await peer.call("get_buckets", SI)
    await server.stopService()
    assert (await refused(readers[0].callRemote("read", 0, 1)))[0] == "GridError"
    assert (await refused(peer.allocate({1}, 1)))[0] == "GridError"
    server.startService()
    assert await readers[0].callRemote("read", 0, 1) == b"x"


@ensureDeferred
async def test_shares_outlive_a_restart(serve):
    server = serve()
    await Peer(server).put({0: b"x"})
    await server.stopService()
    assert await Peer(serve()).read_all() == {0: b"x"}


@ensureDeferred
async def test_a_lost_connection_throws_away_all_it_was_writing(serve, storedir):
    server = serve()
    peer = Peer(server)
    _, writers = await peer.allocate({0, 1}, 3)
    await writers[0].callRemote("write", 0, b"abc")
    peer.rref.lose()
    await until_no_uploads(server)
    assert incoming_files(storedir) == []
    assert set((await Peer(server).allocate({0, 1}, 3))[1]) == {0, 1}


@ensureDeferred
async def test_reports_are_bounded_in_number_and_size(serve, storedir, clock, monkeypatch):
    monkeypatch.setattr("allmydata.storage.advisories.MOST_KEPT", 12)
    server = serve()
    peer = Peer(server)
    await peer.put({n: b"x" for n in range(4)})
    for n in (0, 1, 2, 3):
        for _ in range(8):
            clock.advance(1)
            await peer.call("advise_corrupt_share", b"immutable", SI, n, b"w" * 60_000)
    reports = sorted((storedir / "corruption-advisories").iterdir())
    assert len(reports) == 12
    assert [r.name[-1] for r in reports] == list("112222233333")
    assert max(r.stat().st_size for r in reports) < 2000
    assert [one.shnum for one in await server.advisories()][:3] == [3, 3, 3]
