"""Files and directories of this machine, as sources and as targets of copying."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from itertools import zip_longest
from typing import BinaryIO

from attrs import frozen

from allmydata.cli.copying.landing import local_error
from allmydata.errors import (
    ConflictError,
    GridError,
    NotFoundError,
    UploadSourceError,
)
from allmydata.util.names import check_name

Identity = tuple[int, int]  # device and inode

_PIECE_SIZE = 2**18

_KINDS = (
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISCHR, "a device"),
)


@frozen
class LocalFile:
    """A plain file, or a link that leads to one."""

    path: str
    size: int

    @property
    def label(self) -> str:
        """What messages call it."""
        return self.path


@frozen
class LocalDirectory:
    """A directory, or a link that leads to one."""

    path: str
    identity: Identity

    @property
    def label(self) -> str:
        """What messages call it."""
        return self.path


LocalSource = LocalFile | LocalDirectory


def look(path: str) -> LocalSource:
    """Return what is at *path*; links are followed.

    :raises NotFoundError: nothing is
    :raises UploadSourceError: it is neither a file nor a directory, or can't be looked at
    """
    try:
        found = os.stat(path)
    except OSError as e:
        raise _not_seen(path, e) from e
    if stat.S_ISDIR(found.st_mode):
        return LocalDirectory(path, (found.st_dev, found.st_ino))
    if stat.S_ISREG(found.st_mode):
        return LocalFile(path, found.st_size)
    raise UploadSourceError(f"{path} is {kind_of(found.st_mode)}, not a plain file")


def kind_of(mode: int) -> str:
    """Return what a special file of *mode* is."""
    return next((what for is_it, what in _KINDS if is_it(mode)), "special")


def _not_seen(path: str, error: OSError) -> GridError:
    if not isinstance(error, FileNotFoundError):
        return UploadSourceError(f"{path} can't be read", why=error.strerror or "")
    if os.path.islink(path):
        return NotFoundError(f"{path} is a link that leads nowhere")
    return NotFoundError(f"No such file or directory '{path}'")


def names_in(path: str) -> Iterator[tuple[str, str | GridError]]:
    """Yield each name in the directory *path*, and what it is called on the grid.

    A name that can't be carried comes with an error that says why.  Where two names are one
    on the grid, that is, one after Unicode's normalisation, the first is carried, and one
    that is its own normal form goes before others.

    :raises UploadSourceError: the directory can't be read
    """
    try:
        found = os.listdir(path)
    except OSError as e:
        raise UploadSourceError(f"{path} can't be read", why=e.strerror or "") from e
    carried: dict[str, str] = {}
    for name in sorted(found, key=_own_form_first):
        try:
            grid_name = check_name(name)
            twin = carried.setdefault(grid_name, name)
            yield name, grid_name if twin == name else _twins(path, twin, name)
        except GridError as e:
            yield name, e


def _own_form_first(name: str) -> tuple[bool, str]:
    with suppress(GridError):
        return (check_name(name) != name, name)
    return (True, name)


def _twins(path: str, first: str, second: str) -> GridError:
    return ConflictError(
        f"{first!a} and {second!a} in {path} are the same name on the grid",
        why="they differ only in how Unicode spells them; the first one was taken",
        fix="rename one of them",
    )


# ---- as a target -------------------------------------------------------------------------


@frozen
class LocalPlace:
    """A directory that is copied into."""

    path: str
    identity: Identity

    @classmethod
    def at(cls, path: str) -> LocalPlace:
        """Return the directory that *path* names, through links too, made if it is missing.

        :raises ConflictError: a file is there, or on the way
        :raises DownloadTargetError: it can't be made
        """
        try:
            os.makedirs(path, exist_ok=True)
            found = os.stat(path)
        except (FileExistsError, NotADirectoryError) as e:
            raise ConflictError(f"{path} is a file, where a directory is needed") from e
        except OSError as e:
            raise local_error(e, path) from e
        return cls(path, (found.st_dev, found.st_ino))

    @classmethod
    def made(cls, path: str) -> tuple[LocalPlace, bool]:
        """Return the directory *path* and whether it was made now, or was there.

        A link to a directory won't do: it could lead out of the tree that is copied to.

        :raises ConflictError: something else is there
        :raises DownloadTargetError: it can't be made
        """
        is_new = True
        try:
            os.mkdir(path)
        except FileExistsError:
            is_new = False
        except OSError as e:
            raise local_error(e, path) from e
        found = os.lstat(path)
        if not stat.S_ISDIR(found.st_mode):
            what = "a link" if stat.S_ISLNK(found.st_mode) else "a file"
            raise ConflictError(f"{path} is {what}, where a directory is needed")
        return cls(path, (found.st_dev, found.st_ino)), is_new

    @property
    def label(self) -> str:
        """What messages call it."""
        return self.path

    def child(self, name: str) -> str:
        """Return the path of *name* in here; it can be nowhere else.

        :raises BadNameError: *name* is no name of a file
        """
        return os.path.join(self.path, check_name(name))

    def file_at(self, name: str) -> LocalFile | None:
        """Return the plain file *name* in here, if there is one; links are not followed.

        :raises ConflictError: a directory is there
        """
        path = self.child(name)
        try:
            found = os.lstat(path)
        except OSError:
            return None
        if stat.S_ISDIR(found.st_mode):
            raise ConflictError(f"{path} is a directory, where a file is to be")
        return LocalFile(path, found.st_size) if stat.S_ISREG(found.st_mode) else None


def opened(path: str) -> BinaryIO:
    """Open the plain file *path*, without waiting for a writer if it is a FIFO by now.

    :raises UploadSourceError: it can't be read
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as e:
        raise _not_seen(path, e) from e
    return open(fd, "rb", buffering=0)


def pieces_of(path: str) -> Iterator[bytes]:
    """Yield the bytes of the file *path* in order.

    :raises UploadSourceError: it can't be read
    """
    with opened(path) as file:
        try:
            while piece := file.read(_PIECE_SIZE):
                yield piece
        except OSError as e:
            raise _not_seen(path, e) from e


def are_equal(a: str, b: str) -> bool:
    """Tell whether two files of one size hold the same."""
    pairs = zip_longest(pieces_of(a), pieces_of(b))
    return all(left == right for left, right in pairs)
