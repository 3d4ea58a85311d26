import pytest
from twisted.internet.defer import CancelledError

from allmydata.util.observer import Observers, WhenEnough


def hear(waiting, heard, name):
    waiting.addCallback(lambda _: heard.append(name))


def test_those_wait_for_whom_the_number_is_too_small():
    number, heard = WhenEnough(), []
    for wanted in (0, 1, 3):
        hear(number.at_least(wanted), heard, wanted)
    assert heard == [0]
    number.set(2)
    assert heard == [0, 1]
    number.set(3)
    assert heard == [0, 1, 3]


def test_a_number_that_fell_is_waited_for_again():
    number, heard = WhenEnough(), []
    number.set(5)
    number.set(1)
    hear(number.at_least(5), heard, "late")
    assert heard == []
    number.set(7)
    assert heard == ["late"]


def test_who_gives_up_is_not_called():
    number, failures = WhenEnough(), []
    waiting = number.at_least(1)
    waiting.addErrback(failures.append)
    waiting.cancel()
    assert failures[0].check(CancelledError)
    number.set(1)


def test_one_who_passes_may_cancel_another_who_was_about_to():
    number, failures = WhenEnough(), []
    first, second = number.at_least(1), number.at_least(1)
    second.addErrback(failures.append)
    first.addCallback(lambda _: second.cancel())
    number.set(1)
    assert failures[0].check(CancelledError)


def test_observers_are_called_each_time_in_the_order_they_came():
    observers, heard = Observers(), []
    observers.add(lambda: heard.append("a"))
    observers.add(lambda: heard.append("b"))
    observers.notify()
    observers.notify()
    assert heard == ["a", "b", "a", "b"]


def test_an_observer_may_bring_another_who_is_called_from_the_next_time_on():
    observers, heard = Observers(), []

    def bring():
        heard.append("old")
        observers.add(lambda: heard.append("new"))

    observers.add(bring)
    observers.notify()
    assert heard == ["old"]
    observers.notify()
    assert heard == ["old", "old", "new"]


def test_what_an_observer_raises_is_the_caller_s_to_hear():
    def fail():
        raise LookupError("no")

    observers = Observers()
    observers.add(fail)
    with pytest.raises(LookupError):
        observers.notify()
