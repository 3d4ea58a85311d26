"""What every RIVirtualDriveServer promises, near by and over real Tubs."""

import re

import pytest
from foolscap.api import RemoteException, Violation
from pytest_twisted import blockon, ensureDeferred
from twisted.internet import reactor
from twisted.internet.task import Clock

from allmydata.crypto.keys import DirectoryKeys
from allmydata.formats.dirtable import Row, pack_rows, unpack_rows
from allmydata.interfaces import RIVirtualDriveServer
from allmydata.node.tub import NodeTub, make_certificate
from allmydata.storage.vdrive import VirtualDriveServer
from allmydata.uri import from_string
from allmydata.util.deferreds import settle, start
from tests.support.local_reference import LocalReference

NOW = 1_700_000_000
FURL = f"pb://{'a' * 32}@tcp:127.0.0.1:1/vdrive"
IX, WE = b"i" * 32, b"w" * 32
IX2, WE2 = b"j" * 32, b"x" * 32
A, B, C = (bytes([i]) * 32 for i in (1, 2, 3))


def row(key, read=b"read", write=b""):
    return Row(key, b"name of " + key[:1], write, read)


def rows(*keys, read=b"read"):
    return pack_rows(row(key, read) for key in keys)


class Bench:
    """A server and a reference to it."""

    def __init__(self, server, rref, clock):
        self.server = server
        self.rref = rref
        self.clock = clock

    def call(self, name, *args):
        return self.rref.callRemote(name, *args)

    async def refused(self, name, *args):
        """Return the name of the error, and of those it is a kind of."""
        try:
            result = await self.call(name, *args)
        except RemoteException as e:
            assert not re.search("pb://|URI:|private|vdrive/", str(e.failure.value))
            return {parent.rpartition(".")[2] for parent in e.failure.parents}
        raise AssertionError(f"not refused, but answered {result!r}")

    async def keys(self, index=IX):
        packed, after = await self.call("list_page", index, b"", 1000)
        assert after == b""
        return [row.key for row in unpack_rows(packed)]

    async def set(self, key, read=b"read", index=IX, enabler=WE):
        await self.call("set", index, enabler, key, b"name of " + key[:1], b"", read)


async def near(server, tubs):
    return LocalReference(server)


async def far(server, tubs):
    there, here = tubs
    await there.listen(["tcp:0:interface=127.0.0.1"], ["AUTO"])
    furl = there.tub.registerReference(server)
    return await here.tub.getReference(furl)


def make_tubs():
    tubs = [NodeTub(make_certificate(), clock=reactor) for _ in range(2)]
    for tub in tubs:
        tub.startService()
    return tubs


@pytest.fixture(params=[near, far])
def bench(request, tmp_path):
    clock = Clock()
    clock.advance(NOW)
    server = VirtualDriveServer(
        tmp_path / "vdrive",
        clock=clock,
        root_file=tmp_path / "private" / "vdrive-root",
        furl_of=lambda: FURL,
        version="9.9",
    )
    server.startService()
    tubs = make_tubs() if request.param is far else []
    rref = blockon(start(request.param(server, tubs)))
    bench = Bench(server, rref, clock)
    blockon(bench.call("create_directory", IX, WE))
    blockon(bench.call("create_directory", IX2, WE2))
    yield bench
    for tub in reversed(tubs):
        blockon(tub.stopService())
    blockon(server.stopService())


def test_it_says_what_it_serves(bench):
    assert bench.rref.tracker.interface is RIVirtualDriveServer


@ensureDeferred
async def test_it_tells_its_version(bench):
    version = await bench.call("get_version")
    assert version == {b"allmydata-vdrive-v1": {}, b"application-version": b"allmydata/9.9"}


# ---- the calls that were given -----------------------------------------------------------


@ensureDeferred
async def test_the_public_root_can_be_written_with_what_it_tells(bench):
    cap = from_string((await bench.call("get_public_root_uri")).decode())
    assert cap.furl == FURL
    keys = DirectoryKeys.from_write_key(cap.write_key)
    await bench.set(A, index=keys.index, enabler=keys.write_enabler)
    assert await bench.keys(keys.index) == [A]


@ensureDeferred
async def test_a_new_directory_is_empty_and_answers_its_index(bench):
    assert await bench.call("create_directory", b"n" * 32, WE) == b"n" * 32
    assert await bench.call("list", b"n" * 32) == []


@ensureDeferred
async def test_making_a_directory_again_changes_nothing(bench):
    await bench.set(A)
    assert await bench.call("create_directory", IX, WE) == IX
    assert await bench.keys() == [A]
    assert await bench.call("sequence", IX) == 1


@ensureDeferred
async def test_making_a_directory_again_with_another_enabler_is_refused(bench):
    assert "BadWriteEnablerError" in await bench.refused("create_directory", IX, WE2)
    await bench.set(A)


