"""What the calls of a storage server do on disk, each in one go, in a thread."""

from __future__ import annotations

from collections.abc import Callable

from attrs import field, frozen
from twisted.logger import Logger

from allmydata.errors import NotFoundError
from allmydata.formats.container import Container, Lease
from allmydata.storage.incoming import IncomingShare
from allmydata.storage.shares import ShareFile
from allmydata.storage.tree import ShareTree

log = Logger()

ALLOCATOR = 0  # owner number of the lease an allocation makes
ADDER = 1  # and of one that add_lease makes
WRITTEN_VERSION = 2


class NoSuchLeaseError(NotFoundError, IndexError):
    """No share of that storage index has a lease of that secret."""


@frozen
class Claim:
    """Somebody's wish to have the shares of one file kept for some time."""

    storage_index: bytes
    renew_secret: bytes = field(repr=False)
    cancel_secret: bytes = field(repr=False)
    expires: int  # seconds since 1970

    def first_lease(self) -> Lease:
        """Return the lease that a share written for this claim begins with."""
        secrets = self.renew_secret, self.cancel_secret
        return Lease.grant(WRITTEN_VERSION, ALLOCATOR, *secrets, self.expires)


@frozen
class Allocation:
    """What came of a wish to write shares."""

    held: set[int]  # shares that are here and are leased now
    begun: dict[int, IncomingShare]


def allocate(
    tree: ShareTree, claim: Claim, wanted: set[int], size: int, room: Callable[[], int]
) -> Allocation:
    """Lease the shares that are here; begin those of *wanted* that are not.

    A number whose file can't be parsed, or belongs to a mutable share, is in neither part:
    it is taken, and not to be had.

    :param size: bytes of data of each share
    :param room: tells how many bytes may be promised, header and lease included
    """
    with tree.lock(claim.storage_index):
        held = _lease_all(tree, claim)
        new = sorted(wanted - tree.numbers(claim.storage_index).keys())
        begun = _begin(tree, claim, new, size, room() if new else 0)
    return Allocation(held, begun)


def _begin(
    tree: ShareTree, claim: Claim, new: list[int], size: int, room: int
) -> dict[int, IncomingShare]:
    begun: dict[int, IncomingShare] = {}
    need = Container.plan(size).file_size
    for shnum in new[: max(0, room) // need]:
        try:
            begun[shnum] = IncomingShare.begin(
                tree, claim.storage_index, shnum, size, claim.first_lease()
            )
        except OSError as e:
            log.warn("can't begin a share: {error}", error=e)
            break
    return begun


def open_shares(tree: ShareTree, storage_index: bytes) -> dict[int, ShareFile]:
    """Open every immutable share of a file."""
    return dict(tree.open_all(storage_index))


def add_lease(tree: ShareTree, claim: Claim) -> None:
    """Renew the claimant's lease on every share here, or add one.

    :raises OSError: a share would not take it; those before it did
    """
    with tree.lock(claim.storage_index):
        for _, share in tree.open_all(claim.storage_index, writable=True):
            _lease(share, claim, ADDER)


def renew_lease(tree: ShareTree, claim: Claim) -> None:
    """Renew the leases of that secret.

    :raises NoSuchLeaseError: there is none
    """
    with tree.lock(claim.storage_index):
        shares = tree.open_all(claim.storage_index, writable=True)
        if not any([one.renew(claim.renew_secret, claim.expires) for _, one in shares]):
            raise NoSuchLeaseError("no share here has a lease of that secret")


def cancel_lease(tree: ShareTree, claim: Claim) -> list[ShareFile]:
    """End the leases of that secret; delete the shares that have none left.

    :return: the shares deleted
    :raises NoSuchLeaseError: there is none
    """
    with tree.lock(claim.storage_index):
        shares = [one for _, one in tree.open_all(claim.storage_index, writable=True)]
        if not any([one.cancel(claim.cancel_secret) for one in shares]):
            raise NoSuchLeaseError("no share here has a lease of that secret")
        tree.prune(claim.storage_index)
    return [share for share in shares if share.is_deleted]


def _lease_all(tree: ShareTree, claim: Claim) -> set[int]:
    """Lease what can be leased: a share that could vanish must not count as here."""
    leased = set()
    for shnum, share in tree.open_all(claim.storage_index, writable=True):
        try:
            _lease(share, claim, ALLOCATOR)
            leased.add(shnum)
        except OSError as e:
            log.warn("can't lease share {shnum}: {error}", shnum=shnum, error=e)
    return leased


def _lease(share: ShareFile, claim: Claim, owner: int) -> None:
    share.add_or_renew(owner, claim.renew_secret, claim.cancel_secret, claim.expires)
