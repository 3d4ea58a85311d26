"""One run of a demo: from the first directory to the last signal."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

from attrs import define, field, frozen
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.interfaces import IListeningPort
from twisted.internet.threads import deferToThread
from twisted.logger import Logger

from allmydata.errors import NotFoundError
from allmydata.node.config import read
from allmydata.node.demo.control import open_control
from allmydata.node.demo.grid import DemoGrid
from allmydata.node.demo.plan import CLIENT, DemoPlan
from allmydata.node.demo.record import DemoRecord
from allmydata.node.descriptors import allow_many
from allmydata.node.logs import begin_logging
from allmydata.util.deferreds import log_failure, start, timeout

log = Logger()

STOP_S = 10.0  # nodes that have not stopped after this are left as they are
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
NODE_DIRECTORY = "TAHOE_NODE_DIRECTORY"


@frozen
class DemoOptions:
    """What a demo was asked to be.

    :param root: a directory to keep; None for one that is removed at the end
    :param command: run when all is ready; empty: wait for a signal
    :param since: when it was asked for, by the monotonic clock
    :param announce: told of the demo, once, when it is ready
    """

    plan: DemoPlan
    root: Path | None
    command: Sequence[str]
    since: float
    announce: Callable[[dict[str, Any]], None]


def run_demo(options: DemoOptions) -> int:
    """Run a demo to its end; return the exit code, that of the command if there is one.

    :raises GridError: it can't start
    """
    allow_many()
    process = _DemoProcess(options)
    try:
        process.run()
    finally:
        process.clean_up()
    if process.failure:
        raise process.failure
    return process.end()


@define
class _DemoProcess:
    """The reactor, from the grid's start to its stop."""

    _options: DemoOptions
    failure: BaseException | None = None
    _code: int = 0
    _signal: int = 0
    _root: Path | None = None
    _grid: DemoGrid | None = None
    _port: IListeningPort | None = None
    _record: DemoRecord | None = None
    _child: subprocess.Popen[bytes] | None = None
    _work: Deferred[None] | None = None
    _stopping: bool = False
    _reactor: Any = field(init=False)

    def __attrs_post_init__(self) -> None:
        from twisted.internet import reactor

        self._reactor = reactor

    def run(self) -> None:
        """Start the grid; return when it has stopped."""
        self._reactor.callWhenRunning(self._begin)
        self._reactor.run()

    def clean_up(self) -> None:
        """Remove what nobody wants to keep."""
        if self._root and not self._options.root:
            shutil.rmtree(self._root, ignore_errors=True)

    def end(self) -> int:
        """Return the exit code, or end the process by the signal that stopped it.

        Ctrl-C is how one ends a demo, so that is no failure.
        """
        if self._options.command or self._signal in (0, signal.SIGINT):
            return self._code
        signal.signal(self._signal, signal.SIG_DFL)
        os.kill(os.getpid(), self._signal)
        return 128 + self._signal

    # ---- start ---------------------------------------------------------------------------

    def _begin(self) -> None:
        for number in SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:  # as nohup wants SIGHUP
                signal.signal(number, self._signalled)
        self._work = start(self._run())
        log_failure(self._work, log, "running the demo")

    async def _run(self) -> None:
        try:
            await self._start()
            if not self._options.command:
                return
            await self._run_command()
        except CancelledError:  # told to stop before it had started
            return
        except Exception as e:  # the caller of run_demo gets it
            self.failure = e
        self._work = None
        self._stop()

    async def _start(self) -> None:
        self._root = self._options.root or Path(tempfile.mkdtemp(prefix="tahoe-demo-"))
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._grid = DemoGrid(self._root, self._options.plan, self._reactor)
        await self._grid.start()
        begin_logging(read(self._root / CLIENT), self._root / "demo.log")
        self._port, address, token = await open_control(self._grid, self._reactor)
        self._record = DemoRecord.of_this_process(self._root, address, token)
        self._record.publish()
        found = await self._grid.status()
        found["login"] = self._grid.login
        found |= {"pid": os.getpid(), "temporary": self._options.root is None}
        found |= {"ready_s": round(monotonic() - self._options.since, 3)}
        self._options.announce(found)

    async def _run_command(self) -> None:
        assert self._root
        words = self._options.command
        environment = os.environ | {NODE_DIRECTORY: str(self._root / CLIENT)}
        try:
            self._child = subprocess.Popen(words, env=environment)  # noqa: S603  # as asked
        except OSError as e:
            raise NotFoundError(f"{words[0]} can't be run", why=e.strerror or "") from e
        code = await deferToThread(self._child.wait)
        self._child = None
        self._code = 128 - code if code < 0 else code

    # ---- stop ----------------------------------------------------------------------------

    def _signalled(self, number: int, _frame: Any) -> None:
        self._reactor.callFromThread(self._heed, number)

    def _heed(self, number: int) -> None:
        """Pass a signal on to the command, whose end is ours; without one, stop."""
        if self._child is None:
            self._signal = number
            self._stop()
        elif not (number == signal.SIGINT and _typed_here()):
            self._child.send_signal(number)

    def _stop(self) -> None:
        if not self._stopping:
            self._stopping = True
            log_failure(start(self._stop_all()), log, "stopping the demo")

    async def _stop_all(self) -> None:
        if self._work:
            self._work.cancel()
        try:
            if self._record:
                self._record.withdraw()
            if self._port:
                await maybeDeferred(self._port.stopListening)
            if self._grid:
                await timeout(self._grid.stop(), STOP_S, self._reactor)
        finally:
            self._reactor.stop()


def _typed_here() -> bool:
    """Tell whether a Ctrl-C in our terminal goes to the command as well as to us."""
    try:
        with open("/dev/tty", "rb", buffering=0) as terminal:
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except OSError:
        return False