@ensureDeferred
async def test_what_is_set_is_got_and_listed(bench):
    await bench.call("set", IX, WE, B, b"nb", b"wb", b"rb")
    await bench.call("set", IX, WE, A, b"na", b"", b"ra")
    assert await bench.call("get", IX, B) == (b"wb", b"rb")
    assert await bench.call("get", IX, A) == (b"", b"ra")
    assert await bench.call("list", IX) == [(b"na", b"", b"ra"), (b"nb", b"wb", b"rb")]
    assert await bench.call("list", IX2) == []


@ensureDeferred
async def test_set_replaces_the_row_of_its_key(bench):
    await bench.set(A, b"old")
    await bench.set(A, b"new")
    assert [one[2] for one in await bench.call("list", IX)] == [b"new"]


@ensureDeferred
async def test_what_is_deleted_is_gone(bench):
    await bench.set(A)
    await bench.set(B)
    assert await bench.call("delete", IX, WE, A) is None
    assert await bench.keys() == [B]


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("get", (IX, A)),
        ("get", (b"?" * 32, A)),
        ("list", (b"?" * 32,)),
        ("list_page", (b"?" * 32, b"", 1)),
        ("get_many", (b"?" * 32, [A])),
        ("sequence", (b"?" * 32,)),
        ("set", (b"?" * 32, WE, A, b"n", b"", b"r")),
        ("set_many", (b"?" * 32, WE, rows(A), True)),
        ("delete", (b"?" * 32, WE, A)),
        ("delete", (IX, WE, A)),
        ("move", (IX, WE, A, IX2, WE2, (A, b"n", b"", b"r"), True)),
        ("move", (b"?" * 32, WE, A, IX2, WE2, (A, b"n", b"", b"r"), True)),
    ],
)
@ensureDeferred
async def test_what_is_not_there_is_an_index_error(bench, name, args):
    assert {"IndexError", "NoSuchChildError"} <= await bench.refused(name, *args)


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("set", (IX, WE2, A, b"n", b"", b"changed")),
        ("set_many", (IX, WE2, rows(A), True)),
        ("set_many", (IX, WE2, rows(B), False)),
        ("delete", (IX, WE2, A)),
        ("delete", (IX, WE2, B)),
        ("move", (IX, WE2, A, IX2, WE2, (B, b"n", b"", b"r"), True)),
        ("move", (IX, WE, A, IX2, WE, (B, b"n", b"", b"r"), True)),
    ],
)
@ensureDeferred
async def test_a_wrong_write_enabler_changes_nothing(bench, name, args):
    await bench.set(A)
    assert {"BadWriteEnablerError", "NotCapableError"} <= await bench.refused(name, *args)
    assert await bench.call("list", IX) == [(b"name of \1", b"", b"read")]
    assert await bench.call("list", IX2) == []
    assert await bench.call("sequence", IX) == 1


# ---- pages -------------------------------------------------------------------------------


def key(i):
    return i.to_bytes(32, "big")


@ensureDeferred
async def test_pages_hold_every_row_once_in_the_order_of_keys(bench):
    for first in (1500, 0, 750):
        wanted = [key(i) for i in range(first, first + 750)]
        await bench.call("set_many", IX, WE, rows(*reversed(wanted)), False)
    found, after, num_pages = [], b"", 0
    while after or not num_pages:
        packed, after = await bench.call("list_page", IX, after, 1000)
        found += [row.key for row in unpack_rows(packed)]
        num_pages += 1
    assert found == [key(i) for i in range(2250)]
    assert num_pages == 3


@pytest.mark.parametrize(("limit", "num_pages"), [(1, 3), (2, 2), (3, 1), (1000, 1)])
@ensureDeferred
async def test_the_last_page_says_that_it_is_the_last(bench, limit, num_pages):
    await bench.call("set_many", IX, WE, rows(A, B, C), True)
    after = b""
    for i in range(num_pages):
        _, after = await bench.call("list_page", IX, after, limit)
        assert bool(after) == (i < num_pages - 1)


@pytest.mark.parametrize("limit", [0, -1, 1001])
@ensureDeferred
async def test_a_page_of_a_size_that_cannot_be_is_refused(bench, limit):
    assert "UsageError" in await bench.refused("list_page", IX, b"", limit)


@ensureDeferred
async def test_list_gives_a_thousand_and_refuses_more(bench):
    await bench.call("set_many", IX, WE, rows(*(key(i) for i in range(1000))), True)
    assert len(await bench.call("list", IX)) == 1000
    await bench.set(key(1000))
    assert "TooManyEntriesError" in await bench.refused("list", IX)


@ensureDeferred
async def test_get_many_gives_those_that_are_there(bench):
    await bench.call("set_many", IX, WE, rows(A, C), True)
    found = unpack_rows(await bench.call("get_many", IX, [C, B, A]))
    assert [row.key for row in found] == [A, C]
    assert unpack_rows(await bench.call("get_many", IX, [])) == []


# ---- changes of many rows ----------------------------------------------------------------


@ensureDeferred
async def test_set_many_puts_all_or_replaces(bench):
    await bench.set(B, b"old")
    await bench.call("set_many", IX, WE, rows(A, B, C, read=b"new"), True)
    assert [one[2] for one in await bench.call("list", IX)] == [b"new"] * 3


