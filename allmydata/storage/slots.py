"""Mutable shares: tested, read, and written all in one go, in a thread.

Whoever writes must know the write enabler that the share was made with.  A writer says
what it believes to be there; where that is not so, nothing is written and it is told what
there is.  Up to a limit a share is changed in a copy that takes its place when it is whole,
so that a crash leaves the old one or the new one.

Source: formats/storage.md section 7.  Protocol: docs/protocols/storage.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hmac import compare_digest
from pathlib import Path

from allmydata.errors import BadShareError, BadWriteEnablerError, NoSpaceError, UsageError
from allmydata.formats.slot import COUNT, DATA, MAX_SIZE, WRITTEN_VERSION, Slot
from allmydata.storage.disk import Calls
from allmydata.storage.inventory import look
from allmydata.storage.slotfile import (
    ReadVector,
    SlotClaim,
    SlotFile,
    TestVector,
    WriteVector,
)
from allmydata.storage.tree import ShareTree
from allmydata.util import base32

COPIED = 16 * 2**20  # larger shares are changed in place

Writes = Mapping[int, tuple[TestVector, WriteVector, int | None]]


# ---- what the calls do -----------------------------------------------------------------


def read_slots(
    tree: ShareTree, storage_index: bytes, wanted: set[int], vector: ReadVector
) -> dict[int, list[bytes]]:
    """Return parts of mutable shares by number; of all there are if none is named."""
    with tree.lock(storage_index):
        return _read_all(tree, storage_index, wanted, vector)


def test_and_write(
    tree: ShareTree,
    claim: SlotClaim,
    writes: Writes,
    vector: ReadVector,
    room: Callable[[bool], int] | None = None,
) -> tuple[bool, dict[int, list[bytes]]]:
    """Write shares, if all that is believed of them is so; others see all or nothing.

    :param room: tells how many bytes shares may grow by, and whether there are new ones
        among them; None for no limit
    :return: whether it was written, and the parts that *vector* asks for, of all shares
        that were here before
    :raises BadWriteEnablerError: a share here was made with another
    :raises UsageError: a test that is not for equality
    :raises NoSpaceError: the disk is full, or *room* too small; what was there is
    """
    _check(writes)
    index = claim.storage_index
    with tree.lock(index):
        _check_enabler(tree, claim)
        before = _read_all(tree, index, set(), vector)
        if not all(_passes(tree, index, n, tests) for n, (tests, _, _) in writes.items()):
            return False, before
        _check_room(tree, index, writes, room)
        for shnum, (_, parts, new_length) in writes.items():
            path = tree.bucket(index) / str(shnum)
            with _noted(tree, index, path):
                if new_length == 0:
                    path.unlink(missing_ok=True)
                else:
                    _write(tree, claim, shnum, parts, new_length)
        tree.prune(index)
    return True, before


def lease_slots(tree: ShareTree, claim: SlotClaim) -> int:
    """Renew or add the claimant's lease on every mutable share here; hold the lock.

    :return: how many shares that were
    """
    found = 0
    for path in tree.numbers(claim.storage_index).values():
        with _opened(path, tree.calls, writable=True) as share:
            if share is not None:
                with _noted(tree, claim.storage_index, path):
                    share.add_or_renew(claim)
                found += 1
    return found


def _check(writes: Writes) -> None:
    for shnum, (tests, parts, _) in writes.items():
        if not 0 <= shnum <= 255:
            raise UsageError(f"there is no share number {shnum}")
        if any(operator != b"eq" for _, _, operator, _ in tests):
            raise UsageError("shares are tested for equality only")
        if any(offset < 0 or offset + len(data) > MAX_SIZE for offset, data in parts):
            raise UsageError(f"a mutable share holds at most {MAX_SIZE} bytes")


def _check_room(
    tree: ShareTree, index: bytes, writes: Writes, room: Callable[[bool], int] | None
) -> None:
    """Refuse what would take more of the disk than may be had."""
    growth = sum(_growth(tree.bucket(index) / str(n), *one) for n, one in writes.items())
    if growth <= 0 or room is None:
        return
    left = room(not writes.keys() <= tree.numbers(index).keys())
    if growth > left:
        raise NoSpaceError(
            "the server has no room for a mutable share",
            why=f"{growth} bytes more than now, and {left} are left",
        )


def _growth(path: Path, _: TestVector, parts: WriteVector, cut: int | None) -> int:
    if cut == 0:
        return 0
    end = DATA + max((offset + len(data) for offset, data in parts), default=0) + COUNT.size
    try:
        return max(0, end - path.stat().st_size)
    except OSError:
        return end


def _check_enabler(tree: ShareTree, claim: SlotClaim) -> None:
    for path in tree.numbers(claim.storage_index).values():
        with _opened(path, tree.calls) as share:
            if share is None:
                continue
            if not compare_digest(share.slot.write_enabler, claim.write_enabler):
                nodeid = base32.b2a(share.slot.tubid)
                raise BadWriteEnablerError(
                    f"The write enabler was recorded by nodeid '{nodeid}'."
                )


def _passes(tree: ShareTree, index: bytes, shnum: int, tests: TestVector) -> bool:
    path = tree.bucket(index) / str(shnum)
    with _opened(path, tree.calls) as share:
        if share is None:
            return all(not specimen for *_, specimen in tests) and not path.exists()
        return share.passes(tests)


def _read_all(
    tree: ShareTree, index: bytes, wanted: set[int], vector: ReadVector
) -> dict[int, list[bytes]]:
    found = {}
    for shnum, path in tree.numbers(index).items():
        if wanted and shnum not in wanted:
            continue
        with _opened(path, tree.calls) as share:
            if share is not None:
                found[shnum] = share.read(vector)
    return found


def _write(
    tree: ShareTree, claim: SlotClaim, shnum: int, parts: WriteVector, cut: int | None
) -> None:
    home = tree.bucket(claim.storage_index) / str(shnum)
    incoming = Path(tree.incoming(claim.storage_index, shnum))
    in_place = home.exists() and home.stat().st_size > COPIED
    target = home if in_place else incoming
    try:
        if not in_place:
            _copy(home, incoming, claim)
        share = SlotFile.open(target, tree.calls, writable=True)
        try:
            share.write(parts, cut)
            share.add_or_renew(claim)
            tree.calls.fsync(share.fd)
        finally:
            share.close()
        if not in_place:
            home.parent.mkdir(parents=True, exist_ok=True)
            tree.calls.rename(incoming, home)
            tree.calls.sync_directory(home.parent)
    except OSError as e:
        raise NoSpaceError(
            "the server could not write a mutable share", why=e.strerror or ""
        ) from e
    finally:
        if not in_place:
            incoming.unlink(missing_ok=True)


def _copy(home: Path, incoming: Path, claim: SlotClaim) -> None:
    """Begin the new file from the old one, or from nothing."""
    try:
        incoming.write_bytes(home.read_bytes())
    except FileNotFoundError:
        slot = Slot(WRITTEN_VERSION, claim.tubid, claim.write_enabler)
        incoming.write_bytes(slot.pack_new())


@contextmanager
def _noted(tree: ShareTree, index: bytes, path: Path) -> Iterator[None]:
    """Let the books hear what becomes of a file; hold the lock."""
    before = look(path, tree.calls)
    try:
        yield
    finally:
        after = look(path, tree.calls)
        tree.note((index, int(path.name)), before, after, renewed=True)


@contextmanager
def _opened(
    path: Path, calls: Calls, *, writable: bool = False
) -> Iterator[SlotFile | None]:
    """Open a mutable share; None if it is gone, or something else."""
    try:
        share = SlotFile.open(path, calls, writable=writable)
    except (OSError, BadShareError):
        yield None
        return
    try:
        yield share
    finally:
        share.close()
