import json
from pathlib import Path

import pytest
from hypothesis import given

from allmydata.coding.geometry import Geometry
from allmydata.formats.extension import Extension, unpack
from allmydata.grid.shape import ShareShape
from tests.support.strategies import geometries, hashes

VECTORS = json.loads(Path(__file__).parents[1].joinpath("vectors/chk.json").read_text())


def shape_of(case):
    counts = case["size"], case["k"], case["n"], case["max_segment_size"]
    return ShareShape(Geometry.for_new_file(*counts), oldest=case["share_version"])


def test_shares_are_as_long_as_those_of_the_reference():
    assert {case["share_version"] for case in VECTORS["chk"]} == {1, 2}
    for case in VECTORS["chk"]:
        shape = shape_of(case)
        assert shape.share_size == case["share_length"]
        assert shape.layout.version == case["share_version"]


def test_extensions_are_those_of_the_reference():
    for case in VECTORS["chk"]:
        block = bytes.fromhex(case["ueb_hex"])
        names = ("crypttext_hash", "crypttext_root_hash", "share_root_hash")
        seals = {name: unpack(block)[name] for name in names}
        assert shape_of(case).pack_extension(**seals) == block


@given(geometries(), hashes, hashes, hashes)
def test_an_extension_is_as_long_as_promised_and_tells_the_file_s_shape(g, a, b, c):
    shape = ShareShape(g)
    block = shape.pack_extension(a, b, c)
    assert len(block) == shape.extension_size < 2000
    told = Extension.parse(block, k=g.k, n=g.n, size=g.size)
    assert told == Extension(g.segment_size, b, c)


@given(geometries())
def test_a_share_is_its_parts_one_after_another(g):
    shape = ShareShape(g)
    layout = shape.layout
    assert layout.plaintext_hashes - layout.data == g.share_data_size
    assert layout.tree_size == g.tree_size
    assert layout.share_hashes - layout.plaintext_hashes == 3 * g.tree_size
    assert layout.chain_size == 34 * g.chain_length
    spare = shape.share_size - layout.uri_extension - shape.extension_size
    assert spare == layout.field_size


@pytest.mark.parametrize(("size", "version"), [(2**32 - 2**24, 1), (2**32, 2)])
def test_a_share_too_large_for_version_1_is_laid_out_in_version_2(size, version):
    assert ShareShape(Geometry.for_new_file(size, 1, 1)).layout.version == version
