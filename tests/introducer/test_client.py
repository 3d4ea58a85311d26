import json
import os

import pytest
from foolscap.api import Referenceable, flushEventualQueue
from pytest_twisted import ensureDeferred
from twisted.internet.task import Clock
from zope.interface import implementer

from allmydata.errors import ServerLostError
from allmydata.interfaces import RIClient, RIIntroducer
from allmydata.introducer.client import (
    ANSWER_S,
    FORGET_S,
    FRESH_S,
    IntroducerClient,
    PeerCache,
    ask_for_vdrive,
)
from allmydata.introducer.server import Introducer
from allmydata.util.deferreds import start
from tests.support.local_reference import LocalReference

FURL = "pb://" + "b" * 32 + "@tcp:127.0.0.1:1/introducer"
UP = "Connected to tcp:127.0.0.1:1 via tcp"


def furl(name):
    return f"pb://{'a' * 32}@tcp:127.0.0.1:1/{name}".encode()


class Link:
    def __init__(self, connected):
        self.connected = connected
        self.text = "Trying to connect"
        self.is_stopped = False

    def status(self):
        return self.text

    def stop(self):
        self.is_stopped = True


class Rig:
    """A client of an introducer, whose connection a test makes."""

    def __init__(self, path):
        self.peers = []
        self.links = []
        self.clock = Clock()
        self.clock.advance(1_000_000_000)
        self.path = path / "peers.json"
        self.cache = PeerCache(self.path, self.clock)
        self.client = IntroducerClient(
            FURL, furl("me"), self.connect, self.peers.append, self.cache
        )
        self.client.startService()

    def connect(self, furl, connected):
        assert furl == FURL
        self.links.append(Link(connected))
        return self.links[-1]

    async def meet(self, introducer):
        rref = LocalReference(introducer, tubid="a" * 32)
        self.links[0].text = UP
        self.links[0].connected(rref)
        await settled()
        return rref

    def read(self):
        return json.loads(self.path.read_bytes())


async def settled():
    for _ in range(4):
        await flushEventualQueue()


@pytest.fixture
def rig(tmp_path):
    return Rig(tmp_path)


@ensureDeferred
async def test_peers_are_handed_on(rig):
    await rig.meet(Introducer())
    assert rig.peers == [furl("me")]
    assert rig.client.status() == UP


@ensureDeferred
async def test_advice_is_kept(rig):
    assert rig.client.advice is None
    await rig.meet(Introducer((2, 3, 4)))
    assert rig.client.advice == (2, 3, 4)
    assert rig.read()["advice"] == [2, 3, 4]


@pytest.mark.parametrize(
    "advice", [(0, 1, 1), (3, 1, 2), (1, 3, 2), (1, 1, 257), (1, 0, 1)]
)
@ensureDeferred
async def test_impossible_advice_is_not_taken(rig, advice):
    await rig.meet(Introducer(advice))
    assert rig.client.advice is None


@ensureDeferred
async def test_it_says_hello_each_time_it_connects(rig):
    first = await rig.meet(Introducer())
    first.lose()
    await settled()
    second = await rig.meet(Introducer())
    assert first.calls.count("hello") == second.calls.count("hello") == 1


@implementer(RIClient)
class NoIntroducer(Referenceable):
    pass


@ensureDeferred
async def test_a_furl_of_another_kind_of_thing_is_said_and_survived(rig):
    rref = await rig.meet(NoIntroducer())
    assert rig.client.status() == "Refused: its FURL is not that of an introducer"
    assert rref.calls == []


@implementer(RIIntroducer)
class Cross(Referenceable):
    def remote_hello(self, node, furl):
        raise ValueError("not you")


@ensureDeferred
async def test_an_introducer_that_refuses_is_not_called_connected(rig):
    await rig.meet(Cross())
    assert rig.client.status().startswith("Refused: ")
    await rig.meet(Introducer())
    assert rig.client.status() == UP


@ensureDeferred
async def test_a_connection_lost_during_hello_is_no_refusal(rig):
    rref = LocalReference(Introducer(), tubid="a" * 32)
    rref.hang()
    rig.links[0].connected(rref)
    await settled()
    rref.lose()
    await settled()
    rig.links[0].text = "Reconnecting in 2 seconds (last attempt 0s ago)"
    assert rig.client.status() == rig.links[0].text
    rig.links[0].text = UP
    assert rig.client.status() == UP


def test_stopping_stops_the_link(rig):
    rig.client.stopService()
    assert rig.links[0].is_stopped
    assert not rig.client.status().startswith("Connected")


