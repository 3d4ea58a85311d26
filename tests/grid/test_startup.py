"""A client that has just started waits for its servers; one that had them does not."""

from pytest_twisted import ensureDeferred
from twisted.internet.task import Clock

from allmydata.crypto.keys import LeaseSecrets
from allmydata.grid.broker import StorageBroker
from allmydata.grid.server import ServerVersion, StorageServerProxy
from allmydata.grid.startup import TO_WRITE_S, StartUp
from allmydata.util.deferreds import start


def make(num):
    broker = StorageBroker(lambda *_: None, LeaseSecrets(b"s" * 32))
    for i in range(num):
        server = StorageServerProxy(bytes([i]) * 20, LeaseSecrets(b"s" * 32))
        server.attach(object(), ServerVersion())
        broker.add_server(server)
    clock = Clock()
    return broker, clock, StartUp(broker, clock)


def test_who_has_enough_waits_for_nobody():
    _, _, start_up = make(3)
    assert start(start_up.wait_for(3)).called


def test_it_waits_as_long_as_it_is_young():
    _, clock, start_up = make(2)
    clock.advance(TO_WRITE_S - 10)
    waiting = start(start_up.wait_for(3))
    clock.advance(9)
    assert not waiting.called
    clock.advance(2)
    assert waiting.called
    assert start(start_up.wait_for(3)).called


@ensureDeferred
async def test_it_goes_on_when_they_are_there():
    broker, _, start_up = make(2)
    waiting = start(start_up.wait_for(3))
    server = StorageServerProxy(b"n" * 20, LeaseSecrets(b"s" * 32))
    server.attach(object(), ServerVersion())
    broker.add_server(server)
    await waiting


def test_servers_that_were_there_and_are_lost_are_not_waited_for():
    broker, _, start_up = make(3)
    assert start(start_up.wait_for(1)).called
    for server in broker.servers():
        server.detach()
    assert start(start_up.wait_for(3)).called
    assert not start(start_up.wait_for(4)).called


def test_one_that_is_made_late_is_as_old_as_its_client():
    _, clock, start_up = make(2)
    clock.advance(1000)
    start_up.begin(clock.seconds() - TO_WRITE_S + 1)
    waiting = start(start_up.wait_for(3))
    assert not waiting.called
    clock.advance(1)
    assert waiting.called
