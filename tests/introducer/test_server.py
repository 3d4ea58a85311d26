import pytest
from foolscap.api import Referenceable, RemoteException, flushEventualQueue
from pytest_twisted import ensureDeferred
from zope.interface import implementer

from allmydata.interfaces import RIIntroducerClient
from allmydata.introducer.server import PEERS_PER_CALL, Introducer
from tests.support.local_reference import LocalReference

TUBID = "a" * 32


def furl(name):
    return f"pb://{TUBID}@tcp:127.0.0.1:1/{name}".encode()


@implementer(RIIntroducerClient)
class Listener(Referenceable):
    def __init__(self):
        self.heard = []
        self.refuses = False

    def remote_new_peers(self, furls):
        if self.refuses:
            raise ValueError("no")
        self.heard.append(furls)

    def remote_set_encoding_parameters(self, parameters):
        self.heard.append(parameters)


class Node:
    """A node's two ends of its connection to an introducer."""

    def __init__(self, introducer):
        self.ears = Listener()
        self.rref = LocalReference(introducer, tubid=TUBID)

    @property
    def heard(self):
        return self.ears.heard

    async def hello(self, own):
        await self.rref.callRemote("hello", self.ears, own)
        await settled()


async def settled():
    for _ in range(4):
        await flushEventualQueue()


@ensureDeferred
async def test_a_newcomer_hears_of_all_with_itself_and_they_of_it():
    introducer = Introducer()
    one, two, three = (Node(introducer) for _ in range(3))
    await one.hello(furl("one"))
    await two.hello(furl("two"))
    await three.hello(furl("three"))
    assert one.heard == [{furl("one")}, {furl("two")}, {furl("three")}]
    assert two.heard == [{furl("one"), furl("two")}, {furl("three")}]
    assert three.heard == [{furl("one"), furl("two"), furl("three")}]


@ensureDeferred
async def test_advice_follows_the_peers():
    node = Node(Introducer((2, 3, 4)))
    await node.hello(furl("one"))
    assert node.heard == [{furl("one")}, (2, 3, 4)]


@ensureDeferred
async def test_a_node_without_an_address_hears_and_is_not_handed_on():
    introducer = Introducer((2, 3, 4))
    one, mute = Node(introducer), Node(introducer)
    await mute.hello(b"")
    await one.hello(furl("one"))
    assert one.heard == [{furl("one")}, (2, 3, 4)]
    assert mute.heard == [(2, 3, 4), {furl("one")}]


@ensureDeferred
async def test_a_lost_node_is_forgotten():
    introducer = Introducer()
    one, two = Node(introducer), Node(introducer)
    await one.hello(furl("one"))
    one.rref.lose()
    await settled()
    assert introducer.num_clients == 0
    await two.hello(furl("two"))
    assert two.heard == [{furl("two")}]


@ensureDeferred
async def test_a_second_hello_is_told_to_nobody_else():
    introducer = Introducer()
    one, two = Node(introducer), Node(introducer)
    await one.hello(furl("one"))
    await two.hello(furl("two"))
    await two.hello(furl("two"))
    assert one.heard == [{furl("one")}, {furl("two")}]
    assert introducer.num_clients == 2


@ensureDeferred
async def test_a_node_that_connects_anew_before_it_was_missed_stays_known():
    introducer = Introducer()
    old, new, other = (Node(introducer) for _ in range(3))
    await old.hello(furl("one"))
    await new.hello(furl("one"))
    old.rref.lose()
    await settled()
    await other.hello(b"")
    assert other.heard == [{furl("one")}]


@ensureDeferred
async def test_a_node_that_does_not_answer_gets_its_news_in_one_piece():
    introducer = Introducer()
    frozen = Node(introducer)
    await frozen.hello(furl("frozen"))
    frozen.rref.hang()
    for name in ("one", "two", "three"):
        await Node(introducer).hello(furl(name))
    num_calls = len([name for name in frozen.rref.calls if name == "new_peers"])
    frozen.rref.resume()
    await settled()
    assert num_calls == 2
    assert frozen.heard[1:] == [{furl("one")}, {furl("two"), furl("three")}]


@ensureDeferred
async def test_a_node_that_refuses_its_news_hurts_nobody():
    introducer = Introducer()
    cross, one = Node(introducer), Node(introducer)
    cross.ears.refuses = True
    await cross.hello(furl("cross"))
    await one.hello(furl("one"))
    assert one.heard == [{furl("cross"), furl("one")}]
    cross.ears.refuses = False
    await Node(introducer).hello(furl("two"))
    assert cross.heard == [{furl("two")}]


@ensureDeferred
async def test_many_peers_come_in_several_calls():
    introducer = Introducer()
    nodes = [Node(introducer) for _ in range(PEERS_PER_CALL + 1)]
    for number, node in enumerate(nodes):
        await node.rref.callRemote("hello", node.ears, furl(str(number)))
    late = Node(introducer)
    await late.hello(b"")
    assert [len(furls) for furls in late.heard] == [PEERS_PER_CALL, 1]


@pytest.mark.parametrize(
    "bad",
    [
        b"x",
        b"http://example.org/a",
        b"pb://" + b"a" * 31 + b"@tcp:127.0.0.1:1/name",
        b"pb://" + b"a" * 32 + b"@tcp:127.0.0.1:1/",
        b"pb://" + b"a" * 32 + b"@tcp:127.0.0.1:1/a b",
    ],
)
@ensureDeferred
async def test_a_hello_without_a_furl_is_refused(bad):
    introducer = Introducer()
    with pytest.raises(RemoteException) as caught:
        await Node(introducer).hello(bad)
    assert "not a FURL" in caught.value.failure.value
    assert introducer.num_clients == 0


@ensureDeferred
async def test_nobody_says_where_somebody_else_is():
    introducer = Introducer()
    with pytest.raises(RemoteException) as caught:
        await Node(introducer).hello(b"pb://" + b"b" * 32 + b"@tcp:127.0.0.1:1/name")
    assert "not the caller's own" in caught.value.failure.value
    assert introducer.num_clients == 0


@ensureDeferred
async def test_it_tells_where_the_vdrive_server_is_once_it_knows():
    introducer = Introducer()
    node = Node(introducer)
    assert await node.rref.callRemote("get_vdrive_furl") == b""
    introducer.vdrive_furl = furl("vdrive")
    assert await node.rref.callRemote("get_vdrive_furl") == furl("vdrive")
    other = Node(Introducer(vdrive_furl=furl("v")))
    assert await other.rref.callRemote("get_vdrive_furl") == furl("v")
