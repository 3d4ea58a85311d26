"""Files that are whole or not there, and secrets that only their owner reads."""

from __future__ import annotations

import os
from pathlib import Path


def write_atomically(path: Path, data: bytes, *, private: bool = False) -> None:
    """Replace *path* by a file that holds *data*: afterwards it is the old one or the new.

    :param private: mode 0600 from the first byte on, else 0644, whatever the umask
    :raises OSError: nothing was replaced
    """
    import tempfile  # not cheap to load, and few commands write

    fd, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(fd, "wb") as f:
            f.write(data)
            f.flush()
            if not private:
                os.fchmod(f.fileno(), 0o644)
            os.fsync(f.fileno())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
    sync_directory(path.parent)


def make_private_directory(path: Path) -> None:
    """Make *path* and what lies above it; nobody but its owner may enter *path*."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)


def sync_directory(path: Path) -> None:
    """Make the names in directory *path* durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def free_space(path: Path) -> int:
    """Return the bytes that someone without privileges may still write under *path*."""
    stat = os.statvfs(path)
    return stat.f_frsize * stat.f_bavail
