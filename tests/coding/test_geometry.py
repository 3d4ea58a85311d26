import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allmydata.coding.geometry import Geometry, check_counts, segment_size_for
from tests.support.strategies import geometries

VECTORS = json.loads(Path(__file__).parents[1].joinpath("vectors/chk.json").read_text())


def test_segment_sizes_are_those_of_the_reference():
    for case in VECTORS["chk"]:
        counts = case["size"], case["k"], case["n"], case["max_segment_size"]
        assert Geometry.for_new_file(*counts).segment_size == case["segsize"]


@pytest.mark.parametrize(
    ("counts", "shape"),
    [
        # size, k, n, largest segment: segment, segments, tail, padded, block, tail's, data
        ((56, 3, 10, 2**17), (57, 1, 56, 57, 19, 19, 19)),
        ((56, 1, 1, 2**20), (56, 1, 56, 56, 56, 56, 56)),
        ((1000, 3, 10, 100), (102, 10, 82, 84, 34, 28, 334)),
        ((1000, 7, 256, 100), (105, 10, 55, 56, 15, 8, 143)),
        ((200, 2, 3, 100), (100, 2, 100, 100, 50, 50, 100)),
        ((1, 5, 5, 2**20), (5, 1, 1, 5, 1, 1, 1)),
        ((2**20 + 1, 3, 10, 2**20), (1048578, 1, 1048577, 1048578, 349526, 349526, 349526)),
    ],
)
def test_every_size_follows_from_four_numbers(counts, shape):
    g = Geometry.for_new_file(*counts)
    assert shape == (
        g.segment_size,
        g.num_segments,
        g.tail_size,
        g.tail_padded_size,
        g.block_size,
        g.tail_block_size,
        g.share_data_size,
    )


@given(geometries())
def test_segments_hold_the_file_and_blocks_hold_the_segments(g):
    last = g.num_segments - 1
    assert last * g.segment_size < g.size <= g.num_segments * g.segment_size
    assert last * g.segment_size + g.segment_bytes(last) == g.size
    assert 0 <= g.k * g.block_bytes(last) - g.segment_bytes(last) < g.k
    assert last * g.block_size + g.block_bytes(last) == g.share_data_size
    assert g.share_data_size == -(-g.size // g.k)
    assert g.k * g.block_size == g.segment_size
    if last:
        assert g.segment_bytes(0) == g.segment_size
        assert g.block_bytes(0) == g.block_size


@given(geometries())
def test_a_tree_has_room_for_twice_the_next_power_of_two_less_one(g):
    num_nodes = g.tree_size // 32
    assert num_nodes & (num_nodes + 1) == 0
    assert num_nodes // 4 < g.num_segments <= num_nodes // 2 + 1


@pytest.mark.parametrize(
    ("n", "length"), [(1, 1), (2, 2), (3, 3), (4, 3), (10, 5), (100, 8), (129, 9), (256, 9)]
)
def test_a_chain_has_a_hash_for_each_level_of_the_share_tree(n, length):
    assert Geometry.for_new_file(100, 1, n).chain_length == length


@given(st.integers(1, 10**12), st.integers(1, 256), st.integers(1, 2**24))
def test_a_segment_is_rounded_up_to_a_multiple_of_k(size, k, limit):
    segment_size = segment_size_for(size, k, limit)
    assert segment_size % k == 0
    assert 0 <= segment_size - min(size, limit) < k


def test_codec_parameters_are_segment_size_k_and_n():
    assert Geometry.for_new_file(56, 3, 10).codec_params == "57-3-10"


@pytest.mark.parametrize(
    ("k", "n"), [(0, 1), (-1, 3), (4, 3), (1, 257), (257, 257), (0, 0)]
)
def test_impossible_counts_are_refused(k, n):
    with pytest.raises(ValueError, match=f"{k}-of-{n} shares"):
        check_counts(k, n)
    with pytest.raises(ValueError, match=f"{k}-of-{n} shares"):
        Geometry.for_new_file(100, k, n)
    with pytest.raises(ValueError, match=f"{k}-of-{n} shares"):
        Geometry(100, k, n, 100)


@pytest.mark.parametrize(
    ("size", "segment_size"), [(0, 3), (-1, 3), (9, 0), (9, -3), (9, 4)]
)
def test_numbers_that_describe_no_file_are_refused(size, segment_size):
    with pytest.raises(
        ValueError, match=f"{size} bytes in segments of {segment_size}, k=3"
    ):
        Geometry(size, 3, 5, segment_size)
