"""The backup of a vdrive server: one tar that brings the same capabilities back.

    backup.json              {"format": 1, "kind": "introducer" or "vdrive"}
    tahoe.cfg, KIND.port, tahoe-KIND.tac
    private/                 node.pem, vdrive.furl; and where they are there: vdrive-root,
                             introducer.furl, created.json
    vdrive/tables.sqlite3    a snapshot, made by SQLite's own backup call

Members are plain files of these names, in this order, and there are no others.  It holds
the server's identity: whoever reads it can pose as the server.  Format: docs/vdrive.md.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, BinaryIO

from attrs import define, frozen

from allmydata.errors import ConfigError, ConflictError, CorruptError, NotFoundError
from allmydata.node.config import CFG, detect_kind
from allmydata.storage.tablefile import copy_file
from allmydata.storage.tables import Tables
from allmydata.util.fileutil import make_private_directory, sync_directory

KINDS = ("introducer", "vdrive")
RECORD = "backup.json"
TABLES = "vdrive/tables.sqlite3"
FORMAT = 1
NEEDED = (CFG, "private/node.pem", "private/vdrive.furl", TABLES)
WANTED = ("private/vdrive-root", "private/introducer.furl", "private/created.json")
MAX_SMALL = 2**20  # bytes of any member but the tables
BLOCK = tarfile.BLOCKSIZE
PIECE = 2**18


def members_of(kind: str) -> tuple[str, ...]:
    """Return the names of all that the backup of a node of *kind* may hold, in order."""
    own = (f"{kind}.port", f"tahoe-{kind}.tac")
    return (RECORD, CFG, *own, *NEEDED[1:-1], *WANTED, TABLES)


# ---- making one ------------------------------------------------------------------------


@define(eq=False)
class Archive:
    """A backup about to be read: ``size`` bytes come from ``read``."""

    size: int
    _pieces: Iterator[bytes]
    _left: bytes = b""

    def read(self, size: int) -> bytes:
        """Return up to *size* bytes, none at the end."""
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._left = piece
        data, self._left = self._left[:size], self._left[size:]
        return data


def make_archive(basedir: Path, scratch: Path) -> Archive:
    """Return the backup of the vdrive server in *basedir*, which may be running.

    :param scratch: an empty directory that nobody else may enter; the snapshot lies there
        until the archive has been read
    :raises NotFoundError, ConfigError: there is no vdrive server
    """
    kind = detect_kind(basedir)
    tables = basedir / TABLES
    if kind not in KINDS or not tables.exists():
        raise NotFoundError(
            f"{basedir} keeps no directories",
            why=f"it is a node of kind {kind}, and has no {TABLES}",
            fix="name the directory of the introducer, or of the vdrive server",
        )
    snapshot = scratch / "tables.sqlite3"
    copy_file(tables, snapshot)
    small = _small_members(basedir, kind)
    sizes = [len(data) for data in small.values()] + [snapshot.stat().st_size]
    total = sum(BLOCK + _round_up(size) for size in sizes) + 2 * BLOCK
    return Archive(total, _tar(small, snapshot))


def _small_members(basedir: Path, kind: str) -> dict[str, bytes]:
    record = json.dumps({"format": FORMAT, "kind": kind}) + "\n"
    (tac,) = basedir.glob("*.tac")
    found = {RECORD: record.encode(), f"tahoe-{kind}.tac": tac.read_bytes()}
    for name in members_of(kind)[1:-1]:
        if name not in found and (basedir / name).exists():
            found[name] = (basedir / name).read_bytes()
    for name in NEEDED[:-1]:
        if name not in found:
            why = "a vdrive server that has run has one"
            raise ConfigError(f"{basedir / name} is missing", why=why)
    return {name: found[name] for name in members_of(kind) if name in found}


def _tar(small: dict[str, bytes], snapshot: Path) -> Iterator[bytes]:
    for name, data in small.items():
        yield _header(name, len(data)) + data + _padding(len(data))
    size = snapshot.stat().st_size
    yield _header(TABLES, size)
    with snapshot.open("rb") as f:
        while piece := f.read(PIECE):
            yield piece
    yield _padding(size) + bytes(2 * BLOCK)


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    # base-256 beyond 8 GiB: the field of USTAR ends there
    return info.tobuf(tarfile.USTAR_FORMAT if size < 8**11 else tarfile.GNU_FORMAT)


def _round_up(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _padding(size: int) -> bytes:
    return bytes(_round_up(size) - size)


# ---- bringing one back -----------------------------------------------------------------


def check_free(basedir: Path) -> None:
    """Return if a node can be made at *basedir*.

    :raises ConflictError: something is there
    """
    if basedir.is_symlink() or (basedir.exists() and not basedir.is_dir()):
        raise ConflictError(f"{basedir} is there and no directory")
    if basedir.exists() and any(basedir.iterdir()):
        raise ConflictError(
            f"{basedir} is not empty",
            why="nothing in it was changed",
            fix="choose a directory that is empty or not there",
        )


def restore(source: BinaryIO, basedir: Path) -> str:
    """Make *basedir* the node whose backup *source* reads; return its kind.

    It is made beside, and gets its name when it is whole and its tables proved right.

    :raises ConflictError: something is there
    :raises CorruptError: that is no backup, or a damaged one; nothing is left behind
    """
    check_free(basedir)
    basedir.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{basedir.name}.", dir=basedir.parent))
    try:
        kind = _Restorer(made).take(source)
        Tables.open(made / TABLES).close()
        for directory in (made, made / "private", made / "vdrive"):
            sync_directory(directory)
        os.replace(made, basedir)
    except BaseException as e:
        with suppress(OSError):
            shutil.rmtree(made)
        if isinstance(e, OSError) and basedir.exists() and any(basedir.iterdir()):
            raise ConflictError(f"{basedir} was made meanwhile by somebody else") from e
        raise
    sync_directory(basedir.parent)
    return kind


@frozen
class _Restorer:
    """Writes the members of a backup below *made*, and nowhere else."""

    made: Path

    def take(self, source: BinaryIO) -> str:
        """Write every member; return the kind of the node."""
        try:
            with closing(tarfile.open(fileobj=source, mode="r|")) as tar:
                return self._take_all(tar)
        except (tarfile.TarError, EOFError, ValueError, KeyError, TypeError) as e:
            raise _no_backup(f"{type(e).__name__}") from e

    def _take_all(self, tar: tarfile.TarFile) -> str:
        first = tar.next()
        if first is None or first.name != RECORD:
            raise _no_backup(f"it does not begin with {RECORD}")
        record = json.loads(_file(tar, first).read())
        if record["format"] != FORMAT or record["kind"] not in KINDS:
            raise _no_backup("it is of a kind, or of a version, that is not known")
        kind: str = record["kind"]
        left = list(members_of(kind)[1:])
        for directory in ("private", "vdrive"):
            make_private_directory(self.made / directory)
        while (member := tar.next()) is not None:
            if member.name not in left:
                raise _no_backup("it holds a file that does not belong there")
            left.remove(member.name)
            self._write(tar, member)
        missing = [name for name in left if name in NEEDED or name.endswith(".tac")]
        if missing:
            raise _no_backup(f"it has no {missing[0]}")
        return kind

    def _write(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        data = _file(tar, member)
        mode = 0o600 if "/" in member.name else 0o644
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(self.made / member.name, flags, mode), "wb") as f:
            shutil.copyfileobj(data, f, PIECE)
            if f.tell() != member.size:
                raise _no_backup(f"{member.name} is cut short")
            f.flush()
            os.fsync(f.fileno())


def _file(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Any:
    if not member.isreg() or (member.name != TABLES and member.size > MAX_SMALL):
        raise _no_backup("it holds something that is no such file")
    return tar.extractfile(member) or io.BytesIO()


def _no_backup(why: str) -> CorruptError:
    return CorruptError("this is not the backup of a vdrive server", why=why)
