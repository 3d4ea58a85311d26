from concurrent.futures import ThreadPoolExecutor
from hashlib import shake_128
from itertools import combinations, permutations

import pytest
import zfec
from hypothesis import given, settings
from hypothesis import strategies as st

from allmydata.coding import isal
from allmydata.coding.erasure import coder, make_coder, matrix

LIBRARY = isal.load()
needs_isal = pytest.mark.skipif(LIBRARY is None, reason="ISA-L is not installed here")
backends = pytest.mark.parametrize(
    "backend", ["zfec", pytest.param("isa-l", marks=needs_isal)]
)
unhurried = settings(deadline=None)
lengths = st.one_of(st.integers(1, 300), st.sampled_from([511, 1021, 4096, 9973]))


@st.composite
def codes(draw, max_n=40):
    n = draw(st.integers(1, max_n))
    return draw(st.integers(1, n)), n


def pieces_of(k, length, seed=b""):
    data = shake_128(b"pieces" + seed).digest(k * length)
    return [data[num * length : (num + 1) * length] for num in range(k)]


def as_bytes(blocks):
    return [bytes(block) for block in blocks]


# ---- the bytes -------------------------------------------------------------------------


@backends
def test_blocks_of_3_of_5_are_the_documented_ones(backend):
    blocks = coder(3, 5, backend).encode([b"allm", b"ydat", b"a!!!"])
    assert as_bytes(blocks[:3]) == [b"allm", b"ydat", b"a!!!"]
    assert [bytes(block).hex() for block in blocks[3:]] == ["a19fb710", "db2ede24"]


def times(a, b):
    """Multiply in GF(256) modulo x^8 + x^4 + x^3 + x^2 + 1."""
    product = 0
    while b:
        product ^= a * (b & 1)
        a = (a << 1) ^ (0x11D * (a >> 7))
        b >>= 1
    return product


def vandermonde(k, n):
    """Return the n points of the page: 0, then 2**0, 2**1, ...; row x is x**0, x**1, ..."""
    points = [0, 1]
    while len(points) < n:
        points.append(times(points[-1], 2))
    rows = []
    for point in points[:n]:
        row = [1]
        while len(row) < k:
            row.append(times(row[-1], point))
        rows.append(row)
    return rows


def times_matrix(row, matrix):
    total = [0] * len(matrix[0])
    for factor, line in zip(row, matrix, strict=True):
        total = [
            have ^ times(factor, entry) for have, entry in zip(total, line, strict=True)
        ]
    return total


@pytest.mark.parametrize(("k", "n"), [(1, 4), (3, 10), (4, 4), (7, 20), (25, 60)])
def test_the_matrix_is_the_vandermonde_one_that_starts_with_the_identity(k, n):
    ours = matrix(k, n)
    assert ours[:k] == [bytes(column == row for column in range(k)) for row in range(k)]
    points = vandermonde(k, n)
    assert [times_matrix(row, points[:k]) for row in ours] == points


def test_the_matrix_of_3_of_5_is_the_documented_one():
    parity = [bytes([15, 8, 6]), bytes([45, 48, 28])]
    assert matrix(3, 5) == [b"\1\0\0", b"\0\1\0", b"\0\0\1", *parity]


@needs_isal
@unhurried
@given(codes(), lengths, st.binary(max_size=4))
def test_isal_makes_the_blocks_zfec_makes(code, length, seed):
    k, n = code
    pieces = pieces_of(k, length, seed)
    theirs = zfec.Encoder(k, n).encode(pieces, list(range(n)))
    assert as_bytes(coder(k, n, "isa-l").encode(pieces)) == theirs


@needs_isal
@settings(max_examples=15, deadline=None)
@given(codes(max_n=256), lengths)
def test_isal_makes_the_blocks_zfec_makes_up_to_256_shares(code, length):
    k, n = code
    pieces = pieces_of(k, min(length, 333))
    ours, theirs = coder(k, n, "isa-l"), coder(k, n, "zfec")
    blocks = theirs.encode(pieces)
    assert ours.encode(pieces) == blocks
    last = range(n - k, n)
    assert ours.decode([blocks[number] for number in last], last) == pieces


