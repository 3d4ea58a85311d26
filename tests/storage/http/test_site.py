import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor

from allmydata.formats import cbor
from allmydata.formats import gbs_messages as messages
from allmydata.formats.gbs import CANCEL, RENEW, UPLOAD, authorization
from allmydata.storage.http import body, connection, site
from allmydata.storage.http.site import ROUTES
from allmydata.util.deferreds import sleep, start
from tests.storage.http.calls import IMMUTABLE, LEASE, MUTABLE, NAME, UP, allocate, put
from tests.support.https import SWISSNUM, request

VERSION = "/storage/v1/version"


# ---- who is let in ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "shown",
    [
        [],
        [authorization("other")],
        [authorization(SWISSNUM + "x")],
        [authorization(SWISSNUM)[:-1]],
        [authorization("")],
        [b"Bearer " + authorization(SWISSNUM).split()[1]],
        [authorization(SWISSNUM)] * 2,
    ],
)
@pytest.mark.parametrize("path", [VERSION, f"{IMMUTABLE}/0", "/", "/nothing"])
@ensureDeferred
async def test_who_does_not_know_the_swissnum_learns_nothing(dial, shown, path):
    wire = await dial()
    lines = b"".join(b"Authorization: %b\r\n" % one for one in shown)
    answer = await wire.say(b"GET %b HTTP/1.1\r\n%b\r\n" % (path.encode(), lines))
    assert answer.status == 401
    assert SWISSNUM.encode() not in answer.body


@ensureDeferred
async def test_a_stranger_can_t_write(dial, storage):
    wire = await dial()
    body = messages.pack_allocation({0}, 10)
    answer = await wire.ask("POST", IMMUTABLE, body, secrets=LEASE | UP, swissnum="other")
    assert answer.status == 401 and storage.num_uploads == 0


@ensureDeferred
async def test_the_version_has_the_members_that_clients_of_1_20_want(dial):
    wire = await dial()
    answer = await wire.ask("GET", VERSION)
    told = cbor.decode(answer.body)
    assert answer.head.only(b"content-type") == b"application/cbor"
    assert set(told) == {messages.STORAGE_V1, b"application-version"}
    assert set(told[messages.STORAGE_V1]) == set(messages.SIZES)
    assert told[b"application-version"].startswith(b"allmydata/")


@ensureDeferred
async def test_what_only_this_make_offers_is_told_elsewhere(open_https, serve, dial):
    server = open_https(serve(nickname="attic", zone="home"))
    wire = await dial(server=server)
    about = cbor.decode((await wire.ask("GET", "/allmydata/v1/about")).body)
    assert about[b"nickname"] == "attic" and about[b"zone"] == "home"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/storage/v2/version", 404),
        ("GET", "/storage/v1/version/", 404),
        ("POST", VERSION, 405),
        ("DELETE", f"{IMMUTABLE}/0", 405),
        ("GET", IMMUTABLE, 405),
        ("GET", f"{IMMUTABLE}/256", 404),
        ("GET", f"{IMMUTABLE}/-1", 404),
        ("GET", f"{IMMUTABLE}/01", 404),
        ("GET", f"{IMMUTABLE}/1000", 404),
        ("GET", "/storage/v1/immutable/short/0", 404),
        ("GET", f"/storage/v1/immutable/{NAME.upper()}/0", 404),
        ("GET", f"/storage/v1/immutable/{'7' * 26}/0", 404),
        ("GET", f"/storage/v1/immutable/../{NAME}/0", 404),
    ],
)
@ensureDeferred
async def test_paths_that_lead_nowhere(dial, method, path, status):
    assert (await (await dial()).ask(method, path)).status == status


@pytest.mark.parametrize("route", ROUTES, ids=lambda one: one.call.__name__)
@ensureDeferred
async def test_every_call_refuses_a_secret_too_many(dial, route):
    path = route.pattern.pattern.decode().replace("([a-z2-7]{26})", NAME)
    path = path.replace("(0|[1-9][0-9]{0,2})", "0")
    names = {RENEW: b"r" * 32, CANCEL: b"c" * 32, UPLOAD: b"u", "write-enabler": b"w" * 32}
    wire = await dial()
    for extra in set(names) - route.secrets:
        shown = {name: names[name] for name in [*route.secrets, extra]}
        assert (await wire.ask(route.method.decode(), path, secrets=shown)).status == 400


