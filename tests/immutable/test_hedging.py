"""Servers that are slower than usual are raced, left behind, and asked last."""

import random

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from allmydata.grid.pace import Paces
from allmydata.grid.patience import DOUBTED_S, GIVE_UP_S, GRACE_S, Questions
from allmydata.grid.trust import Trust
from allmydata.immutable.locate import AT_ONCE, SILENCE_S, ShareLocator
from tests.support.checks import until


def content(size):
    return random.Random(size).randbytes(size)


def states(transfers):
    told = transfers.recent()[0].as_json()
    return {one["name"]: one["state"] for one in told["servers"]}


def freeze_at(grid, i, name):
    """Have server *i* do what is called *name*, and answer neither that nor more."""

    def see(called, answer):
        if called == name:
            grid.freeze(i)
        return answer

    grid.lines[i].answer_filter = see


# ---- uploads ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["write", "close"])
@ensureDeferred
async def test_an_upload_ends_without_a_late_server_which_gets_its_share_later(
    make_grid, name
):
    grid = await make_grid(5, (2, 4, 5))
    freeze_at(grid, 1, name)
    data = content(5_000_000)
    cap = await grid.put(data)
    assert states(grid.uploader.transfers)["s1"] == "late"
    assert len(grid.uploader.lingering) == 1
    assert await grid.get(cap) == data
    grid.lines[1].answer_filter = None
    grid.thaw(1)
    await until(lambda: not len(grid.uploader.lingering))
    assert {server for server, _ in grid.share_files()} == {0, 1, 2, 3, 4}
    assert states(grid.uploader.transfers)["s1"] == "active"
    for i in (0, 2, 3):
        grid.kill(i)
    assert await grid.get(cap) == data


@ensureDeferred
async def test_a_late_server_without_which_the_file_is_not_happy_is_waited_for(make_grid):
    grid = await make_grid(4, (2, 4, 4))
    freeze_at(grid, 1, "close")
    putting = Deferred.fromCoroutine(grid.put(content(500_000)))
    await until(lambda: grid.lines[1].line.is_hanging)
    await until(lambda: len(grid.share_files()) == 4)
    for _ in range(20):
        await grid.lines[0].callRemote("get_version")
    assert not putting.called
    grid.thaw(1)
    await putting
    assert len(grid.uploader.lingering) == 0


@ensureDeferred
async def test_a_late_server_is_waited_for_again_when_another_is_lost(make_grid):
    grid = await make_grid(5, (2, 4, 5))
    freeze_at(grid, 1, "write")

    def die(name, answer):
        if name == "close":
            grid.kill(3)
        return answer

    grid.lines[3].answer_filter = die
    data = content(5_000_000)
    putting = Deferred.fromCoroutine(grid.put(data))
    await until(lambda: not grid.proxies[3].connected)
    for _ in range(20):
        await grid.lines[0].callRemote("get_version")
    assert not putting.called
    grid.lines[1].answer_filter = None
    grid.thaw(1)
    cap = await putting
    assert {server for server, _ in grid.share_files()} >= {0, 1, 2, 4}
    assert await grid.get(cap) == data


@ensureDeferred
async def test_a_server_silent_when_asked_for_room_is_shown(make_grid):
    grid = await make_grid(5, (3, 4, 5))
    grid.freeze(2)
    await grid.put(content(50_000))
    assert states(grid.uploader.transfers)["s2"] == "silent"


@ensureDeferred
async def test_a_late_share_is_given_up_when_the_client_stops(make_grid):
    grid = await make_grid(5, (2, 4, 5))
    freeze_at(grid, 1, "write")
    await grid.put(content(5_000_000))
    grid.uploader.stopService()
    assert len(grid.uploader.lingering) == 0
    grid.lines[1].answer_filter = None
    grid.thaw(1)
    await until(lambda: not grid.incoming_files())
    assert {server for server, _ in grid.share_files()} == {0, 2, 3, 4}


@ensureDeferred
async def test_a_repair_waits_for_all_it_writes_to(make_grid):
    grid = await make_grid(5, (2, 4, 5))
    cap = await grid.put(content(50_000))
    for (_, shnum), path in grid.share_files().items():
        if shnum in (0, 1, 2):
            path.unlink()
    held = Deferred()
    closing = []

    def hold(name, answer):
        if name != "close":
            return answer
        closing.append(name)
        return held if len(closing) == 1 else answer

    for line in grid.lines:
        line.answer_filter = hold
    repairing = grid.repairer.repair(cap)
    await until(lambda: len(closing) == 3)
    for _ in range(20):
        await grid.proxies[0].get_buckets(bytes(16))
    assert not repairing.called
    held.callback(None)
    report = await repairing
    assert sorted(report.placed) == [0, 1, 2] and report.error is None


# ---- downloads -------------------------------------------------------------------------


@ensureDeferred
async def test_a_server_late_in_a_download_is_raced_and_remembered(make_grid):
    grid = await make_grid(5, (2, 4, 5))
    data = content(3_000_000)
    cap = await grid.put(data)
    frozen = []

    def freeze_one(i):
        def see(name, answer):
            if name == "read" and len(answer) > 100_000 and not frozen:  # a block
                frozen.append(i)
                grid.freeze(i)
            return answer

        return see

    for i, line in enumerate(grid.lines):
        line.answer_filter = freeze_one(i)
    assert await grid.get(cap) == data
    (late,) = frozen
    assert states(grid.downloader.transfers)[f"s{late}"] in ("silent", "replaced")
    assert grid.broker.paces.is_late(grid.proxies[late], reactor.seconds())


