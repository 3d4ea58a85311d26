"""Which versions of a mutable file there are, and who holds which share of them.

The first bytes of a share say of which version it is.  They are believed when the file's
owner signed them, which is checked once for each version.  Of several versions the *best*
is the newest that can be brought back; versions are ordered by sequence number, then by
root hash.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import define, field, frozen

from allmydata.crypto.mutable_keys import check_signature, fingerprint_of
from allmydata.errors import BadHashError, BadShareError, CorruptError
from allmydata.formats.mutable import MutableLayout, Prefix
from allmydata.grid.server import StorageServerProxy as Server
from allmydata.mutable.shape import check_fits

HEAD_READ = 8192  # bytes of each share that are asked for: a small one whole, and all keys
LONGEST_CHECKSTRING = 57

Place = tuple[Server, int]  # who holds it, share number


@frozen(eq=False)
class FoundShare:
    """A share whose header its owner signed.

    :param head: its first bytes, at most HEAD_READ
    """

    server: Server
    shnum: int
    layout: MutableLayout
    head: bytes = field(repr=False)

    @property
    def version(self) -> Prefix:
        """The version it is of."""
        return self.layout.prefix


@frozen
class BadShare:
    """A share that is there and wrong.

    :param head: its first bytes, by which it can be overwritten
    """

    why: str
    head: bytes = field(default=b"", repr=False)


@define(eq=False)
class ServerMap:
    """What servers said of one file.

    :param fingerprint: of its public key
    """

    storage_index: bytes
    _fingerprint: bytes = field(repr=False)
    shares: dict[Place, FoundShare] = field(factory=dict)
    bad: dict[Place, BadShare] = field(factory=dict)
    silent: dict[Server, str] = field(factory=dict)
    answered: list[Server] = field(factory=list)  # in the order of the file
    _signed: set[Prefix] = field(factory=set)

    # ---- what is there -------------------------------------------------------------------

    def take(self, server: Server, heads: dict[int, list[bytes]]) -> None:
        """Note what *server* holds: by number, the first bytes of each share."""
        self.answered.append(server)
        for shnum, (head,) in heads.items():
            try:
                layout = self._check(head)
                if shnum >= layout.prefix.n:
                    raise BadShareError("its number is not one of the file's")
                self.shares[server, shnum] = FoundShare(server, shnum, layout, head)
            except CorruptError as e:
                self.bad[server, shnum] = BadShare(e.message, head)

    def _check(self, head: bytes) -> MutableLayout:
        layout = MutableLayout.parse(head)
        check_fits(layout)
        if layout.prefix in self._signed:
            return layout
        public = layout.cut(head, "public_key")
        if fingerprint_of(public) != self._fingerprint:
            raise BadHashError("the public key in a share is another file's")
        check_signature(public, layout.cut(head, "signature"), layout.prefix.pack())
        self._signed.add(layout.prefix)
        return layout

    def condemn(self, share: FoundShare, why: str) -> None:
        """Take note that a share turned out to be bad further on."""
        self.shares.pop((share.server, share.shnum), None)
        self.bad[share.server, share.shnum] = BadShare(why, share.head)

    # ---- what follows --------------------------------------------------------------------

    def of(self, version: Prefix) -> list[FoundShare]:
        """Return the shares of a version."""
        return [share for share in self.shares.values() if share.version == version]

    def numbers(self, version: Prefix) -> set[int]:
        """Return the numbers of the shares of a version."""
        return {share.shnum for share in self.of(version)}

    def versions(self) -> list[Prefix]:
        """Return all versions, the newest first."""
        found = {share.version for share in self.shares.values()}
        return sorted(found, key=lambda prefix: prefix.version, reverse=True)

    def is_recoverable(self, version: Prefix) -> bool:
        """Tell whether there are shares enough."""
        return len(self.numbers(version)) >= version.k

    def best(self) -> Prefix | None:
        """Return the newest version that can be brought back."""
        return next(filter(self.is_recoverable, self.versions()), None)

    def newer_than(self, version: Prefix | None) -> list[Prefix]:
        """Return the versions beyond *version*, all of which can't be brought back."""
        order = version.version if version else (-1, b"")
        return [one for one in self.versions() if one.version > order]

    def next_seqnum(self) -> int:
        """Return the sequence number of the next version."""
        return 1 + max((one.seqnum for one in self.versions()), default=0)

    def checkstring(self, place: Place) -> bytes | None:
        """Return what a writer says it replaces there; None where nothing is."""
        if place in self.shares:
            return self.shares[place].version.checkstring
        if place in self.bad:
            return self.bad[place].head[:LONGEST_CHECKSTRING]
        return None

    def places(self) -> Iterable[Place]:
        """Return where something is, good or bad."""
        return [*self.shares, *self.bad]
