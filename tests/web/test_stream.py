import pytest
import pytest_twisted
from twisted.internet.defer import CancelledError

from allmydata.web.reply import Reply
from allmydata.web.stream import stream


class Channel:
    def unregisterProducer(self):
        self.is_free = True


class FakeRequest:
    """As much of a request as a stream needs; Twisted drops the channel of one who left."""

    def __init__(self):
        self.channel = Channel()
        self.sent = []

    def begin(self, head):
        self.head = head

    def registerProducer(self, producer, streaming):
        self.producer = producer

    def unregisterProducer(self):
        self.channel.unregisterProducer()

    def write(self, data):
        self.sent.append(data)


@pytest_twisted.ensureDeferred
async def test_pieces_are_sent_and_the_channel_is_free_again():
    async def pieces():
        yield b"one"
        yield b"two"

    request = FakeRequest()
    channel = request.channel
    await stream(request, Reply(200, b"", "text/plain"), pieces())
    assert request.sent == [b"one", b"two"]
    assert channel.is_free


@pytest_twisted.ensureDeferred
async def test_a_client_that_leaves_ends_the_work_and_nothing_else_fails():
    async def pieces():
        yield b"one"
        request.channel = None
        raise CancelledError

    request = FakeRequest()
    with pytest.raises(CancelledError):
        await stream(request, Reply(200, b"", "text/plain"), pieces())
    assert request.sent == [b"one"]
