"""Files of this machine, as the source or the target of a transfer."""

from __future__ import annotations

import errno
import os
import signal
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import BinaryIO

from allmydata.errors import (
    DownloadTargetError,
    NoSpaceError,
    NotFoundError,
    UploadSourceError,
)

STREAM = Path("-")


class Ended(BaseException):
    """A signal asked this process to end; its exit code is 128 and the signal's number."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


@contextmanager
def opened_source(path: Path | None) -> Iterator[tuple[BinaryIO, int | None]]:
    """Give the bytes of *path* and how many they are; of standard input, that is unknown.

    :param path: None or ``-`` for standard input
    :raises NotFoundError: there is none
    :raises UploadSourceError: it can't be read, or is no plain file
    """
    if path is None or path == STREAM:
        if sys.stdin is None:
            raise UploadSourceError("standard input is closed")
        yield sys.stdin.buffer, None
        return
    try:
        # without O_NONBLOCK a FIFO would keep us here until somebody writes
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError as e:
        raise NotFoundError(f"there is no file {path}") from e
    except OSError as e:
        raise UploadSourceError(f"{path} can't be read", why=e.strerror or "") from e
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        os.close(fd)
        raise _no_plain_file(path, status.st_mode)
    with open(fd, "rb", buffering=0) as source:
        yield source, status.st_size


def _no_plain_file(path: Path, mode: int) -> UploadSourceError:
    if stat.S_ISDIR(mode):
        return UploadSourceError(
            f"{path} is a directory", fix="name the files in it one by one"
        )
    kind = "a FIFO" if stat.S_ISFIFO(mode) else "no plain file"
    return UploadSourceError(
        f"{path} is {kind}", fix=f"read it as standard input:  tahoe put - < {path}"
    )


def check_target(path: Path) -> None:
    """Find out early that *path* can't be written.

    :raises DownloadTargetError: it is a directory, or can't be made where it would lie
    :raises NotFoundError: its directory does not exist
    """
    if path.is_dir():
        raise DownloadTargetError(
            f"{path} is a directory", fix=f"name a file:  {path}/NAME"
        )
    parent = path.resolve().parent
    if not parent.is_dir():
        raise NotFoundError(f"there is no directory {parent}")
    if not os.access(parent, os.W_OK | os.X_OK) and not _is_special(path):
        raise DownloadTargetError(f"{parent} can't be written")


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Give a file to write; it becomes *path* when all went well, and else never was.

    A file that was there is replaced and its mode kept.  What is no plain file, such as
    a device, is written as it is.

    :raises NoSpaceError: the disk is full
    :raises DownloadTargetError: it can't be written for another reason
    """
    try:
        if _is_special(path):
            with open(path, "wb") as device:
                yield device
        else:
            with ended_by_signals(), _renamed_when_whole(path.resolve()) as target:
                yield target
    except OSError as e:
        if e.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoSpaceError(f"no room for {path}", why=e.strerror or "") from e
        raise DownloadTargetError(f"{path} can't be written", why=e.strerror or "") from e


@contextmanager
def _renamed_when_whole(path: Path) -> Iterator[BinaryIO]:
    # named before it is made, so that an interrupt finds it wherever it comes
    name = path.parent / f".{path.name[:100]}.{os.urandom(8).hex()}"
    try:
        with open(name, "xb", opener=_open_private) as target:
            os.fchmod(target.fileno(), _mode(path))
            yield target
        os.replace(name, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(name)
        raise


def _open_private(name: str, flags: int) -> int:
    return os.open(name, flags, 0o600)


def _mode(path: Path) -> int:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        umask = os.umask(0o077)
        os.umask(umask)
        return 0o666 & ~umask


def _is_special(path: Path) -> bool:
    return path.exists() and not path.is_file()


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the work inside by an exception, so that it cleans up."""

    def end(signum: int, frame: FrameType | None) -> None:
        raise Ended(signum)

    before = {
        number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
