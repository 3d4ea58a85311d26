"""Remote references without a network, as strict and as late as foolscap's own.

    server = LocalReference(StorageServer(...))
    version = await server.callRemote("get_version")

A LocalReference stands on a :class:`Line`, which plays the connection.  Objects that
travel over a line, a canary one way, a bucket the other, arrive as references on the
same line: they are lost together and hang together.

Like foolscap, and unlike a plain call:

* nothing happens before a later turn of the reactor, and calls arrive in their order;
* arguments and answers are copied, and checked against the target's RemoteInterface; a
  bytearray, memoryview or frozenset is refused;
* what the target raises arrives as a RemoteException, whose ``failure.check("a.b.Error")``
  knows its kind (our Tubs have ``expose-remote-exception-types`` off);
* calls over a lost line fail with DeadReferenceError.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from weakref import WeakValueDictionary

from foolscap.api import DeadReferenceError, Referenceable, RemoteException, Violation
from foolscap.call import CopiedFailure, FailureSlicer
from foolscap.eventual import eventually
from foolscap.ipb import IRemoteReference
from foolscap.remoteinterface import getRemoteInterface
from twisted.internet.defer import Deferred, fail, maybeDeferred
from twisted.python.failure import Failure
from zope.interface import implementer

AnswerFilter = Callable[[str, Any], Any]


class Line:
    """A connection, whose two ends are this process."""

    def __init__(self, tubid: str = "") -> None:
        self.tubid = tubid
        self.is_up = True
        self.is_hanging = False
        self.answer_filter: AnswerFilter | None = None
        self.calls: list[str] = []  # names, as they were made
        self._watchers: list[
            tuple[Callable[..., object], tuple[Any, ...], dict[str, Any]]
        ] = []
        self._moving: deque[Callable[[], None]] = deque()  # calls and answers, oldest first
        self._asked: set[Deferred[Any]] = set()
        self._known: WeakValueDictionary[int, LocalReference] = WeakValueDictionary()

    # ---- what a test does to it ----------------------------------------------------------

    def lose(self) -> None:
        """Cut the line: open calls fail, both ends hear of it, nothing arrives any more."""
        if not self.is_up:
            return
        self.is_up = False
        self._moving.clear()
        asked, self._asked = self._asked, set()
        for waiting in asked:
            eventually(waiting.errback, Failure(DeadReferenceError("Connection was lost")))
        watchers, self._watchers = self._watchers, []
        for callback, args, kwargs in watchers:
            eventually(callback, *args, **kwargs)

    def hang(self) -> None:
        """Let nothing through until :meth:`resume`: no call, no answer, no error."""
        self.is_hanging = True

    def resume(self) -> None:
        """Let through, in its order, all that was held back."""
        self.is_hanging = False
        for _ in self._moving:
            eventually(self._move)

    # ---- what references do with it ------------------------------------------------------

    def watch(self, callback: Callable[..., object], *args: Any, **kwargs: Any) -> Any:
        """Call *callback* when the line is lost, soon if it is lost already."""
        marker = (callback, args, kwargs)
        if self.is_up:
            self._watchers.append(marker)
        else:
            eventually(callback, *args, **kwargs)
        return marker

    def unwatch(self, marker: Any) -> None:
        """Forget a :meth:`watch`, if it is still there."""
        if marker in self._watchers:
            self._watchers.remove(marker)

    @property
    def num_watchers(self) -> int:
        """How many callbacks wait for the line to be lost."""
        return len(self._watchers)

    def ask(self, deliver: Callable[[], Deferred[Any]]) -> Deferred[Any]:
        """Carry a call there and its answer back."""
        answer: Deferred[Any] = Deferred()
        self._asked.add(answer)

        def answered(result: Any) -> None:
            self._carry(lambda: self._answer(answer, result))

        def arrive() -> None:
            deliver().addBoth(answered)

        self._carry(arrive)
        return answer

    def cross(self, thing: Any) -> Any:
        """Return what the other end gets of *thing*.

        :raises Violation: foolscap can't send it
        """
        if thing is None or type(thing) in (bool, int, float, bytes, str):
            return thing
        if type(thing) in (list, tuple, set):
            return type(thing)(self.cross(part) for part in thing)
        if type(thing) is dict:
            return {self.cross(key): self.cross(value) for key, value in thing.items()}
        if isinstance(thing, LocalReference):
            return thing.target if thing.line is self else thing
        if isinstance(thing, Referenceable):
            return self._reference(thing)
        raise Violation(f"foolscap can't send a {type(thing).__name__}")

    def _reference(self, target: Referenceable) -> LocalReference:
        known = self._known.get(id(target))
        if known is None:
            known = self._known[id(target)] = LocalReference(target, line=self)
        return known

    def _carry(self, act: Callable[[], None]) -> None:
        self._moving.append(act)
        eventually(self._move)

    def _move(self) -> None:
        """Let the oldest thing on the line arrive."""
        if self._moving and not self.is_hanging:
            self._moving.popleft()()

    def _answer(self, answer: Deferred[Any], result: Any) -> None:
        if answer in self._asked:
            self._asked.remove(answer)
            answer.callback(result)  # a Failure goes to the errbacks


@implementer(IRemoteReference)
class LocalReference:
    """A reference to *target*, an object with ``remote_`` methods.

    :param line: the connection it came over; a new one if there is none yet
    :param tubid: whose object it is, for :meth:`getRemoteTubID`
    :param answer_filter: see :attr:`answer_filter`
    """

    def __init__(
        self,
        target: Any,
        *,
        line: Line | None = None,
        tubid: str = "",
        answer_filter: AnswerFilter | None = None,
    ) -> None:
        self.target = target
        self.line = line or Line(tubid)
        self.interface = getRemoteInterface(target)
        name = self.interface and self.interface.__remote_name__
        self.tracker = SimpleNamespace(interface=self.interface, interfaceName=name)
        if answer_filter is not None:
            self.line.answer_filter = answer_filter

    @property
    def answer_filter(self) -> AnswerFilter | None:
        """``f(name, result)`` gives what the peer answers instead of *result*.

        It sees the answers to every call on the line, as the target gave them, may return
        a Deferred, and may raise.
        """
        return self.line.answer_filter

    @answer_filter.setter
    def answer_filter(self, answer_filter: AnswerFilter | None) -> None:
        self.line.answer_filter = answer_filter

    @property
    def calls(self) -> list[str]:
        """The names of all calls made over the line, in order."""
        return self.line.calls

    def lose(self) -> None:
        """Lose the connection, with every reference that came over it."""
        self.line.lose()

    def hang(self) -> None:
        """Freeze the connection."""
        self.line.hang()

    def resume(self) -> None:
        """Let what was frozen go on."""
        self.line.resume()

    # ---- what a RemoteReference offers ---------------------------------------------------

    def callRemote(self, name: str, *args: Any, **kwargs: Any) -> Deferred[Any]:
        """Call ``remote_<name>``; every failure arrives by the Deferred."""
        try:
            schema = self._check(name, args, kwargs)
            there = self.line.cross(args)
            there_too = self.line.cross(kwargs)
        except (DeadReferenceError, Violation):
            return fail(Failure())
        self.line.calls.append(name)
        return self.line.ask(lambda: self._deliver(name, schema, there, there_too))

    def callRemoteOnly(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Call and hear nothing of how it went."""
        self.callRemote(name, *args, **kwargs).addErrback(lambda _: None)

    def notifyOnDisconnect(
        self, callback: Callable[..., object], *a: Any, **kw: Any
    ) -> Any:
        """Call *callback* once, when the connection is lost."""
        return self.line.watch(callback, *a, **kw)

    def dontNotifyOnDisconnect(self, marker: Any) -> None:
        """Take back a notifyOnDisconnect."""
        self.line.unwatch(marker)

    def isConnected(self) -> bool:
        """Return False once the connection is known to be lost."""
        return self.line.is_up

    def getRemoteTubID(self) -> str:
        """Return the peer's Tub id in base 32."""
        return self.line.tubid

    def _check(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not self.line.is_up:
            raise DeadReferenceError("Calling Stale Broker")
        if self.interface is None:
            return None
        if name not in self.interface.names(all=True):
            raise Violation(f"{self.interface.__remote_name__} does not offer {name}")
        schema = self.interface[name]
        schema.checkAllArgs(args, kwargs, False)
        return schema

    def _deliver(
        self, name: str, schema: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Deferred[Any]:
        def call() -> Any:
            return getattr(self.target, f"remote_{name}")(*args, **kwargs)

        def judge(result: Any) -> Any:
            if schema is not None:
                schema.checkResults(result, False)
            return self.line.cross(result)

        answer: Deferred[Any] = maybeDeferred(call)
        if self.line.answer_filter is not None:
            spoil = self.line.answer_filter
            answer.addCallback(lambda result: spoil(name, result))
        return answer.addCallbacks(judge).addErrback(_as_remote)


def _as_remote(failure: Failure) -> Failure:
    """Return what a caller gets of a failure on the other side."""
    state = FailureSlicer(failure).getStateToCopy(
        failure, SimpleNamespace(unsafeTracebacks=False)
    )
    copied = CopiedFailure()
    copied.setCopyableState(state)
    return Failure(RemoteException(copied))
