"""What every codec in the table must do: ICodecEncoder and ICodecDecoder."""

from itertools import combinations

import pytest
from pytest_twisted import ensureDeferred
from zope.interface.verify import verifyObject

from allmydata.immutable.codec import CODECS, get_decoder_by_name, get_encoder_by_name
from allmydata.interfaces import ICodecDecoder, ICodecEncoder
from allmydata.util.workers import Workers

DATA = bytes(range(99))
CODES = [(1, 1), (1, 4), (3, 3), (3, 6), (9, 11)]


@pytest.fixture(params=["at once", "in threads"])
def workers(request):
    if request.param == "at once":
        yield None
        return
    workers = Workers(2, "codec test")
    workers.start()
    yield workers
    workers.stop()


@pytest.fixture(params=CODECS)
def encoder(request, workers):
    encoder = get_encoder_by_name(request.param, workers)
    encoder.set_params(len(DATA), 3, 6)
    return encoder


def decoder_for(encoder, workers):
    decoder = get_decoder_by_name(encoder.get_encoder_type(), workers)
    decoder.set_serialized_params(encoder.get_serialized_params())
    return decoder


def cut(data, k):
    size = len(data) // k
    return [data[num * size : (num + 1) * size] for num in range(k)]


def test_it_provides_the_interfaces(encoder, workers):
    assert verifyObject(ICodecEncoder, encoder)
    assert verifyObject(ICodecDecoder, decoder_for(encoder, workers))


@ensureDeferred
async def test_all_shares_are_made_where_none_are_named(encoder):
    shares, numbers = await encoder.encode(cut(DATA, 3))
    assert numbers == [0, 1, 2, 3, 4, 5]
    assert [len(share) for share in shares] == [encoder.get_block_size()] * 6
    assert encoder.get_block_size() == 33


@ensureDeferred
async def test_only_the_desired_shares_are_made_in_the_order_asked_for(encoder):
    everything, _ = await encoder.encode(cut(DATA, 3))
    shares, numbers = await encoder.encode(cut(DATA, 3), (5, 0, 3))
    assert numbers == [5, 0, 3]
    assert shares == [everything[number] for number in numbers]


@ensureDeferred
async def test_data_in_one_piece_gives_the_same_shares(encoder):
    assert await encoder.encode_proposal(DATA) == await encoder.encode(cut(DATA, 3))
    assert await encoder.encode_proposal(bytearray(DATA), [4]) == await encoder.encode(
        cut(DATA, 3), [4]
    )


@ensureDeferred
async def test_calls_at_the_same_time_do_not_disturb_each_other(encoder, workers):
    segments = [bytes([num]) * 99 for num in range(10)]
    waiting = [encoder.encode_proposal(segment, [3, 4, 5]) for segment in segments]
    decoder = decoder_for(encoder, workers)
    for segment, one in zip(segments, waiting, strict=True):
        assert b"".join(await decoder.decode(*await one)) == segment


@ensureDeferred
async def test_any_k_shares_give_the_data_back_in_any_code(encoder, workers):
    for k, n in CODES:
        encoder.set_params(len(DATA), k, n)
        decoder = decoder_for(encoder, workers)
        assert decoder.get_needed_shares() == k
        shares, _ = await encoder.encode(cut(DATA, k))
        for numbers in combinations(range(n), k):
            some = [shares[number] for number in numbers]
            assert b"".join(await decoder.decode(some, numbers)) == DATA


@ensureDeferred
async def test_encode_refuses_data_of_another_size(encoder):
    for data in (DATA[:-3], DATA + b"abc", b""):
        with pytest.raises(ValueError, match="wanted 99"):
            await encoder.encode_proposal(data)
        with pytest.raises(ValueError, match="wanted 33"):
            await encoder.encode(cut(data, 3))


@ensureDeferred
async def test_encode_refuses_the_wrong_number_of_pieces_and_shares_it_does_not_make(
    encoder,
):
    with pytest.raises(ValueError, match="2 blocks, wanted 3"):
        await encoder.encode(cut(DATA, 3)[:2])
    with pytest.raises(ValueError, match="wanted 0 to 5"):
        await encoder.encode(cut(DATA, 3), [6])


@ensureDeferred
async def test_decode_refuses_what_cannot_be_its_shares(encoder, workers):
    decoder = decoder_for(encoder, workers)
    shares, _ = await encoder.encode(cut(DATA, 3))
    for some, numbers, why in [
        (shares[:2], [0, 1], "2 blocks, wanted 3"),
        (shares[:4], [0, 1, 2, 3], "4 blocks, wanted 3"),
        (shares[:3], [0, 1], "2 share numbers"),
        (shares[:3], [0, 1, 1], "twice"),
        (shares[:3], [0, 1, 6], "wanted 0 to 5"),
        ([*shares[:2], b"short"], [0, 1, 2], "5 bytes, wanted 33"),
    ]:
        with pytest.raises(ValueError, match=why):
            await decoder.decode(some, numbers)


def test_parameters_that_make_no_code_are_refused(encoder):
    for params in [(100, 3, 6), (99, 3, 2), (0, 0, 0), (-3, 3, 6), (257, 1, 257)]:
        with pytest.raises(ValueError, match="wanted"):
            encoder.set_params(*params)
