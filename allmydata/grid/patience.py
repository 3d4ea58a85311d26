"""How long to wait for one server when others have answered.

Nothing notices a peer that is silent: its connection stands and its calls hang.  So
every wait on several servers has two ends: all have answered, or enough have and the
rest were given a fair time more, in proportion to how long the others took.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from allmydata.grid.pace import Paces
from allmydata.util.deferreds import sleep

S = TypeVar("S")

GRACE_S = 0.25  # the least that others are waited for once enough have answered
GRACE_FACTOR = 8.0  # and no less than this many times what the slowest of those took
GIVE_UP_S = 15.0  # a question nobody answers in this time has failed
DOUBT_S = 60.0  # a server that let us wait is not waited for again this long
DOUBTED_S = 3.0  # nor, where only such servers could still make it enough, longer than this
PACE_FACTOR = 2.0  # where what is usual is known: times what the slowest of those took
GLANCE_S = 0.002  # when time is up, answers that have come already are looked at first


@define
class Doubts:
    """Servers that were silent lately: they are asked, but not waited for."""

    _clock: IReactorTime
    _until: dict[bytes, float] = field(factory=dict)

    def about(self, tubid: bytes) -> bool:
        """Tell whether the server was silent within the last minute."""
        return self._clock.seconds() < self._until.get(tubid, float("-inf"))

    def raise_about(self, tubid: bytes) -> None:
        """Take note that the server was silent."""
        self._until[tubid] = self._clock.seconds() + DOUBT_S

    def drop_about(self, tubid: bytes) -> None:
        """Take note that the server answered."""
        self._until.pop(tubid, None)


class Questions(Generic[S]):
    """Questions under way, one to each of several servers.

    :param enough: tells, from the answers so far, whether one could go on without the
        rest
    :param doubtful: tells of a server whether it is not worth any grace
    :param give_up_s: how long all of it may take where there is never enough
    :param paces: what is usual, where that is known; it learns of the answers too
    """

    def __init__(
        self,
        clock: IReactorTime,
        enough: Callable[[Mapping[S, Any]], bool],
        doubtful: Callable[[S], bool] = lambda _: False,
        give_up_s: float = GIVE_UP_S,
        paces: Paces[S] | None = None,
    ) -> None:
        self._clock = clock
        self._enough = enough
        self._doubtful = doubtful
        self._give_up_s = give_up_s
        self._paces = paces
        self._kinds: dict[S, str] = {}
        self._began = clock.seconds()
        self._enough_at: float | None = None
        self.pending: dict[S, Deferred[Any]] = {}
        self.answers: dict[S, Any] = {}
        self.failures: dict[S, Failure] = {}
        self._waiting: Deferred[None] | None = None
        self._late: Callable[[S, Any], None] | None = None

    def ask(self, questions: Iterable[tuple[S, Deferred[Any]]], kind: str = "") -> None:
        """Add questions that have just been sent.

        :param kind: of call, as *paces* knows it
        """
        for server, answer in questions:
            self.pending[server] = answer
            self._kinds[server] = kind
            answer.addCallbacks(
                self._answered, self._failed, callbackArgs=(server,), errbackArgs=(server,)
            )

    async def wait(self, late: Callable[[S, Any], None] = lambda *_: None) -> None:
        """Return when all have answered, or enough and the rest had their time.

        Those that have not stay in ``pending``; one that answers after all is given to
        *late*.  It can be waited for once.
        """
        ending: Any = None
        planned = float("inf")
        try:
            while not self._is_over():
                at = self._deadline()
                if at != planned:
                    _stop(ending)
                    delay = max(0.0, at - self._clock.seconds())
                    ending = self._clock.callLater(delay, self._wake)
                    planned = at
                self._waiting = Deferred()
                await self._waiting
            if self._enough_at is not None and self.pending:
                await sleep(GLANCE_S, self._clock)
        finally:
            self._late = late
            self._waiting = None
            _stop(ending)

    def _is_over(self) -> bool:
        return not self.pending or self._clock.seconds() >= self._deadline()

    def _deadline(self) -> float:
        only_doubtful = all(self._doubtful(server) for server in self.pending)
        if not self._enough(self.answers):
            is_short = only_doubtful and self._paces is not None
            return self._began + (DOUBTED_S if is_short else self._give_up_s)
        if only_doubtful:
            return self._began
        if self._enough_at is None:
            self._enough_at = self._clock.seconds()
        took = self._enough_at - self._began
        if self._paces is None:
            return self._enough_at + max(GRACE_S, GRACE_FACTOR * took)
        hoped_for = [server for server in self.pending if not self._doubtful(server)]
        usual = max(self._paces.limit(s, self._kinds[s], GRACE_S) for s in hoped_for)
        return self._began + max(usual, PACE_FACTOR * took)

    def _answered(self, answer: Any, server: S) -> None:
        del self.pending[server]
        if self._paces is not None:
            now = self._clock.seconds()
            self._paces.took(server, self._kinds[server], now - self._began, now)
        if self._late is not None:
            self._late(server, answer)
        else:
            self.answers[server] = answer
            if self._ends_sooner():
                self._wake()

    def _ends_sooner(self) -> bool:
        """Tell whether an answer can have changed when the wait ends: most do not."""
        if self._enough_at is not None or self._enough(self.answers):
            return True
        return all(self._doubtful(server) for server in self.pending)  # or none are left

    def _failed(self, failure: Failure, server: S) -> None:
        del self.pending[server]
        self.failures[server] = failure
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.called:
            self._waiting.callback(None)


def _stop(call: Any) -> None:
    if call is not None and call.active():
        call.cancel()
