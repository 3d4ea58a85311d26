"""One storage server, as a client sees it: its state, its secrets, its calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define, field, frozen
from foolscap.api import Referenceable
from twisted.logger import Logger

from allmydata.crypto.keys import LeaseSecrets
from allmydata.errors import ServerLostError, ServerRefusedError
from allmydata.grid.remote import call
from allmydata.util import base32
from allmydata.util.deferreds import as_deferred

log = Logger()
D = TypeVar("D")

STORAGE_V1 = b"http://allmydata.org/tahoe/protocols/storage/v1"
OURS = b"allmydata-grid-v1"
UNKNOWN_MAX_SHARE_SIZE = 2**32 - 1  # of a server that can't say (docs/protocols/storage.md)
OLD_MAX_WRITE = 400_000  # bytes in one call to a bucket of the seed's age
MAX_WRITE = 1_000_000  # and of today's: they take more, but this is as fast
UNNAMED = ("", "<unspecified>")  # nicknames of servers whose owner chose none
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
    _rref: Any = field(default=None, init=False, repr=False)  # to an RIStorageServer
    _canary: Canary = field(factory=Canary, init=False, repr=False)
    _heard: float | None = field(default=None, init=False)

    # ---- state -------------------------------------------------------------------------

    def attach(self, rref: Any, version: ServerVersion) -> None:
        """Use *rref*, an RIStorageServer's, from now on."""
        self._rref, self.version = rref, version

    def detach(self) -> None:
        """Take note that the connection is gone; what was last known is kept."""
        self._heard = self.last_received_data
        self._rref = None

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
        return self.tubid

    @property
    def nodeid(self) -> str:
        """The Tub id in base 32."""
        return base32.b2a(self.tubid)

    @property
    def name(self) -> str:
        """What to call it when talking to people."""
        nickname = self.version.nickname
        return nickname if nickname not in UNNAMED else self.nodeid[:8]

    @property
    def zone(self) -> str:
        """Where it says it stands."""
        return self.version.zone

    @property
    def readonly(self) -> bool:
        """Tell whether it takes no new shares."""
        return self.version.readonly

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
            self._secrets.renewal(storage_index, self.tubid),
            self._secrets.cancel(storage_index, self.tubid),
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
    async def get_buckets(self, storage_index: bytes) -> dict[int, Any]:
        """Return, for each share number it holds, the RemoteReference of an RIBucketReader.

        :raises ServerLostError, ServerRefusedError: it won't
        """
        return dict(await self._call("get_buckets", storage_index))

    @as_deferred
    async def advise_corrupt_share(
        self, storage_index: bytes, shnum: int, reason: str
    ) -> None:
        """Tell its owner that share *shnum* has gone bad.

        :param reason: what was seen; never a cap or key
        :raises ServerLostError, ServerRefusedError: it does not listen
        """
        text = reason.encode("utf-8")
        await self._call("advise_corrupt_share", b"immutable", storage_index, shnum, text)

    async def _call(self, name: str, *args: Any) -> Any:
        if self._rref is None:
            raise ServerLostError(f"{self.name} is not connected")
        return await call(self._rref, name, *args)


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
