"""Where a download can go: memory, a named file, an open file, a Twisted consumer.

The downloader calls ``open`` once with the number of bytes to come, ``write`` with bytes
that are already verified, then ``close`` and ``finish``; or ``fail``, and nothing
after it.  Where ``write`` returns a Deferred, the next one waits for it.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IPushProducer
from twisted.python.failure import Failure
from zope.interface import implementer

from allmydata.errors import DownloadTargetError, NoSpaceError
from allmydata.interfaces import IDownloadTarget
from allmydata.streams.descriptor import Descriptor
from allmydata.util.deferreds import Gate
from allmydata.util.fileutil import free_space
from allmydata.util.workers import Workers

Canceller = Callable[[], Any]


def _nothing_to_cancel() -> None:
    pass


@implementer(IDownloadTarget)
class Data:
    """Bytes in memory; finishes as those bytes."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.cancel: Canceller = _nothing_to_cancel

    def open(self, size: int) -> None:
        """Do nothing: memory is taken as bytes come."""

    def write(self, data: bytes) -> None:
        """Keep *data*."""
        self._pieces.append(bytes(data))

    def close(self) -> None:
        """Do nothing: all is there."""

    def fail(self, why: Failure) -> None:
        """Forget what came."""
        self._pieces.clear()

    def register_canceller(self, cb: Canceller) -> None:
        """Make *cb* what ``cancel()`` calls."""
        self.cancel = cb

    def finish(self) -> bytes:
        """Return everything, as one piece."""
        return b"".join(self._pieces)


@implementer(IDownloadTarget)
class FileName:
    """A file that is whole, or not there; finishes as its absolute path.

    The bytes are written beside it, and get its name when all are there.  A file
    that was there before is replaced then, keeping its mode.

    :raises DownloadTargetError: from ``open``, ``write`` and ``close``: it is a
        directory, its directory is missing or may not be written to
    :raises NoSpaceError: from the same: there is no room for it
    """

    def __init__(self, path: str | Path, workers: Workers | None = None) -> None:
        self._path = Path(os.path.abspath(path))
        self._place = Path(os.path.realpath(path))  # what is replaced, behind links
        self._part = self._place.with_name(f".{secrets.token_hex(8)}.part")
        self._workers = workers
        self._file: Descriptor | None = None
        self.cancel: Canceller = _nothing_to_cancel

    def open(self, size: int) -> None:
        """Make the file beside the one that is meant."""
        with _told(self._path):
            mode = self._mode()
            room = free_space(self._place.parent)
            if room < size:
                raise NoSpaceError(
                    f"no room for {self._path}",
                    why=f"it needs {size} bytes, {room} are free",
                )
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._file = Descriptor(os.open(self._part, flags, mode))

    def write(self, data: bytes) -> Deferred[None] | None:
        """Write *data*; with workers in a thread, and the Deferred says when."""
        if self._workers is not None:
            return self._workers.run(self._write, data)
        self._write(data)
        return None

    def close(self) -> None:
        """Give the file its name."""
        try:
            with _told(self._path):
                self._close_file()
                os.replace(self._part, self._place)
        except (DownloadTargetError, NoSpaceError):
            self._part.unlink(missing_ok=True)
            raise

    def fail(self, why: Failure) -> None:
        """Remove what came; the file that was there before stays."""
        if self._file is not None:
            self._close_file()
            self._part.unlink(missing_ok=True)

    def register_canceller(self, cb: Canceller) -> None:
        """Make *cb* what ``cancel()`` calls."""
        self.cancel = cb

    def finish(self) -> str:
        """Return the absolute path."""
        return str(self._path)

    def _mode(self) -> int:
        try:
            mode = os.stat(self._place).st_mode
        except FileNotFoundError:
            return 0o666
        if stat.S_ISREG(mode):
            return stat.S_IMODE(mode)
        kind = "a directory" if stat.S_ISDIR(mode) else "not a regular file"
        raise DownloadTargetError(
            f"can't write {self._path}: it is {kind}", fix="name another file"
        )

    def _write(self, data: bytes) -> None:
        if self._file is not None:
            with _told(self._path):
                self._file.write(data)

    def _close_file(self) -> None:
        if self._file is not None:
            self._file.close()


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as e:
        why = e.strerror or ""
        if e.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoSpaceError(f"no room for {path}", why=why) from e
        raise DownloadTargetError(f"can't write {path}", why=why) from e


