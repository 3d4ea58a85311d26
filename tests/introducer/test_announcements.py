"""Publishing and subscribing in the way of Tahoe-LAFS, on the same introducer."""

import pytest
import yaml
from foolscap.api import Referenceable, flushEventualQueue
from pytest_twisted import ensureDeferred
from zope.interface import implementer

from allmydata.crypto.signing import NodeKey
from allmydata.formats.announcement import Announcement
from allmydata.interfaces import RIIntroducerSubscriberClient_v2
from allmydata.introducer.board import PER_CALL
from allmydata.introducer.client import IntroducerClient, NewsDesk, PeerCache
from allmydata.introducer.server import PROTOCOL_V2, Introducer
from allmydata.introducer.subscription import Canary, Hearsay, subscriber_info
from tests.support.local_reference import LocalReference

KEY = NodeKey(b"k" * 32)
INFO = subscriber_info("alice", "allmydata/1")


def announce(seqnum=1, key=KEY, service="storage", **more):
    facts = {"service-name": service, "seqnum": seqnum, "nickname": "bob"}
    return Announcement.sign(facts | more, key)


@implementer(RIIntroducerSubscriberClient_v2)
class Ears(Referenceable):
    def __init__(self):
        self.heard = []
        self.refuses = False

    def remote_announce_v2(self, announcements):
        if self.refuses:
            raise ValueError("no")
        self.heard.append(announcements)

    @property
    def seqnums(self):
        opened = [Announcement.open(one) for some in self.heard for one in some]
        return [one.facts["seqnum"] for one in opened]


async def settled():
    for _ in range(6):
        await flushEventualQueue()


async def publish(introducer, *announcements):
    rref = LocalReference(introducer, tubid="a" * 32)
    for one in announcements:
        await rref.callRemote("publish_v2", one.signed, Canary())
    await settled()


async def subscribe(introducer, ears, service=b"storage"):
    rref = LocalReference(introducer, tubid="b" * 32)
    await rref.callRemote("subscribe_v2", ears, service, INFO)
    await settled()
    return rref


@ensureDeferred
async def test_a_subscriber_hears_what_is_there_and_what_comes():
    introducer, ears = Introducer(), Ears()
    await publish(introducer, announce(1))
    await subscribe(introducer, ears)
    await publish(introducer, announce(2), announce(1, NodeKey(b"x" * 32)))
    assert ears.seqnums == [1, 2, 1]


@ensureDeferred
async def test_what_is_old_repeated_or_of_another_service_is_not_told():
    introducer, ears = Introducer(), Ears()
    await subscribe(introducer, ears)
    await publish(
        introducer, announce(5), announce(5), announce(4), announce(6, service="x")
    )
    assert ears.seqnums == [5]


@ensureDeferred
async def test_a_replayed_announcement_does_not_come_back_over_a_newer_one():
    introducer, ears = Introducer(), Ears()
    old, new = announce(1, nickname="old"), announce(2, nickname="new")
    await publish(introducer, old, new, old)
    await subscribe(introducer, ears)
    assert ears.seqnums == [2]


@pytest.mark.parametrize(
    "forge",
    [
        lambda one: (one[0].replace(b"bob", b"eve"), one[1], one[2]),
        lambda one: (one[0], one[1], NodeKey(b"e" * 32).name.encode()),
        lambda one: (one[0], b"", one[2]),
    ],
)
@ensureDeferred
async def test_a_forged_announcement_is_not_told(forge):
    introducer, ears = Introducer(), Ears()
    await subscribe(introducer, ears)
    rref = LocalReference(introducer, tubid="a" * 32)
    await rref.callRemote("publish_v2", forge(announce().signed), Canary())
    await settled()
    assert ears.heard == [] and introducer.board.num_announcements == 0


@ensureDeferred
async def test_an_oversized_announcement_is_refused():
    introducer = Introducer()
    with pytest.raises(Exception, match=r"Violation|too (long|large)|length"):
        await publish(introducer, announce(nickname="x" * 60_000))
    assert introducer.board.num_announcements == 0


@ensureDeferred
async def test_one_that_refuses_holds_up_nobody_and_one_that_left_is_forgotten():
    introducer, ears, mute = Introducer(), Ears(), Ears()
    mute.refuses = True
    await subscribe(introducer, mute)
    line = await subscribe(introducer, ears)
    await publish(introducer, announce(1))
    assert ears.seqnums == [1]
    line.lose()
    await publish(introducer, announce(2))
    assert ears.seqnums == [1]


@ensureDeferred
async def test_many_come_in_several_calls():
    introducer, ears = Introducer(), Ears()
    keys = [NodeKey(i.to_bytes(32, "big")) for i in range(PER_CALL + 3)]
    await publish(introducer, *(announce(1, key) for key in keys))
    await subscribe(introducer, ears)
    assert [len(some) for some in ears.heard] == [PER_CALL, 3]


