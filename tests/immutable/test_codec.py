import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.defer import succeed

from allmydata.errors import BadShareError
from allmydata.immutable.codec import CODECS, CRSDecoder, CRSEncoder, get_decoder_by_name


class Recording:
    """Stands in for a thread pool: runs work at once, and remembers what it ran."""

    def __init__(self):
        self.ran = []

    def run(self, f, *args):
        self.ran.append(f.__name__)
        return succeed(f(*args))


def test_serialized_parameters_are_data_size_k_and_n():
    encoder = CRSEncoder()
    encoder.set_params(1048578, 3, 10)
    assert encoder.get_serialized_params() == "1048578-3-10"
    assert encoder.get_block_size() == 349526
    assert CODECS[encoder.get_encoder_type()] == (CRSEncoder, CRSDecoder)


@ensureDeferred
async def test_blocks_are_those_of_zfec():
    encoder = CRSEncoder()
    encoder.set_params(12, 3, 5)
    shares, numbers = await encoder.encode_proposal(b"allmydata!!!")
    assert [bytes(share) for share in shares[:3]] == [b"allm", b"ydat", b"a!!!"]
    assert [bytes(share).hex() for share in shares[3:]] == ["a19fb710", "db2ede24"]
    assert numbers == [0, 1, 2, 3, 4]


@ensureDeferred
async def test_work_is_given_to_the_workers():
    workers = Recording()
    encoder, decoder = CRSEncoder(workers), CRSDecoder(workers)
    encoder.set_params(6, 2, 3)
    decoder.set_serialized_params(encoder.get_serialized_params())
    shares, numbers = await encoder.encode([b"abc", b"def"], [1, 2])
    assert b"".join(await decoder.decode(shares, numbers)) == b"abcdef"
    assert workers.ran == ["encode", "decode"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1048578-3",
        "1048578-3-10-1",
        "1048578-3-10\n",
        " 1048578-3-10",
        "+12-3-10",
        "012-3-10",
        "12-03-10",
        "1_2-3-10",
        "\u0661\u0662-3-10",
        "12-0-10",
        "13-3-10",
        "12-6-3",
        "257-1-257",
        "9" * 30 + "-1-2",
    ],
)
def test_serialized_parameters_that_make_no_sense_are_a_bad_share(text):
    with pytest.raises(BadShareError, match="codec parameters"):
        CRSDecoder().set_serialized_params(text)


def test_a_codec_nobody_knows_is_a_bad_share():
    with pytest.raises(BadShareError, match=r"codec 'xor', wanted one of \['crs'\]"):
        get_decoder_by_name("xor")