@implementer(IDownloadTarget)
class FileHandle:
    """An open file, written to from where it stands; the caller closes it.

    It finishes as that file.  What had come before a failure stays written.

    :raises DownloadTargetError: from ``write`` and ``close``: it can't be written to
    :raises NoSpaceError: from the same: there is no room
    """

    def __init__(self, filehandle: BinaryIO) -> None:
        self._handle = filehandle
        self.cancel: Canceller = _nothing_to_cancel

    def open(self, size: int) -> None:
        """Do nothing: it is open."""

    def write(self, data: bytes) -> None:
        """Write *data*."""
        with _told_of_handle():
            self._handle.write(data)

    def close(self) -> None:
        """Hand everything to the system; the file stays open."""
        with _told_of_handle():
            self._handle.flush()

    def fail(self, why: Failure) -> None:
        """Leave what came: the file is the caller's."""

    def register_canceller(self, cb: Canceller) -> None:
        """Make *cb* what ``cancel()`` calls."""
        self.cancel = cb

    def finish(self) -> BinaryIO:
        """Return the open file."""
        return self._handle


@contextmanager
def _told_of_handle() -> Iterator[None]:
    try:
        yield
    except OSError as e:
        why = e.strerror or ""
        if e.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoSpaceError("no room for the file to write to", why=why) from e
        raise DownloadTargetError("can't write to the open file", why=why) from e
    except (ValueError, TypeError) as e:  # closed, or opened as text
        raise DownloadTargetError("can't write to the open file", why=str(e)) from e


@implementer(IDownloadTarget, IPushProducer)
class Consumer:
    """A Twisted consumer, such as an HTTP reply; finishes as that consumer.

    The consumer may pause the download, and a consumer that goes away cancels it.
    """

    def __init__(self, consumer: IConsumer) -> None:
        self._consumer = consumer
        self._is_registered = False
        self._flow = Gate()
        self._flow.open()
        self.cancel: Canceller = _nothing_to_cancel

    # ---- what the downloader calls

    def open(self, size: int) -> None:
        """Offer the consumer a producer; nothing is written before :meth:`write`."""
        self._is_registered = True
        self._consumer.registerProducer(self, True)

    def write(self, data: bytes) -> Deferred[None] | None:
        """Hand *data* on; while the consumer pauses, the Deferred has not fired."""
        self._consumer.write(bytes(data))
        return None if self._flow.is_open else self._flow.wait()

    def close(self) -> None:
        """Tell the consumer that all was written."""
        self._unregister()

    def fail(self, why: Failure) -> None:
        """Let go of the consumer; its owner tells it what went wrong."""
        self._unregister()

    def register_canceller(self, cb: Canceller) -> None:
        """Make *cb* what ``cancel()``, and a consumer that goes away, call."""
        self.cancel = cb

    def finish(self) -> IConsumer:
        """Return the consumer."""
        return self._consumer

    def _unregister(self) -> None:
        if self._is_registered:
            self._is_registered = False
            self._consumer.unregisterProducer()

    # ---- what the consumer calls

    def pauseProducing(self) -> None:  # noqa: N802
        """Make the next :meth:`write` wait."""
        self._flow.shut()

    def resumeProducing(self) -> None:  # noqa: N802
        """Let those go on that wait."""
        self._flow.open()

    def stopProducing(self) -> None:  # noqa: N802
        """Cancel the download: nobody is there to take it."""
        self.cancel()
        self._flow.open()