# ---- the cache -------------------------------------------------------------------------


def test_what_was_heard_comes_back_the_newest_last(rig):
    rig.cache.keep_peers({furl("old")})
    rig.clock.advance(5)
    rig.cache.keep_peers({furl("new")})
    rig.cache.keep_advice((2, 3, 4))
    again = PeerCache(rig.path, rig.clock)
    assert again.load() == [furl("old"), furl("new")]
    assert again.advice == (2, 3, 4)


def test_the_file_is_its_owners_only(rig):
    old = os.umask(0)
    try:
        rig.cache.keep_peers({furl("one")})
    finally:
        os.umask(old)
    assert rig.path.stat().st_mode & 0o777 == 0o600


def test_a_peer_long_unheard_is_dropped(rig):
    rig.cache.keep_peers({furl("gone")})
    rig.clock.advance(FORGET_S + 1)
    assert PeerCache(rig.path, rig.clock).load() == []


def test_hearing_the_same_again_costs_no_write(rig):
    rig.cache.keep_peers({furl("one")})
    rig.path.unlink()
    rig.clock.advance(60)
    rig.cache.keep_peers({furl("one")})
    assert not rig.path.exists()
    rig.clock.advance(FRESH_S)
    rig.cache.keep_peers({furl("one")})
    assert rig.read()["peers"] == {furl("one").decode(): rig.clock.seconds()}


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"peers": []}', b'{"peers": {"x": "y"}}', b"\xff", b"null"],
)
def test_a_damaged_cache_is_as_good_as_none(rig, content):
    rig.path.write_bytes(content)
    cache = PeerCache(rig.path, rig.clock)
    assert cache.load() == []
    cache.keep_peers({furl("one")})
    assert PeerCache(rig.path, rig.clock).load() == [furl("one")]


def test_advice_in_a_cache_is_checked(rig):
    rig.path.write_text(json.dumps({"peers": {}, "advice": [9, 1, 2]}))
    cache = PeerCache(rig.path, rig.clock)
    cache.load()
    assert cache.advice is None


def test_without_a_cache_there_is_nobody(rig):
    assert rig.cache.load() == []


# ---- where the vdrive server is --------------------------------------------------------


@ensureDeferred
async def test_it_tells_where_the_vdrive_server_is(tmp_path):
    rig = Rig(tmp_path)
    waiting = start(ask_for_vdrive([rig.client], rig.clock))
    assert not waiting.called  # nobody is connected yet
    await rig.meet(Introducer(vdrive_furl=furl("vdrive")))
    assert await waiting == furl("vdrive").decode()


@ensureDeferred
async def test_the_first_introducer_that_names_one_is_believed(tmp_path):
    rigs = [Rig(tmp_path / name) for name in "abc"]
    for rig, told in zip(rigs, (b"", furl("second"), b""), strict=True):
        rig.path.parent.mkdir()
        await rig.meet(Introducer(vdrive_furl=told))
    found = await ask_for_vdrive([rig.client for rig in rigs], rigs[0].clock)
    assert found == furl("second").decode()
    assert await ask_for_vdrive([rigs[0].client], rigs[0].clock) == ""
    assert await ask_for_vdrive([], rigs[0].clock) == ""


@ensureDeferred
async def test_an_introducer_older_than_the_question_names_none(tmp_path):
    rig = Rig(tmp_path)
    line = await rig.meet(Introducer())

    def refuse(name, answer):
        raise NotImplementedError(name)

    line.answer_filter = refuse
    assert await ask_for_vdrive([rig.client], rig.clock) == ""


@ensureDeferred
async def test_an_introducer_that_does_not_answer_is_named(tmp_path):
    rig = Rig(tmp_path)
    waiting = start(ask_for_vdrive([rig.client], rig.clock))
    rig.clock.advance(ANSWER_S + 1)
    with pytest.raises(ServerLostError, match="no introducer answers") as e:
        await waiting
    assert e.value.why == "Trying to connect"


@ensureDeferred
async def test_after_a_lost_connection_the_next_one_is_asked(tmp_path):
    rig = Rig(tmp_path)
    line = await rig.meet(Introducer(vdrive_furl=furl("old")))
    line.lose()
    await settled()
    waiting = start(ask_for_vdrive([rig.client], rig.clock))
    await settled()
    assert not waiting.called
    await rig.meet(Introducer(vdrive_furl=furl("new")))
    assert await waiting == furl("new").decode()
