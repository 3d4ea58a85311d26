"""Files: where bytes come from, where they go, and who carries them.

An application writes :class:`IUploadable` and :class:`IDownloadTarget` (or takes those of
``allmydata.streams``) and calls :class:`IUploader` and :class:`IDownloader`, which a node
offers as its services ``uploader`` and ``downloader``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO

from zope.interface import Interface

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.python.failure import Failure


class IUploadable(Interface):
    """Something to upload: its size, its key, and its bytes, read once from start to end.

    Called in this order: ``get_size``, ``set_serialized_encoding_parameters``,
    ``get_encryption_key``, ``read`` until all is read, ``close``.
    """

    def get_size() -> Deferred[int]:
        """Return the bytes there are to upload; they must not change later.

        :raises UploadSourceError: (from the Deferred) the source can't be read
        """

    def set_serialized_encoding_parameters(serialized_encoding_parameters: str) -> None:
        """Hear how the data will be encoded, at most once, before the key is asked for.

        A convergent key depends on this, so that one file encoded in two ways has two
        keys. Whoever makes keys otherwise ignores it.

        :param serialized_encoding_parameters: ``<segment_size>-<k>-<n>``, decimal
        """

    def get_encryption_key() -> Deferred[bytes]:
        """Return the 16-byte AES key of the file, the same however often it is asked.

        Whoever holds the key reads the file, and the storage index is derived from it.
        Either make it from the contents, the parameters and a secret, which costs a pass
        over the data (``allmydata.streams`` has ``ConvergentUploadMixin`` for that), or
        take 16 random bytes, never used before.
        """

    def read(length: int) -> Deferred[list[bytes]]:
        """Return the next *length* bytes, as a list of pieces which joined are the data.

        Fewer come only at the end; an empty list, or empty pieces, mean that it is
        reached. The sum over all reads must be what ``get_size`` promised.

        :param length: at most one segment
        :raises UploadSourceError: (from the Deferred) the source failed or changed size
        """

    def close() -> None:
        """Let go of whatever was open: the upload is over, well or not."""


class IEncryptedUploadable(Interface):
    """An uploadable seen through its key: crypttext and hashes, and never plaintext."""

    def get_size() -> Deferred[int]:
        """Return the bytes there are, as many as of plaintext."""

    def set_serialized_encoding_parameters(serialized_encoding_parameters: str) -> None:
        """Hear how the data will be encoded, at most once, before ``get_storage_index``.

        :param serialized_encoding_parameters: ``<segment_size>-<k>-<n>``, decimal
        """

    def get_storage_index() -> Deferred[bytes]:
        """Return the 16 bytes under which servers will know the file."""

    def set_segment_size(segment_size: int) -> None:
        """Hear where plaintext segments end, before the first ``read_encrypted``.

        :param segment_size: bytes of each segment but the last
        """

    def read_encrypted(length: int) -> Deferred[list[Any]]:
        """Return the next *length* bytes of crypttext, as a list of buffers.

        Fewer come only at the end. The buffers are the caller's: nobody changes them later.
        """

    def get_plaintext_segment_hashtree_nodes(
        num_segments: int,
    ) -> Deferred[tuple[bytes, ...]]:
        """Return the tree over the plaintext segments, root first, once all is read.

        :param num_segments: how many the caller counted; a check that both agree
        """

    def get_plaintext_hash() -> Deferred[bytes]:
        """Return the tagged hash of the whole plaintext, once all is read."""

    def close() -> None:
        """Let go of whatever was open: the upload is over, well or not."""


class IDownloadTarget(Interface):
    """Where a download goes.

    It hears ``register_canceller``, ``open``, any number of ``write``, ``close`` and
    ``finish``; or, at any point before ``close``, ``fail`` and nothing more. What was
    written before a failure is verified but incomplete, and must not be left behind as if
    it were whole.
    """

    def open(size: int) -> None:
        """Get ready for *size* bytes: what was asked for, the whole file or a range.

        :raises DownloadTargetError: there is no place for it; the download fails
        """

    def write(data: bytes) -> Deferred[None] | None:
        """Take the next piece, already verified; it is the target's to keep.

        :return: None, or a Deferred: then nothing more is written until it fires. This is
            how a slow target holds back the servers.
        """

    def close() -> None:
        """Hear that all has been written."""

    def fail(why: Failure) -> None:
        """Hear that the download failed, perhaps before ``open``; nothing else follows."""

    def register_canceller(cb: Callable[[], Any]) -> None:
        """Keep *cb*, which the target may call without arguments to give up the download.

        After it was called, neither ``write`` nor ``close`` follow.
        """

    def finish() -> Any:
        """Return what the caller of :meth:`IDownloader.download` is to get.

        :return: anything, or a Deferred for it
        """


class IUploader(Interface):
    """Uploads files; a node's service ``uploader``.

    Every method returns a Deferred that fires with the file's capability, a ``str``. It
    fires when the shares rest on enough servers, and fails with UploadSourceError,
    NotEnoughServersError or CancelledError.
    """

    def upload(uploadable: IUploadable) -> Deferred[str]:
        """Upload what *uploadable* offers, and close it, whatever happens.

        A node's own uploader takes ``happy=`` beside it: for this file, how many servers
        must hold a share.
        """

    def upload_ssk(
        write_capability: Any, new_version: Any, uploadable: IUploadable
    ) -> Deferred[str]:
        """Replace the contents of a mutable file.

        :param write_capability: the right to change it
        :param new_version: greater than that of the contents to be replaced
        :param uploadable: the new contents
        :raises NotYetError: (from the Deferred) there are no mutable files so far
        """

    def upload_data(data: bytes) -> Deferred[str]:
        """Upload *data*."""

    def upload_filename(filename: str) -> Deferred[str]:
        """Upload the file at the absolute path *filename*."""

    def upload_filehandle(filehane: BinaryIO) -> Deferred[str]:
        """Upload from an open file that can seek; the caller closes it.

        :param filehane: the file handle; the name is as old as this interface
        """


class IDownloader(Interface):
    """Downloads files; a node's service ``downloader``."""

    def download(uri: str, target: IDownloadTarget) -> Deferred[Any]:
        """Bring the file *uri* names to *target*, from its first byte to its last.

        A node's own downloader takes ``offset=`` and ``size=`` beside them, in bytes: then
        the target hears only of that range.

        :param uri: a file's capability
        :return: fires with what the target's ``finish`` returns
        :raises NotEnoughSharesError: (from the Deferred) the file can't be brought back
        :raises BadCapError: (from the Deferred) *uri* does not name a file
        :raises CancelledError: (from the Deferred) the target gave up
        """


