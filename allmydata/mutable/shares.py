"""One share of one version, read in parts and checked down to the signed root hash.

Every read asks for the share's first bytes too: where they are another version's, somebody
has written meanwhile, and that is no damage.
"""

from __future__ import annotations

from attrs import define, field
from twisted.internet.interfaces import IReactorTime

from allmydata.coding.mutable import (
    MutableGeometry,
    block_tree,
    check_root,
    mutable_block_hash,
)
from allmydata.crypto.hashtree import first_leaf, num_nodes
from allmydata.crypto.hashutil import HASH_SIZE
from allmydata.errors import (
    BadHashError,
    BadShareError,
    ServerRefusedError,
    UncoordinatedWriteError,
)
from allmydata.formats.share import unpack_chain
from allmydata.grid.patience import GIVE_UP_S
from allmydata.mutable.servermap import FoundShare
from allmydata.mutable.shape import geometry_of
from allmydata.util.deferreds import timeout
from allmydata.util.workers import Workers

Pair = tuple[bytes, bytes]  # salt and block


class ChangedError(UncoordinatedWriteError):
    """The share is not of the version any more that is being read."""


@define(eq=False)
class ShareReader:
    """Reads one share; nothing it returns is unchecked, unless it says so."""

    share: FoundShare
    _storage_index: bytes
    _workers: Workers
    _clock: IReactorTime
    geometry: MutableGeometry = field(init=False)
    leaves: list[bytes] | None = field(default=None, init=False)  # checked block hashes

    def __attrs_post_init__(self) -> None:
        self.geometry = geometry_of(self.share.version)

    async def pairs(self, first: int, count: int) -> list[Pair]:
        """Return salts and blocks of some segments.

        :raises CorruptError: the share is bad
        :raises ChangedError: it is of another version now
        :raises ServerLostError, ServerRefusedError: it can't be read
        """
        data, _ = self.share.layout.parts["data"]
        begin = data + first * self.geometry.stride
        size = min(count * self.geometry.stride, data + self.geometry.data_size - begin)
        if self.leaves is None:
            trees = [self._part("block_tree"), self._part("chain")]
            run, tree, chain = await self._read([(begin, size), *trees])
            await self._workers.run(self._take_trees, tree, chain)
        else:
            (run,) = await self._read([(begin, size)])
        return await self._workers.run(self._cut, run, first, count)

    async def fetch_leaves(self) -> list[bytes]:
        """Return the hashes of all blocks.

        :raises CorruptError, ChangedError: as of :meth:`pairs`
        """
        if self.leaves is None:
            tree, chain = await self._read([self._part("block_tree"), self._part("chain")])
            await self._workers.run(self._take_trees, tree, chain)
        assert self.leaves is not None
        return self.leaves

    async def fetch_part(self, name: str) -> bytes:
        """Return a part of the share, unchecked: the caller knows how to.

        :raises BadShareError: it is not all there
        """
        part = self._part(name)
        (data,) = await self._read([part])
        if len(data) != part[1]:
            raise BadShareError(f"the {name} of a mutable share is cut off")
        return data

    # ---- bytes ---------------------------------------------------------------------------

    def _part(self, name: str) -> tuple[int, int]:
        begin, end = self.share.layout.parts[name]
        return begin, end - begin

    async def _read(self, parts: list[tuple[int, int]]) -> list[bytes]:
        head = self.share.head
        if all(begin + size <= len(head) for begin, size in parts):
            return [head[begin : begin + size] for begin, size in parts]
        wanted = self.share.version.checkstring
        number = self.share.shnum
        asking = self.share.server.read_slots(
            self._storage_index, [number], [(0, len(wanted)), *parts]
        )
        told = await timeout(asking, GIVE_UP_S, self._clock)
        if number not in told:
            raise ServerRefusedError(f"{self.share.server.name} has the share no more")
        found, *read = told[number]
        if found != wanted:
            raise ChangedError("somebody has written to the file meanwhile")
        return read

    # ---- in a thread: arithmetic on bytes ------------------------------------------------

    def _take_trees(self, tree: bytes, chain: bytes) -> None:
        prefix = self.share.version
        self.leaves, root = open_block_tree(self.geometry, tree)
        numbered = unpack_chain(chain)
        check_root(prefix.n, self.share.shnum, root, numbered, prefix.root_hash)

    def _cut(self, run: bytes, first: int, count: int) -> list[Pair]:
        assert self.leaves is not None
        pairs = []
        for segnum in range(first, first + count):
            at = (segnum - first) * self.geometry.stride
            begin = at + self.geometry.salt_size
            end = begin + self.geometry.block_bytes(segnum)
            salt, block = run[at:begin] or self.share.version.salt, run[begin:end]
            if mutable_block_hash(self.geometry, salt, block) != self.leaves[segnum]:
                raise BadHashError(f"block {segnum} of a mutable share is damaged")
            pairs.append((salt, block))
        return pairs


def open_block_tree(geometry: MutableGeometry, tree: bytes) -> tuple[list[bytes], bytes]:
    """Return the leaves of a share's block hash tree, and its root.

    :raises BadHashError: it is no such tree
    """
    count = max(1, geometry.num_segments)
    if len(tree) != num_nodes(count) * HASH_SIZE:
        raise BadHashError(f"a block hash tree of {len(tree)} bytes")
    begin = first_leaf(count) * HASH_SIZE
    cuts = range(begin, begin + count * HASH_SIZE, HASH_SIZE)
    leaves = [tree[at : at + HASH_SIZE] for at in cuts]
    whole = block_tree(leaves)
    if whole.pack() != tree:
        raise BadHashError("the block hash tree of a mutable share is damaged")
    return leaves[: geometry.num_segments], whole.root