@needs_isal
@pytest.mark.parametrize(("k", "n"), [(1, 256), (128, 256), (255, 256), (256, 256)])
def test_256_shares_agree_with_zfec(k, n):
    pieces = pieces_of(k, 67)
    assert coder(k, n, "isa-l").encode(pieces) == coder(k, n, "zfec").encode(pieces)


@needs_isal
@unhurried
@given(st.data(), codes(), lengths)
def test_any_wanted_shares_in_any_order_are_those_of_the_whole(data, code, length):
    k, n = code
    wanted = data.draw(st.lists(st.sampled_from(range(n)), unique=True))
    pieces = pieces_of(k, length)
    everything = coder(k, n, "zfec").encode(pieces)
    some = coder(k, n, "isa-l").encode(pieces, wanted)
    assert some == [everything[number] for number in wanted]


# ---- and back --------------------------------------------------------------------------


@backends
@pytest.mark.parametrize("k", range(1, 6))
@pytest.mark.parametrize("more", range(4))
def test_every_k_blocks_bring_the_pieces_back(k, more, backend):
    pieces = pieces_of(k, 37)
    code = coder(k, k + more, backend)
    blocks = code.encode(pieces)
    for numbers in combinations(range(k + more), k):
        found = code.decode([blocks[number] for number in numbers], numbers)
        assert as_bytes(found) == pieces


@backends
def test_blocks_may_come_in_any_order(backend):
    pieces = pieces_of(3, 100)
    code = coder(3, 6, backend)
    blocks = code.encode(pieces)
    for numbers in permutations([1, 4, 5]):
        assert code.decode([blocks[number] for number in numbers], numbers) == pieces


@needs_isal
@unhurried
@given(st.data(), codes(), lengths)
def test_isal_decodes_as_zfec_does(data, code, length):
    k, n = code
    numbers = data.draw(st.permutations(range(n)))[:k]
    pieces = pieces_of(k, length)
    blocks = [coder(k, n, "zfec").encode(pieces)[number] for number in numbers]
    assert coder(k, n, "isa-l").decode(blocks, numbers) == pieces


# ---- buffers ---------------------------------------------------------------------------


@backends
def test_primaries_are_passed_on_and_not_copied(backend):
    pieces = pieces_of(3, 50)
    code = coder(3, 5, backend)
    blocks = code.encode(pieces)
    assert all(block is piece for block, piece in zip(blocks, pieces, strict=False))
    found = code.decode([blocks[4], blocks[2], blocks[0]], [4, 2, 0])
    assert found[0] is pieces[0]
    assert found[2] is pieces[2]


@backends
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_kind_of_buffer_will_do(backend, kind):
    pieces = pieces_of(2, 65)
    code = coder(2, 4, backend)
    blocks = code.encode([kind(piece) for piece in pieces])
    assert as_bytes(blocks) == as_bytes(coder(2, 4, "zfec").encode(pieces))
    found = code.decode([kind(bytes(block)) for block in blocks[2:]], [2, 3])
    assert as_bytes(found) == pieces


@backends
def test_blocks_of_one_call_are_not_touched_by_the_next(backend):
    code = coder(2, 3, backend)
    first = code.encode([b"ab", b"cd"])[2]
    kept = bytes(first)
    code.encode([b"xx", b"yz"])
    assert first == kept


@backends
def test_empty_blocks_stay_empty(backend):
    code = coder(2, 4, backend)
    assert as_bytes(code.encode([b"", b""])) == [b""] * 4
    assert as_bytes(code.decode([b"", b""], [2, 3])) == [b"", b""]


@backends
def test_nothing_wanted_is_nothing_made(backend):
    assert coder(2, 4, backend).encode([b"ab", b"cd"], []) == []


@backends
def test_threads_may_share_a_coder(backend):
    code = coder(5, 9, backend)
    plain = coder(5, 9, "zfec")

    def round_trip(seed):
        pieces = pieces_of(5, 1000 + seed, bytes([seed]))
        blocks = code.encode(pieces)
        numbers = [(seed + step) % 9 for step in range(5)]
        found = code.decode([blocks[number] for number in numbers], numbers)
        return blocks == plain.encode(pieces) and found == pieces

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(round_trip, range(64)))


# ---- refusals --------------------------------------------------------------------------


