"""One storage server, as a client sees it: its state, its secrets, its calls."""

from __future__ import annotations

from collections.abc import Collection, Coroutine, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar

from attrs import define, field, frozen
from foolscap.api import Referenceable
from twisted.logger import Logger

from allmydata.crypto.keys import LeaseSecrets
from allmydata.errors import ServerLostError, ServerRefusedError
from allmydata.formats.announcement import Announcement
from allmydata.formats.renewals import Renewal, pack_renewals, parse_answer
from allmydata.grid.remote import call
from allmydata.grid.trust import Trust
from allmydata.util import base32
from allmydata.util.deferreds import as_deferred, in_flight

log = Logger()
D = TypeVar("D")
Parts = Sequence[tuple[int, int]]  # of a mutable share: offset, length
SlotWrites = Mapping[
    int, tuple[list[tuple[int, int, bytes, bytes]], list[tuple[int, bytes]], int | None]
]

STORAGE_V1 = b"http://allmydata.org/tahoe/protocols/storage/v1"
OURS = b"allmydata-grid-v1"
UNKNOWN_MAX_SHARE_SIZE = 2**32 - 1  # of a server that can't say (docs/protocols/storage.md)
OLD_MAX_WRITE = 400_000  # bytes in one call to a bucket of the seed's age
MAX_WRITE = 1_100_000  # and of today's: they take more, but this is as fast
UNNAMED = ("", "<unspecified>")  # nicknames of servers whose owner chose none
RENEWED_AT_ONCE = 2000  # files in one message: as many secrets are worked out at a stretch
MESSAGES_IN_FLIGHT = 2  # of those, to one server
CALLS_IN_FLIGHT = 32  # to a server that takes one file in a message
FOOLSCAP, HTTPS = "foolscap", "https"  # protocols
LONGEST_NAME = 100  # characters kept of what a server calls itself


class Canary(Referenceable):
    """What a server watches: when it can't reach this any more, the upload is dead."""


@frozen
class ServerVersion:
    """What a server says of itself, with careful guesses where it does not."""

    max_share_size: int = UNKNOWN_MAX_SHARE_SIZE
    available_space: int | None = None
    application: str | None = None
    nickname: str = ""
    zone: str = ""
    readonly: bool = False
    max_write: int = OLD_MAX_WRITE
    batched_leases: int = 0  # files whose leases it renews in one call; 0: none
    whole_shares: int = 0  # bytes of the largest share it takes in one call; 0: none

    @classmethod
    def parse(cls, answer: object) -> ServerVersion:
        """Read the answer of ``get_version``; what is missing or odd is not believed."""
        said = _dict(answer)
        v1, ours = _dict(said.get(STORAGE_V1)), _dict(said.get(OURS))
        available = v1.get(b"available-space")
        return cls(
            max_share_size=_size(
                v1.get(b"maximum-immutable-share-size"), UNKNOWN_MAX_SHARE_SIZE
            ),
            available_space=_size(available, None),
            application=_text(said.get(b"application-version")) or None,
            nickname=_text(ours.get(b"nickname")),
            zone=_text(ours.get(b"zone")),
            readonly=ours.get(b"readonly") is True,
            max_write=MAX_WRITE if v1 else OLD_MAX_WRITE,
            batched_leases=_size(ours.get(b"batched-leases"), 0),
            whole_shares=_size(ours.get(b"whole-shares"), 0),
        )


def _dict(value: object) -> Mapping[Any, Any]:
    return value if isinstance(value, dict) else {}


def _size(value: object, default: D) -> int | D:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        return default
    return value


def _text(value: object) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return value[:LONGEST_NAME] if isinstance(value, str) and value.isprintable() else ""


