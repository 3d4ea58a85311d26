"""Contents by name, for the doors: what is put in is on the grid before it is answered.

A *collection* maps keys to contents.  Every door has its own, and gives keys their meaning:
an alias, a digest, the key of another program.  Behind all collections of a node stands one
index of contents by digest, so that equal contents are encoded and stored once, whoever
puts them.  All of it can be made again from the grid alone.  Docs: docs/doors/blobs.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twisted.internet.defer import Deferred


class IBlob(Interface):
    """What is known of one key, as plain data."""

    key: bytes = Attribute("1 to 1,024 bytes, any.")
    digest: bytes = Attribute("SHA-256 of the content.")
    size: int = Attribute("Bytes of the content.")
    version: int = Attribute("Grows with each change of the collection; never used twice.")
    time: int = Attribute("When it was put, in milliseconds since the epoch.")
    meta: bytes = Attribute("Up to 128 bytes that a door keeps with it.")


class IIntake(Interface):
    """A content on its way in: written to first, then given to ``put``.

    Up to 64 KiB wait in memory; more, encrypted, in a file without a name.
    """

    def write(data: bytes) -> Deferred[None] | None:
        """Take the next bytes; whoever gets a Deferred should wait for it before more."""

    def finish() -> None:
        """There is no more to write."""

    def close() -> None:
        """Forget it; to be called whatever happens, and harmless twice."""


class IBlobs(Interface):
    """All collections of a client node: its service ``blobs``."""

    def collection(name: str) -> Any:
        """Return the :class:`IBlobCollection` of that name; nothing is asked or made yet.

        :param name: lower-case letters, digits and ``-``, at most 32, a letter first
        :raises UsageError: it is no such name
        """

    def face(name: str) -> Any:
        """Return what answers HTTP for a collection.

        Its ``put``, ``get`` and ``delete`` take a request of ours and a key, its ``list`` a
        key to begin after.
        """

    def recover() -> Deferred[dict[str, Any]]:
        """Make the index again from the grid; fires with counts.

        ``contents`` and their ``bytes``; ``packs``, and how many contents are ``packed`` in
        them; ``collections``: name to number of keys; ``missing``: keys whose content is
        not known; ``dropped``: rows that could not be read.
        """

    def status() -> Deferred[dict[str, Any]]:
        """Return counts as above, and ``ready``: whether the index is known to be right."""


class IBlobCollection(Interface):
    """One mapping of keys to contents.

    Every Deferred fails with a GridError where the grid can't be reached; what it was to
    change may then have been changed or not.  Else changes of one key happen one after the
    other, and whoever asks sees the last.
    """

    name: str = Attribute("Of the collection.")

    def receive(size: int | None = None) -> Any:
        """Return an :class:`IIntake` for a content.

        :param size: bytes that will come, if that is known; more or fewer are an error
        """

    def put(
        key: bytes, content: Any, *, replace: bool = True, meta: bytes = b""
    ) -> Deferred[Any]:
        """Keep *content* under *key*; fires with its :class:`IBlob`.

        When it fires, the content rests on as many servers as the node wants (or in its
        row of a directory, where it is small), and so does the key.

        :param content: bytes, or an :class:`IIntake`, which is closed whatever happens; it
            may still be written to
        :param replace: False to be refused where the key is there
        :raises ConflictError: it was refused: of many who try at once, one is not
        :raises UsageError: *key* or *meta* is too long, or *key* is empty
        """

    def link(
        key: bytes, digest: bytes, *, replace: bool = True, meta: bytes = b""
    ) -> Deferred[Any]:
        """Keep under *key* a content that is held already, in whichever collection.

        :return: its :class:`IBlob`, or None where no such content is held
        """

    def find(key: bytes) -> Deferred[Any]:
        """Return the :class:`IBlob` of *key*, or None; the grid is not asked."""

    def find_many(keys: Sequence[bytes]) -> Deferred[list[Any]]:
        """Return the same for each of many."""

    def page(after: bytes = b"", limit: int = 1000) -> Deferred[list[Any]]:
        """Return blobs in the order of their keys, those past *after*."""

    def changes(after: int = 0, limit: int = 1000) -> Deferred[list[Any]]:
        """Return blobs in the order of their versions, those past version *after*.

        Only what is there now: who was deleted, or replaced, is not among them.
        """

    def totals() -> Deferred[tuple[int, int]]:
        """Return how many keys there are, and the bytes of their contents."""

    def read(
        blob: Any, target: Any, offset: int = 0, size: int | None = None
    ) -> Deferred[Any]:
        """Bring the content of *blob*, or a part, to an IDownloadTarget.

        It is the content of that :class:`IBlob`, even if its key has another by now; one
        that nobody refers to any more may be gone.

        :return: fires with what the target's ``finish`` returns
        :raises NotFoundError: it is gone
        :raises NotEnoughSharesError: it can't be brought back
        """

    def read_bytes(blob: Any) -> Deferred[bytes]:
        """Return the whole content of *blob*, held in memory."""

    def delete(key: bytes) -> Deferred[Any]:
        """Take *key* out; fires with the :class:`IBlob` that went, or None."""
