"""One node in one process, from its start to the signal that ends it."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import define, field, frozen
from twisted.logger import Logger

from allmydata.errors import GridError
from allmydata.node.base import Node
from allmydata.node.config import NodeConfig, read
from allmydata.node.descriptors import allow_many
from allmydata.node.logs import begin_logging
from allmydata.util import malloc
from allmydata.util.deferreds import log_failure, start, timeout

log = Logger()

READY_FD = "TAHOE_READY_FD"
STOP_S = 10.0  # a node that has not stopped after this is left as it is
SETTLED_S = 2.0  # by then a node has met its peers, and has memory to give back
STDIN_CLOSED = 1  # the exit code when standard input closes


@frozen
class _Memory:
    """What a node does about its memory: :mod:`allmydata.util.malloc`."""

    most_unused: int  # bytes kept for use again
    most_garbage: int  # objects between two looks for garbage


SPARING, STORING = _Memory(4 * 2**20, 5_000), _Memory(16 * 2**20, 20_000)


def run_node(basedir: Path, *, allow_stdin_close: bool) -> int:
    """Run the node in *basedir* until SIGTERM, SIGINT, or the end of standard input.

    Prints ``client running``, or another kind of node, when it does its work.  After a
    signal and a clean stop the process ends by that signal.

    :param allow_stdin_close: go on when standard input closes
    :return: the exit code, if no signal ended it
    :raises GridError: the node can't start
    """
    report = ReadyReport.from_environment()
    try:
        config = read(basedir)
        log_file = config.basedir / "logs" / "node.log"
        begin_logging(config, log_file if report.is_wanted else None)
        for warning in config.warnings:
            log.warn("{warning}", warning=warning)
        allow_many()
        malloc.few_arenas()
        memory = STORING if config.storage_enabled else SPARING
        malloc.reuse(memory.most_unused)
        node = make_node(config)
        malloc.settle(memory.most_garbage)
    except GridError as e:
        report.failed(e)
        raise
    process = _NodeProcess(node, report)
    process.run(watch_stdin=not allow_stdin_close)
    if process.failure:
        raise process.failure
    return process.end()


def make_node(config: NodeConfig) -> Node:
    """Return the node that *config* describes, not started."""
    if config.kind == "introducer":
        from allmydata.node.introducer import IntroducerNode

        return IntroducerNode(config)
    if config.kind == "vdrive":
        from allmydata.node.vdrive import VdriveNode

        return VdriveNode(config)
    from allmydata.node.client import Client

    return Client(config)


@define
class ReadyReport:
    """Tells whoever started this process how it went, through a pipe, once.

    One line: ``ready``, or ``error: `` and the JSON of the GridError.
    """

    _fd: int | None

    @classmethod
    def from_environment(cls) -> ReadyReport:
        """Take the pipe's number from the environment; what we start shall not see it."""
        text = os.environ.pop(READY_FD, "")
        return cls(int(text) if text.isdecimal() else None)

    @property
    def is_wanted(self) -> bool:
        """Tell whether somebody waits for it."""
        return self._fd is not None

    def ready(self) -> None:
        """Say that the node does its work."""
        self._say(b"ready\n")

    def failed(self, error: GridError) -> None:
        """Say why it does not."""
        self._say(b"error: " + json.dumps(error.as_json()).encode() + b"\n")

    def _say(self, line: bytes) -> None:
        if self._fd is None:
            return
        fd, self._fd = self._fd, None
        try:
            os.write(fd, line)
            os.close(fd)
        except OSError as e:  # whoever asked has gone
            log.info("nobody hears that the node is up: {why}", why=e.strerror)


@define
class _NodeProcess:
    """The reactor, from the node's start to its stop."""

    _node: Node
    _report: ReadyReport
    failure: Exception | None = None
    _signal: int = 0
    _stopping: bool = False
    _reactor: Any = field(init=False)

    def __attrs_post_init__(self) -> None:
        from twisted.internet import reactor

        self._reactor = reactor

    def run(self, *, watch_stdin: bool) -> None:
        """Start the node; return when it has stopped."""
        self._reactor.callWhenRunning(self._begin, watch_stdin)
        self._reactor.run()

    def end(self) -> int:
        """End the process by the signal that stopped it, or return the exit code."""
        if not self._signal:
            return STDIN_CLOSED
        signal.signal(self._signal, signal.SIG_DFL)
        os.kill(os.getpid(), self._signal)
        return 128 + self._signal

    def _begin(self, watch_stdin: bool) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._signalled)
        log_failure(start(self._start_node()), log, "starting the node")
        if watch_stdin and sys.stdin is None:  # it was never open
            self._stop()
        elif watch_stdin:
            self._reactor.addReader(_StdinWatch(self._reactor, self._stop))

    async def _start_node(self) -> None:
        self._node.startService()
        try:
            await self._node.when_running()
        except Exception as e:  # the caller of run_node gets it
            self.failure = e
            self._report.failed(e if isinstance(e, GridError) else GridError(str(e)))
            self._stop()
            return
        _say(f"{self._node.config.kind} running")
        self._report.ready()
        self._reactor.callLater(SETTLED_S, malloc.give_back)

    def _signalled(self, number: int, _frame: Any) -> None:
        self._signal = number
        self._reactor.callFromThread(self._stop)

    def _stop(self) -> None:
        if not self._stopping:
            self._stopping = True
            log_failure(start(self._stop_node()), log, "stopping the node")

    async def _stop_node(self) -> None:
        try:
            await timeout(self._node.stopService(), STOP_S, self._reactor)
        finally:
            self._reactor.stop()


def _say(line: str) -> None:
    try:
        print(line, flush=True)  # noqa: T201
    except OSError as e:  # whoever read our output has gone; the node goes on
        log.info("nobody reads standard output: {why}", why=e.strerror)


class _StdinWatch:
    """Calls somebody once, when standard input ends."""

    def __init__(self, reactor: Any, ended: Callable[[], None]) -> None:
        self._reactor = reactor
        self._ended = ended

    def fileno(self) -> int:
        """Return what the reactor watches."""
        return 0

    def doRead(self) -> None:  # noqa: N802
        """Throw away what came; at the end, say so."""
        try:
            more = os.read(0, 65536)
        except OSError:
            more = b""
        if not more:
            self.connectionLost(None)

    def connectionLost(self, _reason: Any) -> None:  # noqa: N802
        """Stop watching."""
        self._reactor.removeReader(self)
        self._ended()

    def logPrefix(self) -> str:  # noqa: N802
        """Name this in the log."""
        return "stdin"
