"""Threads for what would hold up the reactor."""

import gc
import threading
import weakref

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.defer import CancelledError

from allmydata.util.deferreds import drop, gather
from allmydata.util.workers import Workers


@pytest.fixture
def workers():
    pool = Workers(2, "test")
    pool.start()
    yield pool
    pool.stop()


@ensureDeferred
async def test_work_runs_in_another_thread_and_its_result_comes_back_to_ours(workers):
    ran_in = await workers.run(threading.current_thread)
    assert ran_in is not threading.current_thread()
    assert threading.current_thread() is threading.main_thread()
    assert await workers.run(sorted, [2, 1, 3], reverse=True) == [3, 2, 1]


@ensureDeferred
async def test_what_work_raises_comes_back(workers):
    with pytest.raises(ZeroDivisionError):
        await workers.run(divmod, 1, 0)


@ensureDeferred
async def test_as_many_pieces_of_work_run_at_once_as_there_are_threads(workers):
    assert workers.num_threads == 2
    meeting = threading.Barrier(2, timeout=30)
    ranks = await gather([workers.run(meeting.wait), workers.run(meeting.wait)])
    assert sorted(ranks) == [0, 1]


def test_stopping_waits_for_the_work_in_hand():
    pool, done, hold = Workers(1, "test"), [], threading.Event()
    pool.start()
    drop(pool.run(lambda: (hold.wait(30), done.append("work"))))
    hold.set()
    pool.stop()
    assert done == ["work"]


def test_what_is_begun_before_the_start_waits_for_it():
    pool, done = Workers(1, "test"), []
    drop(pool.run(done.append, "work"))
    assert done == []
    pool.start()
    pool.stop()
    assert done == ["work"]


@ensureDeferred
async def test_no_more_threads_are_made_than_are_needed():
    pool = Workers(4, "needed")
    pool.start()
    for _ in range(10):
        await pool.run(len, "abc")
    names = [one.name for one in threading.enumerate() if one.name.startswith("needed")]
    assert names == ["needed-0"]
    pool.stop()


@ensureDeferred
async def test_what_is_cancelled_fails_at_once_and_its_result_is_thrown_away(workers):
    hold = threading.Event()
    waiting = workers.run(hold.wait, 30)
    waiting.cancel()
    with pytest.raises(CancelledError):
        await waiting
    hold.set()
    assert await workers.run(len, "abc") == 3, "and the others go on"


class Thing:
    """Something that can be watched."""


@ensureDeferred
async def test_an_idle_thread_holds_on_to_nothing(workers):
    thing = Thing()
    watch = weakref.ref(thing)
    assert await workers.run(lambda one: one is not None, thing) is True
    del thing
    gc.collect()
    assert watch() is None


@ensureDeferred
async def test_results_that_come_together_all_arrive(workers):
    results = await gather(workers.run(pow, 2, i) for i in range(500))
    assert results == [2**i for i in range(500)]
