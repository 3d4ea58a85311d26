"""A new version of a mutable file, as what is to be written to each of its shares.

Pure arithmetic, made to run in a thread: salts come from a function that is handed in.
Whole shares are one write each; where only some segments of an MDMF file change, what is
written is their blocks, the trees, the signature and the header.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from attrs import field, frozen

from allmydata.coding.mutable import (
    MutableGeometry,
    block_tree,
    encode_mutable,
    mutable_block_hash,
    share_chain,
)
from allmydata.crypto.hashtree import HashTree
from allmydata.crypto.mutable_keys import (
    SALT_SIZE,
    SIGNATURE_SIZE,
    MutableKeys,
    SigningKey,
)
from allmydata.formats.mutable import (
    MDMF,
    SDMF,
    MutableLayout,
    Prefix,
    pack_sorted_chain,
    salt_size,
)

Random = Callable[[int], bytes]
Write = tuple[int, bytes]  # offset, data


@frozen
class Edition:
    """A version that is about to be written.

    :param writes: what to write to each share, by number
    :param is_whole: whether that makes a share where there is none
    """

    prefix: Prefix
    writes: Mapping[int, list[Write]] = field(repr=False)
    is_whole: bool = True

    @property
    def largest(self) -> int:
        """Bytes of the largest part of a share that is written in one piece."""
        return max(len(data) for parts in self.writes.values() for _, data in parts)


@frozen
class Author:
    """Who may write a file, and what it needs.

    :param random: returns that many bytes that nobody can foresee
    """

    keys: MutableKeys = field(repr=False)
    signer: SigningKey = field(repr=False)
    random: Random = field(repr=False)


@frozen
class Shape:
    """How a file is kept."""

    kind: int
    k: int
    n: int

    def geometry(self, size: int) -> MutableGeometry:
        """Return the shape of shares when the file has *size* bytes."""
        return MutableGeometry.of_new(size, self.k, self.n, salt_size(self.kind))


def write_whole(author: Author, shape: Shape, seqnum: int, plaintext: bytes) -> Edition:
    """Return a version that replaces all there is."""
    geometry = shape.geometry(len(plaintext))
    salt = author.random(SALT_SIZE) if shape.kind == SDMF else b""
    segments = _cut(plaintext, geometry, 0)
    runs = [_Run.encode(author, geometry, i, part, salt) for i, part in enumerate(segments)]
    data = [b"".join(run.data[n] for run in runs) for n in range(shape.n)]
    trees = [block_tree([run.leaves[n] for run in runs]) for n in range(shape.n)]
    root, chains = _tie(trees)
    prefix = _prefix(shape, geometry, seqnum, root, salt)
    signature = author.signer.sign(prefix.pack())
    sealed = author.keys.seal_private_key(author.signer.der)
    writes: dict[int, list[Write]] = {}
    for n in range(shape.n):
        contents = {
            "private_key": sealed,
            "chain": chains[n],
            "signature": signature,
            "public_key": author.signer.public_der,
            "data": data[n],
            "block_tree": trees[n].pack(),
        }
        sizes = {name: len(part) for name, part in contents.items()}
        writes[n] = [(0, MutableLayout.plan(prefix, sizes).pack_share(contents))]
    return Edition(prefix, writes)


def write_part(
    author: Author,
    shape: Shape,
    seqnum: int,
    size: int,
    first: int,
    plaintext: bytes,
    leaves: Mapping[int, list[bytes]],
) -> Edition:
    """Return a version in which some segments of an MDMF file are new; others stay.

    :param size: bytes that the file has then
    :param first: number of the first segment that changes
    :param plaintext: of the segments from there on that change, whole
    :param leaves: hashes of all blocks there are now, of every share
    """
    assert shape.kind == MDMF
    geometry = shape.geometry(size)
    parts = _cut(plaintext, geometry, first)
    runs = [_Run.encode(author, geometry, first + i, p, b"") for i, p in enumerate(parts)]
    trees = []
    for n in range(shape.n):
        new = [run.leaves[n] for run in runs]
        after = leaves[n][first + len(runs) : geometry.num_segments]
        trees.append(block_tree([*leaves[n][:first], *new, *after]))
    root, chains = _tie(trees)
    prefix = _prefix(shape, geometry, seqnum, root, b"")
    signature = author.signer.sign(prefix.pack())
    writes: dict[int, list[Write]] = {}
    for n in range(shape.n):
        tree = trees[n].pack()
        layout = _layout(author, prefix, geometry, len(chains[n]), len(tree))
        places = {name: begin for name, (begin, _) in layout.parts.items()}
        writes[n] = [
            (places["data"] + first * geometry.stride, b"".join(r.data[n] for r in runs)),
            (places["block_tree"], tree),
            (places["chain"], chains[n]),
            (places["signature"], signature),
            (0, layout.pack()),
        ]
    return Edition(prefix, writes, is_whole=False)


def planned_layout(author: Author, prefix: Prefix, shape: Shape) -> MutableLayout:
    """Return how a share of *prefix* would be laid out here."""
    geometry = shape.geometry(prefix.size)
    tree = block_tree([bytes(32)] * geometry.num_segments)
    chain = share_chain(HashTree([bytes(32)] * shape.n), 0)
    return _layout(
        author, prefix, geometry, len(pack_sorted_chain(chain)), len(tree.pack())
    )


def _layout(
    author: Author, prefix: Prefix, geometry: MutableGeometry, chain: int, tree: int
) -> MutableLayout:
    sizes = {
        "private_key": len(author.signer.der),
        "chain": chain,
        "signature": SIGNATURE_SIZE,
        "public_key": len(author.signer.public_der),
        "data": geometry.data_size,
        "block_tree": tree,
    }
    return MutableLayout.plan(prefix, sizes)


@frozen
class _Run:
    """One segment in all shares: salt and block, and the hash of both."""

    data: Sequence[bytes]
    leaves: Sequence[bytes]

    @classmethod
    def encode(
        cls,
        author: Author,
        geometry: MutableGeometry,
        segnum: int,
        part: bytes,
        salt: bytes,
    ) -> _Run:
        used = salt or author.random(SALT_SIZE)
        segment = encode_mutable(author.keys, geometry, segnum, part, used)
        before = b"" if salt else used
        blocks = [bytes(block) for block in segment.blocks]
        leaves = [mutable_block_hash(geometry, used, block) for block in blocks]
        return cls([before + block for block in blocks], leaves)


def _cut(plaintext: bytes, geometry: MutableGeometry, first: int) -> list[bytes]:
    size = geometry.segment_size
    return [plaintext[at : at + size] for at in range(0, len(plaintext), size or 1)]


def _tie(trees: Sequence[HashTree]) -> tuple[bytes, list[bytes]]:
    """Return the root hash over all shares, and the chain of each."""
    tree = HashTree([one.root for one in trees])
    return tree.root, [pack_sorted_chain(share_chain(tree, n)) for n in range(len(trees))]


def _prefix(
    shape: Shape, geometry: MutableGeometry, seqnum: int, root: bytes, salt: bytes
) -> Prefix:
    numbers = shape.k, shape.n, geometry.segment_size, geometry.size
    return Prefix(shape.kind, seqnum, root, salt, *numbers)
