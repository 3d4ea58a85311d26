import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allmydata.errors import BadShareError
from allmydata.formats.extension import Extension, pack, unpack

VECTORS = json.loads(Path(__file__).parents[1].joinpath("vectors/chk.json").read_text())
CASE = VECTORS["chk"][2]
BLOCK = bytes.fromhex(CASE["ueb_hex"])
CAP = {"k": CASE["k"], "n": CASE["n"], "size": CASE["size"]}

names = st.text("abcxyzABCXYZ_-", min_size=1, max_size=20)


@given(st.dictionaries(names, st.binary(max_size=60), max_size=8))
def test_unpack_reads_back_what_pack_wrote(fields):
    assert unpack(pack(fields)) == fields


def test_a_block_is_names_in_order_and_netstrings():
    assert pack({"size": 56, "Z": b"", "codec_name": b"crs"}) == (
        b"Z:0:,codec_name:3:crs,size:2:56,"
    )


def test_blocks_of_the_reference_hold_eleven_fields_and_are_written_alike():
    for case in VECTORS["chk"]:
        block = bytes.fromhex(case["ueb_hex"])
        fields = unpack(block)
        assert list(fields) == [
            "codec_name",
            "codec_params",
            "crypttext_hash",
            "crypttext_root_hash",
            "needed_shares",
            "num_segments",
            "segment_size",
            "share_root_hash",
            "size",
            "tail_codec_params",
            "total_shares",
        ]
        assert pack(fields) == block


def test_blocks_of_the_reference_tell_what_a_downloader_needs():
    for case in VECTORS["chk"]:
        block = bytes.fromhex(case["ueb_hex"])
        told = Extension.parse(block, k=case["k"], n=case["n"], size=case["size"])
        fields = unpack(block)
        assert told.segment_size == case["segsize"]
        assert told.crypttext_root_hash == fields["crypttext_root_hash"]
        assert told.share_root_hash == fields["share_root_hash"]


def test_names_may_come_in_any_order_and_names_nobody_knows_may_come():
    fields = unpack(BLOCK) | {"plaintext_hash": bytes(32), "flavour": b"vanilla"}
    block = b"".join(pack({name: fields[name]}) for name in sorted(fields, reverse=True))
    assert Extension.parse(block, **CAP) == Extension.parse(BLOCK, **CAP)


def test_three_fields_are_enough():
    needed = ("segment_size", "crypttext_root_hash", "share_root_hash")
    fields = {name: value for name, value in unpack(BLOCK).items() if name in needed}
    assert Extension.parse(pack(fields), **CAP) == Extension.parse(BLOCK, **CAP)


@pytest.mark.parametrize(
    ("block", "why"),
    [
        (b"size", "no name at offset 0"),
        (b":1:a,", "no name at offset 0"),
        (b"si ze:1:a,", "no name at offset 0"),
        (b"size1:1:a,", "no name at offset 0"),
        (b"a:1:a,\n", "no name at offset 6"),
        (b"a:1:a,b", "no name at offset 6"),
        (b"a:1:a", "does not end where it says"),
        (b"a:9:a,", "does not end where it says"),
        (b"a:01:a,", "no netstring length"),
        (b"a:,", "no netstring length"),
        (b"a:1:a,a:1:a,", "has a twice"),
    ],
)
def test_unpack_refuses(block, why):
    with pytest.raises(BadShareError, match=why):
        unpack(block)


def without(name):
    fields = unpack(BLOCK)
    del fields[name]
    return fields


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        (without("segment_size"), "segment_size is no number"),
        (without("crypttext_root_hash"), "crypttext_root_hash is 0 bytes, wanted 32"),
        (without("share_root_hash"), "share_root_hash is 0 bytes, wanted 32"),
        ({"crypttext_root_hash": bytes(31)}, "crypttext_root_hash is 31 bytes"),
        ({"share_root_hash": bytes(33)}, "share_root_hash is 33 bytes"),
        ({"segment_size": b""}, "segment_size is no number"),
        ({"segment_size": b"-57"}, "segment_size is no number"),
        ({"segment_size": b"057"}, "segment_size is no number"),
        ({"segment_size": b"57 "}, "segment_size is no number"),
        ({"segment_size": b"3" * 21}, "segment_size is no number"),
        ({"segment_size": b"0"}, "segments of 0 bytes, k is 3"),
        ({"segment_size": b"58"}, "segments of 58 bytes, k is 3"),
        ({"segment_size": b"100663296"}, "segments of 100663296 bytes"),  # 96 MiB
        ({"codec_name": b"xor"}, "codec_name is not what"),
        ({"needed_shares": b"4"}, "needed_shares is not what the capability says"),
        ({"total_shares": b"11"}, "total_shares is not what the capability says"),
        ({"size": b"57"}, "size is not what the capability says"),
        ({"size": b"056"}, "size is not what the capability says"),
    ],
)
def test_parse_refuses(fields, why):
    block = pack(fields if len(fields) > 1 else unpack(BLOCK) | fields)
    with pytest.raises(BadShareError, match=why):
        Extension.parse(block, **CAP)


@given(st.binary(max_size=30), st.integers(0, len(BLOCK)), st.integers(0, 30))
def test_a_damaged_block_is_refused_or_read_but_never_crashes(junk, at, cut):
    damaged = BLOCK[:at] + junk + BLOCK[at + cut :]
    try:
        told = Extension.parse(damaged, **CAP)
    except BadShareError:
        return
    assert told.segment_size % CAP["k"] == 0
