"""A content on its way in: hashed as it comes, and held until all of it is there.

A small one waits in memory.  Of a larger one nothing readable lies on disk: it waits in a
spool (decision 18), which is what is uploaded then.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

from twisted.internet.defer import Deferred
from zope.interface import implementer

from allmydata.errors import CancelledError, UploadSourceError
from allmydata.interfaces import IIntake
from allmydata.streams.spool import Spool
from allmydata.util.deferreds import Gate

SMALL = 2**16  # bytes that wait in memory, and may go into a pack
MakeSpool = Callable[[int | None], Spool]  # bytes that will come, if that is known


@implementer(IIntake)
class Intake:
    """Written to first; then its digest and size are known.

    :param size: bytes that will come, if that is known
    """

    def __init__(self, make_spool: MakeSpool, size: int | None = None) -> None:
        self._make_spool = make_spool
        self._promised = size
        self._pieces: list[bytes] = []
        self._hasher = sha256()
        self.size = 0
        self.spool: Spool | None = None
        self._is_closed = False
        self._more = Gate()  # opened when it is all there, or much

    @classmethod
    def of(cls, data: bytes, make_spool: MakeSpool) -> Intake:
        """Return an intake into which *data* has come."""
        made = cls(make_spool, len(data))
        made.write(bytes(data))
        made.finish()
        return made

    # ---- the side that writes

    def write(self, data: bytes) -> Deferred[None] | None:
        """Take the next bytes; whoever gets a Deferred should wait for it before more."""
        if self._is_closed:
            return None
        self._hasher.update(data)
        self.size += len(data)
        if self.spool is None and self.size <= SMALL:
            self._pieces.append(data)
            return None
        if self.spool is None:
            self.spool = self._make_spool(self._promised)
            for piece in self._pieces:
                self.spool.write(piece)
            self._pieces.clear()
            self._more.open()
        return self.spool.write(data)

    def finish(self) -> None:
        """There is no more to write."""
        self._more.open()
        if self.spool is not None:
            self.spool.finish()

    def close(self) -> None:
        """Forget what came, and what comes from now on."""
        self._is_closed = True
        self._pieces.clear()
        self._more.open()
        if self.spool is not None:
            self.spool.close()

    # ---- the side that reads

    async def fill(self) -> None:
        """Wait until all has come; to be called once.

        :raises UploadSourceError: more or fewer bytes came than were promised
        :raises CancelledError: it was closed before
        :raises NoSpaceError: there is no room for it
        """
        await self._more.wait()
        if self.spool is not None:
            await self.spool.fill()
        if self._is_closed:
            raise CancelledError("the content was given up before all of it had come")
        if self._promised not in (None, self.size):
            came = f"{self.size} bytes came"
            raise UploadSourceError(f"{came}, {self._promised} were promised")

    @property
    def digest(self) -> bytes:
        """SHA-256 of all that came."""
        return self._hasher.digest()

    def data(self) -> bytes:
        """Return a small content, whole."""
        return b"".join(self._pieces)
