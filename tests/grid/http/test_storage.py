import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol

from allmydata.errors import ServerLostError, ServerRefusedError
from allmydata.formats.renewals import Renewal, pack_renewals
from allmydata.grid.http import pool
from allmydata.grid.server import ServerVersion
from allmydata.util.deferreds import gather, sleep, start
from tests.support.https import certificate

SI = b"\1" * 16
LEASE = b"r" * 32, b"c" * 32
SECRETS = (b"w" * 32, *LEASE)
DATA = bytes(range(256)) * 5000


async def write(storage, shnum, data, piece=500_000):
    _, writers = await storage.callRemote(
        "allocate_buckets", SI, *LEASE, {shnum}, len(data), None
    )
    writer = writers[shnum]
    parts = [
        writer.callRemote("write", at, data[at : at + piece])
        for at in range(0, len(data), piece)
    ]
    await gather([*parts, writer.callRemote("close")])


@ensureDeferred
async def test_the_version_is_what_a_server_says_over_foolscap(reach, storage):
    told = ServerVersion.parse(await reach().callRemote("get_version"))
    other = ServerVersion.parse(await storage.remote_get_version())
    assert told.nickname == "attic" and told.batched_leases
    assert (told.zone, told.max_write) == (other.zone, other.max_write)
    assert told.application == other.application


@ensureDeferred
async def test_a_share_is_written_and_read(reach):
    storage = reach()
    await write(storage, 3, DATA)
    held, begun = await storage.callRemote("allocate_buckets", SI, *LEASE, {3}, 9, None)
    assert (held, begun) == ({3}, {})
    readers = await storage.callRemote("get_buckets", SI)
    assert set(readers) == {3}
    read = readers[3].callRemote
    assert await read("read", 0, len(DATA)) == DATA
    assert await read("read", 1000, 5) == DATA[1000:1005]
    assert await read("read", len(DATA) - 2, 10) == DATA[-2:]
    assert await read("read", len(DATA), 10) == b"" == await read("read", 5, 0)


@ensureDeferred
async def test_a_write_may_have_parts_which_are_let_go_of_when_they_are_sent(reach):
    storage = reach()
    _, writers = await storage.callRemote(
        "allocate_buckets", SI, *LEASE, {3}, len(DATA), None
    )
    parts = [DATA[:1], memoryview(DATA)[1:400_000], b"", DATA[400_000:]]
    writing = writers[3].callRemote("write", 0, parts)
    await sleep(0, reactor)
    while parts and not writing.called:
        await sleep(0.01, reactor)
    assert parts == []
    await gather([writing, writers[3].callRemote("close")])
    readers = await storage.callRemote("get_buckets", SI)
    assert await readers[3].callRemote("read", 0, len(DATA)) == DATA


@ensureDeferred
async def test_a_share_that_is_not_whole_is_not_closed(reach):
    storage = reach()
    _, writers = await storage.callRemote("allocate_buckets", SI, *LEASE, {0}, 10, None)
    await writers[0].callRemote("write", 0, b"12345")
    with pytest.raises(ServerRefusedError) as caught:
        await writers[0].callRemote("close")
    assert "missing" in caught.value.why
    await writers[0].callRemote("abort")
    await write(storage, 0, b"again")


@ensureDeferred
async def test_other_bytes_in_the_same_place_are_a_conflict(reach):
    storage = reach()
    _, writers = await storage.callRemote("allocate_buckets", SI, *LEASE, {0}, 10, None)
    await writers[0].callRemote("write", 0, b"12345")
    with pytest.raises(ServerRefusedError) as caught:
        await writers[0].callRemote("write", 0, b"X2345")
    assert caught.value.why == "ConflictError"


@ensureDeferred
async def test_mutable_shares_are_written_and_read(reach):
    call = reach().callRemote
    new = [(0, 1, b"eq", b"")]
    name = "slot_testv_and_readv_and_writev"
    writes = {n: (new, [(0, b"share %d" % n)], None) for n in range(3)}
    assert await call(name, SI, SECRETS, writes, []) == (True, {})
    assert await call(name, SI, SECRETS, {1: (new, [(0, b"x")], None)}, [(0, 5)]) == (
        False,
        {n: [b"share"] for n in range(3)},
    )
    every = await call("slot_readv", SI, [], [(0, 5), (6, 9), (50, 5)])
    assert every == {n: [b"share", b"%d" % n, b""] for n in range(3)}
    assert await call("slot_readv", SI, [2, 9], [(6, 1)]) == {2: [b"2"]}
    with pytest.raises(ServerRefusedError):
        await call(name, SI, (b"x" * 32, *LEASE), writes, [])


@ensureDeferred
async def test_leases_are_renewed(reach):
    storage = reach()
    call = storage.callRemote
    await call("add_lease", SI, *LEASE)
    await write(storage, 0, b"data")
    await call("add_lease", SI, *LEASE)
    packed = pack_renewals([(SI, *LEASE), (b"\2" * 16, *LEASE)])
    told = await call("renew_leases", packed, None)
    assert list(told) == [Renewal.RENEWED, Renewal.NO_SHARE]


