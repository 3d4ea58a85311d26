"""The shares of one file in bytes: its geometry, laid out."""

from __future__ import annotations

from functools import cached_property

from attrs import frozen

from allmydata.coding.geometry import Geometry
from allmydata.crypto.hashutil import HASH_SIZE
from allmydata.formats import extension
from allmydata.formats.share import CHAIN_ENTRY_SIZE, ShareLayout


@frozen(slots=False)
class ShareShape:
    """What all shares of a file have in common; sizes are bytes.

    :param oldest: the oldest version of the layout that is allowed
    """

    geometry: Geometry
    oldest: int = 1

    @cached_property
    def layout(self) -> ShareLayout:
        """Where each part of a share lies."""
        g = self.geometry
        chain_size = g.chain_length * CHAIN_ENTRY_SIZE
        sizes = (g.block_size, g.share_data_size, g.tree_size, chain_size)
        return ShareLayout.plan(*sizes, oldest=self.oldest)

    @cached_property
    def extension_size(self) -> int:
        """The URI extension's, which is known before its hashes are."""
        blank = bytes(HASH_SIZE)
        return len(self.pack_extension(blank, blank, blank))

    @cached_property
    def share_size(self) -> int:
        """A whole share's: what a server is asked to allocate."""
        return self.layout.total_size(self.extension_size)

    def pack_extension(
        self, crypttext_hash: bytes, crypttext_root_hash: bytes, share_root_hash: bytes
    ) -> bytes:
        """Return the URI extension: the eleven fields that writers emit."""
        g = self.geometry
        return extension.pack(
            {
                "codec_name": extension.CODEC_NAME,
                "codec_params": g.codec_params.encode("ascii"),
                "crypttext_hash": crypttext_hash,
                "crypttext_root_hash": crypttext_root_hash,
                "needed_shares": g.k,
                "num_segments": g.num_segments,
                "segment_size": g.segment_size,
                "share_root_hash": share_root_hash,
                "size": g.size,
                "tail_codec_params": b"%d-%d-%d" % (g.tail_padded_size, g.k, g.n),
                "total_shares": g.n,
            }
        )