@pytest.mark.parametrize(
    ("path", "size", "secrets"),
    [
        (IMMUTABLE, 8193, LEASE | UP),
        (f"{IMMUTABLE}/0/corrupt", 32_769, {}),
        (f"{MUTABLE}/0/corrupt", 32_769, {}),
        ("/allmydata/v1/leases", 2**20, {}),
    ],
)
@ensureDeferred
async def test_a_body_that_is_too_large_is_refused(dial, path, size, secrets):
    answer = await (await dial()).ask("POST", path, bytes(size), secrets=secrets)
    assert answer.status == 413


@ensureDeferred
async def test_much_that_comes_at_once_is_not_all_taken(dial, monkeypatch):
    monkeypatch.setattr(site, "MOST_IN_MEMORY", 100)
    wire = await dial()
    answer = await wire.ask("POST", IMMUTABLE, bytes(101), secrets=LEASE | UP)
    assert answer.status == 503
    assert await allocate(wire, {0}, 1) == (set(), {0})


@ensureDeferred
async def test_a_server_without_room_says_so_and_takes_nothing(dial, open_https, serve):
    wire = await dial(server=open_https(serve(readonly=True)))
    assert await allocate(wire, {0}, 10) == (set(), set())


# ---- connections -----------------------------------------------------------------------


@ensureDeferred
async def test_requests_sent_together_are_answered_in_their_order(dial):
    wire = await dial()
    await put(wire, 0, b"data")
    asked = [(f"{IMMUTABLE}/0", 200), ("/", 404), (VERSION, 200)] * 100
    wire.received = b""
    last = request("GET", "/last", headers=[(b"Connection", b"close")])
    sent = b"".join(request("GET", path) for path, _ in asked)
    wire.transport.write(sent + last)
    await wire.lost
    lines = [line for line in wire.received.split(b"HTTP/1.1 ") if line]
    assert [int(line[:3]) for line in lines] == [status for _, status in asked] + [404]


@ensureDeferred
async def test_a_thousand_refusals_sent_together_are_all_answered(dial):
    wire = await dial()
    close = b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"
    wire.transport.write(b"GET / HTTP/1.1\r\n\r\n" * 1000 + close)
    await wire.lost
    assert wire.received.count(b"HTTP/1.1 401") == 1001


@ensureDeferred
async def test_a_body_that_nobody_wanted_does_not_become_a_request(dial):
    wire = await dial()
    hidden = request("PUT", f"{IMMUTABLE}/0/abort", secrets=UP)
    answer = await wire.ask("PATCH", f"{IMMUTABLE}/0", hidden, secrets=UP)
    assert answer.status == 404
    assert (await wire.ask("GET", VERSION)).status == 200
    assert wire.received.count(b"HTTP/1.1 ") == 2


@ensureDeferred
async def test_a_request_may_come_byte_by_byte(dial):
    wire = await dial()
    whole = request("GET", VERSION)
    for byte in whole[:-1]:
        wire.transport.write(bytes([byte]))
        await sleep(0, reactor)
    assert (await wire.say(whole[-1:])).status == 200


@ensureDeferred
async def test_a_body_that_comes_late_and_is_refused_at_once_ends_its_request(dial):
    wire = await dial()
    whole = request("POST", IMMUTABLE, b"\xff" * 10, secrets=LEASE | UP)
    wire.transport.write(whole[:-5])
    await sleep(0.05, reactor)
    assert (await wire.say(whole[-5:])).status == 400
    assert (await wire.ask("GET", VERSION)).status == 200


