# ruff: noqa: B008, N805 - a RemoteInterface is written so
"""LocalReference against the real thing: each behaviour is shown on both."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from foolscap.api import (
    Any,
    DeadReferenceError,
    DictOf,
    Referenceable,
    RemoteException,
    RemoteInterface,
    SetOf,
    Tub,
    Violation,
    flushEventualQueue,
)
from foolscap.schema import ByteStringConstraint
from pytest_twisted import blockon, ensureDeferred
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from zope.interface import implementer

from allmydata.errors import NoSpaceError
from allmydata.storage.requests import NoSuchLeaseError
from tests.support.local_reference import LocalReference

Small = ByteStringConstraint(maxLength=10)


class RIEcho(RemoteInterface):
    __remote_name__ = "RIEcho.test_local_reference"

    def echo(data=Small):
        return Small

    def raises(name=Small):
        return None

    def count(numbers=SetOf(int)):
        return int

    def oversize():
        return Small

    def child():
        return DictOf(int, Referenceable)

    def keep(canary=Referenceable):
        return None

    def same(thing=Any()):  # foolscap takes no object back where it declares one
        return bool

    def never():
        return None

    def anything(thing=Any()):
        return Any()

    def missing():
        return None


ERRORS = {
    b"full": NoSpaceError("no room at all"),
    b"lease": NoSuchLeaseError("none such"),
    b"own": ValueError("x" * 2000),
}


@implementer(RIEcho)
class Echo(Referenceable):
    def __init__(self):
        self.seen = []
        self.lost = Deferred()
        self.reached = Deferred()
        self.answer = Deferred()

    def remote_echo(self, data):
        self.seen.append(data)
        return data

    def remote_raises(self, name):
        raise ERRORS[name]

    def remote_count(self, numbers):
        return len(numbers)

    def remote_oversize(self):
        return b"x" * 11

    def remote_child(self):
        self.kid = Echo()
        return {7: self.kid}

    def remote_keep(self, canary):
        canary.notifyOnDisconnect(self.lost.callback, "lost")

    def remote_same(self, thing):
        return thing is self.kid

    def remote_never(self):
        self.reached.callback(None)
        return self.answer

    def remote_anything(self, thing):
        self.seen.append(thing)
        return thing


def certificate():
    """Make what a Tub is known by; its own way takes a hundred times as long."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    start = datetime(2020, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    builder = builder.public_key(key.public_key()).serial_number(1)
    builder = builder.not_valid_before(start).not_valid_after(start + timedelta(days=36500))
    plain = serialization.NoEncryption()
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    signed = builder.sign(key, hashes.SHA256())
    return key.private_bytes(pem, pkcs8, plain) + signed.public_bytes(pem)


@pytest.fixture
def tubs():
    tubs = [Tub(certData=certificate()) for _ in range(2)]
    for tub in tubs:
        tub.setOption("expose-remote-exception-types", False)
        tub.startService()
    port = tubs[0].listenOn("tcp:0:interface=127.0.0.1").getPortnum()
    tubs[0].setLocation(f"127.0.0.1:{port}")
    yield tubs
    for tub in reversed(tubs):
        blockon(tub.stopService())


@pytest.fixture(params=["local", "tub"])
def wire(request):
    """An Echo, a reference to it, and how to cut the connection."""
    echo = Echo()
    if request.param == "local":
        ref = LocalReference(echo)
        return echo, ref, ref.lose
    server, client = request.getfixturevalue("tubs")
    ref = blockon(client.getReference(server.registerReference(echo)))

    def cut():
        ref.tracker.broker.transport.loseConnection()

    return echo, ref, cut


async def failure_of(call):
    try:
        await call
    except Exception as e:
        return e
    raise AssertionError("did not fail")


@ensureDeferred
async def test_calls_are_answered_later_and_in_order(wire):
    echo, ref, _ = wire
    first, second = ref.callRemote("echo", b"1"), ref.callRemote("echo", data=b"2")
    assert echo.seen == []
    assert [await second, await first] == [b"2", b"1"]
    assert echo.seen == [b"1", b"2"]


@pytest.mark.parametrize(
    ("name", "kind", "text"),
    [
        (b"full", "allmydata.errors.NoSpaceError", "no room at all"),
        (b"full", "allmydata.errors.GridError", "no room at all"),
        (b"lease", "builtins.IndexError", "none such"),
        (b"own", "builtins.ValueError", "x" * 997 + ".."),
    ],
)
@ensureDeferred
async def test_errors_arrive_as_remote_exceptions_of_a_kind(wire, name, kind, text):
    error = await failure_of(wire[1].callRemote("raises", name))
    assert type(error) is RemoteException
    assert error.failure.check(kind)
    assert not error.failure.check("builtins.KeyError")
    assert error.failure.value == text


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("echo", (b"x" * 11,)),
        ("echo", (bytearray(b"x"),)),
        ("echo", (memoryview(b"x"),)),
        ("echo", ("x",)),
        ("echo", ()),
        ("echo", (b"x", b"y")),
        ("count", ([1],)),
        ("keep", (b"no reference",)),
        ("unheard_of", ()),
        ("anything", (object(),)),
    ],
)
@ensureDeferred
async def test_what_does_not_fit_the_interface_is_not_sent(wire, name, args):
    echo, ref, _ = wire
    assert isinstance(await failure_of(ref.callRemote(name, *args)), Violation)
    assert await ref.callRemote("echo", b"still up") == b"still up"
    assert echo.seen == [b"still up"]