@ensureDeferred
async def test_set_many_without_replacing_is_refused_whole(bench):
    await bench.set(B, b"old")
    call = ("set_many", IX, WE, rows(A, B, C, read=b"new"), False)
    assert "ConflictError" in await bench.refused(*call)
    assert await bench.call("list", IX) == [(b"name of \2", b"", b"old")]
    assert await bench.call("sequence", IX) == 1


@ensureDeferred
async def test_rows_that_are_not_packed_rightly_are_refused(bench):
    packed = rows(A, B)
    for bad in (packed[:-1], packed + b"x", rows(*(key(i) for i in range(1001)))):
        assert "UsageError" in await bench.refused("set_many", IX, WE, bad, True)
    assert await bench.keys() == []


@ensureDeferred
async def test_a_move_takes_out_here_and_puts_in_there(bench):
    await bench.set(A)
    await bench.set(B)
    await bench.call("move", IX, WE, A, IX2, WE2, (C, b"nc", b"wc", b"rc"), False)
    assert await bench.keys() == [B]
    assert await bench.call("list", IX2) == [(b"nc", b"wc", b"rc")]
    assert await bench.call("sequence", IX) == 3
    assert await bench.call("sequence", IX2) == 1


@ensureDeferred
async def test_a_move_onto_a_row_replaces_it_or_changes_nothing(bench):
    await bench.set(A)
    await bench.set(C, b"old", IX2, WE2)
    move = ("move", IX, WE, A, IX2, WE2, (C, b"n", b"", b"moved"))
    assert "ConflictError" in await bench.refused(*move, False)
    assert await bench.keys() == [A]
    assert await bench.call("get", IX2, C) == (b"", b"old")
    await bench.call(*move, True)
    assert await bench.keys() == []
    assert await bench.call("get", IX2, C) == (b"", b"moved")


@ensureDeferred
async def test_a_move_within_a_directory_is_a_new_name(bench):
    await bench.set(A)
    await bench.call("move", IX, WE, A, IX, WE, (B, b"n", b"", b"r"), False)
    assert await bench.keys() == [B]
    assert await bench.call("sequence", IX) == 2


@ensureDeferred
async def test_a_move_onto_itself_keeps_the_row(bench):
    await bench.set(A)
    await bench.call("move", IX, WE, A, IX, WE, (A, b"n", b"", b"again"), False)
    assert await bench.call("list", IX) == [(b"n", b"", b"again")]


# ---- dates, sequence ---------------------------------------------------------------------


async def dates(bench, index=IX):
    packed, _ = await bench.call("list_page", index, b"", 1000)
    return {row.key: (row.created - NOW, row.changed - NOW) for row in unpack_rows(packed)}


@ensureDeferred
async def test_dates_are_the_servers_and_creation_outlasts_change_and_move(bench):
    forged = pack_rows([Row(A, b"n", b"", b"r", 5, 6)])
    await bench.call("set_many", IX, WE, forged, True)
    bench.clock.advance(10)
    await bench.set(B)
    await bench.set(A)
    assert await dates(bench) == {A: (0, 10), B: (10, 10)}
    bench.clock.advance(10)
    await bench.set(C, index=IX2, enabler=WE2)
    await bench.call("move", IX, WE, A, IX2, WE2, (C, b"n", b"", b"r"), True)
    assert await dates(bench, IX2) == {C: (0, 20)}


@ensureDeferred
async def test_the_sequence_grows_with_each_change_of_that_directory(bench):
    await bench.set(A)
    await bench.call("set_many", IX, WE, rows(B, C), True)
    await bench.call("delete", IX, WE, A)
    assert await bench.call("sequence", IX) == 3
    assert await bench.call("sequence", IX2) == 0


# ---- many at once ------------------------------------------------------------------------


@ensureDeferred
async def test_of_many_changes_at_once_none_is_lost_and_a_bad_one_hurts_itself_only(bench):
    await bench.set(A)
    calls = [bench.set(key(1000 + i)) for i in range(300)]
    bad = [
        bench.call("set", IX, WE2, B, b"n", b"", b"r"),
        bench.call("set_many", IX, WE, rows(C, A), False),
        bench.call("delete", IX, WE, B),
    ]
    mixed = [*calls[:7], bad[0], *calls[7:150], bad[1], *calls[150:], bad[2]]
    outcomes = await settle(mixed)
    assert [i for i, one in enumerate(outcomes) if one is not None] == [7, 151, 302]
    assert await bench.keys() == [*(key(1000 + i) for i in range(300)), A]


@ensureDeferred
async def test_a_row_too_large_is_stopped_before_it_is_sent(bench):
    with pytest.raises(Violation):
        await bench.call("set", IX, WE, A, b"n" * 2001, b"", b"r")
    await bench.call("set", IX, WE, A, b"n" * 2000, b"w" * 2000, b"r" * 2000)
    assert await bench.call("get", IX, A) == (b"w" * 2000, b"r" * 2000)