@ensureDeferred
async def test_a_client_that_asks_whether_to_go_on_may(dial):
    wire = await dial()
    await allocate(wire, {0}, 4)
    headers = [(b"Expect", b"100-continue"), (b"Content-Range", b"bytes 0-3/*")]
    whole = request("PATCH", f"{IMMUTABLE}/0", b"data", secrets=UP, headers=headers)
    wire.received = b""
    wire.transport.write(whole[:-4])
    while not wire.received:
        await sleep(0.01, reactor)
    assert wire.received.startswith(b"HTTP/1.1 100 ")
    assert (await wire.say(whole[-4:])).status == 201


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno header\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * 20_000, 431),
        (b"\0" * 20_000, 431),
    ],
)
@ensureDeferred
async def test_what_is_no_request_is_answered_and_the_connection_closed(dial, data, status):
    wire = await dial()
    assert (await wire.say(data)).status == status
    await wire.lost


async def is_gone(wire, clock, seconds):
    """Let time pass; tell whether the connection was closed."""
    clock.advance(seconds)
    for _ in range(20):
        await sleep(0.005, reactor)
    return wire.lost.called


@pytest.mark.parametrize(
    ("said", "limit"),
    [
        (b"", connection.HEAD_S),
        (b"GET / HT", connection.HEAD_S),
        (
            request("PATCH", f"{IMMUTABLE}/0", bytes(100), secrets=UP)[:-1],
            connection.SILENCE_S,
        ),
    ],
)
@ensureDeferred
async def test_a_client_that_does_not_go_on_is_hung_up_on(dial, clock, said, limit):
    wire = await dial()
    wire.transport.write(said)
    assert not await is_gone(wire, clock, 0)
    assert not await is_gone(wire, clock, limit - 6)
    assert await is_gone(wire, clock, 12)


@ensureDeferred
async def test_a_client_with_nothing_to_ask_may_stay_for_a_while(dial, clock):
    wire = await dial()
    await wire.ask("GET", VERSION)
    assert not await is_gone(wire, clock, connection.IDLE_S - 6)
    assert await is_gone(wire, clock, 12)


@ensureDeferred
async def test_a_client_that_takes_nothing_is_hung_up_on(dial, clock):
    wire = await dial()
    await put(wire, 0, bytes(30 * 2**20))
    wire.transport.pauseProducing()
    wire.transport.write(request("GET", f"{IMMUTABLE}/0"))
    await is_gone(wire, clock, 0)
    await sleep(0.5, reactor)
    clock.advance(connection.SILENCE_S + 6)
    wire.transport.resumeProducing()
    await wire.lost
    assert len(wire.received) < 30 * 2**20


@ensureDeferred
async def test_an_idle_client_makes_place_for_another(dial, monkeypatch):
    monkeypatch.setattr(site, "MOST_CONNECTIONS", 2)
    first, second = await dial(), await dial()
    await first.ask("GET", VERSION)
    third = await dial()
    assert (await third.ask("GET", VERSION)).status == 200
    await sleep(0.05, reactor)
    assert first.lost.called + second.lost.called == 1


# ---- bodies ----------------------------------------------------------------------------


class Holder:
    def __init__(self):
        self.is_held = False

    def __call__(self, is_held):
        self.is_held = is_held


@ensureDeferred
async def test_a_client_is_held_back_while_nobody_takes_what_it_sends(monkeypatch):
    monkeypatch.setattr(body, "AHEAD", 10)
    hold = Holder()
    whole = body.Body(30, hold)
    assert whole.feed(b"123456789") == b"" and not hold.is_held
    whole.feed(b"0abcdef")
    assert hold.is_held
    assert await whole.take(8) == b"12345678" and not hold.is_held
    assert await whole.take(8) == b"90abcdef"


@ensureDeferred
async def test_a_body_ends_where_it_said_it_would():
    whole = body.Body(5, Holder())
    taking = start(whole.take(99))
    assert whole.feed(b"123") == b"" and not whole.is_over
    assert whole.feed(b"45next") == b"next" and whole.is_over
    assert await taking == b"12345" and await whole.take(9) == b""


@pytest.mark.parametrize("begun", [True, False])
@ensureDeferred
async def test_a_body_that_does_not_come_is_an_error(begun):
    whole = body.Body(5, Holder())
    whole.feed(b"123")
    taking = start(whole.take(5)) if begun else None
    whole.lose()
    with pytest.raises(body.ClientGoneError):
        await (taking or whole.take(5))