@ensureDeferred
async def test_damage_is_reported(reach, storage):
    client = reach()
    await write(client, 0, b"data")
    await client.callRemote("advise_corrupt_share", b"immutable", SI, 0, b"seen")
    await client.callRemote("advise_corrupt_share", b"immutable", SI, 7, b"nowhere")
    readers = await client.callRemote("get_buckets", SI)
    await readers[0].callRemote("advise_corrupt_share", b"again")
    assert sorted(one.reason for one in await storage.advisories()) == [b"again", b"seen"]


@ensureDeferred
async def test_many_requests_share_a_few_connections(reach, https):
    storage = reach()
    await write(storage, 0, DATA)
    readers = await storage.callRemote("get_buckets", SI)
    parts = await gather(
        readers[0].callRemote("read", at, 10_000) for at in range(0, len(DATA), 10_000)
    )
    assert b"".join(parts) == DATA
    assert 1 < len(https.factory.protocols) <= pool.MOST_CONNECTIONS


@ensureDeferred
async def test_a_server_that_goes_fails_what_is_under_way(reach, https, storage):
    client = reach()
    await write(client, 0, DATA)
    readers = await client.callRemote("get_buckets", SI)
    asking = [start(readers[0].callRemote("read", 0, len(DATA))) for _ in range(10)]
    await https.port.stopListening()
    for one in list(https.factory.protocols):
        one.abortConnection()
    lost = 0
    for one in asking:
        try:
            await one
        except ServerLostError:
            lost += 1
    assert lost
    with pytest.raises(ServerLostError):
        await client.callRemote("get_version")


@ensureDeferred
async def test_who_gives_up_waiting_disturbs_nobody_else(reach):
    storage = reach()
    await write(storage, 0, DATA)
    readers = await storage.callRemote("get_buckets", SI)
    asking = [start(readers[0].callRemote("read", 0, len(DATA))) for _ in range(20)]
    for one in asking[::2]:
        one.addErrback(lambda _: None)
        one.cancel()
    assert [await one for one in asking[1::2]] == [DATA] * 10


# ---- servers that lie ------------------------------------------------------------------


class Liar(Protocol):
    answer = b""

    def dataReceived(self, data):
        self.transport.write(self.answer)


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        b"nonsense\r\n\r\n",
        OK + b"Content-Length: 5000000\r\n\r\n" + bytes(2_000_000),
        OK + b"Content-Length: -1\r\n\r\n",
        OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        OK + b"Content-Length: 1\r\n\r\nab",
        OK + b"A: " + b"a" * 20_000,
        OK + b"Transfer-Encoding: gzip\r\n\r\n",
        CHUNKED + b"xyz\r\n",
        CHUNKED + b"ffffff\r\n" + bytes(2_000_000),
        b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 204 Nothing\r\n\r\n",
        OK + b"Content-Length: 8\r\n\r\n" + b"\x81" * 8,
        OK + b"Content-Length: 9\r\n\r\n" + b"\x9b" + b"\xff" * 8,
        OK + b"Content-Length: 1\r\n\r\n\xa0",
        OK + b"Content-Length: 3\r\n\r\n\xd9\x01\x02",
    ],
)
@ensureDeferred
async def test_a_server_that_makes_no_sense_is_refused(reach, https, answer):
    https.factory.wrappedFactory = Factory.forProtocol(
        type("_", (Liar,), {"answer": answer})
    )
    https.factory.wrappedFactory.noisy = False
    for call in (("get_version",), ("get_buckets", SI)):
        with pytest.raises(ServerRefusedError):
            await reach().callRemote(*call)


@pytest.mark.parametrize(
    "answer",
    [
        CHUNKED + b"4\r\n\xd9\x01\x02\x81\r\n1\r\n\x07\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Go on\r\n\r\n"
        + OK
        + b"Content-Length: 5\r\n\r\n\xd9\x01\x02\x81\x07",
    ],
)
@ensureDeferred
async def test_other_servers_say_it_differently(reach, https, answer):
    https.factory.wrappedFactory = Factory.forProtocol(
        type("_", (Liar,), {"answer": answer})
    )
    https.factory.wrappedFactory.noisy = False
    assert set(await reach().callRemote("get_buckets", SI)) == {7}


@ensureDeferred
async def test_more_of_a_share_than_was_asked_for_is_refused(reach, https):
    https.factory.wrappedFactory = Factory.forProtocol(
        type(
            "_",
            (Liar,),
            {"answer": b"HTTP/1.1 206 OK\r\nContent-Length: 9\r\n\r\n" + bytes(9)},
        )
    )
    https.factory.wrappedFactory.noisy = False
    from allmydata.grid.http.shares import Reader

    client = reach()
    with pytest.raises(ServerRefusedError):
        await client.callRemote("slot_readv", SI, [0], [(0, 8)])
    reader = Reader(client._ask, b"/storage/v1/immutable/x/0")
    with pytest.raises(ServerRefusedError):
        await reader.callRemote("read", 0, 8)


@ensureDeferred
async def test_a_client_shows_who_it_is(reach, https):
    from allmydata.crypto import certificates
    from allmydata.util.base32 import b2a
    from tests.support.https import der_of

    await reach().callRemote("get_version")
    known = {one.tubid for one in https.site._connections}
    assert known == {b2a(certificates.tubid(der_of(certificate(1))))}
    await sleep(0, reactor)
