"""What the calls of a storage server do on disk, each in one go, in a thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from attrs import field, frozen
from twisted.logger import Logger

from allmydata.errors import BadShareError, NotFoundError
from allmydata.formats.container import Container, Lease
from allmydata.formats.renewals import Renewal
from allmydata.storage.incoming import IncomingShare, store
from allmydata.storage.inventory import NOBODY, Held
from allmydata.storage.shares import ShareFile
from allmydata.storage.slotfile import SlotClaim
from allmydata.storage.slots import lease_slots
from allmydata.storage.tree import ShareTree

log = Logger()

# Owner numbers of leases that nobody known makes:
ALLOCATOR = 0  # by an allocation
ADDER = 1  # by add_lease
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
    account: int = NOBODY  # whose wish it is, where that is known
    tubid: bytes = bytes(20)  # this server's

    def on_slots(self) -> SlotClaim:
        """Return the same wish for mutable shares; it is no right to change them."""
        secrets = self.renew_secret, self.cancel_secret
        owner = self.account or ADDER
        return SlotClaim(self.storage_index, b"", *secrets, self.tubid, self.expires, owner)

    def first_lease(self) -> Lease:
        """Return the lease that a share written for this claim begins with."""
        owner = self.account or ALLOCATOR
        secrets = self.renew_secret, self.cancel_secret
        return Lease.grant(WRITTEN_VERSION, owner, *secrets, self.expires)


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
        held, new = _lease_or_choose(tree, claim, wanted, size, room)
        begun = _begin(tree, claim, new, size)
    return Allocation(held, begun)


def put_whole(
    tree: ShareTree,
    claim: Claim,
    shares: Mapping[int, bytes],
    size: int,
    room: Callable[[], int],
) -> tuple[set[int], set[int]]:
    """Lease the shares that are here; write those of *shares* that are not, durably.

    :param size: bytes of each share
    :param room: tells how many bytes may be promised, header and lease included
    :return: the numbers that were here, and those written
    :raises OSError: the disk failed; shares written before that are kept
    """
    with tree.lock(claim.storage_index):
        held, new = _lease_or_choose(tree, claim, set(shares), size, room)
    for shnum in new:
        store(tree, claim.storage_index, shnum, shares[shnum], claim.first_lease())
    return held, set(new)


def _lease_or_choose(
    tree: ShareTree, claim: Claim, wanted: set[int], size: int, room: Callable[[], int]
) -> tuple[set[int], list[int]]:
    """Lease the shares that are here; return them, and for which others there is room."""
    here = tree.numbers(claim.storage_index)
    held = _lease_all(tree, claim, here)
    new = sorted(wanted - here.keys())
    most = max(0, room()) // Container.plan(size).file_size if new else 0
    return held, new[:most]


def _begin(
    tree: ShareTree, claim: Claim, new: list[int], size: int
) -> dict[int, IncomingShare]:
    begun: dict[int, IncomingShare] = {}
    for shnum in new:
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
        for shnum, share in tree.open_all(claim.storage_index, writable=True):
            _lease(tree, shnum, share, claim, ADDER)
        lease_slots(tree, claim.on_slots())


def renew_many(tree: ShareTree, claims: list[Claim]) -> bytes:
    """Renew the lease of each claim on every share of its file, or add one.

    :return: a byte each, a :class:`~allmydata.formats.renewals.Renewal`
    """
    return bytes(_renew_or_add(tree, claim) for claim in claims)


def _renew_or_add(tree: ShareTree, claim: Claim) -> Renewal:
    with tree.lock(claim.storage_index):
        numbers = tree.numbers(claim.storage_index)
        if not numbers:
            return Renewal.NO_SHARE
        outcome, has_others = Renewal.UNREADABLE, False
        for shnum, path in numbers.items():
            try:
                share = tree.open(path, writable=True)
                if share:
                    _lease(tree, shnum, share, claim, ADDER)
                    outcome = Renewal.RENEWED
                else:
                    has_others = True
            except BadShareError:
                continue  # it was cut just now
            except OSError as e:
                log.warn("can't lease share {shnum}: {error}", shnum=shnum, error=e)
                return Renewal.NO_SPACE
        try:
            slots = has_others and lease_slots(tree, claim.on_slots())
            return Renewal.RENEWED if slots else outcome
        except OSError as e:
            log.warn("can't lease a mutable share: {error}", error=e)
            return Renewal.NO_SPACE


def renew_lease(tree: ShareTree, claim: Claim) -> None:
    """Renew the leases of that secret.

    :raises NoSuchLeaseError: there is none
    """
    with tree.lock(claim.storage_index):
        shares = tree.open_all(claim.storage_index, writable=True)
        if not any([_renew(tree, shnum, share, claim) for shnum, share in shares]):
            raise NoSuchLeaseError("no share here has a lease of that secret")


def cancel_lease(tree: ShareTree, claim: Claim) -> list[ShareFile]:
    """End the leases of that secret; delete the shares that have none left.

    :return: the shares deleted
    :raises NoSuchLeaseError: there is none
    """
    with tree.lock(claim.storage_index):
        shares = list(tree.open_all(claim.storage_index, writable=True))
        if not any([_cancel(tree, shnum, share, claim) for shnum, share in shares]):
            raise NoSuchLeaseError("no share here has a lease of that secret")
        tree.prune(claim.storage_index)
    return [share for _, share in shares if share.is_deleted]


def _lease_all(tree: ShareTree, claim: Claim, here: Mapping[int, Path]) -> set[int]:
    """Lease what can be leased: a share that could vanish must not count as here."""
    leased = set()
    for shnum, path in here.items():
        share = tree.open(path, writable=True)
        if share is None:
            continue
        try:
            _lease(tree, shnum, share, claim, ALLOCATOR)
            leased.add(shnum)
        except OSError as e:
            log.warn("can't lease share {shnum}: {error}", shnum=shnum, error=e)
    return leased


# ---- one share: hold the lock, and tell what it was and is -----------------------------


def _lease(
    tree: ShareTree, shnum: int, share: ShareFile, claim: Claim, anonymous: int
) -> None:
    before = Held.of(share.container, share.leases())
    owner = claim.account or anonymous
    share.add_or_renew(owner, claim.renew_secret, claim.cancel_secret, claim.expires)
    _note(tree, shnum, share, claim, before)


def _renew(tree: ShareTree, shnum: int, share: ShareFile, claim: Claim) -> bool:
    before = Held.of(share.container, share.leases())
    renewed = share.renew(claim.renew_secret, claim.expires)
    if renewed:
        _note(tree, shnum, share, claim, before)
    return renewed


def _cancel(tree: ShareTree, shnum: int, share: ShareFile, claim: Claim) -> bool:
    before = Held.of(share.container, share.leases())
    cancelled = share.cancel(claim.cancel_secret)
    if cancelled:
        _note(tree, shnum, share, claim, before)
    return cancelled


def _note(
    tree: ShareTree, shnum: int, share: ShareFile, claim: Claim, before: Held
) -> None:
    after = None if share.is_deleted else Held.of(share.container, share.leases())
    tree.note((claim.storage_index, shnum), before, after, renewed=True)
