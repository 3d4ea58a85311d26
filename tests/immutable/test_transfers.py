"""What is remembered of transfers, by hand and on a grid."""

import json

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.defer import CancelledError
from zope.interface.verify import verifyObject

from allmydata.errors import NoSharesError, NotEnoughServersError, NotEnoughSharesError
from allmydata.immutable.transfers import COLUMNS, PREFIX, RECENT, Transfers
from allmydata.interfaces.node import ITransfer, ITransfers
from allmydata.uri import from_string
from allmydata.util import base32

INDEX = bytes(range(16))
DATA = bytes(range(256)) * 40


class Time:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def moves(time):
    return Transfers(time)


def states(told):
    return {one["name"]: one["state"] for one in told["servers"]}


# ---- by hand ---------------------------------------------------------------------------


def test_a_transfer_moves_from_running_to_recent(moves, time):
    with moves.running("upload", 300, INDEX) as transfer:
        assert verifyObject(ITransfers, moves) and verifyObject(ITransfer, transfer)
        assert moves.active() == [transfer] and moves.recent() == []
        transfer.num_segments = 3
        transfer.asked("s1", 0)
        transfer.got("s1", range(0, 1), 34)
        transfer.advance(100)
        time.now += 2
        told = transfer.as_json()
        assert (told["done"], told["seconds"], told["outcome"]) == (100, 2.0, "running")
        time.now += 1
    assert moves.active() == [] and moves.recent() == [transfer]
    assert transfer.as_json() == {
        "id": 1,
        "kind": "upload",
        "storage_index": "aaaqe",
        "size": 300,
        "done": 100,
        "segments": 3,
        "began": 1000.0,
        "ended": 1003.0,
        "seconds": 3.0,
        "outcome": "done",
        "servers": [
            {
                "name": "s1",
                "nodeid": "",
                "state": "active",
                "shares": [0],
                "segments": 1,
                "bytes": 34,
                "cells": "100",
                "replaced_by": None,
                "why": "",
            }
        ],
    }
    assert (moves.num_files["upload"], moves.num_bytes["upload"]) == (1, 100)


def test_only_the_first_letters_of_a_storage_index_are_kept(moves):
    with moves.running("download", 1, INDEX) as transfer:
        told = json.dumps(transfer.as_json())
    index = base32.b2a(INDEX)
    assert index[:PREFIX] in told and index[: PREFIX + 1] not in told


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NoSharesError("none"), "unrecoverable"),
        (NotEnoughServersError("few"), "not-enough-servers"),
        (CancelledError(), "cancelled"),
        (ZeroDivisionError(), "failed"),
    ],
)
def test_a_failure_is_counted_by_its_code_and_goes_on(moves, error, code):
    with pytest.raises(type(error)), moves.running("download", 9, INDEX):
        raise error
    assert dict(moves.num_failures) == {("download", code): 1}
    assert moves.recent()[0].as_json()["outcome"] == code
    assert not moves.num_files and not moves.active()


def test_the_last_hundred_are_kept_newest_first(moves):
    for _ in range(RECENT + 5):
        with moves.running("upload", 1, INDEX):
            pass
    numbers = [transfer.number for transfer in moves.recent()]
    assert numbers == list(range(RECENT + 5, 5, -1))


def test_a_silent_server_is_replaced_and_comes_back(moves):
    with moves.running("download", 1, INDEX) as transfer:
        transfer.asked("slow", 0)
        transfer.silent("slow")
        assert states(transfer.as_json()) == {"slow": "silent"}
        transfer.asked("quick", 4, instead_of={(0, "slow")})
        slow, quick = transfer.as_json()["servers"]
        assert (slow["state"], slow["replaced_by"]) == ("replaced", 4)
        assert (quick["state"], quick["replaced_by"]) == ("asked", None)
        transfer.got("slow", range(1), 10)
        assert states(transfer.as_json())["slow"] == "active"
        transfer.lost("slow", "it went")
        transfer.silent("slow")
        assert states(transfer.as_json())["slow"] == "failed"


def test_a_server_that_was_not_silent_is_not_called_replaced(moves):
    with moves.running("download", 1, INDEX) as transfer:
        transfer.asked("a", 0)
        transfer.asked("b", 1, instead_of={(0, "a")})
        transfer.silent("b")
        transfer.asked("b", 2, instead_of={(1, "b")})
    assert states(transfer.as_json()) == {"a": "asked", "b": "silent"}


def test_observers_hear_of_begin_progress_and_end_until_they_leave(moves):
    heard = []
    forget = moves.observe(lambda one: heard.append((one.num_bytes, one.outcome)))
    with moves.running("upload", 8, INDEX) as transfer:
        transfer.got("s", range(1), 4)  # of which nobody hears before it counts
        transfer.advance(8)
    assert heard == [(0, "running"), (8, "running"), (8, "done")]
    forget()
    with moves.running("upload", 8, INDEX):
        pass
    assert len(heard) == 3


# ---- on a grid -------------------------------------------------------------------------


