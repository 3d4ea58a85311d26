import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.defer import CancelledError, Deferred

from allmydata.storage.commits import MOST_TOGETHER, Commits


class Thread:
    """Stands for the thread: ends a commit when it is told to."""

    def __init__(self):
        self.groups = []
        self.running = None

    def run(self, f, changes):
        self.groups.append(len(changes))
        self.running = (Deferred(), f, changes)
        return self.running[0]

    def end(self, error=None):
        waiting, f, changes = self.running
        if error:
            waiting.errback(error)
        else:
            waiting.callback(f(changes))


def together(changes):
    return [change() for change in changes]


@pytest.fixture
def thread():
    return Thread()


@pytest.fixture
def commits(thread):
    return Commits(together, thread)


def test_what_comes_while_a_commit_is_under_way_shares_the_next(commits, thread):
    waiting = [commits.make(lambda i=i: i) for i in range(5)]
    assert thread.groups == [1]
    assert not any(one.called for one in waiting)
    thread.end()
    assert [one.called for one in waiting] == [True] + [False] * 4
    thread.end()
    assert thread.groups == [1, 4]
    assert [one.result for one in waiting] == [0, 1, 2, 3, 4]


def test_a_commit_is_not_larger_than_it_should_be(commits, thread):
    waiting = [commits.make(lambda: None) for _ in range(2 * MOST_TOGETHER + 1)]
    for _ in range(3):
        thread.end()
    assert thread.groups == [1, MOST_TOGETHER, MOST_TOGETHER]
    assert all(one.called for one in waiting)


@ensureDeferred
async def test_each_hears_of_its_own_failure(commits, thread):
    good, bad = commits.make(lambda: 1), commits.make(lambda: ValueError("no"))
    thread.end()
    thread.end()
    assert await good == 1
    with pytest.raises(ValueError, match="no"):
        await bad


@ensureDeferred
async def test_where_the_thread_fails_all_hear_of_it_and_later_ones_go_on(commits, thread):
    first = commits.make(lambda: 1)
    thread.end(RuntimeError("no thread"))
    with pytest.raises(RuntimeError):
        await first
    second = commits.make(lambda: 2)
    thread.end()
    assert await second == 2


@ensureDeferred
async def test_a_cancelled_wait_hinders_nobody(commits, thread):
    first, second = commits.make(lambda: 1), commits.make(lambda: 2)
    first.cancel()
    with pytest.raises(CancelledError):
        await first
    thread.end()
    thread.end()
    assert await second == 2


def test_idle_is_when_all_are_answered(commits, thread):
    assert commits.idle().called
    commits.make(lambda: 1)
    commits.make(lambda: 2)
    idle = commits.idle()
    thread.end()
    assert not idle.called
    thread.end()
    assert idle.called


def test_who_is_answered_may_make_another_change_at_once(commits, thread):
    again = []
    commits.make(lambda: 1).addCallback(lambda _: again.append(commits.make(lambda: 2)))
    thread.end()
    thread.end()
    assert again[0].result == 2
    assert thread.groups == [1, 1]
