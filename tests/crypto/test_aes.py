from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allmydata.crypto.aes import AES_CTR, SPARE
from tests.support.strategies import keys

WHOLE = bytes(range(256)) * 2


@pytest.mark.parametrize(
    ("position", "stream"),
    [
        (0, "66e94bd4ef8a2c3b884cfa59ca342b2e"),  # AES of the block 0 under the key 0
        (16, "58e2fccefa7e3061367f1d57a4e7455a"),  # and of the block 1: both in NIST's GCM
        (15, "2e58e2fccefa7e3061367f1d57a4e745"),
    ],
)
def test_key_streams_are_those_of_the_standard(position, stream):
    assert AES_CTR(bytes(16), position).process(bytes(16)).hex() == stream


@given(keys, st.lists(st.integers(0, len(WHOLE)), max_size=5))
def test_any_split_gives_the_same_bytes_as_the_whole(key, cuts):
    ends = [0, *sorted(cuts), len(WHOLE)]
    cipher = AES_CTR(key)
    parts = [cipher.process(WHOLE[a:b]) for a, b in pairwise(ends)]
    assert b"".join(parts) == AES_CTR(key).process(WHOLE)


@given(keys, st.integers(0, len(WHOLE)), st.integers(0, 40))
def test_any_part_can_be_had_without_what_is_before_it(key, position, length):
    part = slice(position, position + length)
    assert AES_CTR(key, position).process(WHOLE[part]) == AES_CTR(key).process(WHOLE)[part]


@given(keys, st.integers(0, 2**64), st.binary(max_size=40))
def test_decrypting_is_encrypting_again(key, position, data):
    assert AES_CTR(key, position).process(AES_CTR(key, position).process(data)) == data


def test_the_counter_carries_past_32_and_64_bits():
    for bits in (32, 64):
        position = 16 * 2**bits
        both = AES_CTR(bytes(16), position - 16).process(bytes(32))
        assert both[16:] == AES_CTR(bytes(16), position).process(bytes(16))
        assert both[16:] != AES_CTR(bytes(16)).process(bytes(16))


@given(st.integers(0, 100), st.integers(0, 100))
def test_a_buffer_can_be_encrypted_into_another(position, length):
    target = bytearray(length + SPARE)
    written = AES_CTR(b"k" * 16, position).process_into(memoryview(WHOLE)[:length], target)
    assert written == length
    assert target[:length] == AES_CTR(b"k" * 16, position).process(WHOLE[:length])


def test_a_buffer_can_be_encrypted_in_its_own_place():
    buffer = bytearray(WHOLE) + bytearray(SPARE)
    AES_CTR(b"k" * 16).process_into(memoryview(buffer)[: len(WHOLE)], buffer)
    assert buffer[: len(WHOLE)] == AES_CTR(b"k" * 16).process(WHOLE)


@pytest.mark.parametrize("size", [0, 15, 17, 24, 32])
def test_only_keys_of_16_bytes_are_taken(size):
    with pytest.raises(ValueError, match="key"):
        AES_CTR(bytes(size))
