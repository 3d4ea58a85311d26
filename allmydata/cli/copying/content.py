"""Whether a file of this machine is what a capability names, without asking anybody.

The key in a file's capability is made of the node's convergence secret, the encoding and
the whole content (docs/formats/hashes.md).  Whoever holds the secret can make it again.
Files stored under a random key, or by a node with another secret, can't be recognised.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from attrs import field, frozen

from allmydata import uri
from allmydata.coding.geometry import DEFAULT_MAX_SEGMENT_SIZE, segment_size_for
from allmydata.crypto.hashutil import KEY_SIZE, convergence_hasher, tagged_hash
from allmydata.errors import BadCapError
from allmydata.util import base32

_PIECE_SIZE = 2**18


@frozen
class Recogniser:
    """Tells what a local file would be called on the grid.

    :param secret: the node's convergence secret; None: unknown, nothing is recognised
    """

    _secret: bytes | None = field(repr=False)

    @classmethod
    def of_node(cls, basedir: Path) -> Recogniser:
        """Return the one for the node in *basedir*, which need not be ours to read."""
        try:
            text = (basedir / "private" / "convergence").read_text("ascii")
            return cls(base32.a2b(text.strip()))
        except (OSError, ValueError):
            return cls(None)

    def is_content(self, cap_text: str, path: str, size: int) -> bool:
        """Tell whether the file at *path*, of *size* bytes, is what *cap_text* names.

        :raises OSError: it can't be read
        """
        match parse(cap_text):
            case uri.LiteralFileURI(data=data) if len(data) == size:
                return b"".join(_pieces(path)) == data
            case uri.CHKFileURI() as cap if cap.size == size:
                key = self.key(path, size, cap.needed_shares, cap.total_shares)
                return key == cap.key
        return False

    def key(self, path: str, size: int, k: int, n: int) -> bytes | None:
        """Return the key of the file at *path*, if it is stored as *k* of *n* shares.

        :param n: 0 for a file that is not stored at all: its capability holds it
        :return: None if the secret is unknown, or the file is not of *size* bytes
        :raises OSError: it can't be read
        """
        if not n:
            return literal_key(b"".join(_pieces(path)))
        if self._secret is None or not size:
            return None
        segment_size = segment_size_for(size, k, DEFAULT_MAX_SEGMENT_SIZE)
        hasher = convergence_hasher(k, n, segment_size, self._secret)
        num_read = 0
        for piece in _pieces(path):
            num_read += len(piece)
            hasher.update(piece)
        return hasher.digest()[:KEY_SIZE] if num_read == size else None


def literal_key(data: bytes) -> bytes:
    """Return what takes the place of a key for content that is in its capability."""
    return tagged_hash(b"allmydata_backup_literal_v1", data, KEY_SIZE)


def parse(cap_text: str) -> uri.Cap | None:
    """Return what *cap_text* means, or None if nobody knows."""
    try:
        return uri.from_string(cap_text)
    except BadCapError:
        return None


def _pieces(path: str) -> Iterator[bytes]:
    with open(path, "rb", buffering=0) as source:
        while piece := source.read(_PIECE_SIZE):
            yield piece
