import struct
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allmydata.errors import BadShareError
from allmydata.formats.container import (
    HEAD_SIZE,
    LARGEST,
    LEASE_DURATION_S,
    MUTABLE_MAGICS,
    Container,
    Lease,
    is_mutable,
    parse_leases,
    same_secret,
    stored,
)

# The bucket secrets of section 1 of the storage page, and what a version 2 file holds.
RENEW = bytes.fromhex("439f9e347b3c9c568110cfdafd4b021c05622c2fce32979550b1f249f8e2ed3c")
CANCEL = bytes.fromhex("5823481baca3bc16a155585f4307235a7d017eb5022296bba99e2311782e040d")
HELD_RENEW = bytes.fromhex(
    "7d4898d9fb48d1650152743e7662be577ad6097e356c92a566fa29737e4ec768"
)
HELD_CANCEL = bytes.fromhex(
    "5e6e1ddd8845068a552ce15be2a2d392fb4d5156243d34a7b99f40c07dd24ac8"
)
secrets = st.binary(min_size=32, max_size=32)
words = st.integers(0, LARGEST)


def test_a_new_file_has_this_header_and_lease_byte_for_byte():
    container = Container.plan(5)
    lease = Lease.grant(2, 0, RENEW, CANCEL, 0x01020304)
    assert container.pack().hex() == "000000020000000500000001"
    assert lease.pack() == b"\0\0\0\0" + HELD_RENEW + HELD_CANCEL + b"\1\2\3\4"
    assert container.lease_offset(0) == 0x0C + 5
    assert container.file_size == 12 + 5 + 72


def test_the_example_of_the_docs_page_has_the_hash_given_there():
    lease = Lease.grant(2, 0, b"r" * 32, b"c" * 32, 1_700_000_000 + LEASE_DURATION_S)
    file = Container.plan(5).pack() + b"hello" + lease.pack()
    assert sha256(file).hexdigest() == (
        "24c8d06ad7de7528504e2015d7b52b503a5d49fbb33d1f095a12f2ee0bce8962"
    )


def test_version_1_holds_secrets_as_they_came():
    lease = Lease.grant(1, 1, RENEW, CANCEL, 7)
    assert lease.pack() == b"\0\0\0\1" + RENEW + CANCEL + b"\0\0\0\7"


def test_the_size_field_stops_at_its_largest_number():
    assert Container(2, 2**32 + 5, 0).pack().hex() == "00000002ffffffff00000000"


@given(st.sampled_from([1, 2]), st.integers(0, 2**50), st.integers(0, 1000), st.binary())
def test_parse_reads_back_what_pack_wrote(version, data_size, num_leases, data):
    container = Container(version, data_size, num_leases)
    assert Container.parse(container.pack() + data, container.file_size) == container


@given(st.lists(st.builds(Lease, words, secrets, secrets, words), max_size=4))
def test_leases_read_back_as_written(leases):
    assert parse_leases(b"".join(lease.pack() for lease in leases)) == leases


def test_the_size_of_the_data_comes_from_the_file_not_from_the_header():
    header = struct.pack(">LLL", 2, 999_999, 2)
    assert Container.parse(header, 12 + 40 + 2 * 72).data_size == 40


@pytest.mark.parametrize(
    ("head", "file_size", "why"),
    [
        (b"", 0, "0 bytes, wanted 12"),
        (b"\0\0\0\2" + bytes(7), 11, "11 bytes, wanted 12"),
        (bytes(12), 12, "version 0"),
        (b"\0\0\0\3" + bytes(8), 12, "version 3"),
        (b"\0\0\0\2" + bytes(7) + b"\1", 12 + 71, "83 bytes can't hold 1 leases"),
        (b"\0\0\0\1" + b"\xff" * 8, 10_000, "can't hold 4294967295 leases"),
        (MUTABLE_MAGICS[0], 472, "mutable"),
        (MUTABLE_MAGICS[1], 472, "mutable"),
        (b"\x7fELF" + bytes(28), 32, "version 2135247942"),
    ],
)
def test_parse_refuses(head, file_size, why):
    with pytest.raises(BadShareError, match=why):
        Container.parse(head, file_size)


@given(st.binary(max_size=HEAD_SIZE), st.integers(0, 10_000))
def test_any_bytes_are_parsed_or_refused(head, file_size):
    try:
        container = Container.parse(head, file_size)
    except BadShareError:
        return
    assert container.file_size == file_size
    assert container.data_size >= 0


def test_half_a_lease_is_refused():
    with pytest.raises(BadShareError, match="73 bytes"):
        parse_leases(bytes(73))


@pytest.mark.parametrize("magic", MUTABLE_MAGICS)
def test_mutable_containers_are_told_by_all_of_their_magic(magic):
    assert len(magic) == HEAD_SIZE
    assert is_mutable(magic + b"rest")
    assert not is_mutable(magic[:-1])
    assert not is_mutable(magic[:-1] + b"x")


@pytest.mark.parametrize(
    ("offset", "length", "size"),
    [(0, 10, 10), (0, 11, 10), (3, 4, 4), (9, 5, 1), (10, 1, 0), (99, 99, 0), (4, 0, 0)],
)
def test_reads_are_clipped_to_the_data(offset, length, size):
    start, clipped = Container.plan(10).clip(offset, length)
    assert clipped == size
    assert 12 <= start <= 22
    assert not size or start == 12 + offset


def test_leases_follow_the_data_whatever_their_number():
    container = Container.plan(100)
    assert container.with_leases(3).lease_offset(2) == 12 + 100 + 2 * 72
    assert container.with_leases(3).file_size == 12 + 100 + 3 * 72
    assert container.with_leases(0).file_size == 112


@given(words, st.integers(0, 2**40))
def test_a_renewal_never_moves_backwards(old, new):
    lease = Lease(0, RENEW, CANCEL, old).until(new)
    assert lease.expires == max(old, min(new, LARGEST))


def test_an_expiry_past_the_field_is_its_largest_number():
    assert Lease.grant(2, 0, RENEW, CANCEL, 2**40).expires == LARGEST


def test_secrets_are_hashed_in_version_2_only():
    assert stored(2, RENEW) == HELD_RENEW
    assert stored(1, RENEW) == RENEW
    assert same_secret(stored(2, RENEW), HELD_RENEW)
    assert not same_secret(stored(2, RENEW), HELD_CANCEL)


def test_a_lease_shows_no_secret():
    assert HELD_RENEW.hex()[:8] not in repr(Lease(0, HELD_RENEW, HELD_CANCEL, 1))
    assert "secret" not in repr(Lease(0, HELD_RENEW, HELD_CANCEL, 1))


def test_leases_last_31_days():
    assert LEASE_DURATION_S == 2_678_400
