"""Files written in the midst of a tree: whole or not there, never through a link."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from allmydata.errors import ConflictError, DownloadTargetError, GridError, NoSpaceError

_UNSUPPORTED = {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT}


@contextmanager
def landed(path: str) -> Iterator[BinaryIO]:
    """Give a file to write; it becomes *path* when all went well, and else never was.

    A file that was there is replaced and its mode kept; a link is replaced, not followed.
    Where the system can, the file has no name before it is whole, so that nothing is left
    of it even if this process is killed.

    :raises ConflictError: *path* is neither a plain file nor a link
    :raises NoSpaceError: the disk is full
    :raises DownloadTargetError: it can't be written for another reason
    """
    try:
        mode = _mode(path)
        fd = _nameless(os.path.dirname(path) or ".")
        if fd is None:
            with _renamed_when_whole(path, mode) as target:
                yield target
            return
        with open(fd, "wb") as target:
            if mode is not None:
                os.fchmod(fd, mode)
            yield target
            target.flush()
            _name(fd, path)
    except OSError as e:
        raise local_error(e, path) from e


def local_error(error: OSError, path: str) -> GridError:
    """Return what it means that the file or directory *path* can't be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpaceError(f"no room for {path}", why=error.strerror or "")
    return DownloadTargetError(f"{path} can't be written", why=error.strerror or "")


def _mode(path: str) -> int | None:
    """Return the mode of the file that is to be replaced; None if there is none."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    if stat.S_ISREG(found.st_mode):
        return stat.S_IMODE(found.st_mode)
    if stat.S_ISLNK(found.st_mode):
        return None
    raise ConflictError(f"{path} is in the way: it is no plain file")


def _nameless(directory: str) -> int | None:
    """Open a file that has no name yet, or return None where there are no such files."""
    try:
        return os.open(directory, os.O_TMPFILE | os.O_WRONLY, 0o666)
    except AttributeError:
        return None
    except OSError as e:
        if e.errno not in _UNSUPPORTED:
            raise
        return None


def _name(fd: int, path: str) -> None:
    """Give the open file *fd* the name *path*, in the place of what had it."""
    try:
        _link(fd, path)
    except FileExistsError:
        directory, name = os.path.split(path)
        beside = tempfile.mktemp(prefix=f".{name[:60]}.", dir=directory or ".")  # noqa: S306
        _link(fd, beside)
        os.replace(beside, path)


def _link(fd: int, path: str) -> None:
    # with a src_dir_fd, though it is not used, os.link follows the link in /proc
    os.link(f"/proc/self/fd/{fd}", path, src_dir_fd=fd, follow_symlinks=True)


@contextmanager
def _renamed_when_whole(path: str, mode: int | None) -> Iterator[BinaryIO]:
    directory, name = os.path.split(path)
    fd, temporary = tempfile.mkstemp(prefix=f".{name[:60]}.", dir=directory or ".")
    try:
        with open(fd, "wb") as target:
            os.fchmod(fd, 0o644 if mode is None else mode)
            yield target
        os.replace(temporary, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