@define(eq=False)
class StorageServerProxy:
    """A storage server that is known, whether it is connected now or not.

    :param tubid: its 20-byte Tub id
    :param secrets: what this client's lease secrets come from
    """

    tubid: bytes
    _secrets: LeaseSecrets = field(repr=False)
    version: ServerVersion = ServerVersion()
    announced: Announcement | None = None  # its own words, where it signed any
    trust: Trust = field(factory=Trust, init=False)
    is_drained: bool = field(default=False, init=False)  # it shall hold nothing any more
    protocol: str | None = field(default=None, init=False)  # while connected
    _rref: Any = field(default=None, init=False, repr=False)  # to an RIStorageServer
    _canary: Canary = field(factory=Canary, init=False, repr=False)
    _heard: float | None = field(default=None, init=False)

    # ---- state -------------------------------------------------------------------------

    def attach(self, rref: Any, version: ServerVersion, protocol: str = FOOLSCAP) -> None:
        """Use *rref*, an RIStorageServer's or what stands for one, from now on."""
        self._rref, self.version, self.protocol = rref, version, protocol

    def detach(self) -> None:
        """Take note that the connection is gone; what was last known is kept."""
        self._heard = self.last_received_data
        self._rref = self.protocol = None

    def is_attached_to(self, rref: Any) -> bool:
        """Tell whether *rref* is what calls go through now."""
        return self._rref is not None and self._rref is rref

    @property
    def connected(self) -> bool:
        """Tell whether there is a connection."""
        return self._rref is not None

    @property
    def seed(self) -> bytes:
        """What gives the server its place in the permuted ring (decision 16)."""
        return (self.announced.seed if self.announced else b"") or self.tubid

    @cached_property
    def nodeid(self) -> str:
        """The Tub id in base 32."""
        return base32.b2a(self.tubid)

    @property
    def name(self) -> str:
        """What to call it when talking to people."""
        nickname = self.nickname
        return nickname if nickname not in UNNAMED else self.nodeid[:8]

    @property
    def nickname(self) -> str:
        """What its owner calls it; may be empty."""
        announced = _text(self.announced.nickname) if self.announced else ""
        return self.version.nickname or announced

    @property
    def zone(self) -> str:
        """Where it says it stands."""
        return self.version.zone

    @property
    def readonly(self) -> bool:
        """Tell whether it takes no new shares, or shall get none."""
        return self.is_drained or self.version.readonly

    @property
    def max_share_size(self) -> int:
        """Bytes of the largest share it takes; of no use to a share that is larger."""
        return self.version.max_share_size

    @property
    def max_write(self) -> int:
        """The most bytes it takes in one call."""
        return self.version.max_write

    @property
    def available_space(self) -> int | None:
        """Bytes free when it was last asked, or None when it does not say."""
        return self.version.available_space

    @property
    def last_received_data(self) -> float | None:
        """Seconds since the epoch when it was last heard, or None."""
        ask = getattr(self._rref, "getDataLastReceivedAt", None)
        return (ask() if ask else None) or self._heard

    # ---- calls -------------------------------------------------------------------------

    @as_deferred
    async def allocate_buckets(
        self, storage_index: bytes, sharenums: set[int], allocated_size: int
    ) -> tuple[set[int], dict[int, Any]]:
        """Ask for room for shares.

        :param allocated_size: bytes of each share
        :return: the numbers it holds already, and for each number it takes the
            RemoteReference of an RIBucketWriter
        :raises ServerLostError, ServerRefusedError: it won't
        """
        already, writers = await self._call(
            "allocate_buckets",
            storage_index,
            *self._lease(storage_index),
            set(sharenums),
            allocated_size,
            self._canary,
        )
        surprise = set(writers) - set(sharenums)
        if surprise:
            raise ServerRefusedError(
                f"{self.name} gave room for shares it was not asked to take",
                why=f"{len(surprise)} share numbers too many",
            )
        return set(already), dict(writers)

    @as_deferred
    async def put_shares(
        self, storage_index: bytes, shares: Mapping[int, bytes]
    ) -> tuple[set[int], set[int]]:
        """Store whole shares, each of at most ``version.whole_shares`` bytes.

        :return: the numbers it held already, and those that it keeps now
        :raises ServerLostError: nobody knows whether it was done
        :raises ServerRefusedError: it won't
        """
        held, kept = await self._call(
            "put_shares",
            storage_index,
            *self._lease(storage_index),
            dict(shares),
            self._canary,
        )
        return set(held), set(kept)

    @as_deferred
    async def get_buckets(self, storage_index: bytes) -> dict[int, Any]:
        """Return, for each share number it holds, the RemoteReference of an RIBucketReader.

        :raises ServerLostError, ServerRefusedError: it won't
        """
        return dict(await self._call("get_buckets", storage_index))

    @as_deferred
    async def add_lease(self, storage_index: bytes) -> None:
        """Have it keep every share it has of a file for another month.

        :raises ServerLostError, ServerRefusedError: it won't
        """
        await self._call("add_lease", storage_index, *self._lease(storage_index))

    @as_deferred
    async def renew_leases(self, storage_indexes: Sequence[bytes]) -> list[Renewal]:
        """Have it keep its shares of many files for another month.

        :return: what became of each, in order; a server too old for that many at once is
            asked one by one, and does not tell
        :raises ServerLostError, ServerRefusedError: it won't
        """
        at_once = min(self.version.batched_leases, RENEWED_AT_ONCE)
        if not at_once:
            return await self._renew_one_by_one(storage_indexes)
        parts = [
            storage_indexes[i : i + at_once]
            for i in range(0, len(storage_indexes), at_once)
        ]
        told = await in_flight(parts, self._renew, MESSAGES_IN_FLIGHT)
        return [one for part in told for one in part]

    async def _renew(self, storage_indexes: Sequence[bytes]) -> list[Renewal]:
        packed = pack_renewals((one, *self._lease(one)) for one in storage_indexes)
        answer = await self._call("renew_leases", packed, self._canary)
        try:
            return parse_answer(answer, len(storage_indexes))
        except ValueError as e:
            raise ServerRefusedError(
                f"{self.name} does not tell what it renewed", why=str(e)
            ) from e

    async def _renew_one_by_one(self, storage_indexes: Sequence[bytes]) -> list[Renewal]:
        async def add(storage_index: bytes) -> Renewal:
            try:
                await self.add_lease(storage_index)
            except ServerRefusedError:
                return Renewal.NO_SPACE
            return Renewal.UNTOLD

        return await in_flight(storage_indexes, add, CALLS_IN_FLIGHT)

    @as_deferred
    async def read_slots(
        self, storage_index: bytes, shnums: Collection[int], parts: Parts
    ) -> dict[int, list[bytes]]:
        """Return the same parts of each of some mutable shares of a file, by number.

        :param shnums: their numbers; none for all that it has
        :param parts: offset and length of each; less comes where the share ends
        :raises ServerLostError, ServerRefusedError: it won't
        """
        asked = list(parts)
        told = await self._call("slot_readv", storage_index, sorted(shnums), asked)
        return self._check_parts(told, asked)

    @as_deferred
    async def write_slots(
        self, storage_index: bytes, enabler: bytes, writes: SlotWrites, parts: Parts
    ) -> tuple[bool, dict[int, list[bytes]]]:
        """Change mutable shares, all of them if they are as they are believed to be.

        :param enabler: the write enabler of that server
        :param writes: by share number what must be there as (offset, length, ``b"eq"``,
            bytes), what to write as (offset, bytes), and where to cut it off, or None
        :return: whether it was done, and *parts* of each share that was there before
        :raises ServerLostError: nobody knows whether it was done
        :raises ServerRefusedError: it won't
        """
        secrets = (enabler, *self._lease(storage_index))
        name, asked = "slot_testv_and_readv_and_writev", list(parts)
        done, told = await self._call(name, storage_index, secrets, dict(writes), asked)
        return bool(done), self._check_parts(told, asked)

    def _check_parts(
        self, told: dict[int, list[bytes]], asked: list[tuple[int, int]]
    ) -> dict[int, list[bytes]]:
        for parts in told.values():
            fits = len(parts) == len(asked)
            if not fits or any(len(p) > n for p, (_, n) in zip(parts, asked, strict=True)):
                raise ServerRefusedError(
                    f"{self.name} does not answer what it was asked",
                    why="it sends other parts of a share",
                )
        return told

    def _lease(self, storage_index: bytes) -> tuple[bytes, bytes]:
        """Return the secrets of this client's lease there."""
        return (
            self._secrets.renewal(storage_index, self.tubid),
            self._secrets.cancel(storage_index, self.tubid),
        )

    @as_deferred
    async def advise_corrupt_share(
        self, storage_index: bytes, shnum: int, reason: str, *, is_mutable: bool = False
    ) -> None:
        """Tell its owner that share *shnum* has gone bad.

        :param reason: what was seen; never a cap or key
        :raises ServerLostError, ServerRefusedError: it does not listen
        """
        kind, text = b"mutable" if is_mutable else b"immutable", reason.encode("utf-8")
        await self._call("advise_corrupt_share", kind, storage_index, shnum, text)

    def _call(self, name: str, *args: Any) -> Coroutine[Any, Any, Any]:
        if self._rref is None:
            raise ServerLostError(f"{self.name} is not connected")
        return call(self._rref, name, *args)


async def ask_version(rref: Any) -> ServerVersion:
    """Ask the RIStorageServer behind *rref* what it can do.

    :raises ServerLostError: the connection broke; any other error means that it is too
        old to say
    """
    try:
        return ServerVersion.parse(await call(rref, "get_version"))
    except ServerRefusedError as e:
        log.info("a server does not tell its version: {why}", why=e.why)
        return ServerVersion()
