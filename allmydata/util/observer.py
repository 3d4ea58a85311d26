"""Waiting for something to become true, such as ten servers being connected."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred, succeed


class WhenEnough:
    """A number that changes, and those who wait until it is large enough."""

    def __init__(self) -> None:
        self._value = 0
        self._waiting: list[tuple[int, Deferred[None]]] = []

    def set(self, value: int) -> None:
        """Take the new number and let those pass who waited for no more than it."""
        self._value = value
        ready = [entry for entry in self._waiting if entry[0] <= value]
        self._waiting = [entry for entry in self._waiting if entry[0] > value]
        for _, waiting in ready:
            if not waiting.called:  # else one of those before it has cancelled it
                waiting.callback(None)

    def at_least(self, wanted: int) -> Deferred[None]:
        """Return a Deferred that fires once the number is *wanted* or more.

        Cancelling it ends the wait.
        """
        if self._value >= wanted:
            return succeed(None)

        def forget(waiting: Deferred[None]) -> None:
            self._waiting = [entry for entry in self._waiting if entry[1] is not waiting]

        waiting: Deferred[None] = Deferred(forget)
        self._waiting.append((wanted, waiting))
        return waiting


class Observers:
    """Functions that are called each time something happens."""

    def __init__(self) -> None:
        self._functions: list[Callable[[], None]] = []

    def add(self, function: Callable[[], None]) -> None:
        """Call *function* at every :meth:`notify` from now on."""
        self._functions.append(function)

    def notify(self) -> None:
        """Call everybody, in the order they came."""
        for function in list(self._functions):
            function()