# ---- asking who holds what, by hand ----------------------------------------------------


class Server:
    def __init__(self):
        self.trust = Trust()
        self.answer = None

    def get_buckets(self, storage_index):
        self.answer = Deferred()
        return self.answer


class Asker:
    """A locator of some servers, on a clock of its own."""

    def __init__(self, num_servers, late=(), distrusted=()):
        self.clock, self.paces = Clock(), Paces()
        self.servers = [Server() for _ in range(num_servers)]
        for i in late:
            self.paces.late(self.servers[i], 0.0)
        for i in distrusted:
            self.servers[i].trust.lose(0.0)
        self.found = []
        self.locator = ShareLocator(
            self.servers,
            bytes(16),
            self.clock,
            lambda server, rrefs: self.found.append(self.servers.index(server)),
            self.news,
            self.paces,
        )

    def news(self):
        self.locator.ask()  # as one does who lacks shares

    @property
    def asked(self):
        return {i for i, server in enumerate(self.servers) if server.answer}


def test_more_servers_are_asked_when_the_first_have_answered():
    asker = Asker(AT_ONCE + 3)
    assert asker.locator.ask() and asker.locator.ask()
    assert asker.asked == set(range(AT_ONCE))
    for server in asker.servers[:AT_ONCE]:
        server.answer.callback({})
    assert asker.asked == set(range(AT_ONCE + 3))
    asker.locator.stop()
    assert not asker.clock.getDelayedCalls()


def test_or_when_those_that_have_not_are_overdue():
    asker = Asker(AT_ONCE + 3)
    asker.locator.ask()
    asker.clock.advance(SILENCE_S - 0.01)
    assert asker.asked == set(range(AT_ONCE))
    asker.clock.advance(0.02)
    assert asker.asked == set(range(AT_ONCE + 3))
    asker.locator.stop()
    assert [asker.paces.is_late(s, 1.0) for s in asker.servers].count(True) == AT_ONCE
    assert not asker.clock.getDelayedCalls()


def test_those_that_were_slow_or_wrong_lately_are_asked_last():
    asker = Asker(5, late=[0], distrusted=[3])
    asker.locator.ask()
    assert asker.asked == {1, 2, 4}
    for i in (1, 2, 4):
        asker.servers[i].answer.callback({})
    assert asker.asked == {0, 1, 2, 3, 4}
    for i in (0, 3):
        asker.servers[i].answer.callback({})
    assert not asker.locator.ask()


def test_where_all_were_slow_all_are_asked():
    asker = Asker(3, late=range(3))
    assert asker.locator.ask()
    assert asker.asked == {0, 1, 2}
    asker.locator.stop()


# ---- questions to several, by hand -----------------------------------------------------


class Poll:
    """Questions to three servers, of which two suffice, on a clock of its own."""

    def __init__(self, usual_s=None, doubtful=()):
        self.clock, self.paces = Clock(), Paces()
        for i in range(40 if usual_s else 0):
            for name in "abc":
                self.paces.took(name, "room", usual_s, float(i - 40))
        self.answers = {name: Deferred() for name in "abc"}
        self.questions = Questions(
            self.clock,
            lambda answers: len(answers) >= 2,
            doubtful.__contains__,
            paces=self.paces,
        )
        self.questions.ask(self.answers.items(), "room")
        self.late = []
        waiting = self.questions.wait(lambda name, answer: self.late.append(name))
        self.waiting = Deferred.fromCoroutine(waiting)

    def answer(self, *names):
        for name in names:
            self.answers[name].callback(name)

    def ends_within(self, seconds):
        """Tell whether it ends in this time; a pass of the clock a millisecond."""
        for _ in range(round(seconds * 1000)):
            self.clock.advance(0.001)
            if self.waiting.called:
                return True
        return False


def test_a_third_server_is_given_its_usual_time():
    poll = Poll(usual_s=0.1)
    poll.answer("a", "b")
    assert not poll.ends_within(0.08) and poll.ends_within(0.04)
    poll.answer("c")
    assert poll.late == ["c"]


def test_a_server_that_is_not_known_is_given_some_grace():
    poll = Poll()
    poll.paces._usual.clear()
    poll.answers["a"].callback(1)
    poll.answers["b"].callback(1)
    assert poll.ends_within(2 * GRACE_S)


def test_where_all_are_slow_the_last_is_given_more():
    poll = Poll(usual_s=0.01)
    assert not poll.ends_within(1.0)
    poll.answer("a", "b")
    assert not poll.ends_within(0.9) and poll.ends_within(0.2)


def test_a_doubtful_server_is_given_nothing():
    poll = Poll(usual_s=0.1, doubtful=("c",))
    poll.answer("a", "b")
    assert poll.ends_within(0.005)


@pytest.mark.parametrize(
    ("doubtful", "longest"), [("", GIVE_UP_S), ("b", GIVE_UP_S), ("bc", DOUBTED_S)]
)
def test_too_few_answers_are_waited_for_until_nobody_is_hoped_for(doubtful, longest):
    poll = Poll(usual_s=0.1, doubtful=tuple(doubtful))
    poll.answer("a")
    assert not poll.ends_within(longest - 0.01) and poll.ends_within(0.02)