class IFileNode(Interface):
    """One file on the grid, as an object."""

    def download(target: IDownloadTarget) -> Deferred[Any]:
        """Bring the file to *target*; fires with what its ``finish`` returns."""

    def download_to_data() -> Deferred[bytes]:
        """Return the whole contents, held in memory."""

    def get_uri() -> str:
        """Return the capability by which others reach this file."""

    def get_size() -> int:
        """Return the bytes of the contents; no server is asked."""

    def get_refresh_capability() -> str | None:
        """Return the weakest capability: to renew the file's leases, not to read it.

        :return: None for a file held whole in its capability, which no server stores
        """


class IMutableFileNode(Interface):
    """One file on the grid whose content can change, as an object."""

    def download(target: IDownloadTarget) -> Deferred[Any]:
        """Bring the newest version to *target*; fires with what its ``finish`` returns."""

    def download_to_data() -> Deferred[bytes]:
        """Return the whole content, held in memory."""

    def read(target: Any, offset: int, size: int | None) -> Deferred[Any]:
        """Bring a part of one version to *target*.

        :param size: bytes; None: up to the end
        """

    def snapshot() -> Deferred[Any]:
        """Return the newest version: its ``size``, and what ``read`` of it, as above."""

    def overwrite(data: bytes) -> Deferred[None]:
        """Make *data* the content.

        :raises NotMutableError: this node only reads the file
        :raises UncoordinatedWriteError: somebody else writes it
        """

    def update(data: bytes, offset: int) -> Deferred[None]:
        """Write *data* at *offset*, with zeros before it where the file is shorter."""

    def modify(change: Callable[[bytes], bytes | None]) -> Deferred[None]:
        """Make the content what *change* makes of it; again, if others write meanwhile.

        :param change: takes the content and returns the new one, or None to leave it
        """

    def get_size() -> Deferred[int]:
        """Return the bytes of the newest version; servers are asked."""

    def is_readonly() -> bool:
        """Return whether this node can't change the file."""

    def get_uri() -> str:
        """Return the strongest capability held."""

    def get_immutable_uri() -> str:
        """Return the capability that only reads."""

    def get_refresh_capability() -> str:
        """Return the weakest capability: to check the file, not to read it."""
