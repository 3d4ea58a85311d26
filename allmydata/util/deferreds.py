"""Coroutines inside, Deferreds at the edges: the only place that mixes the two."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from functools import wraps
from typing import Any, Generic, ParamSpec, TypeVar, cast

from twisted.internet.defer import (
    CancelledError,
    Deferred,
    DeferredList,
    FirstError,
    succeed,
)
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

P = ParamSpec("P")
T = TypeVar("T")
U = TypeVar("U")


def as_deferred(
    f: Callable[P, Coroutine[Deferred[Any], Any, T]],
) -> Callable[P, Deferred[T]]:
    """Let an async method keep an interface's promise of a Deferred."""

    @wraps(f)
    def call(*args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        return Deferred.fromCoroutine(f(*args, **kwargs))

    return call


def start(work: Awaitable[T]) -> Deferred[T]:
    """Begin *work* now; the Deferred returned must be awaited or given to log_failure."""
    if isinstance(work, Deferred):
        return work
    return Deferred.fromCoroutine(work)  # type: ignore[arg-type]


async def gather(works: Iterable[Awaitable[T]]) -> list[T]:
    """Run all together; return their results in order.

    :raises Exception: the first failure; the others go on and their failures are dropped
    """
    started = [start(work) for work in works]
    waiting = DeferredList(started, fireOnOneErrback=True, consumeErrors=True)
    try:
        pairs = await waiting
    except FirstError as e:
        e.subFailure.raiseException()
        raise
    return [result for _, result in pairs]


async def in_flight(
    items: Sequence[U], act: Callable[[U], Awaitable[T]], most: int
) -> list[T]:
    """Do *act* to every item, at most so many at a time; return the results in order.

    :raises Exception: one of the failures; then some items may not have been tried
    """
    results: dict[int, T] = {}
    waiting = iter(enumerate(items))

    async def work() -> None:
        for number, item in waiting:
            results[number] = await act(item)

    workers = await settle([work() for _ in range(min(most, len(items)))])
    for outcome in workers:
        if isinstance(outcome, Failure):
            outcome.raiseException()
    return [results[number] for number in range(len(items))]


async def settle(works: Iterable[Awaitable[T]]) -> list[T | Failure]:
    """Run all together and wait for every one; a failure stands in its result's place."""
    started = [start(work) for work in works]
    pairs = await DeferredList(started, consumeErrors=True)
    return [result for _, result in pairs]


def timeout(work: Awaitable[T], seconds: float, clock: IReactorTime) -> Deferred[T]:
    """Start *work* and cancel it after *seconds*.

    :raises twisted.internet.defer.TimeoutError: from the Deferred, when time ran out
    """
    return start(work).addTimeout(seconds, clock)


def sleep(seconds: float, clock: IReactorTime) -> Deferred[None]:
    """Return a Deferred that fires after *seconds*; cancelling it stops the clock."""
    call: Any = None

    def cancelled(_: Deferred[None]) -> None:
        if call is not None and call.active():
            call.cancel()

    waiting: Deferred[None] = Deferred(cancelled)
    call = clock.callLater(seconds, waiting.callback, None)
    return waiting


def log_failure(waiting: Deferred[Any], log: Logger, what: str) -> None:
    """Let nobody wait for *waiting*; if it fails, write *what* and the failure down."""

    def write(failure: Failure) -> None:
        if not failure.check(CancelledError):
            log.failure("{what}", failure=failure, what=what)

    waiting.addErrback(write)


def drop(waiting: Deferred[Any]) -> None:
    """Let nobody wait for *waiting*, and let nobody hear of it if it fails."""
    waiting.addErrback(lambda _: None)


class Shared(Generic[T]):
    """Work begun once, whose outcome any number of callers wait for."""

    def __init__(self, work: Awaitable[T]) -> None:
        self._outcome: T | Failure | None = None
        self._done = Gate()
        start(work).addBoth(self._finish)

    def _finish(self, outcome: T | Failure) -> None:
        self._outcome = outcome
        self._done.open()

    async def get(self) -> T:
        """Return the result, or raise the failure, each time anew."""
        await self._done.wait()
        if isinstance(self._outcome, Failure):
            self._outcome.raiseException()
        return cast(T, self._outcome)


class Gate:
    """A door that is opened and shut: those who wait pass when it opens."""

    def __init__(self) -> None:
        self._open = False
        self._waiting: list[Deferred[None]] = []

    @property
    def is_open(self) -> bool:
        """Tell whether :meth:`wait` would return at once."""
        return self._open

    def open(self) -> None:
        """Let everybody who waits, and everybody who comes, pass."""
        self._open = True
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.called:  # else one of those before it has cancelled it
                one.callback(None)

    def shut(self) -> None:
        """Make those who come from now on wait."""
        self._open = False

    def wait(self) -> Deferred[None]:
        """Return a Deferred that fires when the door is open; it may be cancelled."""
        if self._open:
            return succeed(None)

        def forget(waiting: Deferred[None]) -> None:
            self._waiting = [one for one in self._waiting if one is not waiting]

        waiting: Deferred[None] = Deferred(forget)
        self._waiting.append(waiting)
        return waiting
