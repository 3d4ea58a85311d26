"""From data to shares and back: the code of one segment, and the work on a whole file.

:class:`ICodecEncoder` and :class:`ICodecDecoder` are erasure codes: arithmetic on
buffers, one segment at a time.  :class:`IEncoder` and :class:`IDecoder` take a whole file
through such a code, hash it, and talk to the servers that hold its shares.

A *buffer* below is ``bytes``, ``bytearray`` or ``memoryview``.  ``k`` is the number of
shares that bring the data back, ``n`` the number made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from zope.interface import Interface

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from allmydata.interfaces.files import IEncryptedUploadable


class ICodecEncoder(Interface):
    """Turns *k* pieces of data into *n* shares, of which any *k* give the data back.

    Set it up once with :meth:`set_params`; then encode as many segments as you like, each
    on its own.
    """

    def set_params(data_size: int, required_shares: int, max_shares: int) -> None:
        """Choose sizes and counts; everything else here needs this first.

        Space taken is ``n/k`` times the data: ``k == n`` only cuts it up, ``k == 1``
        copies it. Memory grows with *data_size*, which is why a file is cut in segments.

        :param data_size: bytes of every segment; a multiple of *required_shares*
        :param required_shares: *k*, at least 1
        :param max_shares: *n*, at least *k* and at most 256
        """

    def get_encoder_type() -> str:
        """Return the short name of this code, its key in the global table of codes."""

    def get_serialized_params() -> str:
        """Return text from which a decoder of the same type can set itself up.

        Its alphabet is digits, letters and hyphens, so that it may stand in a capability
        or in a share: ``<data_size>-<k>-<n>``.
        """

    def get_block_size() -> int:
        """Return the bytes of each share of one segment: ``data_size / k``."""

    def encode_proposal(
        data: Any, desired_share_ids: Sequence[int] | None = None
    ) -> Deferred[tuple[list[Any], list[int]]]:
        """Encode one segment given in one piece, instead of in *k*.

        :param data: a buffer of exactly ``data_size`` bytes
        :param desired_share_ids: as in :meth:`encode`
        :return: fires as :meth:`encode` does
        """

    def encode(
        inshares: Sequence[Any], desired_share_ids: Sequence[int] | None = None
    ) -> Deferred[tuple[list[Any], list[int]]]:
        """Encode one segment. Calls do not depend on each other.

        The caller pads: a segment whose length *k* does not divide can't be cut evenly.

        :param inshares: *k* buffers of :meth:`get_block_size` bytes each: the segment, in
            order. They are pieces of data and not yet shares, whatever their name says.
        :param desired_share_ids: the share numbers wanted, each from 0 to ``n - 1``;
            all *n* where absent. Shares that nobody will store need not be computed.
        :return: fires with two lists of equal length: the shares, as buffers of
            :meth:`get_block_size` bytes, and their numbers in the order asked for. A share
            is of no use without its number. Shares 0 to ``k - 1`` are the pieces
            themselves and may be the very objects passed in.
        """


class ICodecDecoder(Interface):
    """Turns any *k* shares of a segment back into its data."""

    def set_serialized_params(params: str) -> None:
        """Set up from what the encoder's :meth:`ICodecEncoder.get_serialized_params` said.

        :raises GridError: the text is not that of this type of code
        """

    def get_needed_shares() -> int:
        """Return *k*; the parameters must be set."""

    def decode(
        some_shares: Sequence[Any], their_shareids: Sequence[int]
    ) -> Deferred[list[Any]]:
        """Bring one segment back.

        :param some_shares: exactly *k* different shares, buffers of equal length
        :param their_shareids: the number of each, in the same order
        :return: fires with *k* buffers which joined are the segment, ``data_size`` bytes.
            Some may be the objects passed in: who changes one later changes the other.
        """


class IEncoder(Interface):
    """Takes one encrypted file to its shareholders.

    It reads crypttext, cuts it into segments, encodes them, makes every hash tree that
    lets a reader verify what comes back, and delivers it all. It does not choose the
    servers: an :class:`~allmydata.interfaces.IUploader` does, and hands over writers that
    are ready to receive.

    In order: :meth:`set_params` or not, :meth:`set_encrypted_uploadable` (or
    :meth:`set_size`), :meth:`get_param`, :meth:`set_shareholders`, :meth:`start`.
    """

    def set_size(size: int) -> None:
        """Say how many bytes will be encoded, before anything else is asked."""

    def set_params(params: tuple[int, int, int]) -> None:
        """Choose ``(k, happy, n)`` for this file instead of the node's.

        This must come before the first :meth:`get_param`, which fixes them.

        :param params: shares needed, servers that must hold some for the upload to count
            as done, shares made
        """

    def set_encrypted_uploadable(u: IEncryptedUploadable) -> Deferred[Any]:
        """Say where the crypttext comes from; it is asked for its size and storage index.

        :return: fires with this encoder
        """

    def get_param(name: str) -> Any:
        """Return one parameter of the encoding. After this, sizes and counts are fixed.

        =====================  ========================================================
        ``storage_index``      16 bytes, where the shares belong
        ``share_counts``       ``(k, happy, n)``
        ``num_segments``       how many segments there will be
        ``segment_size``       bytes of each, but for the last
        ``block_size``         bytes of each ``put_block``, but for the last
        ``share_size``         bytes of all blocks of one share together
        ``serialized_params``  text that names codec and parameters; it enters the
                               convergence key
        =====================  ========================================================

        :raises KeyError: there is no parameter of that name
        """

    def set_shareholders(shareholders: dict[int, Any]) -> None:
        """Say where each share goes.

        :param shareholders: share number, 0 to ``n - 1``, to a provider of
            :class:`~allmydata.interfaces.IStorageBucketWriter` that is ready to receive
        """

    def start() -> Deferred[tuple[bytes, int, int, int]]:
        """Read, encode, hash, deliver, and close every writer.

        A writer that fails is dropped, as long as enough remain to be happy.

        :return: fires with ``(uri_extension_hash, k, n, size)``: with the encryption key,
            all that a capability holds
        :raises NotEnoughServersError: (from the Deferred) too many writers failed
        """


class IDecoder(Interface):
    """Brings one file back from its shareholders, verified and decrypted.

    It does not look for shares: an :class:`~allmydata.interfaces.IDownloader` does, and
    hands over readers.
    """

    def setup(outfile: Any) -> None:
        """Say where the plaintext goes.

        :param outfile: has ``write(data)`` and ``close()``; ``write`` may return a
            Deferred, and nothing more is written until it fires
        """

    def set_shareholders(shareholders: dict[int, Any]) -> None:
        """Say where each share is, before :meth:`start`.

        :param shareholders: share number to a reference that provides
            :class:`~allmydata.interfaces.RIBucketReader`
        """

    def start() -> Deferred[Any]:
        """Fetch blocks and hashes, verify, decode, decrypt, and write all of it in order.

        Nothing unverified is written; a share found bad is replaced by another.

        :return: fires with this decoder when the last byte is written
        :raises NotEnoughSharesError: (from the Deferred) fewer than *k* good shares
        """
