"""Merkle trees: one to publish, one to verify with.

A tree over L leaves has room for P, the next power of two; what is missing is filled
with padding leaves.  It is a flat list of 2P-1 nodes, root first: the children of
node i are 2i+1 and 2i+2, leaf j is node P-1+j.  Source: R. Merkle, "A digital
signature based on a conventional encryption function", 1987.  Format:
docs/formats/hashes.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from allmydata.crypto.hashutil import HASH_SIZE, empty_leaf_hash, pair_hash
from allmydata.errors import BadHashError, NotEnoughHashesError
from allmydata.util.mathutil import next_power_of_2


def num_nodes(num_leaves: int) -> int:
    """Return how many nodes a tree over *num_leaves* leaves has, padding included."""
    return 2 * next_power_of_2(num_leaves) - 1


def first_leaf(num_leaves: int) -> int:
    """Return the node number of leaf 0."""
    return next_power_of_2(num_leaves) - 1


def parent(node: int) -> int:
    """Return the node above *node*."""
    return (node - 1) // 2


def sibling(node: int) -> int:
    """Return the node that shares *node*'s parent."""
    return node + 1 if node % 2 else node - 1


def path_siblings(node: int) -> Iterator[int]:
    """Yield the siblings on the way from *node* to the root, leaf end first."""
    while node:
        yield sibling(node)
        node = parent(node)


class PackedHashes(Sequence[bytes]):
    """Hashes in one piece: as objects of their own they take more than twice the memory.

    :param packed: hashes of 32 bytes, one behind the other
    """

    def __init__(self, packed: bytes) -> None:
        self._packed = packed

    def __len__(self) -> int:
        return len(self._packed) // HASH_SIZE

    def __getitem__(self, number):  # type: ignore[no-untyped-def]  # int or slice
        if isinstance(number, slice):
            return [self[i] for i in range(len(self))[number]]
        at = range(len(self))[number] * HASH_SIZE
        return self._packed[at : at + HASH_SIZE]

    def __iter__(self) -> Iterator[bytes]:
        for at in range(0, len(self._packed), HASH_SIZE):
            yield self._packed[at : at + HASH_SIZE]

    def pack(self) -> bytes:
        """Return all of them, as they lie in a share."""
        return self._packed


def pack_hashes(hashes: Iterable[bytes]) -> bytes:
    """Return *hashes* one behind the other; those that lie so already are not copied."""
    return hashes.pack() if isinstance(hashes, PackedHashes) else b"".join(hashes)


class HashTree(PackedHashes):
    """A whole tree: a sequence of all its nodes, root first.

    :param leaves: hashes of 32 bytes, in order
    """

    def __init__(self, leaves: Iterable[bytes]) -> None:
        row = pack_hashes(leaves)
        self.num_leaves = len(row) // HASH_SIZE
        padding = range(self.num_leaves, next_power_of_2(self.num_leaves))
        row += b"".join([empty_leaf_hash(i) for i in padding])
        rows = [row]
        while len(row) > HASH_SIZE:
            row = b"".join(_above(row))
            rows.append(row)
        super().__init__(b"".join(reversed(rows)))

    @property
    def root(self) -> bytes:
        """The hash that seals all leaves."""
        return self._packed[:HASH_SIZE]

    def needed_hashes(self, leaf: int, include_leaf: bool = False) -> set[int]:
        """Return the node numbers that tie *leaf* to the root.

        :param include_leaf: also the leaf's own node
        """
        node = first_leaf(self.num_leaves) + leaf
        needed = set(path_siblings(node))
        if include_leaf:
            needed.add(node)
        return needed


def _above(row: bytes) -> list[bytes]:
    """Return the hashes of the pairs in *row*."""
    size = HASH_SIZE
    pairs = range(0, len(row), 2 * size)
    return [pair_hash(row[i : i + size], row[i + size : i + 2 * size]) for i in pairs]


class _Known:
    """Hashes by the number of their node, a few in one piece.

    Pieces are made when they are needed: a forged size must not cost memory.
    """

    PIECE = 32  # hashes

    def __init__(self) -> None:
        self._pieces: dict[int, bytearray] = {}
        self._bits: dict[int, int] = {}  # by piece: which of its hashes are known

    def __contains__(self, node: int) -> bool:
        piece, at = divmod(node, self.PIECE)
        return bool(self._bits.get(piece, 0) >> at & 1)

    def get(self, node: int) -> bytes | None:
        if node not in self:
            return None
        piece, at = divmod(node, self.PIECE)
        return bytes(self._pieces[piece][at * HASH_SIZE : (at + 1) * HASH_SIZE])

    def put(self, node: int, value: bytes) -> None:
        piece, at = divmod(node, self.PIECE)
        if piece not in self._pieces:
            self._pieces[piece] = bytearray(self.PIECE * HASH_SIZE)
        self._pieces[piece][at * HASH_SIZE : (at + 1) * HASH_SIZE] = value
        self._bits[piece] = self._bits.get(piece, 0) | 1 << at

    def drop(self, node: int) -> None:
        piece, at = divmod(node, self.PIECE)
        self._bits[piece] &= ~(1 << at)
        if not self._bits[piece]:
            del self._bits[piece], self._pieces[piece]


