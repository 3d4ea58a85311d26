"""Uploads that go straight through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_twisted import ensureDeferred
from twisted.internet.defer import CancelledError as Cancelled

from allmydata.errors import CancelledError, UploadSourceError
from allmydata.streams.incoming import ROOM, Incoming


def result(deferred):
    """Return what a Deferred has fired with, which it must have."""
    got = []
    deferred.addCallback(got.append)
    assert got
    return got[0]


@given(st.binary(max_size=60), st.lists(st.integers(1, 20)), st.integers(1, 25))
def test_reads_get_exactly_what_they_ask_for(content, cuts, length):
    incoming = Incoming(len(content))
    got, rest = [], content
    for cut in cuts:
        incoming.write(rest[:cut])
        rest = rest[cut:]
    incoming.write(rest)
    incoming.finish()
    while pieces := result(incoming.read(length)):
        got.append(b"".join(pieces))
    assert b"".join(got) == content
    assert all(len(piece) == length for piece in got[:-1])


@ensureDeferred
async def test_a_read_waits_until_all_it_asked_for_has_come():
    incoming = Incoming(10)
    reading = incoming.read(6)
    incoming.write(b"01234")
    assert not reading.called
    incoming.write(b"56789")
    assert b"".join(await reading) == b"012345"
    assert b"".join(await incoming.read(6)) == b"6789"


@ensureDeferred
async def test_a_writer_waits_for_its_reader():
    incoming = Incoming(3 * ROOM)
    assert incoming.write(bytes(ROOM - 1)) is None
    waiting = incoming.write(bytes(1))
    assert not waiting.called
    await incoming.read(100)
    await waiting


@ensureDeferred
async def test_a_reader_that_wants_more_than_there_is_room_gets_it():
    incoming = Incoming(4 * ROOM)
    reading = incoming.read(3 * ROOM)
    for _ in range(3):
        assert incoming.write(bytes(ROOM)) is None
    assert sum(map(len, await reading)) == 3 * ROOM


@pytest.mark.parametrize(("came", "size"), [(5, 10), (15, 10)])
@ensureDeferred
async def test_more_or_less_than_promised_is_refused(came, size):
    incoming = Incoming(size)
    incoming.write(bytes(came))
    incoming.finish()
    with pytest.raises(UploadSourceError, match=f"{came} bytes came, {size} were promised"):
        await incoming.read(size)


@ensureDeferred
async def test_close_lets_both_sides_go():
    incoming = Incoming(10 * ROOM)
    waiting = incoming.write(bytes(2 * ROOM))
    incoming.close()
    await waiting
    assert incoming.write(bytes(2 * ROOM)) is None
    with pytest.raises(CancelledError):
        await incoming.read(1)


@ensureDeferred
async def test_close_ends_a_read_that_waits():
    incoming = Incoming(10)
    reading = incoming.read(5)
    incoming.close()
    with pytest.raises(CancelledError):
        await reading


@ensureDeferred
async def test_a_read_can_be_cancelled():
    reading = Incoming(10).read(5)
    reading.cancel()
    with pytest.raises(Cancelled):
        await reading


@ensureDeferred
async def test_keys_are_random():
    keys = {await Incoming(1).get_encryption_key() for _ in range(3)}
    assert len(keys) == 3
    assert (
        await Incoming(1, random=lambda size: b"r" * size).get_encryption_key() == b"r" * 16
    )
