"""A file that does not change, as an object."""

from __future__ import annotations

from typing import Any, ClassVar

from attrs import field, frozen
from twisted.internet.defer import Deferred
from zope.interface import implementer

from allmydata.immutable.download import Downloader
from allmydata.interfaces import IFileNode
from allmydata.streams.target import Data
from allmydata.uri import CHKFileURI, LiteralFileURI


@implementer(IFileNode)
@frozen
class FileNode:
    """One file on the grid; two nodes are equal where their capabilities are.

    :param cap: what its capability says
    """

    kind: ClassVar[str] = "file"

    cap: CHKFileURI | LiteralFileURI
    _downloader: Downloader = field(repr=False, eq=False)

    def download(self, target: Any) -> Deferred[Any]:
        """Bring the file to *target*, an IDownloadTarget."""
        return self.read(target)

    def download_to_data(self) -> Deferred[bytes]:
        """Return the whole contents, held in memory."""
        return self.read(Data())

    def read(self, target: Any, offset: int = 0, size: int | None = None) -> Deferred[Any]:
        """Bring a part of the file to *target*.

        :param offset: of the first byte wanted
        :param size: bytes wanted; None: up to the end.  The part is clipped to the file
        """
        return self._downloader.download(self.cap.to_string(), target, offset, size)

    def is_mutable(self) -> bool:
        """Return False: nobody can change it."""
        return False

    def get_uri(self) -> str:
        """Return the capability by which others reach this file."""
        return self.cap.to_string()

    def get_immutable_uri(self) -> str:
        """Return the same: it only reads anyway."""
        return self.cap.to_string()

    def get_size(self) -> int:
        """Return the bytes of the contents; no server is asked."""
        return self.cap.get_size()

    def get_refresh_capability(self) -> str | None:
        """Return the verify capability; None for a file held whole in its capability."""
        verify_cap = self.cap.get_verify_cap()
        return verify_cap.to_string() if verify_cap else None
