"""One share, every byte of it, against the one hash that a verify capability holds.

What is compared: the header with the layout that the file's numbers leave no choice in;
the URI extension with the capability; the share hash chain with the extension; both hash
trees, whole, with their roots; each block with its leaf.  What is not: the reserved
plaintext tree, and bytes behind the extension, which nobody reads.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, TypeVar

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from allmydata.coding.geometry import Geometry
from allmydata.coding.verify import (
    FileVerifier,
    ShareVerifier,
    check_whole_tree,
    hash_blocks,
    leaves_of,
)
from allmydata.crypto.hashutil import uri_extension_hash
from allmydata.errors import BadHashError, BadShareError
from allmydata.formats.extension import Extension
from allmydata.grid.buckets import MAX_READ, ReadBucketProxy, open_share
from allmydata.grid.patience import GIVE_UP_S
from allmydata.grid.shape import ShareShape
from allmydata.immutable.pipeline import Pipeline
from allmydata.uri import CHKFileVerifierURI
from allmydata.util.deferreds import start, timeout
from allmydata.util.mathutil import div_ceil
from allmydata.util.workers import Workers

T = TypeVar("T")

DEPTH = 4  # reads of one share under way


@frozen
class Damage:
    """A share that is there and wrong.

    :param nodeid: of its server
    :param why: what was seen; never a capability
    """

    shnum: int
    nodeid: str
    why: str


@frozen
class ShareCheck:
    """Reads one share and compares.

    :param rref: RemoteReference of an RIBucketReader
    """

    cap: CHKFileVerifierURI
    shnum: int
    rref: Any
    workers: Workers
    clock: IReactorTime

    async def run(self) -> bytes:
        """Return the URI extension of a share that is right.

        :raises CorruptError: it is not, and what is wrong
        :raises ServerLostError, ServerRefusedError, TimeoutError: its server does not
            give it
        """
        geometry, file, reader, block = await self._open()
        share = ShareVerifier(file, self.shnum)
        share.take_chain(dict(await self._soon(reader.get_share_hashes())))
        root = share.block_tree[0]
        assert root is not None
        part = await self._read(reader, reader.layout.crypttext_hashes, geometry.tree_size)
        leaves = leaves_of(part, geometry.num_segments)
        seal = file.crypttext_tree[0]
        assert seal is not None
        await self.workers.run(check_whole_tree, part, leaves, seal)
        part = await self._read(reader, reader.layout.block_hashes, geometry.tree_size)
        leaves = leaves_of(part, geometry.num_segments)
        await self.workers.run(check_whole_tree, part, leaves, root)
        await self._check_blocks(reader, geometry, leaves)
        return block

    async def _open(self) -> tuple[Geometry, FileVerifier, ReadBucketProxy, bytes]:
        cap = self.cap
        size, k, n = cap.size, cap.needed_shares, cap.total_shares
        guess = ShareShape(Geometry.for_new_file(size, k, n))
        reader = await self._soon(open_share(self.rref, guess))
        block = await self._soon(reader.get_uri_extension())
        if uri_extension_hash(block) != cap.uri_extension_hash:
            raise BadHashError("the URI extension does not match the capability")
        told = Extension.parse(block, k=k, n=n, size=size)
        geometry = Geometry(size, k, n, told.segment_size)
        if reader.layout != ShareShape(geometry, oldest=reader.layout.version).layout:
            raise BadShareError("the header does not fit the file")
        file = FileVerifier(geometry, told.crypttext_root_hash, told.share_root_hash)
        return geometry, file, reader, block

    async def _check_blocks(
        self, reader: ReadBucketProxy, geometry: Geometry, leaves: list[bytes]
    ) -> None:
        """Read all blocks, several at a time, and compare each with its leaf."""
        at_once = max(1, MAX_READ // geometry.block_size)
        data_end = geometry.share_data_size

        async def begin(i: int) -> Deferred[list[bytes]]:
            start_at = i * at_once * geometry.block_size
            length = min(at_once * geometry.block_size, data_end - start_at)
            return start(self._hashes(reader, start_at, length, geometry.block_size))

        async def finish(i: int, hashes: list[bytes]) -> None:
            first = i * at_once
            for segnum, found in enumerate(hashes, first):
                if found != leaves[segnum]:
                    raise BadHashError(f"block {segnum} does not match its hash")

        count = div_ceil(geometry.num_segments, at_once)
        await Pipeline(count, DEPTH, begin, finish).run()

    async def _hashes(
        self, reader: ReadBucketProxy, start_at: int, length: int, block_size: int
    ) -> list[bytes]:
        data = await self._read(reader, reader.layout.data + start_at, length)
        return await self.workers.run(hash_blocks, data, block_size)

    async def _read(self, reader: ReadBucketProxy, offset: int, length: int) -> bytes:
        return await self._soon(reader.read(offset, length))

    async def _soon(self, work: Awaitable[T]) -> T:
        return await timeout(work, GIVE_UP_S, self.clock)
