"""A file whose content can change, as an object."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import field, frozen
from twisted.internet.defer import Deferred
from zope.interface import implementer

from allmydata.errors import (
    NotEnoughSharesError,
    NotMutableError,
    UncoordinatedWriteError,
    UsageError,
)
from allmydata.interfaces import IMutableFileNode
from allmydata.mutable.delivery import Delivery, Snapshot, deliver_to
from allmydata.mutable.shares import ChangedError
from allmydata.streams.target import Data
from allmydata.uri import MutableFileURI, ReadOnlyMutableFileURI
from allmydata.util.deferreds import as_deferred, sleep

if TYPE_CHECKING:
    from allmydata.mutable.service import Mutables

READ_TRIES = 5  # times that a file which is being written is looked at anew
WRITE_TRIES = 10  # times that a change is made anew after somebody else's
PAUSE_S = 0.05  # before the first of them, at random up to twice as much; then doubled
LONGEST_PAUSE_S = 3.0

Modify = Callable[[bytes], bytes | None]


@implementer(IMutableFileNode)
@frozen
class MutableFileNode:
    """One mutable file on the grid; two nodes are equal where their capabilities are.

    Nothing is remembered between calls: every one asks the servers.

    :param cap: what its capability says
    """

    kind: ClassVar[str] = "file"

    cap: MutableFileURI | ReadOnlyMutableFileURI
    _service: Mutables = field(repr=False, eq=False)

    # ---- what it is, which no server is asked for ----------------------------------------

    def is_mutable(self) -> bool:
        """Return True: somebody can change it."""
        return True

    def is_readonly(self) -> bool:
        """Return whether this node can't change it."""
        return self.cap.is_readonly()

    def get_uri(self) -> str:
        """Return the strongest capability held."""
        return self.cap.to_string()

    def get_immutable_uri(self) -> str:
        """Return the capability that only reads."""
        return self.cap.get_readonly().to_string()

    def get_refresh_capability(self) -> str:
        """Return the verify capability."""
        return self.cap.get_verify_cap().to_string()

    # ---- reading -------------------------------------------------------------------------

    @as_deferred
    async def get_size(self) -> int:
        """Return the bytes of the newest version; asks servers."""
        return (await self._service.newest(self.cap)).version.size

    def download(self, target: Any) -> Deferred[Any]:
        """Bring the whole content to *target*, an IDownloadTarget."""
        return self.read(target)

    def download_to_data(self) -> Deferred[bytes]:
        """Return the whole content, held in memory."""
        return self.read(Data())

    @as_deferred
    async def snapshot(self) -> Snapshot:
        """Return the newest version, to be read in parts that belong together.

        :raises NotEnoughSharesError, RollbackError: as of :meth:`read`
        """
        return Snapshot(await self._service.newest(self.cap))

    @as_deferred
    async def read(self, target: Any, offset: int = 0, size: int | None = None) -> Any:
        """Bring a part of one version to *target*; of another, if that is replaced first.

        :param size: bytes wanted; None: up to the end.  The part is clipped to the file
        :raises NotEnoughSharesError: no version can be brought back
        :raises RollbackError: the newest is older than one that was seen
        :raises CancelledError: the target gave up
        """

        async def deliver(delivery: Delivery) -> None:
            for tries_left in reversed(range(READ_TRIES)):
                retrieval = await self._service.newest(self.cap)
                try:
                    return await delivery.pour(retrieval, offset, size)
                except (ChangedError, NotEnoughSharesError):
                    if delivery.has_begun or not tries_left:
                        raise

        return await deliver_to(target, deliver)

    # ---- changing ------------------------------------------------------------------------

    @as_deferred
    async def overwrite(self, data: bytes) -> None:
        """Make *data* the content, whatever it is now.

        :raises NotMutableError: this node only reads it
        :raises UncoordinatedWriteError: somebody else writes it
        """
        cap = self._demand_writable()
        async with self._service.memory.alone(cap.storage_index):
            await self._service.replace(cap, data)

    @as_deferred
    async def update(self, data: bytes, offset: int) -> None:
        """Write *data* at *offset*; beyond the end the file grows, with zeros between.

        Of an MDMF file only the segments touched are written, where all shares are there.

        :raises NotMutableError, UncoordinatedWriteError: as of :meth:`overwrite`
        """
        cap = self._demand_writable()
        if offset < 0:
            raise UsageError("a part of a file begins at 0 or later")
        async with self._service.memory.alone(cap.storage_index):
            await self._service.update(cap, data, offset)

    @as_deferred
    async def modify(self, change: Modify) -> None:
        """Make the content what *change* makes of it; again, after somebody else's change.

        :param change: takes the content and returns the new one, or None to leave it; it
            may be called several times
        :raises NotMutableError: this node only reads it
        :raises UncoordinatedWriteError: others did not leave off writing
        """
        cap = self._demand_writable()
        for tries_left in reversed(range(WRITE_TRIES)):
            try:
                async with self._service.memory.alone(cap.storage_index):
                    await self._service.modify(cap, change)
                return
            except UncoordinatedWriteError:
                if not tries_left:
                    raise
            await self._pause(WRITE_TRIES - tries_left - 1)

    async def _pause(self, num: int) -> None:
        longest = min(LONGEST_PAUSE_S, 2 * PAUSE_S * 2**num)
        part = int.from_bytes(self._service.random(2), "big") / 2**16
        await sleep(longest * part, self._service.clock)

    def _demand_writable(self) -> MutableFileURI:
        if not isinstance(self.cap, MutableFileURI):
            raise NotMutableError("this capability reads the file, and can't change it")
        return self.cap
