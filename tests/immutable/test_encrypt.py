"""Ciphertext is the same whichever way it is read."""

import os

import pytest
from pytest_twisted import ensureDeferred

from allmydata.crypto.aes import AES_CTR
from allmydata.errors import UploadSourceError
from allmydata.immutable.encrypt import EncryptedUploadable, read_sealing
from allmydata.streams.uploadable import Data

KEY = bytes(range(16))
PLAIN = os.urandom(100_003)
LENGTHS = [1, 15, 16, 17, 40_000, 40_000, 40_000]  # more than there is


class Source(Data):
    """Gives its bytes in several pieces."""

    async def get_encryption_key(self):
        return KEY

    async def read(self, length):
        whole = b"".join(await super().read(length))
        return [whole[:7], whole[7:20], whole[20:]]


def make(**options):
    return EncryptedUploadable(Source(PLAIN), **options)


@ensureDeferred
async def test_segments_encrypted_later_and_in_any_order_are_those_of_one_stream():
    source = make()
    seals = [await read_sealing(source, length) for length in LENGTHS]
    parts = {i: bytes(seals[i]()) for i in (3, 0, 6, 5, 1, 4, 2)}
    assert [len(parts[i]) for i in range(5)] == LENGTHS[:5]
    whole = b"".join(parts[i] for i in range(len(LENGTHS)))
    assert whole == AES_CTR(KEY).process(PLAIN)


@ensureDeferred
async def test_both_ways_may_take_turns_and_hash_the_same_plaintext():
    source, plain = make(hash_plaintext=True), make(hash_plaintext=True)
    for one in (source, plain):
        one.set_segment_size(30_000)
    first = b"".join(await source.read_encrypted(30_000))
    second = bytes((await read_sealing(source, 30_000))())
    third = b"".join(await source.read_encrypted(50_000))
    assert first + second + third == b"".join(await plain.read_encrypted(len(PLAIN)))
    assert await source.get_plaintext_hash() == await plain.get_plaintext_hash()
    tree = await source.get_plaintext_segment_hashtree_nodes(4)
    assert tree == await plain.get_plaintext_segment_hashtree_nodes(4)


@ensureDeferred
async def test_what_was_put_back_comes_again():
    source = make()
    begun = b"".join(await source.read_encrypted(50))
    source.put_back(begun)
    assert bytes((await read_sealing(source, 50))()) == begun
    rest = bytes((await read_sealing(source, len(PLAIN)))())
    assert begun + rest == AES_CTR(KEY).process(PLAIN)


@ensureDeferred
async def test_a_source_that_ends_early_is_told_when_it_is_read():
    class Short(Source):
        async def get_size(self):
            return len(PLAIN) + 1

    with pytest.raises(UploadSourceError):
        await read_sealing(EncryptedUploadable(Short(PLAIN)), len(PLAIN) + 1)


@ensureDeferred
async def test_one_that_only_gives_ciphertext_is_read_as_it_is():
    class Other:
        async def read_encrypted(self, length):
            return [b"a" * (length - 1), b"b"]

    assert (await read_sealing(Other(), 5))() == b"aaaab"