@ensureDeferred
async def test_an_answer_that_breaks_the_interface_is_an_error(wire):
    error = await failure_of(wire[1].callRemote("oversize"))
    assert type(error) is RemoteException
    assert error.failure.check("foolscap.tokens.Violation")


@ensureDeferred
async def test_a_method_that_is_declared_and_not_there_is_an_error(wire):
    error = await failure_of(wire[1].callRemote("missing"))
    assert error.failure.check("builtins.AttributeError")


@ensureDeferred
async def test_objects_arrive_as_references_and_come_home_as_themselves(wire):
    _, ref, _ = wire
    kid = (await ref.callRemote("child"))[7]
    assert await kid.callRemote("echo", b"hi") == b"hi"
    assert await ref.callRemote("same", kid) is True


@ensureDeferred
async def test_containers_are_copied(wire):
    echo, ref, _ = wire
    sent = {b"a": [1, (2, "drei"), {4}, None, True, 2.5, 2**70]}
    got = await ref.callRemote("anything", sent)
    assert got == sent == echo.seen[0]
    assert got is not sent
    assert echo.seen[0] is not sent


@ensureDeferred
async def test_a_lost_connection_fails_calls_and_is_heard_at_both_ends(wire):
    echo, ref, cut = wire
    await ref.callRemote("keep", Echo())
    heard = Deferred()
    ref.notifyOnDisconnect(heard.callback, "heard")
    hanging = ref.callRemote("never")
    await echo.reached
    assert ref.isConnected()
    cut()
    assert isinstance(await failure_of(hanging), DeadReferenceError)
    assert await heard == "heard"
    assert await echo.lost == "lost"
    assert not ref.isConnected()
    assert isinstance(await failure_of(ref.callRemote("echo", b"x")), DeadReferenceError)
    late = Deferred()
    ref.notifyOnDisconnect(late.callback, "late")
    assert await late == "late"


@ensureDeferred
async def test_a_watch_taken_back_hears_nothing(wire):
    _, ref, cut = wire
    heard, other = [], Deferred()
    marker = ref.notifyOnDisconnect(heard.append, 1)
    ref.notifyOnDisconnect(other.callback, None)
    ref.dontNotifyOnDisconnect(marker)
    ref.dontNotifyOnDisconnect(marker)
    cut()
    await other
    assert heard == []


# ---- what only the local one can do ----------------------------------------------------


@ensureDeferred
async def test_a_frozenset_would_break_the_connection_and_is_refused():
    call = LocalReference(Echo()).callRemote("count", frozenset([1]))
    assert isinstance(await failure_of(call), Violation)


@ensureDeferred
async def test_nothing_passes_while_it_hangs_and_all_of_it_afterwards():
    echo = Echo()
    ref = LocalReference(echo)
    waiting = ref.callRemote("never")
    await echo.reached
    sent_before = ref.callRemote("echo", b"1")
    ref.hang()
    echo.answer.callback(None)
    sent_after = ref.callRemote("echo", b"2")
    for _ in range(5):
        await deferLater(reactor, 0)
    assert echo.seen == []
    assert not waiting.called
    ref.resume()
    third = ref.callRemote("echo", b"3")
    await third
    assert echo.seen == [b"1", b"2", b"3"]
    assert waiting.called
    assert await sent_before + await sent_after == b"12"


@ensureDeferred
async def test_a_hanging_connection_can_be_lost():
    echo = Echo()
    ref = LocalReference(echo)
    ref.hang()
    call = ref.callRemote("echo", b"x")
    ref.lose()
    ref.resume()
    assert isinstance(await failure_of(call), DeadReferenceError)
    await flushEventualQueue()
    assert echo.seen == []


@ensureDeferred
async def test_answers_can_be_spoilt_also_those_of_objects_received():
    ref = LocalReference(Echo(), answer_filter=lambda name, result: result)
    kid = (await ref.callRemote("child"))[7]

    def spoil(name, result):
        if name == "echo":
            return b"lies"
        raise NoSpaceError("pretended")

    ref.answer_filter = spoil
    assert await kid.callRemote("echo", b"x") == b"lies"
    assert (await failure_of(kid.callRemote("count", {1}))).failure.check(
        "allmydata.errors.NoSpaceError"
    )
    assert kid.calls == ref.calls == ["child", "echo", "count"]


@ensureDeferred
async def test_an_answer_filter_may_hold_one_answer_back():
    held = Deferred()
    ref = LocalReference(Echo(), answer_filter=lambda name, result: held)
    call = ref.callRemote("echo", b"x")
    await flushEventualQueue()
    assert not call.called
    held.callback(b"late")
    assert await call == b"late"
