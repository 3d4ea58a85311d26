"""Plaintext in, ciphertext out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import implementer

from allmydata.crypto.aes import AES_CTR, SPARE
from allmydata.crypto.hashtree import HashTree, num_nodes
from allmydata.crypto.hashutil import (
    HASH_SIZE,
    plaintext_hasher,
    plaintext_segment_hasher,
    storage_index_hash,
)
from allmydata.errors import UploadSourceError
from allmydata.interfaces import IEncryptedUploadable
from allmydata.util.deferreds import as_deferred

Seal = Callable[[], Any]  # gives some ciphertext, bytes-like


@implementer(IEncryptedUploadable)
class EncryptedUploadable:
    """An IUploadable, read through AES.

    :param original: an IUploadable, read once and in order
    :param hash_plaintext: collect the hashes of the plaintext.  Our uploads don't: a
        server that holds them can confirm a guess at the content (docs/security.md)
    """

    def __init__(self, original: Any, *, hash_plaintext: bool = False) -> None:
        self._original = original
        self._key = b""
        self._position = 0
        self._left = -1  # not known yet
        self._hashes = _PlaintextHashes() if hash_plaintext else None
        self._again: list[bytes] = []

    def get_size(self) -> Deferred[int]:
        """Return the bytes of the file."""
        size: Deferred[int] = self._original.get_size()
        return size

    def set_serialized_encoding_parameters(
        self, serialized_encoding_parameters: str
    ) -> None:
        """Tell the original how it will be encoded: equal files get equal keys by it."""
        self._original.set_serialized_encoding_parameters(serialized_encoding_parameters)

    @as_deferred
    async def get_encryption_key(self) -> bytes:
        """Return the 16 bytes the file is encrypted with."""
        if not self._key:
            self._key = await self._original.get_encryption_key()
        return self._key

    @as_deferred
    async def get_storage_index(self) -> bytes:
        """Return the 16 bytes under which servers will know the file."""
        return storage_index_hash(await self.get_encryption_key())

    def set_segment_size(self, segment_size: int) -> None:
        """Tell where segments end, for the plaintext hashes; before any read."""
        if self._hashes:
            self._hashes.segment_size = segment_size

    @as_deferred
    async def read_encrypted(self, length: int) -> list[bytes]:
        """Return the next *length* bytes, or what is left, as ciphertext in pieces.

        :raises UploadSourceError: the original ended before its size, or gave too much
        """
        if self._again:
            pieces, self._again = self._again, []
            return pieces
        plain = await self._read_plain(length)
        cipher = AES_CTR(self._key, self._position)
        self._passed(plain)
        return [cipher.process(piece) for piece in plain]

    async def read_sealing(self, length: int) -> Seal:
        """Read as :meth:`read_encrypted` does, and leave the encryption to the caller.

        :return: gives the ciphertext; to be called once, in whatever thread
        """
        if self._again:
            [crypttext] = self._again
            self._again = []
            return lambda: crypttext
        plain = await self._read_plain(length)
        at = self._position
        self._passed(plain)
        return partial(_seal, self._key, at, plain)

    async def _read_plain(self, length: int) -> list[bytes]:
        if self._left < 0:
            await self.get_encryption_key()
            self._left = await self.get_size()
        wanted = min(length, self._left)
        pieces: list[bytes] = []
        while wanted:
            plain = await self._original.read(wanted)
            got = sum(map(len, plain))
            if not 0 < got <= wanted:
                raise UploadSourceError(
                    "the source changed while it was being read",
                    why=f"{got} bytes came where 1 to {wanted} were left",
                    fix="upload it again when nothing writes to it",
                )
            wanted -= got
            self._left -= got
            pieces += plain
        return pieces

    def put_back(self, crypttext: bytes) -> None:
        """Have the next read, of the same length, return what was read already."""
        self._again = [crypttext]

    def _passed(self, plain: list[bytes]) -> None:
        for piece in plain:
            self._position += len(piece)
            if self._hashes:
                self._hashes.update(piece)

    @as_deferred
    async def get_plaintext_segment_hashtree_nodes(
        self, num_segments: int
    ) -> tuple[bytes, ...]:
        """Return the nodes of the tree over plaintext segments, root first.

        Thirty-two zero bytes each where the hashes were not collected.
        """
        if self._hashes is None:
            return (bytes(HASH_SIZE),) * num_nodes(num_segments)
        tree = HashTree(self._hashes.finish())
        if tree.num_leaves != num_segments:
            raise AssertionError(
                f"{tree.num_leaves} segments read, {num_segments} expected"
            )
        return tuple(tree)

    @as_deferred
    async def get_plaintext_hash(self) -> bytes:
        """Return the hash of all plaintext; zeros where it was not collected."""
        return self._hashes.whole.digest() if self._hashes else bytes(32)

    def close(self) -> None:
        """Let go of the original."""
        self._original.close()


async def read_sealing(source: Any, length: int) -> Seal:
    """Return what gives the next *length* bytes of an IEncryptedUploadable's ciphertext.

    Of one that only reads ciphertext, they are there already.
    """
    if isinstance(source, EncryptedUploadable):
        return await source.read_sealing(length)
    pieces = await source.read_encrypted(length)
    crypttext = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    return lambda: crypttext


def _seal(key: bytes, position: int, plain: list[bytes]) -> memoryview:
    """Encrypt *plain*; made to run in a thread: several may at once."""
    size, at = sum(map(len, plain)), 0
    sealed = memoryview(bytearray(size + SPARE))
    cipher = AES_CTR(key, position)
    for piece in plain:
        at += cipher.process_into(piece, sealed[at:])
    plain.clear()  # whoever waits for the rest of the work need not keep it
    return sealed[:size]


class _PlaintextHashes:
    def __init__(self) -> None:
        self.whole = plaintext_hasher()
        self.segment_size = 0
        self._leaves: list[bytes] = []
        self._segment = plaintext_segment_hasher()
        self._filled = 0

    def update(self, plain: bytes) -> None:
        self.whole.update(plain)
        at = 0
        while at < len(plain):
            piece = plain[at : at + self.segment_size - self._filled]
            self._segment.update(piece)
            self._filled += len(piece)
            at += len(piece)
            if self._filled == self.segment_size:
                self._end_segment()

    def finish(self) -> list[bytes]:
        if self._filled:
            self._end_segment()
        return self._leaves

    def _end_segment(self) -> None:
        self._leaves.append(self._segment.digest())
        self._segment = plaintext_segment_hasher()
        self._filled = 0