class IncompleteHashTree:
    """A tree of which some nodes are known, all of them tied to the root.

    :param num_leaves: 1 or more
    """

    def __init__(self, num_leaves: int) -> None:
        self.num_leaves = num_leaves
        self._first_leaf = first_leaf(num_leaves)
        self._num_nodes = num_nodes(num_leaves)
        self._nodes = _Known()

    def __len__(self) -> int:
        return self._num_nodes

    def __getitem__(self, node: int) -> bytes | None:
        return self._nodes.get(node)

    def get_leaf(self, leaf: int) -> bytes | None:
        """Return the known hash of *leaf*, or None."""
        return self._nodes.get(self._first_leaf + leaf)

    def needed_hashes(self, leaf: int, include_leaf: bool = False) -> set[int]:
        """Return the node numbers still unknown that would tie *leaf* to the root."""
        node = self._first_leaf + leaf
        needed = set(path_siblings(node))
        if include_leaf:
            needed.add(node)
        return {node for node in needed if node not in self._nodes}

    def set_root(self, root: bytes) -> None:
        """Take the root from somewhere trusted, such as a checked URI extension.

        :raises BadHashError: another root is known already
        """
        if self._nodes.get(0) not in (None, root):
            raise BadHashError("the tree has another root already")
        self._nodes.put(0, root)

    def set_hashes(
        self,
        hashes: Mapping[int, bytes] | None = None,
        leaves: Mapping[int, bytes] | None = None,
    ) -> None:
        """Take *hashes* by node number and *leaves* by leaf number: all of them or none.

        :raises BadHashError: one of them contradicts what is known, or each other, or is
            no node of this tree
        :raises NotEnoughHashesError: one can't be tied to the root; nothing was taken
        """
        if 0 not in self._nodes:
            raise NotEnoughHashesError("the root of the hash tree is not known")
        new = self._collect(hashes or {}, leaves or {})
        added = {node for node in new if node not in self._nodes}
        try:
            for node in added:
                self._nodes.put(node, new[node])
            self._check(new, added)
        except (BadHashError, NotEnoughHashesError):
            for node in added:
                self._nodes.drop(node)
            raise

    def _collect(
        self, hashes: Mapping[int, bytes], leaves: Mapping[int, bytes]
    ) -> dict[int, bytes]:
        new: dict[int, bytes] = {}
        named = list(hashes.items())
        named += [(self._first_leaf + leaf, value) for leaf, value in leaves.items()]
        for node, value in named:
            if not 0 <= node < self._num_nodes:
                raise BadHashError(f"node {node} of a tree of {self._num_nodes}")
            if len(value) != HASH_SIZE:
                raise BadHashError(f"node {node} is {len(value)} bytes, wanted {HASH_SIZE}")
            known = self._nodes.get(node)
            if known not in (None, value) or new.get(node, value) != value:
                raise BadHashError(f"node {node} of a hash tree does not match")
            new[node] = value
        return new

    def _check(self, new: Mapping[int, bytes], added: set[int]) -> None:
        # deepest first, so that a parent computed here is itself checked later
        levels: dict[int, set[int]] = {}
        for node in new:
            levels.setdefault((node + 1).bit_length(), set()).add(_left(node))
        for depth in range(max(levels, default=1), 1, -1):
            for left in levels.pop(depth, ()):
                above = self._check_pair(left, added)
                levels.setdefault(depth - 1, set()).add(_left(above))

    def _check_pair(self, left: int, added: set[int]) -> int:
        a, b = self._nodes.get(left), self._nodes.get(left + 1)
        if a is None or b is None:
            missing = left if a is None else left + 1
            raise NotEnoughHashesError(f"node {missing} of a hash tree is missing")
        above, computed = parent(left), pair_hash(a, b)
        known = self._nodes.get(above)
        if known is None:
            self._nodes.put(above, computed)
            added.add(above)
        elif known != computed:
            raise BadHashError(f"node {above} of a hash tree does not match its children")
        return above


def _left(node: int) -> int:
    return node if node % 2 else node - 1