@ensureDeferred
async def test_an_introducer_tells_that_it_speaks_both():
    said = await LocalReference(Introducer(), tubid="a" * 32).callRemote("get_version")
    assert said[PROTOCOL_V2] == {} and b"application-version" in said


# ---- the node's side -------------------------------------------------------------------


class Link:
    def status(self):
        return "Connected"

    def stop(self):
        pass


def node(tmp_path, name, introducer, publishes=(), heard=None):
    """Return an IntroducerClient that is connected when it starts."""
    rref = LocalReference(introducer, tubid=name * 32)
    hearsay = Hearsay(
        tmp_path / f"{name}.yaml", (heard if heard is not None else []).append
    )

    def connect(furl, connected):
        connected(rref)
        return Link()

    cache = PeerCache(tmp_path / f"{name}.json", _Clock())
    desk = NewsDesk(hearsay, lambda: list(publishes), INFO)
    return IntroducerClient("pb://x", b"", connect, lambda _: None, cache, desk)


class _Clock:
    def seconds(self):
        return 1e9


@ensureDeferred
async def test_a_node_publishes_and_hears_and_remembers(tmp_path):
    introducer, heard = Introducer(), []
    node(tmp_path, "a", introducer, [announce(3)]).startService()
    node(tmp_path, "b", introducer, heard=heard).startService()
    await settled()
    assert [one.facts["seqnum"] for one in heard] == [3]
    again = []
    Hearsay(tmp_path / "b.yaml", again.append).load()
    assert [one.facts["nickname"] for one in again] == ["bob"]
    [kept] = yaml.safe_load((tmp_path / "b.yaml").read_text())
    assert set(kept) == {"ann", "key_s"}


@pytest.mark.parametrize("nickname", ["bob", "böb 🐚", "b\x7fb", "a\u2028b", "#: {[&*"])
def test_the_file_is_yaml_whatever_is_in_it(tmp_path, nickname):
    path, again = tmp_path / "x.yaml", []
    Hearsay(path, lambda _: None).hear([announce(2, nickname=nickname).signed])
    [kept] = yaml.safe_load(path.read_bytes())
    assert kept["ann"]["nickname"] == nickname
    Hearsay(path, again.append).load()
    assert [one.facts["nickname"] for one in again] == [nickname]


def test_the_file_as_tahoe_lafs_writes_it_is_read(tmp_path):
    path, again = tmp_path / "x.yaml", []
    Hearsay(path, lambda _: None).hear([announce(2).signed])
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_bytes())))
    assert path.read_text().startswith("- ann:")
    Hearsay(path, again.append).load()
    assert [one.facts["nickname"] for one in again] == ["bob"]


@ensureDeferred
async def test_a_node_drops_what_is_forged_or_old(tmp_path):
    heard = []
    hearsay = Hearsay(tmp_path / "x.yaml", heard.append)
    message, signature, key = announce(2).signed
    hearsay.hear(
        [announce(2).signed, announce(1).signed, (message + b" ", signature, key), 7]
    )
    assert len(heard) == 1


NURLS = "anonymous-storage-NURLs"


@pytest.mark.parametrize(
    "weaker",
    [
        lambda known: announce(6),  # an older one, from before there was HTTPS
        lambda known: announce(7),
        lambda known: (announce(8).signed[0], *known.signed[1:]),
        lambda known: (known.signed[0].replace(b"NURLs", b"Nurls"), *known.signed[1:]),
        lambda known: announce("9"),
        lambda known: announce(None),
        lambda known: announce(True),
        lambda known: announce(8, nickname="x" * 60_000),
    ],
)
@ensureDeferred
async def test_a_node_hears_no_weaker_word_of_a_server_than_its_last(tmp_path, weaker):
    heard, known = [], announce(7, **{NURLS: ["pb://x"]})
    hearsay = Hearsay(tmp_path / "x.yaml", heard.append)
    hearsay.hear([known.signed])
    told = weaker(known)
    signed = told if isinstance(told, tuple) else told.signed
    hearsay.hear([signed])
    await publish(introducer := Introducer(), known)
    introducer.board.publish(signed)
    await subscribe(introducer, ears := Ears())
    assert [one.facts[NURLS] for one in heard] == [["pb://x"]]
    assert ears.heard == [{known.signed}]


@pytest.mark.parametrize("text", ["{", "- 1", "- {ann: 1, key_s: 2}", "x: [", "\x00"])
def test_a_damaged_file_is_as_good_as_none(tmp_path, text):
    heard = []
    (tmp_path / "x.yaml").write_text(text)
    Hearsay(tmp_path / "x.yaml", heard.append).load()
    assert heard == []


@ensureDeferred
async def test_an_introducer_of_the_seeds_age_only_hears_hello(tmp_path):
    introducer = Introducer()

    def remote_get_version():
        raise NameError("there is no such call")

    introducer.remote_get_version = remote_get_version
    client = node(tmp_path, "a", introducer, [announce(3)])
    client.startService()
    await settled()
    assert introducer.num_clients == 1 and introducer.board.num_announcements == 0
    assert not client._refused