@backends
@pytest.mark.parametrize(
    ("pieces", "wanted", "why"),
    [
        ([b"ab"], None, "1 blocks, wanted 2"),
        ([b"ab", b"cd", b"ef"], None, "3 blocks, wanted 2"),
        ([b"ab", b"c"], None, r"blocks of \[1, 2\] bytes"),
        ([b"ab", b"cd"], [0, 4], r"share numbers \[0, 4\], wanted 0 to 3"),
        ([b"ab", b"cd"], [-1], "wanted 0 to 3"),
        ([b"ab", b"cd"], [3, 3], "a share number twice"),
    ],
)
def test_encode_refuses(backend, pieces, wanted, why):
    with pytest.raises(ValueError, match=why):
        coder(2, 4, backend).encode(pieces, wanted)


@backends
@pytest.mark.parametrize(
    ("blocks", "numbers", "why"),
    [
        ([b"ab"], [0], "1 blocks, wanted 2"),
        ([b"ab", b"cd", b"ef"], [0, 1, 2], "3 blocks, wanted 2"),
        ([b"ab", b"cd"], [0], "1 share numbers for 2 blocks"),
        ([b"ab", b"c"], [0, 1], "wanted one length"),
        ([b"ab", b"cd"], [1, 4], "wanted 0 to 3"),
        ([b"ab", b"cd"], [3, 3], "a share number twice"),
    ],
)
def test_decode_refuses(backend, blocks, numbers, why):
    with pytest.raises(ValueError, match=why):
        coder(2, 4, backend).decode(blocks, numbers)


@pytest.mark.parametrize(("k", "n"), [(0, 1), (2, 1), (1, 257), (-1, 3), (0, 0)])
def test_there_is_no_code_outside_1_to_k_to_n_to_256(k, n):
    with pytest.raises(ValueError, match="256"):
        coder(k, n)


def test_a_backend_that_is_not_here_is_refused():
    with pytest.raises(ValueError, match="no abacus here"):
        coder(2, 3, "abacus")


# ---- which library ---------------------------------------------------------------------


def test_a_coder_is_made_once():
    assert coder(4, 7) is coder(4, 7)


def test_without_the_library_zfec_serves(tmp_path):
    library = isal.load([str(tmp_path / "libisal.so.2")])
    assert library is None
    code = make_coder(3, 5, library)
    assert code.backend == "zfec"
    blocks = code.encode(pieces_of(3, 10))
    assert code.decode(blocks[2:], [2, 3, 4]) == pieces_of(3, 10)


def test_a_library_that_lacks_the_functions_is_passed_over():
    assert isal.load(["libc.so.6"]) is None


@needs_isal
def test_a_library_further_down_the_list_is_found(tmp_path):
    assert isal.load([str(tmp_path / "none.so"), *isal.candidates()]) is not None


def test_the_system_library_is_the_last_candidate():
    assert list(isal.candidates())[-1] == "libisal.so.2"


class WrongNow(isal.IsaL):
    """Flips one bit of the last block of each product longer than *wrong_from*."""

    wrong_from = 0

    def multiply(self, by, blocks):
        made = super().multiply(by, blocks)
        if len(blocks[0]) > self.wrong_from:
            made[-1][-1] ^= 1
        return made


class NoInverse(isal.IsaL):
    def invert(self, matrix):
        raise ValueError("no inverse")


@needs_isal
@pytest.mark.parametrize("wrong_from", [0, 1, 1000])
def test_a_library_that_differs_from_zfec_is_not_used(wrong_from):
    library = WrongNow(next(isal.candidates()))
    library.wrong_from = wrong_from
    code = make_coder(3, 5, library)
    assert code.backend == "zfec"
    assert code.encode(pieces_of(3, 2000)) == coder(3, 5, "zfec").encode(pieces_of(3, 2000))


@needs_isal
def test_a_library_that_cannot_invert_is_not_used():
    assert make_coder(3, 5, NoInverse(next(isal.candidates()))).backend == "zfec"


@needs_isal
def test_the_library_is_used_where_it_agrees():
    assert make_coder(3, 5, LIBRARY).backend == coder(3, 5).backend == "isa-l"


@needs_isal
def test_a_matrix_without_an_inverse_is_an_error():
    with pytest.raises(ValueError, match="2 rows has no inverse"):
        LIBRARY.invert([b"\1\2", b"\1\2"])
