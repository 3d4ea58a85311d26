"""The hive as programs see it that use the two clients of wrpme."""

import socket
from threading import Thread

import pytest
import wrpme
from pytest_twisted import ensureDeferred
from twisted.internet.threads import deferToThread

from allmydata.errors import NoSpaceError, NotEnoughServersError
from allmydata.util.deferreds import settle
from tests.support.hive import HOST

ALIASES = ["a", "a/b", "a b", "é😀", "..", "%2f", "?x=1#y", "x" * 1024, "line\nend", "\x7f"]


@pytest.mark.parametrize("alias", ALIASES)
@ensureDeferred
async def test_an_alias_is_put_got_updated_and_deleted(bench, room, alias):
    def act(client):
        client.put(alias, b"one")
        assert client.get(alias) == b"one"
        with pytest.raises(wrpme.AliasAlreadyExists):
            client.put(alias, b"two")
        client.update(alias, b"three")
        assert client.get(alias) == b"three"
        client.delete(alias)
        for fails in (client.get, client.delete):
            with pytest.raises(wrpme.AliasNotFound):
                fails(alias)
        client.update(alias, b"made")
        assert client.get(alias) == b"made"

    await bench.with_raw(act)


@pytest.mark.parametrize(
    "content",
    [b"", "text é", bytearray(b"ab"), memoryview(b"abcd")[::2], b"x" * 40_000, "7"],
    ids=["empty", "text", "bytearray", "view", "40k", "number"],
)
@ensureDeferred
async def test_contents_are_bytes_of_any_kind(bench, room, content):
    wanted = content.encode() if isinstance(content, str) else bytes(content)

    def act(client):
        client.put("a", content)
        return client.get("a")

    assert await bench.with_raw(act) == wanted


@ensureDeferred
async def test_a_content_of_33_million_bytes_goes_through(bench, room):
    data = bytes(range(256)) * 131_072

    def act(client):
        client.put("a", data)
        return client.get("a") == data

    assert await bench.with_raw(act)


@pytest.mark.parametrize(
    ("alias", "error"),
    [
        ("", wrpme.InvalidInput),
        ("a\0", wrpme.InvalidInput),
        ("\udce4", wrpme.InvalidInput),
        ("x" * 1025, wrpme.AliasTooLong),
        ("é" * 513, wrpme.AliasTooLong),
        (b"bytes", TypeError),
        (None, TypeError),
    ],
)
@ensureDeferred
async def test_what_is_no_alias_is_refused(bench, room, alias, error):
    def act(client):
        for call in (client.get, client.delete, lambda a: client.put(a, b"")):
            with pytest.raises(error):
                call(alias)

    await bench.with_raw(act)


@ensureDeferred
async def test_what_is_no_content_is_refused(bench, room):
    def act(client):
        for content in (None, 5, ["a"]):
            with pytest.raises(TypeError):
                client.put("a", content)
        with pytest.raises(wrpme.AliasNotFound):
            client.get("a")

    await bench.with_raw(act)


@ensureDeferred
async def test_sixteen_that_race_have_one_winner(bench, room):
    def put(number):
        return bench.with_raw(lambda client: client.put("a", str(number)))

    outcomes = await settle([put(number) for number in range(16)])
    winners = [n for n, outcome in enumerate(outcomes) if outcome is None]
    assert len(winners) == 1
    losers = [one for one in outcomes if one is not None]
    assert all(one.check(wrpme.AliasAlreadyExists) for one in losers)
    assert await bench.with_raw(lambda c: c.get("a")) == str(winners[0]).encode()


@ensureDeferred
async def test_readers_see_the_old_or_the_new(bench, room):
    one, two = b"1" * 50_000, b"2" * 60_000

    def act(client):
        client.put("a", one)
        seen = set()

        def read():
            for _ in range(60):
                seen.add(client.get("a"))

        reader = Thread(target=read)
        reader.start()
        for _ in range(15):
            client.update("a", two)
            client.update("a", one)
        reader.join()
        return seen

    assert await bench.with_raw(act) <= {one, two}


@ensureDeferred
async def test_threads_share_a_client(bench, room):
    def act(client):
        def work(name):
            for i in range(10):
                client.put(f"{name}-{i}", f"{name} {i}")
                assert client.get(f"{name}-{i}") == f"{name} {i}".encode()
            done.append(name)

        done = []
        threads = [Thread(target=work, args=(name,)) for name in "abcdef"]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        return sorted(done)

    assert await bench.with_raw(act) == list("abcdef")


@ensureDeferred
async def test_objects_come_back(bench, room):
    made = {"a": [1, 2.5, None, (True, b"x")], "b": {"c"}}

    def act(client):
        client.put("a", made)
        return client.get("a")

    assert await bench.with_objects(act) == made


@ensureDeferred
async def test_entries_outlive_the_node_and_its_index(bench, room):
    await bench.with_raw(lambda c: [c.put(f"a{i}", f"{i}" * i * 99) for i in range(20)])
    before = await room.collection("hive").page()
    await bench.hang_up()
    bench.index().unlink()
    again = bench.listen()
    assert await again.collection("hive").page() == before
    assert await bench.with_raw(lambda c: c.get("a19")) == b"19" * 19 * 99


@ensureDeferred
async def test_a_client_goes_on_when_the_node_was_restarted(bench, room):
    client = await deferToThread(wrpme.RawClient, HOST, bench.port)
    await deferToThread(client.put, "a", b"one")
    cut(client)
    assert await deferToThread(client.get, "a") == b"one"
    cut(client)
    await deferToThread(client.put, "b", b"two")
    await bench.hang_up()
    cut(client)
    for call in (client.get, client.delete, lambda alias: client.put(alias, b"")):
        with pytest.raises(wrpme.ConnectionRefused):
            await deferToThread(call, "a")
    bench.listen()
    assert await deferToThread(client.get, "b") == b"two"
    client.close()
    with pytest.raises(wrpme.InvalidInput):
        client.get("a")


def cut(client):
    """Cut its connections, as a node does that ends."""
    for line in client._line._idle:
        line.sock.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        (NotEnoughServersError("2 of 7"), wrpme.InternalError),
        (NoSpaceError("2 of 7"), wrpme.NoMemory),
    ],
)
@ensureDeferred
async def test_a_grid_out_of_servers_is_an_error_and_nothing_is_lost(
    bench, room, trouble, error
):
    await bench.with_raw(lambda c: c.put("a", b"kept" * 1000))
    room._uploader.error = trouble

    def act(client):
        with pytest.raises(error, match="2 of 7"):
            client.update("a", b"other" * 1000)
        with pytest.raises(error):
            client.put("b", b"other" * 40_000)
        with pytest.raises(wrpme.AliasNotFound):
            client.get("b")
        return client.get("a")

    assert await bench.with_raw(act) == b"kept" * 1000
