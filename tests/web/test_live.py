"""Transfers as they happen: the stream of events, and who may listen."""

import json

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread

from allmydata.util.deferreds import start
from allmydata.web.live import (
    EVERY_S,
    MOST_LISTENERS,
    NOTHING,
    SIGN_OF_LIFE_S,
    events,
)
from tests.support.fake_client import INDEX, INDEX_WORDS


@pytest.fixture
def client(gateway):
    return gateway.client


class Listener:
    """One who takes events as they come."""

    def __init__(self, moves, clock):
        self.pieces = []
        self.work = start(self._listen(events(moves, clock)))

    async def _listen(self, stream):
        try:
            async for piece in stream:
                self.pieces.append(piece)
        finally:
            await stream.aclose()

    def take(self):
        """Return what was told since."""
        pieces, self.pieces = self.pieces, []
        return [json.loads(piece.split(b"data: ")[1]) for piece in pieces]

    def leave(self):
        self.work.addErrback(lambda _: None)
        self.work.cancel()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def listen(client, clock):
    listeners = []

    def come():
        listener = Listener(client.transfers, clock)
        listeners.append(listener)
        assert listener.pieces.pop(0) == NOTHING
        return listener

    yield come
    for listener in listeners:
        listener.leave()


# ---- the stream ------------------------------------------------------------------------


def test_who_comes_late_hears_of_all_that_runs(client, listen):
    client.move()
    with client.transfers.running("download", 200, INDEX) as transfer:
        transfer.advance(50)
        told = listen().take()
    assert [(one["id"], one["kind"], one["done"]) for one in told] == [(2, "download", 50)]


def test_one_transfer_is_told_of_at_most_once_in_a_while(client, listen, clock):
    listener = listen()
    with client.transfers.running("upload", 1000, INDEX) as transfer:
        assert [one["done"] for one in listener.take()] == [0]
        for _ in range(100):
            transfer.advance(10)
        assert listener.take() == []
        clock.advance(EVERY_S)
        assert [one["done"] for one in listener.take()] == [1000]
    clock.advance(EVERY_S)
    assert [one["outcome"] for one in listener.take()] == ["done"]
    clock.advance(EVERY_S)
    assert listener.take() == []


def test_every_transfer_that_changed_is_told_of(client, listen, clock):
    listener = listen()
    client.move("upload")
    client.fail("download")
    assert len(listener.take()) == 1
    clock.advance(EVERY_S)
    found = [(one["id"], one["outcome"]) for one in listener.take()]
    assert found == [(1, "done"), (2, "unrecoverable")]


def test_a_quiet_stream_shows_that_it_lives(client, listen, clock):
    listener = listen()
    clock.advance(SIGN_OF_LIFE_S)
    assert listener.pieces == [NOTHING]


def test_who_leaves_is_forgotten(client, listen, clock):
    heard = []
    client.transfers.observe(heard.append)
    listener = listen()
    listener.leave()
    client.move()
    assert heard and listener.pieces == []
    assert len(client.transfers._observers) == 1
    assert not clock.getDelayedCalls()


def test_no_event_holds_a_storage_index(client, listen):
    listener = listen()
    client.move()
    assert INDEX_WORDS[:6].encode() not in b"".join(listener.pieces)


# ---- over HTTP -------------------------------------------------------------------------


def begin(gateway, words="t=events"):
    connection = gateway.connect()
    connection.request("GET", f"/live?{words}", headers=gateway.headers)
    return connection, connection.getresponse()


def next_event(response):
    """Return the name and the data of the next event."""
    while True:
        line = response.readline()
        assert line, "the stream ended"
        if line.startswith(b"event: "):
            data = response.readline()
            assert response.readline() == b"\n"
            name = line.removeprefix(b"event: ").decode().strip()
            return name, json.loads(data.removeprefix(b"data: "))


@ensureDeferred
async def test_events_come_while_things_move(gateway, client):
    _, response = await deferToThread(begin, gateway)
    assert response.status == 200
    assert response.headers["Content-Type"] == "text/event-stream"
    assert response.headers["Cache-Control"] == "no-store"
    with client.transfers.running("upload", 10, INDEX) as transfer:
        name, told = await deferToThread(next_event, response)
        assert (name, told["id"], told["outcome"]) == ("transfer", 1, "running")
        transfer.advance(10)
        _, told = await deferToThread(next_event, response)
        assert told["done"] == 10
    _, told = await deferToThread(next_event, response)
    assert told["outcome"] == "done"


@ensureDeferred
async def test_a_client_that_goes_away_is_forgotten(gateway, client, until):
    connection, response = await deferToThread(begin, gateway)
    assert len(client.transfers._observers) == 1
    response.close()
    connection.close()
    await until(lambda: not client.transfers._observers)


@ensureDeferred
async def test_there_is_an_end_to_listeners_and_room_when_one_leaves(
    gateway, client, until
):
    open_ones = [await deferToThread(begin, gateway) for _ in range(MOST_LISTENERS)]
    assert {response.status for _, response in open_ones} == {200}
    status, headers, _ = await gateway.ask("GET", "/live?t=events")
    assert (status, headers["Retry-After"]) == (503, "10")
    for one in open_ones.pop():
        one.close()
    await until(lambda: len(client.transfers._observers) < MOST_LISTENERS)
    _, response = await deferToThread(begin, gateway)
    assert response.status == 200


@ensureDeferred
async def test_head_does_not_listen(gateway, client):
    status, headers, body = await gateway.ask("HEAD", "/live?t=events")
    assert (status, headers["Content-Type"], body) == (200, "text/event-stream", b"")
    assert client.transfers._observers == []


@ensureDeferred
async def test_all_that_is_known_can_be_had_at_once(gateway, client):
    client.move()
    client.fail()
    with client.transfers.running("upload", 10, INDEX):
        status, _, body = await gateway.ask("GET", "/live?t=json")
    told = json.loads(body)
    assert status == 200
    assert [one["id"] for one in told["active"]] == [3]
    assert [one["outcome"] for one in told["recent"]] == ["unrecoverable", "done"]
    assert [one["segments"] for one in told["recent"][1]["servers"]] == [3, 3]
    assert INDEX_WORDS[:6].encode() not in body