@ensureDeferred
async def test_an_upload_tells_what_each_server_took(make_grid):
    grid = await make_grid()
    grid.uploader.max_segment_size = 3000
    cap = await grid.put(DATA)
    (told,) = [one.as_json() for one in grid.uploader.transfers.recent()]
    assert (told["kind"], told["outcome"]) == ("upload", "done")
    assert told["done"] == told["size"] == len(DATA)
    assert told["segments"] == 4 and len(told["servers"]) == 10
    assert {one["segments"] for one in told["servers"]} == {4}
    assert {one["bytes"] for one in told["servers"]} == {(len(DATA) + 2) // 3}
    assert sorted(n for one in told["servers"] for n in one["shares"]) == list(range(10))
    assert {one["nodeid"] for one in told["servers"]} == {p.nodeid for p in grid.proxies}
    text, parsed = json.dumps(told), from_string(cap)
    for secret in (cap, parsed.key, parsed.storage_index, parsed.uri_extension_hash):
        words = secret if isinstance(secret, str) else base32.b2a(secret)
        assert words not in text


@ensureDeferred
async def test_a_download_tells_what_was_asked_and_how_far_it_is(make_grid):
    grid = await make_grid()
    cap = await grid.put(DATA)
    assert await grid.get(cap, 100, 5000) == DATA[100:5100]
    (transfer,) = grid.downloader.transfers.recent()
    told = transfer.as_json()
    assert (told["done"], told["size"], told["segments"]) == (5000, 5000, 1)
    givers = [one for one in told["servers"] if one["segments"]]
    assert len(givers) >= 3 and sum(one["bytes"] for one in givers) >= len(DATA)
    assert grid.downloader.transfers.num_bytes == {"download": 5000}


@ensureDeferred
async def test_servers_silent_in_a_download_are_seen_and_then_replaced(make_grid):
    grid = await make_grid()
    cap = await grid.put(DATA)
    told, frozen = {}, []

    def freeze_at_the_first_read(i):
        def see(name, answer):
            if name == "read" and len(frozen) < 3 and i not in frozen:
                frozen.append(i)
                grid.freeze(i)  # this answer is held back too
            return answer

        return see

    for i, line in enumerate(grid.lines):
        line.answer_filter = freeze_at_the_first_read(i)

    def note(transfer):
        for name, state in states(transfer.as_json()).items():
            if told.setdefault(name, [state])[-1] != state:
                told[name].append(state)

    forget = grid.downloader.transfers.observe(note)
    assert await grid.get(cap) == DATA
    forget()
    last = grid.downloader.transfers.recent()[0].as_json()
    by_name = {one["name"]: one for one in last["servers"]}
    assert last["outcome"] == "done" and len(frozen) == 3
    for i in frozen:
        assert told[f"s{i}"] == ["asked", "silent", "replaced"]
        slow = by_name.pop(f"s{i}")
        assert slow["replaced_by"] is not None and "1" not in slow["cells"]
        (stand_in,) = [n for n, o in by_name.items() if slow["replaced_by"] in o["shares"]]
        assert by_name[stand_in]["state"] == "active"
    assert sum("1" in one["cells"] for one in by_name.values()) == 3


def test_cells_show_which_segments_a_server_gave(moves):
    with moves.running("download", 900, INDEX) as transfer:
        transfer.first_segment, transfer.num_segments = 10, 9
        transfer.got("a", range(10, 13), 3)
        transfer.got("b", range(13, 19), 6)
        transfer.got("a", range(0), 0)
    a, b = transfer.as_json()["servers"]
    assert (a["cells"], b["cells"]) == ("111000000", "000111111")


def test_many_segments_share_a_cell(moves):
    with moves.running("upload", 900, INDEX) as transfer:
        transfer.num_segments = 10 * COLUMNS
        transfer.got("a", range(0, 1), 1)
        transfer.got("a", range(10 * COLUMNS - 1, 10 * COLUMNS), 1)
    (a,) = transfer.as_json()["servers"]
    assert a["cells"] == "1" + "0" * (COLUMNS - 2) + "1"


@ensureDeferred
async def test_a_server_lost_during_an_upload_is_called_failed(make_grid):
    grid = await make_grid()
    grid.uploader.max_segment_size = 1000
    seen = []

    def lose(transfer):
        if transfer.num_bytes and not seen:
            seen.append(transfer)
            grid.kill(3)

    forget = grid.uploader.transfers.observe(lose)
    await grid.put(DATA * 20)
    forget()
    found = states(seen[0].as_json())
    assert found.pop("s3") == "failed"
    assert set(found.values()) == {"active"}


@ensureDeferred
async def test_small_files_are_counted_but_not_listed(make_grid):
    grid = await make_grid(num_servers=1)
    cap = await grid.put(b"tiny")
    assert await grid.get(cap) == b"tiny"
    for moves, kind in (
        (grid.uploader.transfers, "upload"),
        (grid.downloader.transfers, "download"),
    ):
        assert (moves.num_files, moves.num_bytes) == ({kind: 1}, {kind: 4})
        assert moves.recent() == []


@ensureDeferred
async def test_what_fails_on_the_grid_is_counted(make_grid):
    grid = await make_grid()
    cap = await grid.put(DATA)
    for i in range(8):
        grid.kill(i)
    with pytest.raises(NotEnoughSharesError):
        await grid.get(cap)
    with pytest.raises(NotEnoughServersError):
        await grid.put(DATA[1:])
    assert grid.downloader.transfers.num_failures == {("download", "unrecoverable"): 1}
    assert grid.uploader.transfers.num_failures == {("upload", "not-enough-servers"): 1}
